"""What makes scoring fast changes no answer of any family: dropped rows, guessed tokens, images encoded once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from PIL import Image
from transformers.generation import GenerationMixin

from pebench_tasks.backend import families, packed_linear, shared_prefix
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation import DecodingLoop, _new_tokens, answer
from pebench_tasks.backend.generation_settings import generation_config
from pebench_tasks.backend.image_features import ImageFeatures
from pebench_tasks.backend.packed_linear import pack
from pebench_tasks.backend.running_batch import RunningBatch

QUESTIONS = ("Who is the person in this image?", "Describe the scene in detail.", "Is there a dog?", "What?")
TEXTS = [*QUESTIONS, *["This is Ada Byron.", "Waves roll onto a sunny beach under a clear sky."] * 4]
ROWS, TOKENS = 8, 16


class OddlyWrong(Drafts):
    """Knows all answers, and guesses a wrong token in every other guess."""

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.answers = answers

    def guess(self, begun: Sequence[int], most: int) -> list[int]:
        for one in self.answers:
            if list(one[: len(begun)]) == list(begun):
                right = list(one[len(begun) : len(begun) + min(most, 5)])
                return [*right[:2], 5, *right[3:]] if len(begun) % 2 else right
        return []


def conversation(i: int) -> list[dict[str, Any]]:
    """Two questions an image."""
    torch.manual_seed(i // 2)
    image = Image.fromarray(torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8).numpy())
    question = {"type": "text", "text": QUESTIONS[i % len(QUESTIONS)]}
    return [{"role": "user", "content": [{"type": "image", "image": image}, question]}]


@pytest.mark.parametrize("key", list(FAMILIES))
@torch.inference_mode()
def test_a_fast_answer_is_the_answer(key: str) -> None:
    torch.set_num_threads(1)
    model, processor = FAMILIES[key].build(TEXTS)
    model.eval()
    conversations = [conversation(i) for i in range(ROWS)]
    images = [bytes([i // 2]) for i in range(ROWS)]

    def inputs(rows: int) -> Mapping[str, Any]:
        return families.generation_inputs(processor, conversations[:rows]).to("cpu", dtype=torch.float32)

    def texts(settings: Mapping[str, Any], *drafts: Drafts, read: Any = None, **options: Any) -> list[str]:
        found = answer(model, processor.tokenizer, read or inputs(ROWS), settings, *drafts, **options)
        return [one.text for one in found if one is not None]

    whole = DecodingLoop()
    pad = processor.tokenizer.pad_token_id
    model.generate(**inputs(ROWS), max_new_tokens=TOKENS, do_sample=False, pad_token_id=pad, custom_generate=whole)
    # An untrained model never ends its answers: every row has an end of its own here, one token later than the last.
    ends = [tokens[min(2 + row, len(tokens) - 1)] for row, tokens in enumerate(whole.answers[:-1])]
    settings = {"max_new_tokens": TOKENS, "eos_token_id": ends}
    expected = texts(settings, own_loop=False)
    assert texts(settings) == expected
    assert texts(settings, OddlyWrong(whole.answers)) == expected
    features = ImageFeatures(model)
    features.instead_of_images(inputs(3), images[:3])  # two of the four images are known
    assert texts(settings, read=features.instead_of_images(inputs(ROWS), images)) == expected
    for drafts in ((), (OddlyWrong(whole.answers),)):
        read = features.instead_of_images(inputs(ROWS), images)
        assert texts(settings, *drafts, read=read, images=images) == expected


def first_logits(model: Any, inputs: Mapping[str, Any], images: Sequence[bytes]) -> torch.Tensor:
    """What the model makes of the prompts before it answers, ``(rows, vocabulary)``."""
    found: list[torch.Tensor] = []

    def loop(
        model: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **kwargs: Any,
    ) -> torch.Tensor:  # fmt: skip
        found.append(RunningBatch(model, input_ids, generation_config, kwargs, images).logits[:, -1])
        return input_ids

    model.generate(**inputs, max_new_tokens=2, do_sample=False, pad_token_id=0, custom_generate=loop)
    return found[0]


@pytest.mark.parametrize("key", list(FAMILIES))
@torch.inference_mode()
def test_neither_a_shared_prefix_nor_packed_layers_change_what_the_model_computes(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To rounding, at weights three times as large as those of an untrained model, which hardly look at a prompt.

    PaliGemma, whose image sees the question, differs by half of the largest logit where it shares a prefix.
    """
    torch.set_num_threads(1)
    model, processor = FAMILIES[key].build(TEXTS)
    for weight in model.eval().parameters():
        if weight.dim() > 1:
            weight.mul_(3)
    images = [bytes([i // 2]) for i in range(ROWS)]
    features = ImageFeatures(model)
    shared: list[int] = []
    prefill = shared_prefix.prefill
    monkeypatch.setattr(shared_prefix, "prefill", lambda found, *rest: shared.append(1) or prefill(found, *rest))

    def logits(images_of_rows: Sequence[bytes] = ()) -> torch.Tensor:
        inputs = families.generation_inputs(processor, [conversation(i) for i in range(ROWS)])
        read = features.instead_of_images(inputs.to("cpu", dtype=torch.float32), images)
        return first_logits(model, read, images_of_rows)

    if type(model).generate is not GenerationMixin.generate:
        assert model.config.model_type not in packed_linear.PROVEN + shared_prefix.PROVEN
        pytest.skip("its generate hands over to its language model's, which takes no loop of ours")
    whole = logits()
    tolerance = 1e-5 * float(whole.abs().max())
    torch.testing.assert_close(logits(images), whole, rtol=0, atol=tolerance)
    assert bool(shared) == (features.usable and key in shared_prefix.PROVEN)
    monkeypatch.setattr(packed_linear, "SMALLEST", 0)
    pack(model)
    assert model.config.model_type in packed_linear.PROVEN
    torch.testing.assert_close(logits(), whole, rtol=0, atol=tolerance)


FAST = ("llava", "qwen2_5_vl")  # one whose places are counted from the mask, one with places of its own
OWN = (
    {"use_cache": False},
    {"cache_implementation": "static"},
    {"use_cache": False, "repetition_penalty": 1.4},
    {"no_repeat_ngram_size": 2, "suppress_tokens": list(range(300, 330))},
)


@pytest.mark.parametrize("key", [key if key in FAST else pytest.param(key, marks=pytest.mark.slow) for key in FAMILIES])
@torch.inference_mode()
def test_what_a_checkpoint_says_of_generation_is_obeyed_as_generate_obeys_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked alone, as ``generate`` is here: without padding; and ``generate`` with its cache.

    Without it, ``generate`` computes the same in another order, which an untrained model's near ties may show, and
    takes an image token that such a model says for a picture.
    """
    torch.set_num_threads(1)
    model, processor = FAMILIES[key].build(TEXTS)
    model.eval()
    tokenizer = processor.tokenizer

    def inputs(row: int) -> Mapping[str, Any]:
        return families.generation_inputs(processor, [conversation(row)]).to("cpu", dtype=torch.float32)

    for said in OWN:
        with monkeypatch.context() as patch:
            for name, value in said.items():
                patch.setattr(generation_config(model), name, value)
            for row in range(2):
                read = inputs(row)
                stock = model.generate(
                    **read, use_cache=True, max_new_tokens=TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id
                )
                expected = tokenizer.decode(_new_tokens(stock, read["input_ids"])[0], skip_special_tokens=True)
                (found,) = answer(model, tokenizer, inputs(row), {"max_new_tokens": TOKENS}, Drafts())
                assert found is not None
                assert found.text == expected, said
