"""How many threads torch computes with on a CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from pebench_tasks.machine import usable_cores

SMALL = 10_000_000  # parameters (ours); the demo's model has 1.3 million, and no published one so few
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # by which a user chooses; torchrun sets the first as well
ONE_THREAD = "one thread of torch: in so small a model more would wait for each other (OMP_NUM_THREADS=N takes N)"


def one_is_enough(parameters: int, device: torch.device) -> bool:
    """Whether a model is small and on a CPU, and nobody has chosen how many threads compute it.

    Threads that share a small product mostly wait for each other, above all where another program has a core.
    """
    return device.type == "cpu" and parameters < SMALL and torch.get_num_threads() > 1 and not _chosen()


def _chosen() -> bool:
    """Whether somebody has chosen: by a variable, or in a program to another number than what torch begins with."""
    defaults = (psutil.cpu_count(), psutil.cpu_count(logical=False), usable_cores())
    return any(name in os.environ for name in VARIABLES) or torch.get_num_threads() not in defaults


@contextmanager
def fitting_threads(parameters: int, device: torch.device) -> Iterator[None]:
    """One thread while a model computes for which that is enough."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if one_is_enough(parameters, device) else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
