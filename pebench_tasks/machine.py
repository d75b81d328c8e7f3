"""A process on its machine: the cores and memory it may use, a quick start, and an end together with its parent."""

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # what a container may take, where it has a limit
OWN_CGROUP = Path("/proc/self/cgroup")
CPU_FACTS = Path("/proc/cpuinfo")
PARENT_SECONDS = 0.5  # between two looks at whether the parent still lives


def usable_cores() -> int:
    """The cores that this process may use: its affinity, and the quotas of its control group and of those above."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for folder in _control_groups():
        with suppress(OSError, ValueError):  # no quota ("max"), or none that could be set
            quota, period = (folder / "cpu.max").read_text().split()
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def _control_groups() -> list[Path]:
    """The folders of this process's control group and of those above it, as far as they can be seen from here."""
    own = ""
    with suppress(OSError):  # another operating system
        lines = [line.partition("::") for line in OWN_CGROUP.read_text().splitlines()]
        own = next((path.strip("/") for number, _, path in lines if number == "0"), "")
    folder = CGROUP / own
    return [folder, *(above for above in folder.parents if above == CGROUP or CGROUP in above.parents)]


def cpu_vendor() -> str:
    """What an x86 processor under Linux calls its maker, such as ``GenuineIntel``; "" for any other."""
    with suppress(OSError):
        for line in CPU_FACTS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "vendor_id":
                return value.strip()
    return ""


def free_memory() -> int:
    """The bytes that this process may still take."""
    free = int(psutil.virtual_memory().available)
    allowed = _allowed_bytes()
    return free if allowed is None else min(free, allowed)


def _allowed_bytes() -> int | None:
    """What the container may still take, where it has a limit; files read before give way, so they are not counted."""
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        counted = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(counted["inactive_file"]))
    except (OSError, ValueError, KeyError):  # no such system, or the limit "max"
        return None


@contextmanager
def loading() -> Iterator[None]:
    """While large modules are imported: a quarter faster without looking for garbage, of which there is none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def end_with_parent() -> None:
    """Called once in a process of ``multiprocessing``: half a second after its parent it is gone, too.

    Even where the parent was killed and could tell nobody.
    """
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_end_without, args=(parent.pid,), daemon=True).start()


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
