"""What was made once, for whoever needs it again: in memory, and in a folder that the processes of a machine share.

Loader workers and the processes of several GPUs have no memory in common; each would process every image itself. Files
are the simplest thing that all of them have, however they were started. Whoever needs an entry first makes it while the
others wait, writes it under a temporary name and renames it; all map it, so that it is in memory once, and only as long
as the system has room. The folder lies beside the run's checkpoints, where gigabytes are expected, and not in a
temporary folder or shared memory, which may be small. What does not fit in is made again each time.
"""

import fcntl
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

ALONE_BYTES = 1 << 30  # in the memory of a process that shares with none
BESIDE_BYTES = 1 << 26  # in that of each process beside a folder, which answers in a fifth of a millisecond
FOLDER_BYTES = 16 << 30  # of a machine (ours); 8,000 images are 10 GiB at 336 pixels a side
FREE_SHARE = 4  # the folder takes at most one of so many parts of what is free: checkpoints come after it
BLOCK = 4096  # bytes that anything takes, in a file system and mapped into memory
LEDGER = "ledger"


class Entry(NamedTuple):
    """Tensors with what is to be said of them."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]

    @property
    def bytes(self) -> int:
        return BLOCK + sum(tensor.nbytes for tensor in self.tensors.values())


class SharedFolder:
    """A folder of entries, one file each, of at most ``limit`` bytes together.

    One file more, the ledger, holds a byte for each block that is taken: what is appended to it is counted without a
    lock, whoever appends. Locks of single entries are locks of single bytes of it, far behind its end, which the system
    lets go of with the process that holds them.
    """

    def __init__(self, directory: Path, limit: int = FOLDER_BYTES) -> None:
        self.directory = directory
        self.limit = min(limit, shutil.disk_usage(directory).free // FREE_SHARE)

    def get(self, key: Any, make: Callable[[], Entry]) -> Entry:
        """The entry of a key; ``make`` makes it where there is none, in one process at a time, and asks for no other.

        Keys are equal that Python writes alike.
        """
        name = blake2b(repr(key).encode(), digest_size=16).hexdigest()
        path = self.directory / f"{name}.safetensors"
        if path.exists():
            return _read(path)
        with (self.directory / LEDGER).open("ab", buffering=0) as ledger:
            with suppress(OSError):  # a file system without locks: some entries are made twice
                fcntl.lockf(ledger, fcntl.LOCK_EX, 1, 1 << 60 | int(name[:14], 16))
            if path.exists():
                return _read(path)
            entry = make()
            if self._takes(entry, ledger):
                _write(path, entry)
            return entry

    def _takes(self, entry: Entry, ledger: FileIO) -> bool:
        most = self.limit // BLOCK
        if os.fstat(ledger.fileno()).st_size >= most:
            return False
        try:
            ledger.write(bytes(-(-entry.bytes // BLOCK)))
        except OSError:  # a full disk costs time here, not the run
            return False
        return ledger.tell() <= most  # behind what others have appended before


def _read(path: Path) -> Entry:
    with safe_open(path, framework="pt") as file:
        names: list[str] = list(file.keys())
        return Entry({name: file.get_tensor(name) for name in names}, dict(file.metadata() or {}))


def _write(path: Path, entry: Entry) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    own = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in entry.tensors.items()}
    try:
        save_file(own, temporary, entry.facts)
        temporary.replace(path)
    except (OSError, SafetensorError):  # a full disk costs time here, not the run
        temporary.unlink(missing_ok=True)


class Cache:
    """Entries in memory, up to ``limit`` bytes: what was used longest ago goes first; behind them a shared folder."""

    def __init__(self, limit: int, folder: SharedFolder | None = None) -> None:
        self.limit, self.folder = limit, folder
        self.bytes = 0
        self._entries: OrderedDict[Any, Entry] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """A loader worker that is not forked begins with none, and is not sent thousands of tensors one by one."""
        return Cache, (self.limit, self.folder)

    def get(self, key: Any, make: Callable[[], Entry]) -> Entry:
        """The entry of a key; ``make`` makes it where there is none."""
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        entry = self.folder.get(key, make) if self.folder else make()
        self._entries[key] = entry
        self.bytes += entry.bytes
        while self.bytes > self.limit and len(self._entries) > 1:
            self.bytes -= self._entries.popitem(last=False)[1].bytes
        return entry
