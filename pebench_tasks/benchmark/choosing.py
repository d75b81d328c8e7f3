"""Which benchmark folder to use, where a command names none."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from pebench_tasks.errors import BenchmarkError


def choose_benchmark(variables: Mapping[str, str] = os.environ, *, build: bool = True) -> tuple[Path, str]:
    """The benchmark folder to use and how it was chosen.

    ``PEBENCH_DATA`` of ``variables`` comes first, then what ``pebench data use`` remembers, then the user's cache. With
    nothing chosen the published benchmark is downloaded and built into that cache, unless ``build`` is false;
    ``BenchmarkError`` says what to do where there is none.
    """
    if chosen := variables.get("PEBENCH_DATA"):
        return Path(chosen).expanduser(), "PEBENCH_DATA"
    if settings_path().exists():
        try:
            return Path(json.loads(settings_path().read_text())["data"]), f"pebench data use ({settings_path()})"
        except (ValueError, KeyError, TypeError):
            raise BenchmarkError(f"{settings_path()} is damaged. Run: pebench data use DIR") from None
    published = platformdirs.user_cache_path("pebench") / "published"
    if not published.exists() and not build:
        raise BenchmarkError(
            "No benchmark is chosen. Name the one of these results:  --data DIR  or  pebench data use DIR"
        )
    if not published.exists():
        from pebench_tasks.benchmark.published.cache import build_into_cache  # rarely needed, slow to load

        build_into_cache(published)
    return published, f"the published benchmark in {published}"


def settings_path() -> Path:
    """The file in which ``pebench data use`` remembers the user's default benchmark folder."""
    return platformdirs.user_config_path("pebench") / "settings.json"
