"""A checkpoint folder that holds a PEFT adapter, and the base it belongs to; read without torch."""

import json
from pathlib import Path


def adapter_base(checkpoint: str | Path) -> str | None:
    """The base of the adapter in the folder ``checkpoint``, or None where that is a whole model (or a hub id)."""
    config = Path(checkpoint) / "adapter_config.json"
    if not config.is_file():
        return None
    return str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"])
