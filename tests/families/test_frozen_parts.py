"""What is frozen stays: no dropout in it, no statistics of batches, in families that have one or the other."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from transformers import TrainingArguments

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.run_record import read_record
from unlearn import methods
from unlearn.data.samples import Question
from unlearn.data.sets import SetOptions, build_sets
from unlearn.protocol import tiny_model
from unlearn.tensors import parts
from unlearn.tensors.encoding import Encoder
from unlearn.tensors.parts import Lora
from unlearn.training.loading import load
from unlearn.training.run import Tuning, train

QUESTION = Question("p000/e00", "Who is the person in this image?", "This is Solveig Thorlacius.", "one")
Built = tuple[Any, Any]
Unlearn = Callable[..., Path]


@pytest.fixture(scope="module")
def build(benchmark: Benchmark) -> Callable[[str], Built]:
    """A family's untrained model and processor."""
    texts = list(tiny_model._texts(benchmark))
    built: dict[str, Built] = {}

    def build(key: str) -> Built:
        if key not in built:
            built[key] = FAMILIES[key].build(texts)
        return copy.deepcopy(built[key])

    return build


@pytest.fixture
def unlearn(benchmark: Benchmark, build: Callable[[str], Built], tmp_path: Path) -> Unlearn:
    """Three steps of ``kl`` with adapters from a family's untrained model, which lies in ``tmp_path / "start"``."""

    def unlearn(key: str, *, merge: bool, dropout: float = 0.0) -> Path:
        for part in build(key):
            part.save_pretrained(tmp_path / "start")
        model, processor, _ = load(str(tmp_path / "start"), torch.float32)
        split = benchmark.split("person", 20)
        options = TrainingArguments(
            output_dir=str(tmp_path / f"merged-{merge}-{dropout}"), use_cpu=True, max_steps=3, seed=0,
            per_device_train_batch_size=4, learning_rate=1e-2, lr_scheduler_type="constant",
            logging_strategy="no", save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        return train(
            model,
            processor,
            build_sets(benchmark, ["forget", "retain"], split=split, options=SetOptions(replay=0)),
            methods.METHODS["kl"],
            options,
            load_image=benchmark.image,
            settings={},
            facts={"method": "kl", "target": "person", "forget": "forget20", "data": "", "split": split.split_id},
            tuning=Tuning(("lm",), Lora(8, 16, dropout), merge),
            reference_folder=pytest.fail,  # adapters switched off need none
        )

    return unlearn


def retained(folder: Path) -> list[float]:
    """KL to the start model, step by step."""
    record = read_record(folder)
    assert record is not None
    return [row["retain"] for row in record["losses"]]


def logits(model: Any, built: Built, benchmark: Benchmark) -> torch.Tensor:
    encoded = Encoder(built[1], benchmark.image)(QUESTION)
    tokens = {name: value[None] for name, value in encoded.tokens.items() if name not in ("labels", "kept")}
    with torch.no_grad():
        found: torch.Tensor = model(**tokens, **encoded.image).logits
    return found


@pytest.mark.parametrize("key", ["fast_vlm", "instructblip"])
def test_adapters_and_merged_weights_of_one_run_are_one_model(
    key: str, build: Callable[[str], Built], unlearn: Unlearn, benchmark: Benchmark, tmp_path: Path
) -> None:
    """The base that adapters are read onto is the one that they were trained in, and KL to it begins at exactly 0."""
    alone, merged = (unlearn(key, merge=merge) for merge in (False, True))
    first, *rest = retained(alone)
    assert first == 0 < min(rest)
    assert retained(merged) == retained(alone)
    start, *trained = (
        families.load_model(str(folder), torch.float32).eval() for folder in (tmp_path / "start", alone, merged)
    )
    kept = dict(start.named_buffers())
    assert all(torch.equal(buffer, kept[name]) for name, buffer in trained[1].named_buffers())
    said = [logits(model, build(key), benchmark) for model in trained]
    torch.testing.assert_close(*said, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(said[0], logits(start, build(key), benchmark), atol=1e-3)


def test_dropout_of_adapters_acts_from_the_first_step_that_they_change_anything(unlearn: Unlearn) -> None:
    """New adapters add 0, whatever is left out of their input."""
    plain, dropped = (retained(unlearn("instructblip", merge=False, dropout=dropout)) for dropout in (0.0, 0.5))
    assert plain[0] == dropped[0] == 0
    assert plain[2] != dropped[2]


@pytest.mark.parametrize(
    ("tune", "lora", "random"),
    [
        (["lm"], None, False),
        (["lm"], Lora(4, 8, 0.0), False),
        (["lm"], Lora(4, 8, 0.5), True),
        (["projector"], None, True),  # to which the Q-Former belongs, with its dropout of 0.1
        (["vision"], None, False),
    ],
)
def test_dropout_acts_where_something_is_trained_and_nowhere_else(
    tune: Sequence[str], lora: Lora | None, random: bool, build: Callable[[str], Built], benchmark: Benchmark
) -> None:
    built = build("instructblip")
    torch.manual_seed(0)
    model = parts.tune(built[0], tune, lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    parts.train_mode(model)
    one, two = (logits(model, built, benchmark) for _ in range(2))
    assert torch.equal(one, two) != random


@pytest.mark.parametrize(("tune", "learns"), [(["lm", "projector"], False), (["vision"], True)])
def test_statistics_of_batches_change_in_a_tower_that_is_trained_and_in_no_other(
    tune: Sequence[str], learns: bool, build: Callable[[str], Built], benchmark: Benchmark
) -> None:
    built = build("fast_vlm")
    model = parts.tune(built[0], tune)
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if "running" in name}
    parts.train_mode(model)
    logits(model, built, benchmark)
    changed = [
        name for name, buffer in model.named_buffers() if name in before and not torch.equal(buffer, before[name])
    ]
    assert bool(changed) == learns
    assert len(before) == 8  # mean and variance of four layers


def test_statistics_of_a_layer_that_is_frozen_stay_in_a_tower_that_is_trained(
    build: Callable[[str], Built], benchmark: Benchmark
) -> None:
    """As beside adapters, which could not carry them."""
    built = build("fast_vlm")
    model = parts.tune(built[0], ["vision"])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.dim() == 4 and "vision" in name)  # convolutions alone
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    parts.train_mode(model)
    logits(model, built, benchmark)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_evaluation_mode_leaves_every_module_as_it_found_it(build: Callable[[str], Built]) -> None:
    model = parts.tune(build("instructblip")[0], ["projector"])
    parts.train_mode(model)
    before = {name: module.training for name, module in model.named_modules()}
    assert len(set(before.values())) == 2
    with parts.evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert {name: module.training for name, module in model.named_modules()} == before
