"""Batches of every family: rows taken apart, pictures of two sizes, texts without one, and what is behind the head."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from PIL import Image
from row import Row
from torch import Tensor

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.data.samples import Question, Sample, ask
from unlearn.tensors import packing
from unlearn.tensors.batches import Batch, collate_set, first, parts_by_length
from unlearn.tensors.encoding import Encoder, context_length, pad_id
from unlearn.tensors.forward import ModelAnswers, Reader
from unlearn.tensors.tower_features import TowerFeatures
from unlearn.training.reference import StoredReference, behind_head, frozen_head

WIDE = (96, 48)  # px; the others are 64 x 64
PACKING = [key for key in FAMILIES if key in (*packing.SHARED_PREFIX_FAMILIES, "pixtral")]
EAGER = [("gemma3", "eager"), ("llava", "eager"), ("qwen3_vl", "eager")]  # whose mask is made from the other one
NARROW = 24  # tokens: fewer than an image and a question have


def asked(samples: Sequence[Sample]) -> list[Question]:
    """In different phrasings, and without what only SIU needs."""
    return [ask(sample, number % 4)._replace(contradicts="", erased=()) for number, sample in enumerate(samples)]


def reads_texts(row: Row) -> bool:
    return not any("without_an_image" in limit for limit in row.family.limits)


def collated(encoder: Encoder, questions: Sequence[Question]) -> Batch:
    return collate_set([[encoder(question)] for question in questions], pad_id(encoder.processor), False)


def log_likelihoods(
    model: Any, batches: Sequence[Batch], *, split: bool, features: TowerFeatures | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of every answer, and the gradients of a sum of them in which no answer weighs as much as another."""
    answers = [ModelAnswers(Reader(model, model, features), batch, split=split).logp() for batch in batches]
    values = torch.cat(answers)  # (samples,)
    (values * torch.linspace(0.5, 1.5, len(values))).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    model.zero_grad()
    return values.detach(), gradients


def same(found: tuple[Tensor, dict[str, Tensor]], expected: tuple[Tensor, dict[str, Tensor]]) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-4)
    assert found[1].keys() == expected[1].keys()
    largest = max(float(gradient.abs().max()) for gradient in expected[1].values())
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=2e-3, atol=2e-5 * max(1.0, largest), msg=name)


@pytest.fixture
def built(row: Row) -> tuple[Any, Any]:
    model, processor = row.family.build(row.texts)
    return model.eval(), processor


def test_a_batch_says_what_its_samples_say_alone(row: Row, built: tuple[Any, Any]) -> None:
    """Names beside descriptions, and questions without an image among them: losses and every gradient."""
    model, processor = built
    encoder = row.encoder_of(model, processor)
    texts = row.text_only[:2] if reads_texts(row) else []
    questions = asked([row.names[0], *texts[:1], row.scenes[5], row.names[6], *texts[1:], row.scenes[15]])
    batch = collated(encoder, questions)
    parts = [part["image_rows"] for part in parts_by_length(batch)]
    assert len(parts) > 1
    assert any(not counts for counts in parts) == any(not encoder(question).image for question in questions)
    assert all((rows > 0).all() for counts in parts for rows in counts.values())
    alone = log_likelihoods(model, [collated(encoder, [question]) for question in questions], split=False)
    same(log_likelihoods(model, [batch], split=math.inf), alone)
    pictured = [question for question in questions if question.image]
    whole = log_likelihoods(model, [collated(encoder, pictured)], split=False)
    same(whole, log_likelihoods(model, [collated(encoder, [question]) for question in pictured], split=False))


@pytest.mark.parametrize(("row", "attention"), [*((key, "sdpa") for key in PACKING), *EAGER], indirect=["row"])
def test_questions_behind_one_image_say_what_they_say_alone(row: Row, built: tuple[Any, Any], attention: str) -> None:
    """Losses and every gradient, with a question that has no image beside them, and where layers see little at once."""
    model, processor = built
    assert packing.shares_prefix(model) == ""
    model.set_attn_implementation(attention)
    if getattr(model.config.get_text_config(), "sliding_window", None):
        model.config.get_text_config().sliding_window = NARROW
    encoder = row.encoder_of(model, processor)
    one, other = row.names[0], row.scenes[0]
    units = [
        [ask(one, 0), ask(other, 1), ask(one, 2), ask(other, 3)],
        [ask(row.scenes[5], 0)],
        *([[ask(row.text_only[0], 0)]] if reads_texts(row) else []),
        [ask(row.names[6], 1), ask(row.names[6], 3)],
    ]
    units = [[question._replace(contradicts="", erased=()) for question in unit] for unit in units]
    encoded = [[encoder(question) for question in unit] for unit in units]
    packed = collate_set(encoded, pad_id(processor), True)
    assert len(packed["labels"]) == len(units)
    assert packed["labels"].shape[1] < sum(len(question.tokens["labels"]) for question in encoded[0])
    separate = [collated(encoder, [question]) for unit in units for question in unit]
    same(log_likelihoods(model, [packed], split=math.inf), log_likelihoods(model, separate, split=math.inf))


def test_pictures_of_two_sizes_fit_in_one_batch(row: Row, built: tuple[Any, Any]) -> None:
    model, processor = built

    def load(key: str) -> Image.Image:
        image = row.benchmark.image(key)
        return image.resize(WIDE) if key.startswith("p001") else image

    encoder = Encoder(processor, load, context=context_length(model))
    questions = asked([row.names[0], row.scenes[5], row.scenes[1], row.names[6]])
    assert {load(question.image).size for question in questions} == {(64, 64), WIDE}
    alone = log_likelihoods(model, [collated(encoder, [question]) for question in questions], split=False)
    for split in (False, True):
        same(log_likelihoods(model, [collated(encoder, questions)], split=split), alone)


def test_the_first_of_a_batch_are_the_batch_of_the_first(row: Row, built: tuple[Any, Any]) -> None:
    encoder = row.encoder_of(*built)
    questions = asked([row.names[0], row.scenes[5], row.names[6]])
    found, expected = first(collated(encoder, questions), 2, 3), collated(encoder, questions[:2])
    assert found["inputs"].keys() == expected["inputs"].keys()
    for key, value in expected["inputs"].items():
        assert torch.equal(found["inputs"][key], value), key
    for key, counts in expected["image_rows"].items():
        assert torch.equal(found["image_rows"][key], counts), key
    assert torch.equal(found["labels"], expected["labels"])


def test_the_references_logits_are_the_models(row: Row, built: tuple[Any, Any]) -> None:
    """From stored hidden states, the frozen head and what the model does behind it: scaled, capped or nothing."""
    model, processor = built
    with torch.no_grad():  # far from 0, where a cap shows
        model.get_output_embeddings().weight.mul_(20)
        batch = collated(row.encoder_of(model, processor), asked([row.scenes[0], row.names[5]]))
        reader = Reader(model, model)
        stored = StoredReference(frozen_head(model), behind=behind_head(reader, batch))
        hidden, logits = reader.hidden_and_logits(batch)
        assert logits.abs().max() > 10
        torch.testing.assert_close(stored.logits({"reference_hidden": hidden}), logits)


@pytest.mark.parametrize("key", ["lfm2_vl", "gemma4"])
def test_an_image_with_as_many_patches_as_the_text_has_tokens_is_no_text(key: str, benchmark: Benchmark) -> None:
    _, processor = FAMILIES[key].build(["Who is it?"])
    encoder = Encoder(processor, benchmark.image)
    question = Question("p000/e00", "Who is it?", "", "long")
    for words in range(1, 300):
        encoded = encoder.encode(question._replace(answer="This is" + " it" * words), benchmark.image(question.image))
        if len(encoded.tokens["input_ids"]) == encoded.image["pixel_values"].shape[1]:
            break
    else:
        raise AssertionError("no answer is as long as the image has patches")
    assert encoded.tokens.keys() & {"pixel_values", "pixel_attention_mask", "image_position_ids"} == set()
