"""A real model behind an API: ``transformers serve`` with a tiny LLaVA, asked by the harness's API backends."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stock_runs import answers, run

from pebench_tasks.benchmark import Benchmark

pytestmark = pytest.mark.slow
SHORT = {"limit": 8, "gen_kwargs": "max_new_tokens=12"}


@pytest.fixture(scope="module")
def served(untrained: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the server and the folder of the model that it serves."""
    checkpoint = untrained("llava")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "transformers"
    command = [program, "serve", checkpoint, "--port", str(port), "--device", "cpu"]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (tmp_path_factory.mktemp("served") / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            _wait(f"http://localhost:{port}/health", server)
            yield f"http://localhost:{port}/v1", checkpoint
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(480):
        assert server.poll() is None, "transformers serve ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"{url} did not answer")


@pytest.mark.parametrize("backend", ["openai", "async_openai"])
def test_a_served_model_answers_as_it_does_without_a_server(
    backend: str, served: tuple[str, Path], small: Benchmark
) -> None:
    address, checkpoint = served
    arguments = f"model={checkpoint},base_url={address},api_key=any,max_retries=1"
    ours = run("pebench_hf", f"pretrained={checkpoint},device=cpu,dtype=float32", small, 8, **SHORT)
    assert answers(run(backend, arguments, small, **SHORT)) == answers(ours)
    assert len(set(answers(ours).values())) > 4
