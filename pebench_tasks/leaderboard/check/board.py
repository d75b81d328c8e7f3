"""The maintainers' two files of a board folder: board.json, what it takes; verified.json, what they scored again.

A board folder is flat: NAME.json and NAME.samples.jsonl.gz a submission, and these two. Both come with the folder, and
a folder may come from anywhere, so they are read as carefully as submissions.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.loader import MAX_SUBMISSION, check_link, check_name, samples_name
from pebench_tasks.leaderboard.entry.safe_json import parse, read_bytes, shown, texts, unfit_text
from pebench_tasks.marking.similarity import LEXICAL

BOARD, VERIFIED = "board.json", "verified.json"
LINE = {"type": "string", "maxLength": 300}
TEXT = {"type": "string", "maxLength": 5000}
FINGERPRINT = "^[0-9a-f]{16}$"
BOARD_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": LINE,
        "about": TEXT,
        "repository": {"type": "string", "maxLength": 500},
        "judges": {"type": "array", "minItems": 1, "maxItems": 50, "items": LINE},
        "benchmarks": {
            "type": "object",
            "maxProperties": 200,
            "propertyNames": {"pattern": FINGERPRINT},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "build"],
                "properties": {"name": LINE, "build": TEXT},
            },
        },
    },
}
VERIFIED_SCHEMA = {
    "type": "object",
    "maxProperties": 100_000,
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["sha256", "by", "on", "note"],
        "properties": {
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "by": LINE,
            "on": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
            "note": {"type": "string", "maxLength": 2000},
        },
    },
}


class BenchmarkFacts(NamedTuple):
    """A benchmark that a board takes."""

    name: str
    build: str  # the command that makes it anew


class Board(NamedTuple):
    """What a board is, and what it takes."""

    title: str = "PEBench leaderboard"
    about: str = ""
    repository: str = ""  # where submissions are sent; "" or an https address
    judges: tuple[str, ...] = (LEXICAL,)  # a submission without judged documents (people) is always taken
    benchmarks: dict[str, BenchmarkFacts] = {}  # by fingerprint; with none listed any is taken  # noqa: RUF012


class Verified(NamedTuple):
    """A maintainer's word that a submission's weights give its figures."""

    sha256: str  # of NAME.json as it was then: a changed submission loses the mark
    by: str
    on: str  # date, 2025-12-31
    note: str


def read_board(folder: Path) -> Board:
    """The settings of a board; the defaults for a folder without board.json. ``BenchmarkError`` for a damaged file."""
    path = folder / BOARD
    if not path.is_symlink() and not path.exists():
        return Board()
    content = _read(path, BOARD_SCHEMA)
    if content.get("repository"):
        check_link(content["repository"], str(path))
    benchmarks = {key: BenchmarkFacts(**row) for key, row in content.get("benchmarks", {}).items()}
    judges = tuple(content.get("judges", (LEXICAL,)))
    return Board(**{**content, "benchmarks": benchmarks, "judges": judges})


def read_verified(folder: Path) -> dict[str, Verified]:
    """What maintainers verified, by name of the submission; empty without verified.json."""
    path = folder / VERIFIED
    if not path.is_symlink() and not path.exists():
        return {}
    content = _read(path, VERIFIED_SCHEMA)
    for name in content:
        check_name(name)
    return {name: Verified(**row) for name, row in content.items()}


def is_verified(path: Path, verified: dict[str, Verified]) -> Verified | None:
    """The maintainer's word for the submission in ``path``, if it is still the file that was verified."""
    word = verified.get(path.stem)
    if word is None or hashlib.sha256(read_bytes(path, MAX_SUBMISSION)).hexdigest() != word.sha256:
        return None
    return word


def submission_files(folder: Path) -> list[Path]:
    """The submissions of a board folder, NAME.json, by name; files that are neither *.json nor *.gz are left alone.

    Raises ``BenchmarkError`` for a missing folder, one of something else, a name that cannot be a submission's, and
    samples whose submission is missing.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"There is no folder {folder} of submissions.")
    found, samples = [], []
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if suffix == ".json" and path.name not in (BOARD, VERIFIED):
            check_name(path.stem)
            if path.suffix != suffix:
                raise BenchmarkError(f"{shown(path.name)} must end in .json.")
            found.append(path)
        elif suffix == ".gz":
            samples.append(path.name)
    if strays := sorted(set(samples) - {samples_name(path.stem) for path in found}):
        raise BenchmarkError(f"{shown(strays[0])} in {folder} belongs to no submission. Add NAME.json, or remove it.")
    if not found and not (folder / BOARD).is_file():
        raise BenchmarkError(f"{folder} holds neither submissions (NAME.json) nor a {BOARD}. Name a board's folder.")
    return found


def _read(path: Path, schema: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    content = parse(read_bytes(path, MAX_SUBMISSION), str(path))
    if (error := best_match(Draft202012Validator(schema).iter_errors(content))) is not None:
        place = "/".join(str(part) for part in error.absolute_path)
        raise BenchmarkError(f"{path} cannot be read at {shown(place)}: {shown(error.message)}.")
    for text in texts(content):
        if what := unfit_text(text):
            raise BenchmarkError(f"{path}: {shown(text)} holds {what}.")
    return dict(content)
