"""What a method sees of a batch does not depend on how the batch is run, and holds answer tokens only."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from pebench_tasks.errors import BenchmarkError
from unlearn import losses
from unlearn.data.samples import Question
from unlearn.tensors.batches import Batch
from unlearn.tensors.encoding import Encoder
from unlearn.tensors.forward import ModelAnswers, Normalisers, Reader, Reference, count_tokens

Collated = Callable[..., Batch]
ASKED = (
    "nll", "nll_each", "logp", "reference_logp", "kl", "dual_masked_kl", "activations/1", "reference_activations/1",
)  # fmt: skip


@pytest.fixture
def chosen(questions: list[Question]) -> list[Question]:
    """Names and descriptions of two images, marked as SIU marks them, each with words of its own."""
    marked = []
    for question in [questions[0], questions[5], questions[2], questions[8], questions[13]]:
        words = question.answer.rstrip(".").split()
        marked.append(question._replace(contradicts=words[-1], erased=(words[0], words[-1])))
    return marked


@pytest.fixture
def reference(model: LlavaForConditionalGeneration, second_model: Callable[..., Reference]) -> Reference:
    """The model as it was; the model itself is changed, so that it differs from its reference."""
    made = second_model(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    return made


def value(answers: ModelAnswers, asked: str) -> Tensor:
    name, _, layer = asked.partition("/")
    found: Tensor = getattr(answers, name)(int(layer)) if layer else getattr(answers, name)()
    return found


def total(reader: Reader, batch: Batch, reference: Reference, asked: str, split: bool = False) -> Tensor:
    """The value of a question, means multiplied by what they were divided by, so that those of samples add up."""
    with torch.no_grad():
        found = value(ModelAnswers(reader, batch, reference, split=split), asked)
    counts = count_tokens(batch)
    return found * {"nll": counts.tokens, "kl": counts.tokens, "dual_masked_kl": counts.kept}.get(asked, 1.0)


def in_order(values: Tensor) -> Tensor:
    """Activations in an order of their own: a split batch gives those of the short rows first."""
    return values[values[:, 0].argsort()] if values.dim() == 2 else values


def padded(batch: Batch, columns: int) -> Batch:
    """The same batch with more padding, of any content."""

    def longer(values: Tensor, fill: int) -> Tensor:
        return torch.cat([values, values.new_full((len(values), columns), fill)], dim=1)

    inputs = {**batch["inputs"]}
    inputs["input_ids"], inputs["attention_mask"] = longer(inputs["input_ids"], 5), longer(inputs["attention_mask"], 0)
    ours = {"labels": longer(batch["labels"], losses.IGNORED), "samples": longer(batch["samples"], 0)}
    return {**batch, "inputs": inputs, **ours, "kept": longer(batch["kept"], 0)}


def about_one_image(chosen: Sequence[Question]) -> list[list[Question]]:
    images = dict.fromkeys(question.image for question in chosen)
    return [[question for question in chosen if question.image == image] for image in images]


@pytest.mark.parametrize("asked", ASKED)
def test_a_sample_says_the_same_alone_and_in_any_batch(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Reference, asked: str
) -> None:
    reader = Reader(model, model)
    alone = [total(reader, collated([[question]]), reference, asked) for question in chosen]
    together = collated([[question] for question in chosen])
    backwards = total(reader, collated([[question] for question in chosen[::-1]]), reference, asked)
    packed = collated(about_one_image(chosen), True)
    assert len(packed["labels"]) == 2
    found = {
        "whole": total(reader, together, reference, asked),
        "backwards": backwards.flip(0) if backwards.dim() == 1 else backwards,
        "padded": total(reader, padded(together, 7), reference, asked),
        "split": total(reader, together, reference, asked, split=math.inf),
        "packed": total(reader, packed, reference, asked),
        "packed and split": total(reader, packed, reference, asked, split=math.inf),
        "in two batches": None,
    }
    parts = [total(reader, collated([[q] for q in part]), reference, asked) for part in (chosen[:2], chosen[2:])]
    scalar = not alone[0].dim()
    found["in two batches"] = torch.stack(parts).sum() if scalar else torch.cat(parts)
    expected = torch.stack(alone).sum() if scalar else torch.cat(alone)
    for how, values in found.items():
        torch.testing.assert_close(in_order(values), in_order(expected), rtol=1e-4, atol=2e-5, msg=how)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("asked", ASKED)
def test_only_answer_positions_reach_the_head(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Reference,
    asked: str, packed: bool, split: bool,
) -> None:  # fmt: skip
    batch = collated(about_one_image(chosen) if packed else [[question] for question in chosen], packed)
    seen: list[int] = []
    hook = model.lm_head.register_forward_hook(lambda module, given, out: seen.append(out[..., 0].numel()))
    value(ModelAnswers(Reader(model, model), batch, reference, split=split), asked)
    hook.remove()
    answer_tokens = int((batch["labels"] != losses.IGNORED).sum())
    runs_the_head = not asked.startswith(("reference", "activations"))
    assert sum(seen) == (answer_tokens if runs_the_head else 0)


# Against all positions, by hand


def log_probabilities(model: LlavaForConditionalGeneration, batch: Batch) -> Tensor:
    """At every position but the last, the whole distribution of the next token."""
    logits: Tensor = model(**batch["inputs"]).logits
    return logits[:, :-1].log_softmax(-1)


@pytest.mark.parametrize("split", [False, True])
def test_the_likelihood_is_that_of_the_answer_and_its_end_token(
    model: LlavaForConditionalGeneration, encoder: Encoder, collated: Collated, chosen: list[Question], split: bool
) -> None:
    """The positions are counted from the answer's own tokens at the end of each row, not from the labels."""
    batch = collated([[question] for question in chosen])
    every = log_probabilities(model, batch)
    expected = []
    for row, question in enumerate(chosen):
        prompt = encoder.prompt(encoder.texts(question)[0], encoder.load_image(question.image))["input_ids"][0]
        ids = batch["inputs"]["input_ids"][row][batch["inputs"]["attention_mask"][row].bool()]
        positions = range(len(prompt) - 1, len(ids) - 1)
        expected.append([every[row, position, ids[position + 1]] for position in positions])
    answers = ModelAnswers(Reader(model, model), batch, split=split)
    torch.testing.assert_close(answers.logp(), torch.stack([sum(row, torch.zeros(())) for row in expected]))
    mean = -sum(map(sum, expected)) / sum(map(len, expected))
    torch.testing.assert_close(answers.nll(), torch.as_tensor(mean))
    torch.testing.assert_close(answers.nll_each(), torch.stack([-sum(row) / len(row) for row in expected]))


def test_the_divergence_is_that_of_answer_positions(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Any
) -> None:
    batch = collated([[question] for question in chosen])
    q, p = log_probabilities(model, batch), log_probabilities(reference._reader.core, batch)
    each = (p.exp() * (p - q)).sum(-1)[batch["labels"][:, 1:] != losses.IGNORED]  # (N,)
    found = ModelAnswers(Reader(model, model), batch, reference).kl()
    torch.testing.assert_close(found, each.mean(), rtol=1e-5, atol=1e-6)


def test_the_loss_and_its_gradient_are_transformers_own(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    batch = collated([[question] for question in chosen])
    outcomes = []
    for loss in (
        ModelAnswers(Reader(model, model), batch, split=math.inf).nll(),
        model(**batch["inputs"], labels=batch["labels"]).loss,
    ):
        loss.backward()
        outcomes.append((loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
        model.zero_grad()
    torch.testing.assert_close(outcomes[0][0], outcomes[1][0], rtol=1e-5, atol=0)
    for ours, theirs in zip(outcomes[0][1], outcomes[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_only_kept_tokens_count_in_the_dual_masked_divergence(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Any
) -> None:
    """The whole answer contradicts: what is left is its end token."""
    question = chosen[0]._replace(contradicts=chosen[0].answer)
    batch = collated([[question]])
    end = int((batch["labels"][0] != losses.IGNORED).nonzero()[-1]) - 1
    q, p = log_probabilities(model, batch)[0, end], log_probabilities(reference._reader.core, batch)[0, end]
    terms = p.exp() * (p - q)  # (vocabulary,)
    terms[batch["erased"][0]] = 0
    found = ModelAnswers(Reader(model, model), batch, reference).dual_masked_kl()
    torch.testing.assert_close(found, terms.sum(), rtol=1e-4, atol=1e-6)


def test_without_masks_the_dual_masked_divergence_is_the_divergence(
    model: LlavaForConditionalGeneration, collated: Collated, questions: list[Question], reference: Reference
) -> None:
    answers = ModelAnswers(Reader(model, model), collated([[questions[0]], [questions[4]]]), reference)
    torch.testing.assert_close(answers.dual_masked_kl(), answers.kl())


def test_where_nothing_is_kept_the_dual_masked_divergence_is_zero(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Reference
) -> None:
    batch = collated([[question] for question in chosen])
    batch["kept"] = torch.zeros_like(batch["kept"])
    found = ModelAnswers(Reader(model, model), batch, reference).dual_masked_kl()
    found.backward()
    assert found == 0


# What runs when


def test_the_model_runs_at_the_first_question_and_again_only_after_release(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Reference
) -> None:
    ran: list[int] = []
    model.register_forward_hook(lambda module, given, out: ran.append(1))
    answers = ModelAnswers(Reader(model, model), collated([[question] for question in chosen]), reference)
    assert not ran
    for asked in ("nll", "nll_each", "logp", "kl", "dual_masked_kl", "reference_logp"):
        value(answers, asked)
    assert len(ran) == 1
    answers.release()
    answers.nll()
    assert len(ran) == 2


def test_the_layers_behind_the_one_that_is_asked_for_do_not_run(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    layers = model.model.language_model.layers
    ran: list[int] = []
    for number, layer in enumerate(layers):
        layer.register_forward_hook(lambda module, given, out, number=number: ran.append(number))
    ModelAnswers(Reader(model, model), collated([chosen[:1]])).activations(1)
    assert ran == [0, 1]
    assert model.model.language_model.layers is layers


def test_the_activations_are_the_hidden_states_of_transformers(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    """``hidden_states[i]`` is what layer i reads, and so what layer i - 1 writes."""
    batch = collated([[question] for question in chosen])
    states = model(**batch["inputs"], output_hidden_states=True).hidden_states
    positions = batch["labels"][:, 1:] != losses.IGNORED
    for layer in (0, 1):
        found = ModelAnswers(Reader(model, model), batch).activations(layer)
        torch.testing.assert_close(found, states[layer + 1][:, :-1][positions])


def test_a_layer_that_does_not_exist_is_refused_and_the_model_stays_whole(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    batch = collated([chosen[:1]])
    with pytest.raises(BenchmarkError, match="no layer 3: the language model has layers 0 to 2"):
        ModelAnswers(Reader(model, model), batch).activations(3)
    assert len(model.model.language_model.layers) == 3
    assert ModelAnswers(Reader(model, model), batch).nll().isfinite()


def test_means_divide_by_the_tokens_of_the_whole_step(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question], reference: Reference
) -> None:
    batch = collated([[question] for question in chosen])
    own = count_tokens(batch)
    reader = Reader(model, model)
    usual, given = (
        ModelAnswers(reader, batch, reference, normalisers=normalisers)
        for normalisers in (None, Normalisers(own.tokens * 2, own.kept * 4))
    )
    torch.testing.assert_close(given.nll(), usual.nll() / 2)
    torch.testing.assert_close(given.kl(), usual.kl() / 2)
    torch.testing.assert_close(given.dual_masked_kl(), usual.dual_masked_kl() / 4)
    torch.testing.assert_close(given.token_mean(torch.ones(int(own.tokens))), torch.tensor(0.5))
    torch.testing.assert_close(given.nll_each(), usual.nll_each())


def test_asking_for_a_reference_that_is_not_there_fails(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    with pytest.raises(ValueError, match="asks for the reference"):
        ModelAnswers(Reader(model, model), collated([chosen[:1]])).kl()


def test_the_image_reaches_the_model(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    for packed in (False, True):
        batch = collated(about_one_image(chosen), packed)
        pixels = batch["inputs"]["pixel_values"]
        other = {**batch, "inputs": {**batch["inputs"], "pixel_values": pixels.flip(0, -1) + 1}}
        reader = Reader(model, model)
        assert ModelAnswers(reader, batch).nll() != ModelAnswers(reader, other).nll()


def test_a_model_in_bfloat16_reads_its_images_and_packs_in_bfloat16(
    model: LlavaForConditionalGeneration, collated: Collated, chosen: list[Question]
) -> None:
    exact = ModelAnswers(Reader(model, model), collated(about_one_image(chosen), True)).nll()
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        rounded = ModelAnswers(Reader(model.bfloat16(), model), collated(about_one_image(chosen), True)).nll()
        assert rounded.dtype == torch.float32
        assert rounded.item() == pytest.approx(exact.item(), rel=0.02)
