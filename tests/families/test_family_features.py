"""What a frozen tower makes of an image is computed once, in every family, and a model says what it said before."""

import math
from pathlib import Path
from typing import Any

import torch
from every_family import FAMILIES
from row import Row
from test_family_batches import asked, collated, log_likelihoods, reads_texts, same
from torch import nn

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.data.samples import ask
from unlearn.tensors import packing, parts
from unlearn.tensors.batches import Batch, collate_set, pictured_rows
from unlearn.tensors.encoding import pad_id
from unlearn.tensors.forward import ModelAnswers, Reader
from unlearn.tensors.parts import Lora
from unlearn.tensors.tower_features import TowerFeatures


def served(model: Any, batch: Batch) -> TowerFeatures:
    features = TowerFeatures(model, Reader(model, model).logits)
    assert features.prove(batch)
    return features


def runs(features: TowerFeatures) -> list[int]:
    """Grows by one whenever a layer of the tower runs."""
    ran: list[int] = []
    inner = next(module for module in features.towers[0].modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    inner.register_forward_hook(lambda module, inputs, output: ran.append(len(ran)))
    return ran


def test_a_frozen_tower_reads_an_image_once(row: Row) -> None:
    """Losses and gradients of the projector too, beside questions without an image, and behind a shared one."""
    model, processor = row.family.build(row.texts)
    parts.tune(model, ["lm", "projector"])
    model.eval()  # a Q-Former that is trained drops at random
    encoder = row.encoder_of(model, processor)
    texts = row.text_only[:1] if reads_texts(row) else []
    questions = asked([row.names[0], row.scenes[5], *texts, row.scenes[0], row.names[6]])
    batch = collated(encoder, questions)
    features = served(model, collated(encoder, [question for question in questions if question.image]))
    ran = runs(features)
    expected = log_likelihoods(model, [batch], split=math.inf)
    by_itself = len(ran)
    assert by_itself > 0
    same(log_likelihoods(model, [batch], split=math.inf, features=features), expected)
    pictured = batch["pictures"][pictured_rows(batch)]  # a BLIP is shown a blank image with a text
    different = len(pictured.unique(dim=0))
    assert features.counts == {"computed": different, "reused": 1} == {"computed": len(pictured) - 1, "reused": 1}
    once = len(ran)
    assert once > by_itself
    if not packing.shares_prefix(model):
        unit = [ask(row.names[0], 0), ask(row.scenes[0], 1)]
        units = [[question._replace(contradicts="", erased=()) for question in unit], [questions[1]]]
        batch = collate_set([[encoder(question) for question in unit] for unit in units], pad_id(processor), True)
    said = ModelAnswers(Reader(model, model, features), batch, split=math.inf).nll()
    assert len(ran) == once
    torch.testing.assert_close(said, ModelAnswers(Reader(model, model), batch, split=math.inf).nll())


def test_computing_features_draws_nothing(benchmark: Benchmark, tmp_path: Path) -> None:
    """Qwen3-VL's trained mergers run amid the tower, with a dropout: a resumed run must not draw otherwise for them."""
    row = Row(FAMILIES["qwen3_vl"], benchmark, tmp_path)
    model, processor = row.family.build(row.texts)
    tuned = parts.tune(model, ["lm", "projector"], Lora(4, 8, 0.5))
    encoder = row.encoder_of(model, processor)
    first, other = (collated(encoder, asked(row.names[start : start + 2])) for start in (0, 2))
    tuned.eval()
    features = served(tuned, first)
    parts.train_mode(tuned)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    features.of(other)
    assert features.counts["computed"] > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert any(module.training for module in tuned.modules())
