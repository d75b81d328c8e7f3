"""An environment without the user's own choices, and without what an earlier run of the harness left behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def own_environment(monkeypatch: pytest.MonkeyPatch, folder: Path, *prefixes: str) -> Iterator[None]:
    """No variable that begins with one of ``prefixes``; the user's folders lie in ``folder``."""
    from pebench_tasks.evaluation.session import session

    for name in [*os.environ]:
        if name.startswith(prefixes):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    session.close()
    yield
    session.close()
