"""A real model behind an API: ``transformers serve`` with a tiny LLaVA, asked by the harness's API backends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served_model import serve
from stock_runs import answers, run

from pebench_tasks.benchmark.reading import Benchmark

pytestmark = pytest.mark.slow
SHORT = {"limit": 8, "gen_kwargs": "max_new_tokens=12"}


@pytest.fixture(scope="module")
def served(untrained: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the server and the folder of the model that it serves."""
    checkpoint = untrained("llava")
    with serve(checkpoint, tmp_path_factory.mktemp("served") / "log", patience=480) as address:
        yield address, checkpoint


@pytest.mark.parametrize("backend", ["openai", "async_openai"])
def test_a_served_model_answers_as_it_does_without_a_server(
    backend: str, served: tuple[str, Path], small: Benchmark
) -> None:
    address, checkpoint = served
    arguments = f"model={checkpoint},base_url={address},api_key=any,max_retries=1"
    ours = run("pebench_hf", f"pretrained={checkpoint},device=cpu,dtype=float32", small, 8, **SHORT)
    assert answers(run(backend, arguments, small, **SHORT)) == answers(ours)
    assert len(set(answers(ours).values())) > 4
