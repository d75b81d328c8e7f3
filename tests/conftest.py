"""What all tests share: a real benchmark folder, built once."""

from pathlib import Path

import pytest

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.build import build_synthetic


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--families`` and ``--outcomes``: see ``tests/families``; ``--rewrite-golden``: see ``tests/golden``."""
    parser.addoption("--families", action="store_true", help="run the whole matrix of model families")
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files instead of comparing them")
    parser.addoption("--outcomes", metavar="FILE", help="write what the matrix found as JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo comes first: of two processes one runs it for minutes, and the other has all the rest meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four people in three events at 32 px: the smallest benchmark that has every slice."""
    folder: Path = tmp_path_factory.mktemp("benchmark") / "data"
    return build_synthetic(folder, people=4, events=3, image_size=32, seed=0)
