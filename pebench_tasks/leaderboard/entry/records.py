"""Run records as a submission carries them: without losses, without paths of anybody's machine.

A record is the ``pebench_run.json`` beside a checkpoint's weights; ``unlearn`` writes it. For a checkpoint trained with
other code a file written by hand does, with these fields:

- ``format``: "pebench-run/1"
- ``method``: "finetune" or "goal" for the bounds; for an unlearned model what its method is called
- ``target``, ``forget``: what was forgotten ("person", "event", "joint"; "forget05"); "" where nothing was
- ``data``, ``split``: fingerprint of the benchmark, split id ("" where nothing was forgotten)
- ``seed``: an integer
- ``base``, ``weights``: weights fingerprints of the foundation model and of this checkpoint: the first 16 hexadecimal
  digits of the SHA-256 over the ``*.safetensors`` files of the folder, in name order
- ``template``: fingerprint of the wording it was trained with, or ""
- ``parent``: the record of the checkpoint it started from, or ``{"model": NAME, "weights": ...}`` of one without

Everything else is optional: ``arguments`` (hyper-parameters), ``sets``, ``steps``, ``seconds``, ``versions``, ...
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.safe_json import unfit_line
from pebench_tasks.run_record import RECORD_FORMAT, RUN_RECORD, read_record

REQUIRED = ("method", "target", "forget", "seed", "base", "weights", "data", "split", "template", "parent")
FLAT = ("arguments", "reference", "versions")  # hyper-parameters and the like: names and scalars
OPTIONAL = (
    "sets", "trained_parameters", "merge_kept", "device", "processes", "steps", "seconds", "peak_memory_bytes",
    "peak_gpu_memory_bytes",
)  # fmt: skip
LONGEST = 300  # characters of one text
# Something that begins like a path, at the beginning of a text or after what separates values.
PATH = re.compile(
    r"(?<![^\s,;=\"'(\[{|])(?:file://)?(?:~[^\s/,;]*|\.{1,2})?/[^\s,;\"')\]}|]*|(?<!\w)[A-Za-z]:[\\/][^,;]*"
)
Record = dict[str, Any]


def complete_record(folder: Path) -> Record | None:
    """The record of a checkpoint folder, None where there is none; ``BenchmarkError`` names a field it lacks."""
    record = read_record(folder)
    return None if record is None else complete(record, folder / RUN_RECORD)


def complete(record: Mapping[str, Any], where: Path | str) -> Record:
    """A record that lies in ``where``; ``BenchmarkError`` names a field it lacks."""
    if missing := [name for name in REQUIRED if name not in record]:
        raise BenchmarkError(f"{where} lacks {', '.join(missing)}. A run record needs: {', '.join(REQUIRED)}.")
    return dict(record)


def lineage(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a checkpoint descends from, nearest first: records, at last maybe a plain ``{"model", "weights"}``."""
    parent = record.get("parent")
    while isinstance(parent, dict):
        yield parent
        parent = parent.get("parent")


def parent_weights(record: Mapping[str, Any], where: Path) -> str:
    """The weights that an unlearned model started from: its Finetuned model's.

    ``BenchmarkError`` where its record, which lies in ``where``, names none.
    """
    parent = record["parent"]
    if not isinstance(parent, dict) or not isinstance(parent.get("weights"), str):
        raise BenchmarkError(
            f"{where / RUN_RECORD} names no parent, so nothing says what was unlearned: it must be the checkpoint that "
            "was trained with --method finetune."
        )
    return str(parent["weights"])


def public(record: Mapping[str, Any]) -> Record:
    """A record as it is published: no losses, unknown fields left out, values flat, paths cut, its parents likewise."""
    if "method" not in record:
        return {"model": without_paths(str(record.get("model", ""))), "weights": record.get("weights")}
    parent = record.get("parent")
    kept = {name: record[name] for name in ("format", *REQUIRED) if name in record}
    kept["parent"] = public(parent) if isinstance(parent, dict) else None
    kept |= {name: flat(record[name]) for name in FLAT if isinstance(record.get(name), dict)}
    kept |= {name: _plain(record[name]) for name in OPTIONAL if record.get(name) is not None}
    if isinstance(kept.get("sets"), dict):
        kept["sets"] = {_key(name): flat(row) for name, row in record["sets"].items() if isinstance(row, dict)}
    return {"format": RECORD_FORMAT, **kept}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Names and scalars: of an inner mapping ``outer.inner``, of a list its values with commas between them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = _key(f"{prefix}{name}")
        if isinstance(value, dict):
            found |= flat(value, f"{key}.")
        elif isinstance(value, list):
            found[key] = _plain(",".join(str(_plain(item)) for item in value))
        else:
            found[key] = _plain(value)
    return found


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name)[:80]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return without_paths(value) if isinstance(value, str) else value


def without_paths(text: str) -> str:
    """A text of one line without folders: every path keeps only its last part, hub ids stay."""
    line = "".join(" " if unfit_line(character) else character for character in text)
    whole = re.match(r"/|~|\.{1,2}/|file:/", line) and "," not in line  # also one that holds spaces
    if whole or (line.count("/") > 1 and re.fullmatch(r"[\w. /-]+", line)):  # "runs/demo/base"; a hub id has one "/"
        line = PurePosixPath(line).name
    return PATH.sub(lambda match: _last(match[0]), line)[:LONGEST]


def _last(path: str) -> str:
    return PureWindowsPath(path).name  # it takes both strokes
