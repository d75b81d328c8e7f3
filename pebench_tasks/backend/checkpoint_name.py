"""What a checkpoint's name stands for: a folder, a model of the hub, an adapter and its base; read without torch."""

import json
from pathlib import Path

from pebench_tasks.errors import BenchmarkError

BENCHMARK_FILE = "manifest.json"  # stands in every benchmark folder


def check_checkpoint(name: str) -> None:
    """Raise ``BenchmarkError`` for a benchmark folder, an unfinished training, and what is no name of a hub's model.

    The hub would be asked for it, with patience.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / BENCHMARK_FILE).is_file() and not (folder / "config.json").is_file():
            raise BenchmarkError(f"{name} is a benchmark folder (--data), not a checkpoint.")
        return
    if Path(f"{folder}.partial").is_dir():
        raise BenchmarkError(f"{name} is not finished: its training was interrupted. Run that command again first.")
    parts = name.split("/")
    if len(parts) != 2 or not all(parts) or name.startswith("~"):
        raise BenchmarkError(f"There is no folder {name}, and a model of the hub is called owner/name.")
    if Path(parts[0]).is_dir():
        raise BenchmarkError(
            f"There is no folder {name}. If a model of the hub is meant, start where no folder {parts[0]} is."
        )


def with_a_name(checkpoint: Path | str) -> str:
    """A checkpoint as it was given, but by its whole path where that has no last name (``.`` and ``..``)."""
    path = Path(checkpoint)
    return str(path.resolve() if path.name in ("", "..") else checkpoint)


def adapter_base(checkpoint: str | Path) -> str | None:
    """The base of the adapter in the folder ``checkpoint``, or None where that is a whole model (or a hub id).

    A relative path is of the current folder, else of the adapter's. Raises ``BenchmarkError`` where no base can be
    there.
    """
    config = Path(checkpoint) / "adapter_config.json"
    if not config.is_file():
        return None
    try:
        base = dict(json.loads(config.read_text(encoding="utf-8"))).get("base_model_name_or_path")
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{config} is damaged ({error}). Save the adapter again.") from None
    if not base or not isinstance(base, str):
        raise BenchmarkError(
            f"{config} names no base. Write the folder or hub id of the model that the adapter was trained on there, "
            "as base_model_name_or_path."
        )
    if not Path(base).is_dir() and (beside := Path(checkpoint) / base).is_dir():
        return str(beside)
    try:
        check_checkpoint(base)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"The adapter in {checkpoint} has lost its base. {error} Put it there, or write where it lies into "
            f"{config}, as base_model_name_or_path."
        ) from None
    return base
