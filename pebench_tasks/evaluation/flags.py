"""Options of lmms-eval's command that our tasks cannot obey, and one without which most of what they are for is lost.

The first are refused, because an option without effect looks like one that works. Our tasks take thoughts apart
themselves (``marking.thoughts``), whatever ``--reasoning_tags`` says, and have no examples for ``--num_fewshot``; a
``--system_instruction`` reaches only backends that take a plain text, and no result records it.
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
NO_SAMPLES = (
    "without --log_samples the answers are not written, and such results can be neither rescored nor reported nor "
    "submitted; add  --output_path DIR --log_samples"
)


def refuse_without_effect(command: Sequence[str], ours: Collection[str]) -> None:
    """Raise ``BenchmarkError`` where a command line of lmms-eval gives one of them to our tasks.

    ``command`` is ``sys.argv``; that of any other program is passed over. ``ours`` are the names of our tasks that are
    to be run, or of what holds them. Of a ``--config`` file those runs count that ask one of these.
    """
    for run in _runs(command, ours):
        for name in INSTEAD:
            _refuse(name, run.get(name))


def keeps_no_samples(command: Sequence[str], ours: Collection[str]) -> bool:
    """Whether a command line of lmms-eval, or a run of its ``--config`` file, leaves our tasks' answers unwritten."""
    return any(not (run.get("log_samples") or run.get("predict_only")) for run in _runs(command, ours))


def refuse_instruction(text: str | None) -> None:
    """Raise ``BenchmarkError`` for a system's turn, whoever asked lmms-eval for it."""
    _refuse("system_instruction", text)


def _runs(command: Sequence[str], ours: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """The options of each run of a command line that asks one of ``ours``; none for another program's.

    Those on the line count for every run of its ``--config`` file.
    """
    program = Path(command[0])
    if program.name != "lmms-eval" and program.parent.name != "lmms_eval":
        return
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for name in ("config", "tasks", *INSTEAD):
        parser.add_argument(f"--{name}")
    parser.add_argument("--log_samples", action="store_true")
    parser.add_argument("--predict_only", "-x", action="store_true")
    given = vars(parser.parse_known_args(command[1:])[0])
    config = given.pop("config", None)
    content = yaml.safe_load(Path(config).read_text(encoding="utf-8")) if config else {}
    for run in content if isinstance(content, list) else [content]:
        options = {**(run if isinstance(run, dict) else {}), **given}
        patterns = str(options.get("tasks") or "*").split(",")
        if any(fnmatchcase(name, pattern.strip()) for name in ours for pattern in patterns):
            yield options


def _refuse(name: str, value: Any) -> None:
    if value is not None and not (name == "num_fewshot" and value in NO_EXAMPLES):
        raise BenchmarkError(f"--{name} has no effect on our tasks: {INSTEAD[name]}. Leave it out.")
