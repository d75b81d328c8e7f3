"""The folder that a run leaves: not there until it is complete, and gone on with where it is not.

While a run lasts, everything is in ``<output_dir>.partial``. The same command goes on from the newest checkpoint in it,
and returns at once if the run has finished; other settings are refused.
"""

import errno
import json
import os
import platform
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pebench_templates
import torch
from safetensors import SafetensorError
from transformers import TrainingArguments

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn.tensors.cache import ALONE_BYTES, BESIDE_BYTES, Cache, SharedFolder

SETTINGS_FILE = "settings.json"
DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOTDIR,
}
# Options that decide where, how fast and how audibly a run goes, but not what it computes: free to change on resuming.
# (The data and a local start model are compared by their fingerprints, a recipe's options by their values.)
FREE_OPTIONS = {
    "model", "data", "output_dir", "recipe", "reference_cache", "feature_cache", "disable_tqdm", "report_to",
    "run_name", "log_level", "log_level_replica", "log_on_each_node", "logging_strategy", "logging_steps",
    "logging_first_step", "save_strategy", "save_steps",
    "save_total_limit", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
    "dataloader_persistent_workers", "local_rank", "ddp_timeout", "skip_memory_metrics",
}  # fmt: skip
# What runs did before these options were there: their records do not name them.
BEFORE: dict[str, Any] = {
    "facts": False,
    "global_batch_size": 0,
    "draws_per_concept": 0,
    "attn_implementation": "",
    "request": "",
}


def folders(training_arguments: TrainingArguments) -> tuple[Path, Path]:
    """The output folder and the one in which it grows."""
    output_dir = Path(training_arguments.output_dir or "")
    return output_dir, output_dir.with_name(f"{output_dir.name}.partial")


def recorded_settings(settings: Mapping[str, Any], training_arguments: TrainingArguments) -> dict[str, Any]:
    """The wording, the settings and every training option that is not at its default, as JSON gives them back."""
    template = pebench_templates.fingerprint()
    default = TrainingArguments(output_dir="", use_cpu=training_arguments.use_cpu).to_dict()
    options = training_arguments.to_dict()
    changed = {k: v for k, v in options.items() if k != "output_dir" and v != default.get(k)}
    loaded: dict[str, Any] = json.loads(json.dumps({"template": template, **settings, **changed}, default=str))
    return loaded


def finished(training_arguments: TrainingArguments, settings: Mapping[str, Any]) -> bool:
    """Whether the output folder holds this very run, complete; raises ``BenchmarkError`` if it holds something else."""
    output_dir, work = folders(training_arguments)
    if not output_dir.exists() or (output_dir.is_dir() and not any(output_dir.iterdir())):
        return False
    existing = read_record(output_dir) if output_dir.is_dir() else None
    if existing is None:
        raise BenchmarkError(f"{output_dir} exists and is no checkpoint of this program. Choose another --output_dir.")
    if differs := _difference(existing["arguments"], recorded_settings(settings, training_arguments)):
        raise BenchmarkError(
            f"{output_dir} holds a finished run with other settings ({differs}). "
            "Choose another --output_dir or delete it."
        )
    shutil.rmtree(work, ignore_errors=True)  # left over if the process was killed after the last step of all
    return True


def open_work(work: Path, recorded: dict[str, Any]) -> None:
    """Open the working folder of a run, or check that the one that is there belongs to the same run."""
    path = work / SETTINGS_FILE
    if not path.is_file():
        temporary = path.with_suffix(".tmp")
        if work.exists() and set(work.iterdir()) - {temporary}:
            raise BenchmarkError(f"{work} is in the way and is not this program's. Choose another --output_dir.")
        work.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(recorded, indent=1), encoding="utf-8")
        os.replace(temporary, path)
    elif differs := _difference(json.loads(path.read_text(encoding="utf-8")), recorded):
        raise BenchmarkError(
            f"{work} holds an unfinished run with other settings ({differs}). Give those settings to go on with it, "
            f"or delete {work} to start over."
        )
    shutil.rmtree(work / "final", ignore_errors=True)  # of a run that was killed while it saved


@contextmanager
def removed_if_refused(work: Path) -> Iterator[None]:
    """The preparations of a run: one that is refused in them leaves no folder that would hold up the next attempt."""
    try:
        yield
    except BenchmarkError:
        if newest_checkpoint(work) is None:
            shutil.rmtree(work, ignore_errors=True)
        raise


@contextmanager
def processed_samples(work: Path, arguments: TrainingArguments) -> Iterator[Cache]:
    """Where a run keeps images and texts that were processed: in memory, or with workers or processes in a folder.

    The folder is this machine's in the working folder of the run. It begins empty, for what a killed run left may come
    of other versions, and is gone when the run ends, however it ends.
    """
    if not (arguments.dataloader_num_workers or arguments.world_size > 1):
        yield Cache(ALONE_BYTES)
        return
    folder = work / f"processed-{platform.node()}"
    first = arguments.local_process_index == 0
    with arguments.main_process_first(desc="preparing the folder of processed samples"):
        if first:
            for left in (folder, Path(f"{folder}.gone")):
                shutil.rmtree(left, ignore_errors=True)
            folder.mkdir()
    try:
        yield Cache(BESIDE_BYTES, SharedFolder(folder))
    finally:
        if first and folder.exists():
            # Under another name first: a worker that is still reading ahead then adds nothing to it.
            shutil.rmtree(folder.rename(f"{folder}.gone"), ignore_errors=True)


def newest_checkpoint(work: Path) -> Path | None:
    """The newest of the Trainer's checkpoints that is complete: its state is written last, and is readable JSON."""
    checkpoints = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in checkpoints:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return checkpoint
    return None


@contextmanager
def disk_errors() -> Iterator[None]:
    """A failed write - a full disk, a quota, no permission - as one clear error, whoever was writing."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
        # torch.save has no error of its own for it.
        failed_write = isinstance(error, SafetensorError) or torch.save.__code__ in frames
        if not failed_write and getattr(error, "errno", None) not in DISK_ERRORS:
            raise
        raise BenchmarkError(
            f"Writing failed ({' '.join(str(error).splitlines()[0].split())}). Free space or choose another place, and "
            "run the same command again: it goes on from the newest complete checkpoint."
        ) from error


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, now = {**BEFORE, **before}, {**BEFORE, **now}
    names = [name for name in {**before, **now} if name not in FREE_OPTIONS and before.get(name) != now.get(name)]
    return ", ".join(f"{n}: {before.get(n, 'default')} there, {now.get(n, 'default')} asked" for n in names)
