"""The pages that users read, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "pebench_tasks/tasks/README.md", "tests/README.md")]
PAGES = [README, *DOCS, *OTHERS]
BLOCK = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```$")
ASSIGNED = re.compile(r"[A-Z_]+=")


class Command(NamedTuple):
    """A command with the variables that are set before it, for it alone."""

    variables: dict[str, str]
    words: list[str]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code of a page in a language."""
    return [dedent(code) for said, code in BLOCK.findall(page.read_text(encoding="utf-8")) if said == language]


def commands(shell: str) -> Iterator[Command]:
    """Each command of a shell text."""
    for line in shell.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            given = next((i for i, word in enumerate(command) if not ASSIGNED.match(word)), len(command))
            if command[given:]:
                yield Command(variables(command[:given]), command[given:])


def variables(words: list[str]) -> dict[str, str]:
    """What ``NAME=VALUE`` words set."""
    return {name: value for name, _, value in (word.partition("=") for word in words)}
