"""What was made once is not made again, whoever asks, as far as there is room."""

import errno
import fcntl
import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from unlearn.tensors.cache import BLOCK, Cache, Entry, SharedFolder

FORK = multiprocessing.get_context("fork")


def entry(value: float = 1.0) -> Entry:
    """A block of tensors, and one more for the entry itself."""
    return Entry({"pixels": torch.full((BLOCK // 4,), value), "none": torch.zeros(0)}, {"width": "7"})


def never() -> Entry:
    pytest.fail("made again")


@pytest.fixture
def folder(tmp_path: Path) -> SharedFolder:
    return SharedFolder(tmp_path)


def test_an_entry_of_a_folder_is_what_was_made_and_nobody_changes_it_for_others(folder: SharedFolder) -> None:
    made = folder.get(("image", 1), entry)
    read = folder.get(("image", 1), never)
    assert read.facts == made.facts == {"width": "7"}
    assert read.tensors["pixels"].equal(made.tensors["pixels"])
    assert read.tensors["none"].shape == (0,)
    read.tensors["pixels"].zero_()
    assert folder.get(("image", 1), never).tensors["pixels"].equal(made.tensors["pixels"])
    assert folder.get(("image", 2), lambda: entry(2.0)).tensors["pixels"][0] == 2


def test_processes_that_want_an_entry_at_once_make_it_once(folder: SharedFolder, tmp_path: Path) -> None:
    begun = FORK.Barrier(4)

    def make() -> Entry:
        with (tmp_path / "made").open("a") as file:
            file.write(".")
        time.sleep(0.2)  # the others come meanwhile
        return entry()

    def ask() -> None:
        begun.wait()
        assert folder.get("image", make).tensors["pixels"].equal(entry().tensors["pixels"])

    workers: list[Any] = [FORK.Process(target=ask) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (tmp_path / "made").read_text() == "."


def test_a_process_that_is_killed_while_it_makes_an_entry_holds_nobody_up(folder: SharedFolder) -> None:
    killed: Any = FORK.Process(target=folder.get, args=("image", lambda: os.kill(os.getpid(), signal.SIGKILL)))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert folder.get("image", entry).tensors["pixels"].equal(entry().tensors["pixels"])


def test_a_file_system_without_locks_serves_as_well(folder: SharedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    folder.get("image", entry)
    assert folder.get("image", never).tensors["pixels"].equal(entry().tensors["pixels"])


def test_a_folder_stays_within_its_bytes_and_what_does_not_fit_is_made_again(tmp_path: Path) -> None:
    """Of ten entries of two blocks, seven blocks hold three."""
    folder = SharedFolder(tmp_path, 7 * BLOCK)
    made = []
    for _ in range(2):
        for key in range(10):
            folder.get(key, lambda key=key: made.append(key) or entry())  # type: ignore[misc]
    assert made == [*range(10), *range(3, 10)]
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_a_folder_takes_a_quarter_of_the_free_space_at_most(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert SharedFolder(tmp_path, free).limit == pytest.approx(free / 4, rel=0.05)


def test_what_cannot_be_written_is_used_all_the_same(folder: SharedFolder) -> None:
    def make() -> Entry:
        shutil.rmtree(folder.directory)
        return entry()

    assert folder.get("image", make).tensors["pixels"].equal(entry().tensors["pixels"])


def test_a_full_disk_costs_time_and_not_the_run(folder: SharedFolder) -> None:
    """/dev/full is one: nothing can be counted, so nothing is kept."""
    with Path("/dev/full").open("ab", buffering=0) as ledger:
        assert not folder._takes(entry(), ledger)


def test_memory_forgets_what_was_used_longest_ago(folder: SharedFolder) -> None:
    cache = Cache(5 * BLOCK)  # two entries
    for key in (1, 2, 1, 3):
        cache.get(key, entry)
    cache.get(1, never)
    cache.get(3, never)
    made: list[int] = []
    cache.get(2, lambda: made.append(2) or entry())  # type: ignore[func-returns-value]
    assert made == [2]
    assert cache.bytes == 4 * BLOCK


def test_a_copy_for_another_process_has_the_folder_and_no_entries(folder: SharedFolder) -> None:
    cache = Cache(5 * BLOCK, folder)
    cache.get(1, entry)
    copied = pickle.loads(pickle.dumps(cache))
    assert copied.bytes == 0
    assert copied.get(1, never).tensors["pixels"].equal(entry().tensors["pixels"])
