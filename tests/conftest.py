"""What all tests share: a real benchmark folder, built once."""

from pathlib import Path

import pytest

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.build import build_synthetic


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four people in three events at 32 px: the smallest benchmark that has every slice."""
    folder: Path = tmp_path_factory.mktemp("benchmark") / "data"
    return build_synthetic(folder, people=4, events=3, image_size=32, seed=0)
