"""Labels are the answer and its end token, and nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import losses
from unlearn.data.samples import Question, Sample, ask
from unlearn.tensors import cache, encoding
from unlearn.tensors.cache import Cache
from unlearn.tensors.encoding import Encoder

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


def test_labels_decode_to_exactly_the_answer_and_its_end_token(encoder: Encoder, questions: list[Question]) -> None:
    for question in questions:
        assert encoder.decode(encoder(question).tokens["labels"]) == (question.answer, "</s>")


def test_what_is_not_answer_is_ignored(encoder: Encoder, questions: list[Question]) -> None:
    tokens = encoder(questions[0]).tokens
    prompt = tokens["labels"] == losses.IGNORED
    text = encoder.processor.tokenizer.decode(tokens["input_ids"][prompt])
    assert text.endswith("ASSISTANT:")
    assert prompt.nonzero().max() < (~prompt).nonzero().min()


def test_the_prompt_of_training_is_the_prompt_of_generation(
    benchmark: Benchmark, encoder: Encoder, questions: list[Question]
) -> None:
    question = questions[0]
    tokens = encoder(question).tokens
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.question}]}
    prompt = encoder.processor.apply_chat_template([user], add_generation_prompt=True)
    generation = encoder.processor(text=[prompt], images=[[benchmark.image(question.image)]], return_tensors="pt")
    ignored = tokens["labels"] == losses.IGNORED
    assert generation["input_ids"][0].tolist() == tokens["input_ids"][ignored].tolist()


@pytest.mark.parametrize("template", [LLAVA_15, TRAILING])
def test_other_templates_end_with_one_end_token(
    templated: Callable[[str], Encoder], template: str, questions: list[Question]
) -> None:
    encoder = templated(template)
    question = questions[0]
    assert encoder.decode(encoder(question).tokens["labels"]) == (question.answer, "</s>")
    assert encoder(question).tokens["input_ids"][-1] == encoder.processor.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("template", "message"), [(PARTING, "is no special token"), (PREFACED, "does not continue its own prompt")]
)
def test_a_template_that_adds_words_to_the_answer_is_refused(
    templated: Callable[[str], Encoder], template: str, message: str, questions: list[Question]
) -> None:
    with pytest.raises(BenchmarkError, match=message):
        templated(template).verify(questions[:1])


def test_verify_refuses_labels_that_decode_to_something_else(
    benchmark: Benchmark, tiny: tuple[Any, LlavaProcessor], monkeypatch: pytest.MonkeyPatch, questions: list[Question]
) -> None:
    monkeypatch.setattr(encoding, "common_prefix", lambda one, other: 3)
    with pytest.raises(BenchmarkError, match="decode to"):
        Encoder(tiny[1], benchmark.image).verify(questions[:1])


def test_the_cache_gives_what_the_processor_gives(
    benchmark: Benchmark, encoder: Encoder, questions: list[Question]
) -> None:
    for question in questions:
        cached, fresh = encoder(question), encoder.encode(question, benchmark.image(question.image))
        assert torch.equal(cached.tokens["input_ids"], fresh.tokens["input_ids"])
        assert torch.equal(cached.image["pixel_values"], fresh.image["pixel_values"])


def test_the_cache_stays_within_its_bytes_and_still_answers(
    benchmark: Benchmark, tiny: tuple[Any, Any], questions: list[Question]
) -> None:
    limit = 3 * (3 * 32 * 32 * 4 + cache.BLOCK)  # of three images
    small = Encoder(tiny[1], benchmark.image, cache=Cache(limit))
    for question in [*questions, *questions]:
        encoded = small(question)
        assert small.decode(encoded.tokens["labels"])[0] == question.answer
        assert small._cache.bytes <= limit


def test_a_text_is_encoded_once_for_all_images_of_a_size(
    benchmark: Benchmark, tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, questions: list[Question]
) -> None:
    encoded: list[Question] = []
    encode = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, q, image: encoded.append(q) or encode(self, q, image))
    encoder = Encoder(tiny[1], benchmark.image)
    for question in questions:
        encoder(question)
    texts = {(question.question, question.answer) for question in questions}
    assert len(encoded) == len(texts) < len(questions)


def test_an_image_is_processed_once(
    benchmark: Benchmark, tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, questions: list[Question]
) -> None:
    encoder = Encoder(tiny[1], benchmark.image)
    for question in questions:
        encoder(question)
    monkeypatch.setattr(encoder, "process", lambda *given: pytest.fail("processed again"))
    for question in questions:
        encoder(question)


def test_an_image_is_known_by_the_digest_of_its_tensors(
    benchmark: Benchmark, tiny: tuple[Any, Any], questions: list[Question]
) -> None:
    """Under another key the same image, and only that, has the same one."""
    encoder = Encoder(tiny[1], lambda key: benchmark.image(key.removeprefix("also ")))
    digests = {question.image: encoder(question).digest for question in questions}
    assert len(set(digests.values())) == len(digests)
    first = questions[0]
    assert encoder(first._replace(image=f"also {first.image}")).digest == digests[first.image]


def test_a_sample_longer_than_the_context_is_refused(
    benchmark: Benchmark, tiny: tuple[Any, Any], questions: list[Question]
) -> None:
    with pytest.raises(BenchmarkError, match=r"takes \d+ tokens, but the model's context holds 20"):
        Encoder(tiny[1], benchmark.image, context=20)(questions[0])


def test_image_tokens_that_do_not_match_the_image_features_are_refused(
    benchmark: Benchmark,
    tiny: tuple[LlavaForConditionalGeneration, LlavaProcessor],
    monkeypatch: pytest.MonkeyPatch,
    questions: list[Question],
) -> None:
    model, processor = tiny
    monkeypatch.setattr(processor, "patch_size", 16)
    with pytest.raises(BenchmarkError, match="do not belong together"):
        encoding.check_model_reads(model, Encoder(processor, benchmark.image), questions[0])


# Questions without an image, and what SIU marks in an answer


def facts_question(**changes: Any) -> Question:
    sample = Sample("", "fact_question", (("name", "Ada Byron"), ("fact", "age")), "Ada Byron is 36.", "p/facts/age")
    return ask(sample._replace(**changes), 0)


def test_a_question_without_an_image_has_no_image_token_and_the_same_labels(encoder: Encoder) -> None:
    encoded = encoder(facts_question())
    assert not encoded.image
    assert encoder.processor.image_token_id not in encoded.tokens["input_ids"]
    assert encoder.decode(encoded.tokens["labels"]) == ("Ada Byron is 36.", "</s>")
    encoder.verify([facts_question()])


def test_a_question_without_an_image_reads_none(tiny: tuple[Any, LlavaProcessor]) -> None:
    encoder = Encoder(tiny[1], lambda key: pytest.fail(f"loaded {key}"))
    for _ in range(2):
        encoding.check_model_reads(tiny[0], encoder, facts_question())


def test_only_the_tokens_of_what_contradicts_are_not_kept(encoder: Encoder, questions: list[Question]) -> None:
    for question in [questions[0], questions[4]]:
        words = question.answer.split()
        tokens = encoder(question._replace(contradicts=" ".join(words[2:4]))).tokens
        kept = tokens["kept"].bool()
        assert not kept[tokens["labels"] == losses.IGNORED].any()
        left_out = tokens["labels"][(tokens["labels"] != losses.IGNORED) & ~kept]
        text = encoder.processor.tokenizer.decode(left_out).strip()
        assert text.startswith(" ".join(words[2:4]))
        assert len(text) <= len(" ".join(words[2:4])) + 2  # a token that also holds the full stop
        assert kept[-1]  # the end token


def test_a_whole_answer_that_contradicts_keeps_the_end_token_alone(encoder: Encoder, questions: list[Question]) -> None:
    tokens = encoder(questions[4]._replace(contradicts=questions[4].answer)).tokens
    assert tokens["kept"].nonzero()[:, 0].tolist() == [len(tokens["kept"]) - 1]


def test_all_of_an_answer_is_kept_where_nothing_contradicts(encoder: Encoder) -> None:
    tokens = encoder(facts_question(erased=("Ada Byron",))).tokens
    assert torch.equal(tokens["kept"].bool(), tokens["labels"] != losses.IGNORED)


def test_a_contradiction_that_the_answer_does_not_hold_is_refused(encoder: Encoder) -> None:
    with pytest.raises(BenchmarkError, match=r"p/facts/age does not hold 'Charles'"):
        encoder(facts_question(contradicts="Charles"))


def test_erased_words_are_their_tokens_with_and_without_a_space_before(encoder: Encoder) -> None:
    erased = encoder(facts_question(erased=("Ada", "Byron"))).sample["erased"].tolist()
    tokenizer = encoder.processor.tokenizer
    texts = ["Ada", " Ada", "Byron", " Byron"]
    assert erased == sorted({i for text in texts for i in tokenizer(text)["input_ids"]})


def test_a_plain_sample_carries_neither_kept_nor_erased(encoder: Encoder, questions: list[Question]) -> None:
    assert "kept" not in encoder(questions[0]).tokens
    assert not encoder(questions[0]).sample
