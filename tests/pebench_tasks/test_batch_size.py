import pytest
import torch

from pebench_tasks.batch_size import FIRST, MOST, BatchSize, is_out_of_memory

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
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(KeyboardInterrupt())
