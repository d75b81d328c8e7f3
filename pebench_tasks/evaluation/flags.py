"""Options of lmms-eval that our tasks cannot obey: refused, because an option without effect looks like one that works.

Our tasks take thoughts apart themselves (``marking.thoughts``), whatever ``--reasoning_tags`` says, and have no
examples for ``--num_fewshot``; a ``--system_instruction`` reaches only backends that take a plain text, and no result
records it.
"""

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from pebench_tasks.errors import BenchmarkError

INSTEAD = {
    "reasoning_tags": "our tasks take thoughts off every answer themselves (their README lists the marks)",
    "system_instruction": "put the words before every question:  pre_prompt in a task of your own (the tasks' README)",
    "num_fewshot": "our tasks ask without examples",
}
NO_EXAMPLES = ("0", 0)  # what ``num_fewshot`` may be


def refuse_without_effect(command: Sequence[str], ours: Collection[str]) -> None:
    """Raise ``BenchmarkError`` where a command line of lmms-eval gives one of them to our tasks.

    ``command`` is ``sys.argv``; that of any other program is passed over. ``ours`` are the names of our tasks that are
    to be run. Of a ``--config`` file those runs count that ask one of these.
    """
    program = Path(command[0])
    if program.name != "lmms-eval" and program.parent.name != "lmms_eval":
        return
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("config", "tasks", *INSTEAD):
        parser.add_argument(f"--{name}")
    given = vars(parser.parse_known_args(command[1:])[0])
    for run in _runs(given.pop("config")):
        options = {**run, **{name: value for name, value in given.items() if value is not None}}
        patterns = str(options.get("tasks") or "*").split(",")
        if any(fnmatchcase(name, pattern.strip()) for name in ours for pattern in patterns):
            for name in INSTEAD:
                _refuse(name, options.get(name))


def refuse_instruction(text: str | None) -> None:
    """Raise ``BenchmarkError`` for a system's turn, whoever asked lmms-eval for it."""
    _refuse("system_instruction", text)


def _runs(config: str | None) -> Iterator[Mapping[str, Any]]:
    """The runs that a configuration file asks for, each with its options; one without any where there is no file."""
    content = yaml.safe_load(Path(config).read_text(encoding="utf-8")) if config else {}
    for run in content if isinstance(content, list) else [content]:
        yield run if isinstance(run, dict) else {}


def _refuse(name: str, value: Any) -> None:
    if value is not None and not (name == "num_fewshot" and value in NO_EXAMPLES):
        raise BenchmarkError(f"--{name} has no effect on our tasks: {INSTEAD[name]}. Leave it out.")
