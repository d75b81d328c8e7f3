"""Options of lmms-eval's command that our tasks cannot obey, and one without which most of what they are for is lost.

The first are refused, because an option without effect looks like one that works.

Our tasks take thoughts apart themselves (``marking.thoughts``), whatever ``--reasoning_tags`` says; a
``--system_instruction`` reaches only backends that take a plain text, and no result records it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pebench_tasks.errors import BenchmarkError

INSTEAD = {
    "reasoning_tags": "our tasks take thoughts off every answer themselves (their README lists the marks)",
    "system_instruction": "put the words before every question:  pre_prompt in a task of your own (the tasks' README)",
}
NO_SAMPLES = (
    "without --log_samples the answers are not written, and such results can be neither rescored nor reported nor "
    "submitted; add  --output_path DIR --log_samples"
)


def refuse_without_effect(command: Sequence[str]) -> None:
    """Raise ``BenchmarkError`` where a command line of lmms-eval, or its ``--config`` file, gives one of them.

    ``command`` is ``sys.argv``; that of any other program is passed over.
    """
    said = {name for run in _runs(command) for name in INSTEAD if run.get(name) is not None}
    if said:
        name = min(said)
        raise BenchmarkError(f"--{name} has no effect on our tasks: {INSTEAD[name]}. Leave it out.")


def keeps_no_samples(command: Sequence[str]) -> bool:
    """Whether a command line of lmms-eval, or a run of its ``--config`` file, leaves the answers unwritten."""
    return any(not (run.get("log_samples") or run.get("predict_only")) for run in _runs(command))


def _runs(command: Sequence[str]) -> list[dict[str, Any]]:
    """The options of ours in each run of a command line; none for another program's.

    Those on the line count for every run of its ``--config`` file.
    """
    program = Path(command[0])
    if program.name != "lmms-eval" and program.parent.name != "lmms_eval":
        return []
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path)
    for name in INSTEAD:
        parser.add_argument(f"--{name}")
    parser.add_argument("--log_samples", action="store_true")
    parser.add_argument("--predict_only", "-x", action="store_true")
    given = vars(parser.parse_known_args(command[1:])[0])
    configs: Any = {}
    if given.get("config"):
        configs = yaml.safe_load(given["config"].read_text(encoding="utf-8")) or {}
    return [{**one, **given} for one in (configs if isinstance(configs, list) else [configs])]
