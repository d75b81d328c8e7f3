"""The programs run and compare what they should; nothing here is timed."""

import json
import sys
from pathlib import Path

import pytest
import reference_top_k
import shared_prefix
import small_llava
import torch
import unlearn_step
from plain_step import LOSSES, PlainStep
from small_llava import OurStep

from pebench_tasks.benchmark.reading import Benchmark
from unlearn import methods
from unlearn.training.method_trainer import MethodTrainer

SIZES = small_llava.sizes(1000, tiny=True)
FROM_SETS_OF_THEIR_OWN = {"finetune", "goal"}  # no unlearning: one term, no reference


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def prepared(key: str, benchmark: Benchmark, folder: Path) -> MethodTrainer:
    """A trainer whose model is a step away from its reference."""
    model, processor = small_llava.build(benchmark, SIZES)
    settings = small_llava.settings(key, SIZES)
    trainer = small_llava.trainer(
        model, processor, benchmark, key, settings, folder=folder, batch_size=2, epochs=1
    )  # fmt: skip
    trainer.prepare_reference()
    return trainer


def test_every_method_that_unlearns_is_measured() -> None:
    assert set(LOSSES) == set(methods.METHODS) - FROM_SETS_OF_THEIR_OWN


@pytest.mark.parametrize("key", LOSSES)
def test_the_plain_step_has_the_losses_and_gradients_of_ours(key: str, benchmark: Benchmark, tmp_path: Path) -> None:
    trainer = prepared(key, benchmark, tmp_path)
    ours, plain = OurStep(trainer), PlainStep(trainer, key, small_llava.settings(key, SIZES))
    ours(0)
    small_llava.optimizer(trainer.core, 1e-3).step()
    trainer.core.zero_grad()
    loss, gradient = unlearn_step._compare(key, trainer, ours, plain)
    assert loss < 1e-5
    assert gradient < 1e-4


def test_a_step_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "step.json"
    words = "--tiny --threads 1 --repeats 1 --epochs 1 --vocabulary 1000 --method npo --out"
    monkeypatch.setattr(sys, "argv", ["unlearn_step.py", *words.split(), str(out), str(tmp_path / "step.md")])
    monkeypatch.setattr(unlearn_step, "_in_fresh_process", unlearn_step._peak)  # loading torch anew takes seconds
    unlearn_step.main()
    [row] = json.loads(out.read_text())["rows"]
    assert row["time x"] > 0
    assert row["answers"] > 0
    assert "| npo | 1000 |" in (tmp_path / "step.md").read_text()


def test_a_shared_prefix_leaves_the_loss_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "shared.json"
    words = "--tiny --threads 1 --steps 3 --vocabulary 1000 --out"
    monkeypatch.setattr(sys, "argv", ["shared_prefix.py", *words.split(), str(out)])
    shared_prefix.main()
    [row] = json.loads(out.read_text())["rows"]
    assert row["losses differ at most by"] < 1e-4
    assert row["first loss"] > row["last loss"]


def test_more_words_of_the_reference_come_nearer_to_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "top_k.json"
    words = "--tiny --threads 1 --steps 2 --finetune_steps 2 --vocabulary 1000 --k 10 100 1000 --out"
    monkeypatch.setattr(sys, "argv", ["reference_top_k.py", *words.split(), str(out)])
    reference_top_k.main()
    exact, *rows = json.loads(out.read_text())["rows"]
    errors = [row["error of the tokens %"] for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert rows[-1]["kl"] == pytest.approx(exact["kl"], rel=1e-4)  # every word is kept
