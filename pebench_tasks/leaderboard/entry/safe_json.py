"""Files of strangers: opened without surprises, and read as JSON that means the same to every reader.

Nothing here trusts a size, a name or a text. Every refusal is a ``BenchmarkError`` that names file and reason, and
what it quotes is shortened and escaped. The limits are this project's own.
"""

import json
import math
import os
import re
import stat
import unicodedata
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError

MAX_DEPTH = 24
MAX_INTEGER = 2**53 - 1  # beyond it JSON readers disagree
MAX_DIGITS = 40  # of one number as it is written
TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
# Marks that turn the direction of a text: what follows them could be read as something else.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode categories that have no place in one line


def read_bytes(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit``; its size is looked at before anything is read.

    ``BenchmarkError`` for a link, a folder, a pipe, a device, a larger file, and one that cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():
            raise BenchmarkError(f"{path} is a link. Put the file itself there.")
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BenchmarkError(f"{shown(str(path))} cannot be read ({why}).") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BenchmarkError(f"{path} is no regular file.")
        if status.st_size > limit:
            raise BenchmarkError(f"{path} has {status.st_size} bytes; at most {limit} are read.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:  # it grew while it was read
        raise BenchmarkError(f"{path} has more than {limit} bytes.")
    return content


def parse(content: bytes, where: str) -> Any:
    """The value of a JSON text, the same as ``json.loads`` gives.

    ``BenchmarkError``, beginning with ``where``, for what is no JSON, and for what readers of JSON disagree about:
    invalid UTF-8, a byte-order mark, NaN, infinities, huge numbers, duplicate keys, deep nesting, half surrogate
    pairs.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{where} is not UTF-8 (byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise BenchmarkError(f"{where} begins with a byte-order mark. Save it without.")
    _check_depth(text, where)
    try:
        value = json.loads(
            text,
            parse_constant=_constant,
            parse_float=_real,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise BenchmarkError(f"{where} is no JSON: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{where}: {str(error) or 'nested too deeply'}.") from None
    if "\\u" in text or "\\U" in text:  # only an escape can hold half a pair: UTF-8 cannot
        _check_surrogates(value, where)
    return value


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for match in TOKENS.finditer(text):
        token = match[0]
        depth += (token in "[{") - (token in "]}") if len(token) == 1 else 0
        if depth > MAX_DEPTH:
            raise BenchmarkError(f"{where} is nested deeper than {MAX_DEPTH}.")


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _real(text: str) -> float:
    value = float(text)
    if len(text) > MAX_DIGITS or not math.isfinite(value):
        raise ValueError(f"the number {shown(text)} is too large or too long")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS or abs(value := int(text)) > MAX_INTEGER:
        raise ValueError(f"the integer {shown(text)} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} occurs twice in an object")
    return found


def _check_surrogates(value: Any, where: str) -> None:
    for text in texts(value):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise BenchmarkError(f"{where}: {shown(text)} holds half of a surrogate pair.") from None


def texts(value: Any) -> list[str]:
    """Every text in a JSON value, keys included."""
    found, rest = [], [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            rest += item
        elif isinstance(item, dict):
            found += item
            rest += item.values()
    return found


def values(value: Any) -> int:
    """How many values a JSON value holds, itself included."""
    count, rest = 0, [value]
    while rest:
        count += 1
        item = rest.pop()
        if isinstance(item, list | dict):
            rest += item if isinstance(item, list) else item.values()
    return count


def unfit_line(text: str) -> str:
    """What a text of one line must not hold and this one does, in words; empty where all is well."""
    return _first(text, lambda c: unicodedata.category(c) in INVISIBLE)


def unfit_text(text: str) -> str:
    """The same for a text of several lines: line ends, tabs and invisible joiners are allowed there."""
    return _first(text, lambda c: c in BIDI or (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"))


def _first(text: str, unfit: Any) -> str:
    if text.isascii() and text.isprintable():
        return ""
    found = next((c for c in text if unfit(c)), "")
    return f"the character U+{ord(found):04X}, which is a control, invisible or direction mark" if found else ""


def shown(text: str) -> str:
    """A stranger's text for a message: escaped to ASCII and at most 60 characters."""
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")
