"""What the few families need that the generic way does not fit; each rule fails without its case in ``families``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from transformers import AutoProcessor, BatchFeature, PreTrainedModel
from transformers.models.smolvlm import processing_smolvlm

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import losses
from unlearn.data.samples import Question
from unlearn.protocol import tiny_model
from unlearn.tensors import parts
from unlearn.tensors.encoding import Encoder, as_dtype, check_model_reads, common_prefix

WHO = "Who is the person in this image?"
ANSWER = "This is Solveig Thorlacius."
Builds = Callable[[str], tuple[PreTrainedModel, Any]]


@pytest.fixture(scope="module")
def build(benchmark: Benchmark) -> Builds:
    """Builds a family's untrained model and processor, each once."""
    texts = list(tiny_model._texts(benchmark))
    built: dict[str, tuple[PreTrainedModel, Any]] = {}

    def build(key: str) -> tuple[PreTrainedModel, Any]:
        if key not in built:
            built[key] = FAMILIES[key].build(texts)
        return built[key]

    return build


def asked(benchmark: Benchmark, processor: Any, *images: str) -> BatchFeature:
    """What a model reads to answer the name question about each image, or without one."""
    messages = []
    for image in images:
        picture = [{"type": "image", "image": benchmark.image(image)}] if image else []
        messages.append([{"role": "user", "content": [*picture, {"type": "text", "text": WHO}]}])
    return families.generation_inputs(processor, messages)


# InstructBLIP


def test_the_qformer_reads_the_prompt_alone(benchmark: Benchmark, build: Builds) -> None:
    """In training the very tokens that it reads in scoring, and nothing of the answer."""
    processor = build("instructblip")[1]
    tokens = Encoder(processor, benchmark.image)(Question("p000/e00", WHO, ANSWER, "one")).tokens
    scored = asked(benchmark, processor, "p000/e00")
    read = tokens["qformer_input_ids"][tokens["qformer_attention_mask"].bool()]
    assert read.tolist() == scored["qformer_input_ids"][0].tolist()
    assert processor.qformer_tokenizer.decode(read).endswith(f"{WHO}\nASSISTANT:")
    assert "Solveig" not in processor.qformer_tokenizer.decode(tokens["qformer_input_ids"])


def test_another_answer_leaves_the_images_features_as_they_are(benchmark: Benchmark, build: Builds) -> None:
    """Else the answer would reach the language model through the image."""
    model, processor = build("instructblip")
    features = []
    for answer in (ANSWER, "This is Ganbold Erdenebileg, who is somebody else."):
        encoded = Encoder(processor, benchmark.image)(Question("p000/e00", WHO, answer, "one"))  # nothing remembered
        question = {key: value[None] for key, value in encoded.tokens.items() if key.startswith("qformer")}
        with torch.no_grad():
            features.append(model.eval().get_image_features(**encoded.image, **question).pooler_output)
    torch.testing.assert_close(*features)


def test_a_question_of_the_qformer_is_never_cut(benchmark: Benchmark, build: Builds) -> None:
    """Its own tokenizer may need more tokens than the whole sample has."""
    processor = build("instructblip")[1]
    with pytest.raises(BenchmarkError, match="takes more tokens of the Q-Former's than all of its sample"):
        families._instructblip_sample(processor, "zzz" * 99, "short", [[benchmark.image("p000/e00")]])


# PaliGemma


def test_the_answer_of_paligemma_stands_behind_its_newline(benchmark: Benchmark, build: Builds) -> None:
    """Its processor writes a newline behind whatever text it gets: behind the answer, were that part of the text."""
    processor = build("paligemma")[1]
    encoder = Encoder(processor, benchmark.image)
    for image in ("p000/e00", ""):
        tokens = encoder(Question(image, WHO, ANSWER, "one")).tokens
        answer = tokens["labels"] != losses.IGNORED
        assert processor.tokenizer.decode(tokens["input_ids"][answer]) == f"{ANSWER}</s>"
        assert processor.tokenizer.decode(tokens["input_ids"][~answer]).endswith(f"<s>{WHO}\n")
        assert torch.equal(answer, tokens["token_type_ids"] == 1)


def test_paligemma_sees_the_prompt_in_both_directions_and_the_answer_in_one(
    benchmark: Benchmark, build: Builds
) -> None:
    """What is predicted for an answer's token does not depend on the tokens after it, in training either."""
    model, processor = build("paligemma")
    encoder = Encoder(processor, benchmark.image)
    short, long = (
        encoder(Question("p000/e00", WHO, answer, "one")) for answer in ("This is Solveig.", "This is Solveig and me.")
    )
    same = common_prefix(short.tokens["input_ids"], long.tokens["input_ids"])
    logits = []
    for encoded in (short, long):
        inputs = {key: value[None] for key, value in encoded.tokens.items() if key != "labels"}
        with torch.no_grad():
            logits.append(model.train()(**inputs, **encoded.image).logits[0, :same])
    torch.testing.assert_close(*logits)


def test_a_prompt_of_paligemma_has_no_labels(benchmark: Benchmark, build: Builds) -> None:
    """The processor gives some with every text; ``generate`` knows none."""
    processor = build("paligemma")[1]
    assert "labels" not in asked(benchmark, processor, "p000/e00", "p001/e01")
    assert "labels" not in asked(benchmark, processor, "")


def test_paligemma_reads_a_text_without_an_image_as_it_would_beside_one(benchmark: Benchmark, build: Builds) -> None:
    processor = build("paligemma")[1]
    alone, beside = (asked(benchmark, processor, image)["input_ids"][0] for image in ("", "p000/e00"))
    assert alone.tolist() == beside[beside != processor.image_token_id].tolist()


# BLIP-2 and InstructBLIP


@pytest.mark.parametrize("key", ["blip-2", "instructblip"])
def test_a_question_without_a_picture_gets_a_grey_one(key: str, benchmark: Benchmark, build: Builds) -> None:
    """These models cannot run without; beside a question with a picture each row keeps its own."""
    model, processor = build(key)
    both, grey = asked(benchmark, processor, "", "p000/e00"), asked(benchmark, processor, "")
    assert torch.equal(both["pixel_values"][0], grey["pixel_values"][0])
    assert both["pixel_values"][0].std() == 0 < both["pixel_values"][1].std()
    with torch.no_grad():
        together, alone = model.eval()(**both).logits[0, -1], model(**grey).logits[0, -1]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    encoder = Encoder(processor, benchmark.image)
    question = Question("", WHO, ANSWER, "one")
    encoder.verify([question])
    check_model_reads(model, encoder, question)


# Chat templates


@pytest.mark.parametrize("key", ["blip-2", "instructblip", "phi4_multimodal"])
def test_a_chat_template_survives_saving_where_the_processor_loses_it(key: str, build: Builds, tmp_path: Path) -> None:
    processor = build(key)[1]
    processor.save_pretrained(tmp_path)
    assert families.load_processor(str(tmp_path)).chat_template == processor.chat_template


@pytest.mark.parametrize("key", ["blip-2", "instructblip", "paligemma"])
def test_families_that_are_published_without_a_chat_template_have_one(
    key: str, benchmark: Benchmark, build: Builds, tmp_path: Path
) -> None:
    """It places the image, and the labels behind it are the answer."""
    processor = build(key)[1]
    processor.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    loaded: Any = families.load_processor(str(tmp_path))
    assert AutoProcessor.from_pretrained(tmp_path).tokenizer.chat_template is None
    encoder = Encoder(loaded, benchmark.image)
    questions = [Question(image, WHO, ANSWER, "one") for image in ("p000/e00", "")]
    encoder.verify(questions)
    prompt = loaded.tokenizer.decode(encoder.prompt(encoder.texts(questions[0])[0], None)["input_ids"][0])
    assert WHO in prompt
    assert ("Question: " in prompt) == (key == "blip-2")


# Llama 4


def test_the_pixels_of_llama4_are_cast_to_the_models_dtype(benchmark: Benchmark, build: Builds) -> None:
    """Its processor makes bfloat16 whatever the model is, which a model in float32 refuses."""
    model, processor = build("llama4")
    encoded = Encoder(processor, benchmark.image)(Question("p000/e00", WHO, ANSWER, "one"))
    assert encoded.image["pixel_values"].dtype == torch.bfloat16
    inputs = {**{key: value[None] for key, value in encoded.tokens.items()}, **encoded.image}
    with pytest.raises(RuntimeError, match="type"):
        model(**inputs)
    assert model(**as_dtype(inputs, model.dtype)).logits.dtype == torch.float32


def test_the_router_of_llama4_carries_no_adapter() -> None:
    wrapped = parts.tune(FAMILIES["llama4"].build(["a"])[0], ["lm"], parts.Lora(4, 8, 0.0))
    names = [name for name, _ in wrapped.named_modules() if name.endswith("lora_A")]
    assert any("shared_expert" in name for name in names)
    assert not any("router" in name for name in names)


# Phi-4-multimodal


def test_what_listens_in_phi4_is_neither_trained_nor_adapted() -> None:
    for lora in (None, parts.Lora(4, 8, 0.0)):
        tuned = parts.tune(FAMILIES["phi4_multimodal"].build(["a"])[0], parts.PARTS, lora)
        trained = [name for name, parameter in tuned.named_parameters() if parameter.requires_grad]
        assert any("img_projection" in name for name in trained)
        assert not any("audio" in name for name in trained)
    adapted = parts.tune(FAMILIES["phi4_multimodal"].build(["a"])[0], ["lm"], parts.Lora(4, 8, 0.0))
    assert all(".layers." in name for name, parameter in adapted.named_parameters() if parameter.requires_grad)


# SmolVLM


def test_without_num2words_the_error_names_it(build: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("smolvlm")[1].save_pretrained(tmp_path)
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(BenchmarkError, match="pip install num2words"):
        families.load_processor(str(tmp_path))
