"""The run record, ``pebench_run.json``: what a checkpoint is, written beside its weights and read without torch."""

import hashlib
import importlib.metadata
import json
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from pebench_tasks.backend.checkpoint_name import adapter_base
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import RECORD_FORMAT, RUN_RECORD, read_record

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers", "pebench")
Record = dict[str, Any]


def write_record(folder: Path, record: Record) -> None:
    """Write the record of a checkpoint; it comes last, so a folder that has one is complete."""
    text = json.dumps({"format": RECORD_FORMAT, **record}, indent=1, ensure_ascii=False, default=str)
    (folder / RUN_RECORD).write_text(text + "\n", encoding="utf-8")


def lineage(record: Record | None) -> Record | None:
    """What a checkpoint's record keeps of the one it started from: everything but the losses, step by step."""
    return record and {key: value for key, value in record.items() if key != "losses"}


def weights_fingerprint(folder: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over the ``*.safetensors`` files, in name order."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BenchmarkError(f"{folder} holds no *.safetensors file, so it is no checkpoint that can be identified.")
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()[:16]


def noted_fingerprint(folder: Path) -> str:
    """``weights_fingerprint`` as the folder's record has it; "" where a file of weights was changed after the record.

    Also where there is no record, or are no weights. To read those of a large model takes a minute, in every process.
    """
    # The time of a file's last change of any kind, which no copy can keep.
    record, changed = read_record(folder), [path.stat().st_ctime_ns for path in folder.glob("*.safetensors")]
    if record is None or not changed or max(changed) > (folder / RUN_RECORD).stat().st_ctime_ns:
        return ""
    return str(record["weights"])


def surroundings_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits over the small files of a checkpoint that decide what its weights compute.

    Configuration, processor, tokenizer, chat template; for adapters the base's weights and small files as well, where
    the base is a folder.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".jinja", ".txt", ".model") and path.name not in (RUN_RECORD, "trainer_state.json"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    if (base := adapter_base(folder)) and Path(base).is_dir():
        digest.update((weights_fingerprint(Path(base)) + surroundings_fingerprint(Path(base))).encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """The versions that decide what a run computes."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def peak_memory_bytes(*, alone: bool = False) -> int:
    """The most memory that this process or, unless ``alone``, one it waited for has held so far.

    Resident, not the GPU's.
    """
    whose = (resource.RUSAGE_SELF,) if alone else (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in whose)
    return peak if sys.platform == "darwin" else peak * 1024
