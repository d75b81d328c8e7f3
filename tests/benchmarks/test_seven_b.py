"""What is counted without numbers is what a real step counts; nothing here is timed."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import seven_b
import small_llava
import torch
from counting import Held, no_numbers
from seven_b import Counted, Variant, at_depth, count
from shapes import SHAPES
from small_llava import OurStep
from torch.profiler import ProfilerActivity, profile

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.training.method_trainer import MethodTrainer

TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "seven_b.json"
LAYER = 4 * 64 * 64 + 3 * 64 * 160  # attention, gated feed-forward
ADAPTERS = 16 * (4 * (64 + 64) + 3 * (64 + 160))
HEAD = 64 * 1100
PROJECTOR = 64 * 64 + 64 * 64
TOWER = 3 * (4 * 64 * 64 + 2 * 64 * 128)
PATCHES = 16


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("model", "method", "lora"),
    [
        ("LLaVA-1.5-7B", "kl", True),
        pytest.param("LLaVA-1.5-7B", "kl", False, marks=slow),
        pytest.param("LLaVA-1.5-7B", "dpo", True, marks=slow),
        pytest.param("LLaVA-1.5-7B", "rmu", False, marks=slow),
        pytest.param("LLaVA-1.5-7B", "siu", True, marks=slow),
        pytest.param("Qwen2.5-VL-7B", "npo", True, marks=slow),
        pytest.param("Gemma3-4B", "gd", False, marks=slow),
        pytest.param("SmolVLM-2.2B", "finetune", True, marks=slow),
    ],
)
def test_two_depths_without_numbers_tell_what_the_whole_model_counts(
    model: str, method: str, lora: bool, benchmark: Benchmark, tmp_path: Path
) -> None:
    """To the operation, with checkpointing, without, and in the plain implementation.

    Gemma's sixth layer, the first that looks at everything, brings a table of angles of its own.
    """
    variant = Variant(model, method, lora, tiny=True)
    with no_numbers():
        one, other = (count(variant, benchmark, tmp_path, layers) for layers in variant.depths)
    real = count(variant, benchmark, tmp_path, variant.layers)
    for name, counted in real.items():
        found = at_depth(one[name], other[name], variant.depths, variant.layers)
        assert found.weights == pytest.approx(counted.weights, rel=1e-4)
        assert (found.step, found.states, found[4:]) == (counted.step, counted.states, counted[4:])
        assert sum(found.peak.values()) == pytest.approx(sum(counted.peak.values()), rel=0.01)


def test_a_layer_adds_its_own_and_the_rest_stays() -> None:
    """At depths 2 and 3, 5 and 7 of a number are 1 + 2 a layer, and 11 at depth 5."""
    one, other = (Counted(value, 3.0, 0.0, ({"logits": value},)) for value in (5.0, 7.0))
    found = at_depth(one, other, (2, 3), 5)
    assert (found.step, found.weights, found.peaks) == (11.0, 3.0, ({"logits": 11.0},))


def test_the_least_is_what_a_person_counts(benchmark: Benchmark, tmp_path: Path) -> None:
    """``ga`` with adapters: 4N a token, 6N for adapters, 2N a patch and once for a picture; attention 3.5 times."""
    variant = Variant("LLaVA-1.5-7B", "ga", True, tiny=True)
    with no_numbers():
        trainer = seven_b._trainer(variant, benchmark, tmp_path, 6)
        found, stored = seven_b._least(trainer, variant)
    expected, pictures = 0.0, set()
    for _, row, picture in seven_b._rows(trainer):
        tokens = row["labels"].shape[1]
        answers = int((row["labels"] != -100).sum())
        expected += 4 * (tokens * 6 * LAYER + answers * HEAD + PATCHES * PROJECTOR)
        expected += 6 * (tokens * 6 * ADAPTERS + PATCHES * 16 * 4 * 64)
        expected += 3.5 * 6 * 4 * tokens * tokens * 64
        if picture not in pictures:
            convolution = 2 * PATCHES * 3 * 8 * 8 * 64
            expected += convolution + 2 * TOWER * (PATCHES + 1) + 3 * 4 * (PATCHES + 1) ** 2 * 64
        pictures.add(picture)
    assert stored == 0
    assert found == pytest.approx(expected, rel=1e-3)  # the angles of positions are a product, too


@pytest.mark.parametrize("vocabulary", [1000, pytest.param(32000, marks=slow)])
@pytest.mark.parametrize("method", ["gd", pytest.param("kl", marks=slow)])
def test_the_memory_of_a_real_step_is_what_is_counted(
    method: str, vocabulary: int, benchmark: Benchmark, tmp_path: Path
) -> None:
    """Within a tenth of what torch's allocator gave out; the larger one is the small LLaVA that is measured."""
    sizes = small_llava.sizes(vocabulary, tiny=vocabulary == 1000)
    with no_numbers():
        counted = _peak_counted(_small(method, sizes, benchmark, tmp_path))
    assert counted == pytest.approx(_peak_allocated(_small(method, sizes, benchmark, tmp_path)), rel=0.1)


def _small(method: str, sizes: small_llava.Sizes, benchmark: Benchmark, folder: Path) -> MethodTrainer:
    model, processor = small_llava.build(benchmark, sizes)
    trainer = small_llava.trainer(
        model, processor, benchmark, method, small_llava.settings(method, sizes), folder=folder, batch_size=4, epochs=1,
        max_steps=1,
    )  # fmt: skip
    trainer.prepare_reference()
    return trainer


def _peak_counted(trainer: MethodTrainer) -> int:
    held = Held(seven_b._vocabulary(trainer))
    with held:
        OurStep(trainer)(0)
    return max(sum(peak.values()) for peak in held.peaks)


def _peak_allocated(trainer: MethodTrainer) -> int:
    step = OurStep(trainer)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(0)
    events = sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    now = peak = 0
    for event in events:
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    ("model", "billions"),
    [("LLaVA-1.5-7B", 7.06), ("Qwen2.5-VL-7B", 8.29), ("Gemma3-4B", 4.30), ("SmolVLM-2.2B", 2.25)],
)
def test_the_shapes_are_those_of_the_published_models(model: str, billions: float, benchmark: Benchmark) -> None:
    with no_numbers():
        built, _ = SHAPES[model].model(benchmark, torch.bfloat16)
    assert sum(p.numel() for p in built.parameters()) / 1e9 == pytest.approx(billions, abs=0.005)


def test_the_table_goes_on_where_it_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seven.json"
    words = f"seven_b.py --tiny --model SmolVLM-2.2B --trained full --batch_size 2 --out {out} --method ga"
    monkeypatch.setattr(sys, "argv", words.split())
    seven_b.main()
    [off, on] = json.loads(out.read_text())["rows"]
    assert 0.9 < off["x least"] < on["x least"]
    assert on["computed again"] > off["computed again"] == 0
    monkeypatch.setattr(seven_b, "count", None)  # nothing is counted twice
    seven_b.main()
    assert "ga" in capsys.readouterr().out


def test_the_committed_table_has_every_method_and_every_model() -> None:
    rows: list[dict[str, Any]] = json.loads(TABLE.read_text())["rows"]
    found = {(row["model"], row["method"], row["trained"], row["checkpointing"]) for row in rows}
    both = [(trained, checkpointing) for trained in ("LoRA", "full") for checkpointing in ("off", "on")]
    assert found == {(model, method, *how) for model in SHAPES for method in seven_b.METHODS for how in both}
