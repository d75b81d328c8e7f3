"""``attack.json``: what each attack found, every document by its key; there whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.results.robustness import WEIGHTS_FILE as FILE
from pebench_tasks.results.robustness import WEIGHTS_FORMAT as FORMAT

SAME = (
    "weights",
    "data",
    "target",
    "forget",
    "split",
    "template",
    "device",
    "dtype",
    "max_new_tokens",
)  # what one file is of


def open_record(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The record in ``folder`` to go on with, or a new one of these ``facts``.

    Raises ``BenchmarkError`` for a file that is damaged, or of another checkpoint, data or questions.
    """
    path = folder / FILE
    if not path.is_file():
        return {"format": FORMAT, **as_json(facts), "attacks": {}}
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
        if record["format"] != FORMAT:
            raise BenchmarkError(f"{path} has the format {record['format']!r}; this version writes {FORMAT!r}.")
        differing = [name for name in SAME if record[name] != facts[name]]
        [entry["recipe"] for entry in record["attacks"].values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchmarkError(f"{path} is damaged ({error!r}). Delete it and start again.") from None
    if differing:
        name = differing[0]
        raise BenchmarkError(
            f"{path} holds attacks with another {name} ({record[name]} there, {facts[name]} here). Choose another "
            "--output_dir."
        )
    return record


def is_done(record: Mapping[str, Any], name: str, recipe: Mapping[str, Any], folder: Path) -> bool:
    """Whether a record holds this attack; ``BenchmarkError`` where it was made by another recipe."""
    entry = record["attacks"].get(name)
    if entry is not None and entry["recipe"] != as_json(recipe):
        raise BenchmarkError(
            f"{folder / FILE} holds {name} by another recipe ({entry['recipe']}). Choose another --output_dir."
        )
    return entry is not None


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record."""
    write_whole(folder / FILE, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON gives back of it."""
    loaded: dict[str, Any] = json.loads(json.dumps(value))
    return loaded
