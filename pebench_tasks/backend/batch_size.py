"""How many prompts go through the model at once, and what happens when that was too many."""

import gc
import resource
import sys

import torch
from accelerate.utils.memory import should_reduce_batch_size
from tqdm import tqdm

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.machine import free_memory

AUTO = "auto"
FIRST = 16  # rows of the first batch where the size is found automatically: it has no earlier answers to go by
MOST = {"cpu": 64}  # rows; measured with the smallest model there is: 128 are no faster on a CPU
MOST_ELSEWHERE = 256
SHARE = 0.8  # of the memory that is free


class BatchSize:
    """The number of rows of the next batch: given, or found from what the first batch took."""

    def __init__(self, wanted: int | str, most: int | None = None) -> None:
        """``wanted`` rows, or ``auto`` (to the harness also ``auto:N``); never more than ``most``.

        Raises ``BenchmarkError`` for anything else.
        """
        begin, _, times = str(wanted).partition(":")
        self._automatic = begin == AUTO and (times.isdecimal() or str(wanted) == AUTO)
        first = FIRST if self._automatic else _count("batch_size", wanted)
        self._given_most = None if most is None else _count("max_batch_size", most)
        self._most = self._given_most or first
        self.rows = min(first, self._most)

    def answered(self, rows: int, took: int, free: int, device: torch.device) -> None:
        """A batch of ``rows`` took so many bytes, of so many that were free; the next one may be larger."""
        if self._automatic:
            self._automatic = False
            most = self._given_most or MOST.get(device.type, MOST_ELSEWHERE)
            self._most = max(rows, min(most, int(SHARE * free * rows / max(1, took))))
        self.rows = min(2 * self.rows, self._most)  # by and by: ``drafts`` learns from the batches before

    def halve(self, rows: int) -> None:
        """A batch of ``rows`` ran out of memory: none is that large again; says so."""
        self._automatic = False
        self.rows = self._most = max(1, rows // 2)
        tqdm.write(
            f"pebench: out of memory with {rows} prompts at once; going on with {self.rows}. Answers are not affected.",
            file=sys.stderr,
        )


def _count(name: str, given: int | str) -> int:
    if not str(given).isdecimal() or int(given) == 0:
        also = f" or {AUTO}" if name == "batch_size" else ""
        raise BenchmarkError(f"{name} must be a whole number of at least 1{also}, not {given!r}.")
    return int(given)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help against ``error``; any other error stays an error."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, Exception) and should_reduce_batch_size(error)


def reset_peak(device: torch.device) -> int:
    """The memory from which the next ``peak_bytes`` counts; a GPU forgets the peak of the model before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return peak_bytes(device)


def peak_bytes(device: torch.device) -> int:
    """The most memory that was taken so far: on the GPU since the last reset, on a CPU by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def free_bytes(device: torch.device) -> int:
    """The memory that is free on the device."""
    if device.type == "cuda":
        reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + reusable
    return free_memory()


def release_memory(device: torch.device) -> None:
    """Give back what the batch that failed still holds."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
