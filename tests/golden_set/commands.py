"""Commands run in this process, and what they said."""

import io
import os
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

from pebench_tasks.cli import main as pebench


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int


def run(command: str) -> Said:
    """``pebench ...`` or ``python -m MODULE ...``, as a shell would take it; raises what the command raises.

    A word ``VARIABLE=VALUE`` before the program sets the environment; what the command leaves there is taken back.
    """
    words = shlex.split(command)
    before = dict(os.environ)
    try:
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            os.environ[name] = value
        return _run(words[0], words[1:])
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(program: str, words: list[str]) -> Said:
    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            if program == "pebench":
                code = pebench(words)
            else:
                module = words[words.index("-m") + 1]
                with _arguments(words[words.index("-m") + 2 :]):
                    runpy.run_module(module, run_name="__main__", alter_sys=False)
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, str):  # Python prints it and exits with 1
        err.write(f"{code}\n")
        code = 1
    return Said(out.getvalue(), err.getvalue(), code or 0)


def succeed(command: str) -> Said:
    """The same for a command that must not fail."""
    said = run(command)
    if said.code:
        raise RuntimeError(f"{command} ended with {said.code}:\n{said.out}\n{said.err}")
    return said


@contextmanager
def _arguments(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before
