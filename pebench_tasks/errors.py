"""The one error that users meet: it says what is wrong and what to do."""

import sys
from collections.abc import Callable


class BenchmarkError(Exception):
    """Wrong or missing input; commands print it as one line on standard error and exit with code 1."""


def reason(error: BenchmarkError | OSError) -> str:
    """What an expected error says: ours as it is, a file system's with the file, a library's in one line."""
    if isinstance(error, BenchmarkError):
        return str(error)
    if error.strerror:
        return f"{error.filename2 or error.filename or 'a file'}: {error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


def short(text: str, longest: int = 200) -> str:
    """A library's words on one line: whole sentences of them, or whole words where the first one is too long."""
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    head = line[: longest + 1]
    sentences = head.rpartition(". ")[0]
    return f"{sentences}." if sentences else f"{head.rpartition(' ')[0] or head} ..."


def exit_code(command: Callable[[], int]) -> int:
    """Run a command; an expected error is one line on standard error and code 1, an interrupt says how to go on.

    Expected are our own errors and what a file system says: a folder that is none, a full disk.
    """
    try:
        return command()
    except (BenchmarkError, OSError) as error:
        print(f"error: {reason(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
