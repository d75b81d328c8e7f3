import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from pebench_tasks import machine
from pebench_tasks.backend.batch_size import (
    FIRST,
    MOST,
    BatchSize,
    free_bytes,
    is_out_of_memory,
    peak_bytes,
    reset_peak,
)
from pebench_tasks.errors import BenchmarkError

CPU = torch.device("cpu")


def test_a_given_size_stays() -> None:
    size = BatchSize("7")
    size.answered(7, took=1, free=10**12, device=CPU)
    assert size.rows == 7


def test_auto_grows_by_and_by_to_what_the_memory_holds() -> None:
    size = BatchSize("auto")
    assert size.rows == FIRST
    size.answered(FIRST, took=FIRST * 10, free=500, device=CPU)  # 10 bytes a row, of 80 % of 500
    assert size.rows == 2 * FIRST
    size.answered(2 * FIRST, took=0, free=10**12, device=CPU)
    assert size.rows == 40
    free = BatchSize("auto")
    rows = []
    for _ in range(4):
        rows.append(free.rows)
        free.answered(free.rows, took=1, free=10**12, device=torch.device("cuda"))
    assert rows == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_auto_never_exceeds_what_pays_or_what_is_allowed() -> None:
    size = BatchSize("auto")
    for _ in range(9):
        size.answered(size.rows, took=0, free=10**12, device=CPU)
    assert size.rows == MOST["cpu"]
    bounded = BatchSize("auto", 8)
    bounded.answered(8, took=0, free=10**12, device=CPU)
    assert bounded.rows == 8


def test_out_of_memory_halves_for_good_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    size = BatchSize("auto")
    size.halve(32)
    size.answered(16, took=1, free=10**12, device=CPU)
    assert size.rows == 16
    assert "out of memory with 32 prompts at once; going on with 16" in capsys.readouterr().err


def test_only_errors_of_memory_are_errors_of_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(KeyboardInterrupt())


@pytest.mark.parametrize("wanted", [0, -3, "x", "autofoo", "auto:", "auto:x", "1.5", ""])
def test_a_size_that_is_none_is_refused(wanted: int | str) -> None:
    with pytest.raises(BenchmarkError, match="batch_size must be a whole number of at least 1 or auto"):
        BatchSize(wanted)


def test_a_largest_size_of_nothing_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="max_batch_size must be a whole number of at least 1, not 0"):
        BatchSize("auto", 0)


def test_the_harness_s_form_of_auto_is_auto() -> None:
    assert BatchSize("auto:4").rows == FIRST


def test_free_is_what_the_system_can_make_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not what is unused: files that were read fill all memory."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000, free=1))
    assert free_bytes(CPU) == 5000


def test_free_is_no_more_than_the_container_may_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    for name, text in {"memory.current": "900", "memory.stat": "anon 600\ninactive_file 300\n"}.items():
        (tmp_path / name).write_text(text)
    for limit, free in {"max": 5000, "1000": 400, "500": 0, "99999": 5000}.items():
        (tmp_path / "memory.max").write_text(limit)
        assert free_bytes(CPU) == free


def test_the_peak_is_in_bytes_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=7))
    for system, expected in {"linux": 7 * 1024, "darwin": 7}.items():
        monkeypatch.setattr(sys, "platform", system)
        assert peak_bytes(CPU) == expected


def test_a_gpu_forgets_the_peak_of_the_model_before(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = [900]
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: peak.__setitem__(0, 200))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: peak[0])
    assert reset_peak(torch.device("cuda")) == 200
