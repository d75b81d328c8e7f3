"""``pebench mark``: the marks of the responses in a file, for whoever doubts one."""

import argparse
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scoring import mark_name
from pebench_tasks.marking.thoughts import take_apart
from pebench_tasks.marking.yes_no import read_answer

EPILOG = """\
A row is a JSON object with id, kind and response:
  {"id": "a", "kind": "name", "names": ["Ana Sol", "Bo Lind"], "truth": "Ana Sol", "response": "That is Ana Sol."}
  {"id": "b", "kind": "yesno", "response": "No, there is none."}
names are all that the benchmark knows. Printed is a JSON object a row: of a name its mark where it must be forgotten
(efficacy) and where it must stay (retain), and what the answer counts as there (outcome); of a yes or no what is read.
"""


def marks(lines: Iterator[str], file: str) -> Iterator[dict[str, Any]]:
    """The marks of every row; ``BenchmarkError`` names the line of the first that cannot be marked."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                mark = _mark(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                raise BenchmarkError(f"{file}, line {number}: {what}. See  pebench mark --help") from None
            yield mark


def _mark(row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise TypeError("a row is a JSON object")
    match row["kind"]:
        case "name":
            if not isinstance(row["names"], list):
                raise TypeError("names are a list of texts")
            names = _index(tuple(_text(name, "a name") for name in row["names"]))
            truth, response = _text(row["truth"], "the truth"), _text(row["response"], "the response")
            if truth not in names:
                raise ValueError(f"the truth {truth!r} is not among the names")
            said = take_apart(response)
            kept = mark_name(truth, said, names, forgetting=False)
            forgotten = mark_name(truth, said, names, forgetting=True)
            return {"id": row["id"], "efficacy": forgotten.value, "retain": kept.value, "outcome": kept.outcome}
        case "yesno":
            return {"id": row["id"], "read": read_answer(take_apart(_text(row["response"], "the response")).answer)}
        case kind:
            raise ValueError(f"unknown kind {kind!r}; known: name, yesno")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r}, not a text")
    return value


@lru_cache(maxsize=16)
def _index(names: tuple[str, ...]) -> NameIndex:
    return NameIndex(names)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench mark``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EPILOG
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="one row a line, as below")


def main(arguments: argparse.Namespace) -> int:
    """Print a line a row, and return the exit code."""
    try:
        with arguments.file.open(encoding="utf-8") as lines:
            row = None
            for row in marks(lines, str(arguments.file)):
                print(json.dumps(row))
            if row is None:
                raise BenchmarkError(f"{arguments.file} holds no rows. See  pebench mark --help")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{arguments.file} is not UTF-8: {error.reason} at byte {error.start}.") from None
    return 0
