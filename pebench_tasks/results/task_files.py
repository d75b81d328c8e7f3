"""What the results of the robust and of the likelihood tasks have in common: how their files are read and shown."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.files import named_model, samples_file, unreadable

R = TypeVar("R")


class TaskFile(NamedTuple):
    """One task in a results file."""

    checkpoint: str  # where the weights were rounded, with how
    task: str
    version: str
    values: dict[str, Any]  # what lmms-eval wrote of it
    provenance: dict[str, Any]
    results_file: Path
    samples_file: Path


def read_tasks(results_file: Path, tasks: Collection[str], read: Callable[[TaskFile], R]) -> list[R]:
    """What ``read`` makes of each of these tasks in a file, none where it holds none.

    ``BenchmarkError`` for a damaged file.
    """
    try:
        file = json.loads(results_file.read_text(encoding="utf-8"))
        ours = [task for task in tasks if "provenance,none" in file["results"].get(task, {})]
        return [read(_of_task(file, results_file, task)) for task in ours]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(results_file, error) from None


def _of_task(file: dict[str, Any], results_file: Path, task: str) -> TaskFile:
    values = file["results"][task]
    said = values["provenance,none"]
    model, version = said["model"], str(file["versions"][task])
    named = named_model(model["pretrained"], model.get("load_in")) if model.get("pretrained") else ""
    checkpoint = named or results_file.parent.name
    return TaskFile(checkpoint, task, version, values, said, results_file, samples_file(results_file, task))


def read_lines(path: Path, parse: Callable[[Any], R], kind: str) -> list[R]:
    """What ``parse`` makes of every line of a samples file; ``BenchmarkError`` names file and line of what is wrong."""
    found = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                found.append(parse(json.loads(line)))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise BenchmarkError(f"{path}, line {number} is no sample of a {kind} task ({error!r}).") from None
    return found


def empty_table(checkpoint: str, task: str, forget: str, columns: Sequence[str]) -> Table:
    """A table for the terminal, of one task of one checkpoint; all columns but the first hold numbers."""
    title = f"{Path(checkpoint).name}, {task}, {forget}"
    table = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def print_end(console: Console, explanation: str, results_files: Iterable[Path]) -> None:
    """What the figures above are, and where they stand in full."""
    alone = "What a figure means, only those of Finetuned and Goal beside it can say."
    console.print(f"{explanation}\n{alone}", style="dim")
    for file in dict.fromkeys(results_files):
        console.print(str(file), highlight=False, soft_wrap=True)
