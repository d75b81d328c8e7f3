"""What is known of the model at hand: where it lies, and what ``unlearn`` recorded beside its checkpoint."""

import json
import os
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError

RUN_RECORD = "pebench_run.json"
RECORD_FORMAT = "pebench-run/1"
RECORDED = ("method", "target", "forget", "seed", "base", "weights", "data", "split", "template")

_loaded_model: dict[str, Any] | None = None


def read_record(folder: Path) -> dict[str, Any] | None:
    """The run record of a checkpoint folder, or None if it has none; raises ``BenchmarkError`` if it is damaged."""
    path = folder / RUN_RECORD
    if not path.is_file():
        return None
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
        if record["format"] != RECORD_FORMAT:
            raise BenchmarkError(f"{path} has the format {record['format']!r}; this version reads {RECORD_FORMAT!r}.")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchmarkError(f"{path} is damaged ({error!r}). Train this checkpoint again.") from None
    return record


def register_model(pretrained: str, **facts: Any) -> None:
    """Called by a backend that loaded the checkpoint ``pretrained``; its run record goes into the next results."""
    global _loaded_model
    _loaded_model = {"pretrained": pretrained, **facts, **_run_record(Path(pretrained))}


def forget_model() -> None:
    """Drop a model that was registered and never scored."""
    global _loaded_model
    _loaded_model = None


def take_model() -> dict[str, Any]:
    """The record of the model at hand: from our backend, or for any other from ``PEBENCH_CHECKPOINT``."""
    global _loaded_model
    record, _loaded_model = _loaded_model, None
    if record is not None:
        return record
    if checkpoint := os.environ.get("PEBENCH_CHECKPOINT"):
        path = Path(checkpoint).expanduser()
        if not (path / RUN_RECORD).is_file():
            raise BenchmarkError(f"PEBENCH_CHECKPOINT is {path}, but there is no {RUN_RECORD} in it.")
        return {"pretrained": str(path), **_run_record(path)}
    return {}


def _run_record(checkpoint: Path) -> dict[str, Any]:
    """What ``unlearn`` recorded beside the checkpoint, in short; empty for a checkpoint of other origin."""
    path = checkpoint / RUN_RECORD
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: record[name] for name in RECORDED}
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"error: The run record {path} is damaged ({error!r}).") from None
