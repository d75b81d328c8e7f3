"""The operations of an answer, counted without numbers, are those of a real one; nothing here is timed."""

import argparse

import pytest
import seven_b_scoring
import torch
from counting import no_numbers
from seven_b import at_depth
from seven_b_scoring import DEPTHS, count
from shapes import SHAPES

from pebench_tasks.benchmark.reading import Benchmark

OPTIONS = argparse.Namespace(tiny=True, batch_size=4, new_tokens=5)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=() if model.startswith("LLaVA") else pytest.mark.slow) for model in SHAPES]
)
def test_two_depths_without_numbers_tell_what_an_answer_takes(model: str, benchmark: Benchmark) -> None:
    """And it is at least the least, of which an untrained model's answers, that never end, use every token."""
    layers = SHAPES[model].layers(tiny=True)
    with no_numbers():
        one, other = (count(model, benchmark, OPTIONS, depth) for depth in DEPTHS)
    found, real = at_depth(one, other, DEPTHS, layers), count(model, benchmark, OPTIONS, layers)
    assert found.step == real.step
    assert found.least == pytest.approx(real.least)
    assert seven_b_scoring.row(model, benchmark, OPTIONS)["x least"] >= 0.99
