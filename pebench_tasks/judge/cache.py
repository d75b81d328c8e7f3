"""What judges said, kept on disk: a second scoring asks nothing.

An SQLite file, safe for threads and processes. It holds hashes of prompts and the records of judgements: no prompt,
no address, no key. To ask again, delete the folder (``PEBENCH_JUDGE_CACHE``, by default in the user's cache folder).
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from pebench_tasks.errors import BenchmarkError

VARIABLE = "PEBENCH_JUDGE_CACHE"
T = TypeVar("T")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where judgements are kept."""
    if folder := environ.get(VARIABLE):
        return Path(folder).expanduser()
    return Path(platformdirs.user_cache_path("pebench")) / "judge"


def key_of(*parts: object) -> str:
    """A key for ``get`` and ``put``: a hash over the parts, each of which can be written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class JudgeCache:
    """Records by key. Every method raises ``BenchmarkError`` where the file cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "judgements.sqlite"
        self._lock = threading.Lock()  # one connection, used by one thread at a time
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(f"{folder} cannot be written ({error.strerror}). Set {VARIABLE}.") from None
        self._connection = self._guarded(
            lambda: sqlite3.connect(self.path, timeout=60, check_same_thread=False, isolation_level=None)
        )
        self._execute("CREATE TABLE IF NOT EXISTS judgements (key TEXT PRIMARY KEY, record TEXT NOT NULL)")

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of ``key``, or None."""
        rows = self._execute("SELECT record FROM judgements WHERE key = ?", key)
        return dict(json.loads(rows[0][0])) if rows else None

    def put(self, key: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a record and return what is kept: the first one, where several processes asked the same."""
        self._execute("INSERT OR IGNORE INTO judgements VALUES (?, ?)", key, json.dumps(record))
        return self.get(key) or dict(record)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _execute(self, statement: str, *values: str) -> list[Any]:
        with self._lock:
            return self._guarded(lambda: self._connection.execute(statement, values).fetchall())

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (sqlite3.Error, ValueError) as error:
            raise BenchmarkError(
                f"The judge's cache {self.path} cannot be used ({error}). Delete it, or set {VARIABLE} to a folder "
                "that can be written."
            ) from None
