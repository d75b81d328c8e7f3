"""The plots of submissions' pages, kept in the user's cache folder: drawing them takes most of a page's time.

A submission's page has no plane: it would say of three models what the table above it says.
"""

import gzip
import hashlib
import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import platformdirs
from markupsafe import Markup

from pebench_tasks.pages import plots
from pebench_tasks.pages.entries import Board

PACKAGE = Path(plots.__file__).parent


def drawn(board: Board) -> plots.Drawn:
    """The profile and the neighbours of a board, drawn once for the same figures by the same code."""
    path = platformdirs.user_cache_path("pebench") / "plots" / f"{_key(board)}.json.gz"
    try:
        kept = json.loads(gzip.decompress(path.read_bytes()))
        profile, near = (Markup(text) for text in kept)
        return plots.Drawn(None, profile, near or None)
    except (OSError, EOFError, ValueError, TypeError):  # none, or damaged
        fresh = plots.Drawn(None, plots.profile(board), plots.neighbours(board))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
        temporary.write_bytes(gzip.compress(json.dumps([fresh.profile, fresh.neighbours or ""]).encode(), mtime=0))
        temporary.replace(path)
        return fresh


def _key(board: Board) -> str:
    entries = [
        (entry.name, entry.role, entry.forget_quality, entry.utility, entry.figures,
         entry.result.provenance.json["statistics"].get("neighbours"))
        for entry in board.entries
    ]  # fmt: skip
    return hashlib.sha256(json.dumps([_code(), board.task, board.target, board.columns, entries]).encode()).hexdigest()


@cache
def _code() -> str:
    """A hash of all that draws: our pages' code and the versions of the libraries."""
    versions = [version(name) for name in ("altair", "vl-convert-python")]
    digest = hashlib.sha256(" ".join(versions).encode())
    for file in sorted(PACKAGE.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
