"""What all tests share: a real benchmark folder, built once, and the order of the files."""

import gc
import sys
from pathlib import Path

import pytest

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

# The benchmarks are scripts: what they import from one another, and tests from them, lies beside them.
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

LONGEST = (
    "test_demo.py", "test_table1.py", "test_processes.py", "test_golden.py", "test_method_trainer.py",
    "test_families.py", "test_score.py", "test_interruptions.py", "test_resume.py", "test_trainer.py",
    "test_api_models.py", "test_examples.py", "test_sequence.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--families`` and ``--outcomes``: see ``tests/families``; ``--rewrite-golden``: see ``tests/golden``."""
    parser.addoption("--families", action="store_true", help="run the whole matrix of model families")
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files instead of comparing them")
    parser.addoption("--outcomes", metavar="FILE", help="write what the matrix found as JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: processes that take whole files then end at nearly the same time."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


def pytest_collection_finish() -> None:
    """All that is imported by now stays; the garbage collector, which every training calls, need not look at it."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """At the end of the process everything goes."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four people in three events at 32 px: the smallest benchmark that has every slice."""
    folder: Path = tmp_path_factory.mktemp("benchmark") / "data"
    return build_synthetic(folder, people=4, events=3, image_size=32, seed=0)
