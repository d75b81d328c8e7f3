"""The published benchmark in the user's cache, built when it is first needed."""

from pathlib import Path

from filelock import FileLock
from rich.console import Console

from pebench_tasks.benchmark.published.build import build_published
from pebench_tasks.benchmark.reading import BUILD_HINT
from pebench_tasks.errors import BenchmarkError

REAL, WORLD = "therem/CLEAR", "lmms-lab/POPE"
ANOTHER_WAY = (
    f"Without it, build one:  {BUILD_HINT}  or, from a copy of the published files,  "
    "pebench data build --source folder --path COPY --out DIR  or, without public figures,  "
    "pebench data build --source hub --world lmms-lab/POPE --out DIR  "
    "then choose it with  pebench data use DIR  or  export PEBENCH_DATA=DIR"
)


def build_into_cache(folder: Path) -> None:
    """Download and build the published benchmark, once: of several processes the others wait for the first.

    Raises ``BenchmarkError`` that says what to do without the hub.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.with_name("published.lock").touch()
    except OSError as error:
        raise BenchmarkError(
            f"No benchmark is chosen, and {folder.parent} cannot be written for the published one ({error.strerror}). "
            f"{ANOTHER_WAY}"
        ) from None
    with FileLock(folder.with_name("published.lock")):
        if not folder.exists():
            console = Console(stderr=True)
            console.print(f"No benchmark is chosen: building the published one in {folder}")
            try:
                build_published(folder, real=REAL, world=WORLD, console=console)
            except BenchmarkError as error:
                raise BenchmarkError(
                    f"No benchmark is chosen, and the published one could not be built: {error} {ANOTHER_WAY}"
                ) from None
