"""Labels are the answer and its end token, nothing else; batches lose nothing and gain nothing by padding."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import data, labels, losses
from unlearn.data import Question
from unlearn.labels import Encoder
from unlearn.method_trainer import ModelAnswers

# LLaVA-1.5's template in its essentials: no end token after the answer, a space instead.
LLAVA_15 = (
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}"
    "{% for part in m['content'] %}{{ '<image>\n' if part['type'] == 'image' else part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{{ 'ASSISTANT:' if add_generation_prompt else '' }}"
)
TRAILING = LLAVA_15.replace("{% endfor %}{{ 'ASS", "{{ '</s>\n' if m['role'] == 'assistant' }}{% endfor %}{{ 'ASS")
PARTING = LLAVA_15.replace("{% endfor %}{{ 'ASS", "{{ 'over' if m['role'] == 'assistant' }}{% endfor %}{{ 'ASS")
PREFACED = LLAVA_15.replace(
    "m['role'].upper() + ': '", "m['role'].upper() + ': ' + ('Well, ' if not loop.first else '')"
)


@pytest.fixture
def templated(benchmark: Benchmark, tiny: tuple[Any, LlavaProcessor]) -> Iterator[Callable[[str], Encoder]]:
    """An encoder with another chat template."""
    processor = tiny[1]
    before = processor.chat_template

    def change(template: str) -> Encoder:
        processor.chat_template = template
        return Encoder(processor, benchmark.image)

    yield change
    processor.chat_template = before


def questions(benchmark: Benchmark) -> list[Question]:
    """Every kind of question in every trained phrasing, of the benchmark and of the pre-training rows."""
    figures, world = data.replay(benchmark)
    samples = [*data.everything(benchmark), *figures[:8], *world[:8]]
    return [
        data.ask(sample, phrasing)
        for sample in samples
        for phrasing in range(4 if sample.question != "world_question" else 1)
    ]


def batch(encoder: Encoder, chosen: list[Question]) -> labels.Inputs:
    return labels.collate([{"set": encoder(question)} for question in chosen], padding=0)["set"]


def test_labels_decode_to_exactly_the_answer_and_its_end_token(benchmark: Benchmark, encoder: Encoder) -> None:
    for question in questions(benchmark):
        assert encoder.decode(encoder(question).tokens["labels"]) == (question.answer, "</s>")


def test_what_is_not_answer_is_ignored(benchmark: Benchmark, encoder: Encoder) -> None:
    tokens = encoder(questions(benchmark)[0]).tokens
    prompt = tokens["labels"] == losses.IGNORED
    text = encoder.processor.tokenizer.decode(tokens["input_ids"][prompt])
    assert text.endswith("ASSISTANT:")
    assert prompt.nonzero().max() < (~prompt).nonzero().min()


def test_the_prompt_of_training_is_the_prompt_of_generation(benchmark: Benchmark, encoder: Encoder) -> None:
    question = questions(benchmark)[0]
    tokens = encoder(question).tokens
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.question}]}
    prompt = encoder.processor.apply_chat_template([user], add_generation_prompt=True)
    generation = encoder.processor(text=[prompt], images=[[benchmark.image(question.image)]], return_tensors="pt")
    ignored = tokens["labels"] == losses.IGNORED
    assert generation["input_ids"][0].tolist() == tokens["input_ids"][ignored].tolist()


@pytest.mark.parametrize("template", [LLAVA_15, TRAILING])
def test_other_templates_end_with_one_end_token(
    benchmark: Benchmark, templated: Callable[[str], Encoder], template: str
) -> None:
    encoder = templated(template)
    question = questions(benchmark)[0]
    assert encoder.decode(encoder(question).tokens["labels"]) == (question.answer, "</s>")
    assert encoder(question).tokens["input_ids"][-1] == encoder.processor.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("template", "message"), [(PARTING, "is no special token"), (PREFACED, "does not continue its own prompt")]
)
def test_a_template_that_adds_words_to_the_answer_is_refused(
    benchmark: Benchmark, templated: Callable[[str], Encoder], template: str, message: str
) -> None:
    with pytest.raises(BenchmarkError, match=message):
        templated(template).verify(questions(benchmark)[:1])


def test_verify_refuses_labels_that_decode_to_something_else(
    benchmark: Benchmark, tiny: tuple[Any, LlavaProcessor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "_common_prefix", lambda one, other: 3)
    with pytest.raises(BenchmarkError, match="decode to"):
        Encoder(tiny[1], benchmark.image).verify(questions(benchmark)[:1])


def test_the_cache_gives_what_the_processor_gives(benchmark: Benchmark, encoder: Encoder) -> None:
    for question in questions(benchmark):
        cached, fresh = encoder(question), encoder.encode(question, benchmark.image(question.image))
        assert torch.equal(cached.tokens["input_ids"], fresh.tokens["input_ids"])
        assert torch.equal(cached.image["pixel_values"], fresh.image["pixel_values"])


def test_the_cache_stays_within_its_bytes_and_still_answers(benchmark: Benchmark, tiny: tuple[Any, Any]) -> None:
    image = 3 * 32 * 32 * 4
    small = Encoder(tiny[1], benchmark.image, cache_bytes=3 * image)
    for question in [*questions(benchmark), *questions(benchmark)]:
        encoded = small(question)
        assert small.decode(encoded.tokens["labels"])[0] == question.answer
        assert small._cache.bytes <= 3 * image


def test_an_image_is_processed_once(
    benchmark: Benchmark, tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(tiny[1], benchmark.image)
    chosen = questions(benchmark)
    for question in chosen:
        encoder(question)
    monkeypatch.setattr(encoder, "process", lambda text, image: pytest.fail("processed again"))
    for question in chosen:
        encoder(question)


def test_a_sample_longer_than_the_context_is_refused(benchmark: Benchmark, tiny: tuple[Any, Any]) -> None:
    with pytest.raises(BenchmarkError, match=r"takes \d+ tokens, but the model's context holds 20"):
        Encoder(tiny[1], benchmark.image, context=20)(questions(benchmark)[0])


def test_image_tokens_that_do_not_match_the_image_features_are_refused(
    benchmark: Benchmark, tiny: tuple[LlavaForConditionalGeneration, LlavaProcessor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = tiny
    monkeypatch.setattr(processor, "patch_size", 16)
    with pytest.raises(BenchmarkError, match="do not belong together"):
        labels.check_model_reads(model, Encoder(processor, benchmark.image), questions(benchmark)[0])


def test_a_batch_keeps_every_key_of_the_processor(benchmark: Benchmark, encoder: Encoder) -> None:
    chosen = questions(benchmark)[:5]
    inputs = batch(encoder, chosen)
    assert inputs.keys() == {"input_ids", "attention_mask", "pixel_values", "labels"}
    assert inputs["pixel_values"].shape == (5, *encoder(chosen[0]).image["pixel_values"].shape[1:])
    for row, question in enumerate(chosen):
        assert torch.equal(inputs["pixel_values"][row], encoder(question).image["pixel_values"][0])


def test_padding_is_masked_and_ignored(benchmark: Benchmark, encoder: Encoder) -> None:
    chosen = [questions(benchmark)[0], questions(benchmark)[4]]  # a name, a longer description
    inputs = batch(encoder, chosen)
    for row, question in enumerate(chosen):
        length = len(encoder(question).tokens["input_ids"])
        assert inputs["attention_mask"][row].tolist() == [1] * length + [0] * (inputs["labels"].shape[1] - length)
        assert (inputs["labels"][row, length:] == losses.IGNORED).all()


def test_pad_equal_to_the_end_token_masks_no_real_end(benchmark: Benchmark, encoder: Encoder) -> None:
    end = encoder.processor.tokenizer.eos_token_id
    chosen = [questions(benchmark)[0], questions(benchmark)[4]]
    inputs = labels.collate([{"set": encoder(question)} for question in chosen], padding=end)["set"]
    assert (inputs["labels"] == end).sum(dim=1).tolist() == [1, 1]


def test_padding_and_order_never_change_a_samples_likelihood(
    benchmark: Benchmark, encoder: Encoder, tiny: tuple[LlavaForConditionalGeneration, Any]
) -> None:
    chosen = questions(benchmark)[::5][:6]
    alone = [ModelAnswers(tiny[0], batch(encoder, [question]), keep=True).logp().item() for question in chosen]
    together = ModelAnswers(tiny[0], batch(encoder, chosen), keep=True).logp().tolist()
    backwards = ModelAnswers(tiny[0], batch(encoder, chosen[::-1]), keep=True).logp().tolist()
    assert together == pytest.approx(alone, rel=1e-5)
    assert backwards[::-1] == pytest.approx(alone, rel=1e-5)


def test_answer_positions_alone_give_the_loss_and_gradient_of_all_positions(
    benchmark: Benchmark, encoder: Encoder, tiny: tuple[LlavaForConditionalGeneration, Any]
) -> None:
    model = tiny[0]
    inputs = batch(encoder, questions(benchmark)[::5][:6])
    outcomes = []
    for keep in (True, False):
        loss = ModelAnswers(model, inputs, keep=keep).nll()
        loss.backward()
        outcomes.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
        model.zero_grad()
    whole = model(**inputs).loss.item()  # transformers' own loss, over all positions
    assert outcomes[0][0] == pytest.approx(outcomes[1][0], rel=1e-6)
    assert outcomes[0][0] == pytest.approx(whole, rel=1e-5)
    for kept, full in zip(outcomes[0][1], outcomes[1][1], strict=True):
        torch.testing.assert_close(kept, full, atol=1e-6, rtol=1e-4)


def test_running_short_and_long_samples_apart_changes_neither_loss_nor_gradient(
    benchmark: Benchmark, encoder: Encoder, tiny: tuple[LlavaForConditionalGeneration, Any]
) -> None:
    model = tiny[0]
    inputs = batch(encoder, questions(benchmark)[::5][:6])
    assert len(labels.split_by_length(inputs)) == 2
    outcomes = []
    for split in (True, False):
        answers = ModelAnswers(model, inputs, keep=True, split=split)
        answers.nll().backward()
        outcomes.append((answers.logp().tolist(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
        model.zero_grad()
    assert outcomes[0][0] == pytest.approx(outcomes[1][0], rel=1e-5)
    for apart, together in zip(outcomes[0][1], outcomes[1][1], strict=True):
        torch.testing.assert_close(apart, together, atol=1e-6, rtol=1e-4)


def test_a_batch_is_split_where_that_saves_padding() -> None:
    """Lengths 3, 9, 3, 9: 36 tokens whole, 2 * 3 + 2 * 9 = 24 in two. Lengths 8, 9: 18 and 17, too little to gain."""

    def lengths(*values: int) -> labels.Inputs:
        return {"attention_mask": torch.tensor([[1] * n + [0] * (9 - n) for n in values])}

    assert labels.split_by_length(lengths(3, 9, 3, 9)) == [[0, 2], [1, 3]]
    assert labels.split_by_length(lengths(8, 9)) == [[0, 1]]
    assert labels.split_by_length(lengths(9)) == [[0]]
    assert labels.split_by_length({**lengths(3, 9, 3, 9), "pixel_values": torch.zeros(7, 5)}) == [[0, 1, 2, 3]]


def test_the_head_sees_answer_positions_only(
    benchmark: Benchmark, encoder: Encoder, tiny: tuple[LlavaForConditionalGeneration, Any]
) -> None:
    inputs = batch(encoder, questions(benchmark)[:2])
    seen = []
    hook = tiny[0].lm_head.register_forward_hook(lambda module, args, out: seen.append(out.shape[1]))
    ModelAnswers(tiny[0], inputs, keep=True).nll()
    hook.remove()
    assert seen == [int((inputs["labels"] != losses.IGNORED).any(0).sum())]


def test_the_image_reaches_the_model(
    benchmark: Benchmark, encoder: Encoder, tiny: tuple[LlavaForConditionalGeneration, Any]
) -> None:
    inputs = batch(encoder, questions(benchmark)[:2])
    other = {**inputs, "pixel_values": inputs["pixel_values"].flip(0, -1) + 1}
    assert ModelAnswers(tiny[0], inputs, keep=True).nll() != ModelAnswers(tiny[0], other, keep=True).nll()
