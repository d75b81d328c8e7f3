"""How many prompts go through the model at once, and what happens when that was too many."""

import gc
import os
import resource
import sys

import torch
from accelerate.utils.memory import should_reduce_batch_size
from tqdm import tqdm

AUTO = "auto"
FIRST = 16  # rows of the first batch where the size is found automatically: it has no earlier answers to go by
MOST = {"cpu": 64}  # rows; measured with the smallest model there is: 128 are no faster on a CPU
MOST_ELSEWHERE = 256
SHARE = 0.8  # of the memory that is free


class BatchSize:
    """The number of rows of the next batch: given, or found from what the first batch took."""

    def __init__(self, wanted: int | str, most: int | None = None) -> None:
        """``wanted`` rows, or ``auto``; never more than ``most``."""
        self._automatic = str(wanted).startswith(AUTO)
        self._most = most or (FIRST if self._automatic else int(wanted))
        self._given_most = most
        self.rows = min(FIRST if self._automatic else int(wanted), self._most)

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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help against ``error``; any other error stays an error."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, Exception) and should_reduce_batch_size(error)


def peak_bytes(device: torch.device) -> int:
    """The most memory that was taken so far: on the GPU since the last reset, on a CPU by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def free_bytes(device: torch.device) -> int:
    """The memory that is free on the device."""
    if device.type == "cuda":
        reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + reusable
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def release_memory(device: torch.device) -> None:
    """Give back what the batch that failed still holds."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
