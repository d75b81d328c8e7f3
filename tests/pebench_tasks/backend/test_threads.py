"""A small model on a CPU is computed with one thread, unless somebody chose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import SHORT

from pebench_tasks.backend import pebench_hf, threads
from pebench_tasks.backend.threads import ONE_THREAD, SMALL, VARIABLES, fitting_threads
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.checkpoints import evaluate

CORES = 3


@pytest.fixture
def unchosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As torch begins on a machine of three cores where nobody has chosen."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: CORES)
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    yield
    torch.set_num_threads(before)


def threads_of(parameters: int, device: str = "cpu") -> int:
    """With how many threads such a model computes."""
    before = torch.get_num_threads()
    with fitting_threads(parameters, torch.device(device)):
        found = torch.get_num_threads()
    assert torch.get_num_threads() == before
    return found


@pytest.mark.usefixtures("unchosen")
def test_a_small_model_on_a_cpu_has_one_thread_while_it_computes() -> None:
    assert threads_of(SMALL - 1) == 1
    assert threads_of(SMALL) == CORES
    assert threads_of(SMALL - 1, "cuda") == CORES


@pytest.mark.usefixtures("unchosen")
@pytest.mark.parametrize("name", VARIABLES)
def test_threads_that_a_variable_chooses_stay(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, str(CORES))
    assert threads_of(1) == CORES


@pytest.mark.usefixtures("unchosen")
def test_threads_that_a_program_chooses_stay() -> None:
    torch.set_num_threads(1000)  # of which no machine here has the cores
    assert threads_of(1) == 1000


@pytest.mark.usefixtures("unchosen")
def test_a_scoring_computes_with_one_thread_and_says_so_once(
    benchmark: Benchmark,
    llava: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    answer = pebench_hf.answer

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(torch.get_num_threads())
        return answer(*args, **options)

    monkeypatch.setattr(pebench_hf, "answer", watched)
    evaluate([llava], data=benchmark.directory, output_path=tmp_path, **SHORT)
    assert set(seen) == {1}
    assert torch.get_num_threads() == CORES
    assert capsys.readouterr().err.count(ONE_THREAD) == 1
