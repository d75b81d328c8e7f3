"""``--help`` of every command, found from the help of the command above it."""

import re
import sys

from golden_set import masks
from golden_set.commands import succeed

MODULES = ("unlearn", "unlearn.demo", "unlearn.sequence", "unlearn.table1", "unlearn.attack")  # python -m MODULE


def goldens() -> dict[str, str]:
    """A file a command, and the Python whose argparse laid them out.

    What ``python -m unlearn --help_all`` adds are options of transformers alone.
    """
    files = {f"{command.replace(' ', '_')}.txt": masks.text(text) for command, text in texts().items()}
    return {**files, "python.txt": f"{sys.version_info.major}.{sys.version_info.minor}\n"}


def texts() -> dict[str, str]:
    """The help by command."""
    return _below("pebench") | {f"python -m {name}": succeed(f"python -m {name} --help").out for name in MODULES}


def _below(command: str) -> dict[str, str]:
    text = succeed(f"{command} --help").out
    found = {command: text}
    for name in subcommands(text):
        found |= _below(f"{command} {name}")
    return found


def subcommands(text: str) -> list[str]:
    """The commands that a help text lists under ``commands:``."""
    _, _, listed = text.partition("\ncommands:\n")
    return re.findall(r"^    (\w+)\s", listed, re.MULTILINE)
