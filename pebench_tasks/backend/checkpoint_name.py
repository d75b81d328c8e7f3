"""What a checkpoint's name stands for: a folder, a model of the hub, an adapter and its base; read without torch."""

import json
from pathlib import Path

from pebench_tasks.errors import BenchmarkError


def check_checkpoint(name: str) -> None:
    """Raise ``BenchmarkError`` for what is neither a folder nor the name of a model on the hub.

    The hub would be asked for it, with patience.
    """
    if Path(name).is_dir():
        return
    parts = name.split("/")
    if len(parts) != 2 or not all(parts) or name.startswith("~"):
        raise BenchmarkError(f"There is no folder {name}, and a model of the hub is called owner/name.")
    if Path(parts[0]).is_dir():
        raise BenchmarkError(
            f"There is no folder {name}. If a model of the hub is meant, start where no folder {parts[0]} is."
        )


def adapter_base(checkpoint: str | Path) -> str | None:
    """The base of the adapter in the folder ``checkpoint``, or None where that is a whole model (or a hub id)."""
    config = Path(checkpoint) / "adapter_config.json"
    if not config.is_file():
        return None
    return str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"])
