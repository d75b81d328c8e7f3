"""Options of lmms-eval that our tasks cannot obey: refused, because an option without effect looks like one that works.

Our tasks take thoughts apart themselves (``marking.thoughts``), whatever ``--reasoning_tags`` says; a
``--system_instruction`` reaches only backends that take a plain text, and no result records it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from pebench_tasks.errors import BenchmarkError

INSTEAD = {
    "reasoning_tags": "our tasks take thoughts off every answer themselves (their README lists the marks)",
    "system_instruction": "put the words before every question:  pre_prompt in a task of your own (the tasks' README)",
}


def refuse_without_effect(command: Sequence[str]) -> None:
    """Raise ``BenchmarkError`` where a command line of lmms-eval, or its ``--config`` file, gives one of them.

    ``command`` is ``sys.argv``; that of any other program is passed over.
    """
    program = Path(command[0])
    if program.name != "lmms-eval" and program.parent.name != "lmms_eval":
        return
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path)
    for name in INSTEAD:
        parser.add_argument(f"--{name}")
    given, _ = parser.parse_known_args(command[1:])
    said = {name for name in INSTEAD if getattr(given, name) is not None}
    if given.config is not None:
        configs = yaml.safe_load(given.config.read_text(encoding="utf-8"))
        every = configs if isinstance(configs, list) else [configs]
        said |= {name for one in every for name in INSTEAD if name in one}
    if said:
        name = min(said)
        raise BenchmarkError(f"--{name} has no effect on our tasks: {INSTEAD[name]}. Leave it out.")
