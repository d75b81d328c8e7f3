"""What ``unlearn`` recorded beside a checkpoint."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError

RUN_RECORD = "pebench_run.json"
RECORD_FORMAT = "pebench-run/1"
RECORDED = ("method", "target", "forget", "seed", "base", "weights", "data", "split", "template")


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


def made_for(record: Mapping[str, Any], target: str) -> set[str]:
    """The forget sets of a target, and requests of one, that a checkpoint and those before it were made to forget."""
    names = set()
    step: Mapping[str, Any] | None = record
    while step:
        if step.get("target") == target:
            names.add(str(step["forget"]))
        step = step.get("parent")
    return names


def recorded_of(checkpoint: Path | str, *, needed: bool = False) -> dict[str, Any]:
    """What the results of a checkpoint say of its making; empty for one of other origin.

    In short, and whole but for the losses (``record``): results are read where there is no checkpoint any more. Raises
    ``BenchmarkError`` for a damaged record, and where there must be one (``needed``) and is none.
    """
    path = Path(checkpoint) / RUN_RECORD
    record = read_record(path.parent)
    if record is None and needed:
        raise BenchmarkError(f"PEBENCH_CHECKPOINT is {checkpoint}, but there is no {RUN_RECORD} in it.")
    if record is None:
        return {}
    if missing := [name for name in RECORDED if name not in record]:
        raise BenchmarkError(f"{path} is damaged (no {missing[0]!r}). Train this checkpoint again.")
    whole = {name: value for name, value in record.items() if name != "losses"}
    return {**{name: record[name] for name in RECORDED}, "record": whole}
