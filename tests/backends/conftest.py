"""What the tests of other backends share: one small benchmark, and an environment without the user's own choices."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from own_environment import own_environment

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

sys.path.append(str(Path(__file__).parents[1] / "families"))  # the builders of tiny models


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four people in four events at 64 px, which the tiny models of all families take."""
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("small") / "data"
    return build_synthetic(folder, people=4, events=4, image_size=64, seed=0)


@pytest.fixture(scope="session")
def untrained(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Saves the untrained tiny model of a family, once."""
    from every_family import FAMILIES

    from unlearn.protocol import tiny_model

    made: dict[str, Path] = {}

    def make(key: str) -> Path:
        if key not in made:
            made[key] = tmp_path_factory.mktemp("untrained") / key
            for part in FAMILIES[key].build(list(tiny_model._texts(small))):
                part.save_pretrained(made[key])
        return made[key]

    return make


@pytest.fixture(autouse=True)
def only_our_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the user's own choices, or what a run before it left behind."""
    with own_environment(monkeypatch, tmp_path, "PEBENCH_", "OPENAI_", "LMMS_"):
        yield
