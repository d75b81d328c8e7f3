"""Memory that was freed is kept for the next array.

A pass through a small model on a CPU makes arrays of a few MiB by the hundred. glibc gives the end of its heap back to
the system whenever a few of them are free, and gets it anew, page by page and cleared, for the next.
"""

import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 256 * 2**20  # free at the end of the heap
MOST_BYTES = 32 * 2**20  # of an array in the heap, the most that glibc allows: larger ones are mapped on their own


def keep_freed_memory(device: torch.device) -> None:
    """From now on, in this process, where it computes on a CPU with glibc; elsewhere nothing changes."""
    if device.type != "cpu" or sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MOST_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
