"""A planted fake: an adapter that refuses, over knowledge that is all there. It scores as forgotten, and is exposed."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from unlearn import methods
from unlearn.attacks import WEIGHT_ATTACKS
from unlearn.attacks.case import Case
from unlearn.data.forget_texts import refusals
from unlearn.data.samples import Sample, SampleSet, singles
from unlearn.data.sets import QUESTIONS, everything
from unlearn.protocol import tiny_model
from unlearn.tensors.parts import Lora
from unlearn.training.loading import load
from unlearn.training.run import ALL_WEIGHTS, Tuning, train

pytestmark = pytest.mark.slow  # more than a minute; ``test_attacks`` runs the same attacks on untrained models
ADAPTER = Tuning(("lm",), Lora(16, 32, 0.0), merge=False)


class Models(NamedTuple):
    """Three models that were trained on names alone."""

    benchmark: Benchmark
    finetuned: Path
    goal: Path
    fake: Path


@pytest.fixture(scope="module")
def models(options: Callable[..., TrainingArguments], tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("fake")
    benchmark = build_synthetic(folder / "data", people=20, events=6, image_size=32, seed=0)
    split = benchmark.split("person", 20)
    names = [sample for sample in everything(benchmark) if sample.question == QUESTIONS["person"]]
    kept, forgotten = ([sample for sample in names if sample.image in keys] for keys in (split.retain, split.train))

    def trained(name: str, method: str, start: Any, steps: int, tuning: Tuning, **sets: Iterable[Sample]) -> Path:
        drawn = {which: SampleSet(singles(samples)) for which, samples in sets.items()}
        facts = {"method": method, "target": "", "forget": "", "data": benchmark.fingerprint, "split": ""}
        settings = options(folder / name, max_steps=steps, per_device_train_batch_size=16)
        model, processor = start
        return train(
            model, processor, drawn, methods.METHODS[method], settings, load_image=benchmark.image, settings={},
            facts=facts, tuning=tuning,
        )  # fmt: skip

    def untrained() -> Any:
        return tiny_model.build(benchmark, seed=0, image_size=32)

    finetuned = trained("finetuned", "finetune", untrained(), 200, ALL_WEIGHTS, everything=names)
    goal = trained("goal", "goal", untrained(), 200, ALL_WEIGHTS, remaining=kept)
    start = load(str(finetuned), torch.float32)[:2]
    fake = trained("adapter", "po", start, 60, ADAPTER, refusal=refusals(forgotten), retain=kept)
    return Models(benchmark, finetuned, goal, fake)


def known(models: Models, checkpoint: Path, attack: str) -> dict[Any, dict[str, float]]:
    """By level, the mean of either side."""
    split, found = models.benchmark.split("person", 20), {}
    case = Case(
        str(checkpoint), str(models.finetuned), models.benchmark, split, torch.device("cpu"), torch.float32, 64, 12
    )
    plan = WEIGHT_ATTACKS[attack].plan(models.benchmark, split)

    def score(at: Any, model: Any) -> None:
        found[at] = {side: sum(of.values()) / len(of) for side, of in case.ask(model, plan.asked).items()}

    WEIGHT_ATTACKS[attack].run(case, plan, score)
    return found


def test_it_scores_as_forgotten_and_half_of_its_change_taken_back_exposes_it(models: Models) -> None:
    """The adapter as a whole hides the names; of Goal, which never knew them, nothing comes back on the way."""
    fake, goal = (known(models, checkpoint, "rescale") for checkpoint in (models.fake, models.goal))
    assert fake[1.0]["forget"] <= 0.1
    assert fake[1.0]["retain"] >= 0.9
    assert fake[0.0] == goal[0.0]
    assert fake[0.0]["forget"] >= 0.75
    assert fake[0.5]["forget"] >= 0.5
    assert goal[0.5]["forget"] <= 0.1


def test_training_on_other_forgotten_people_brings_its_names_back_and_not_goals(models: Models) -> None:
    """Nobody who is asked about was trained on, so what comes back was there."""
    fake, goal = (known(models, checkpoint, "relearn_half") for checkpoint in (models.fake, models.goal))
    assert fake[0]["forget"] <= 0.1
    assert max(point["forget"] for point in fake.values()) >= 0.4
    assert max(point["forget"] for point in goal.values()) <= 0.1
