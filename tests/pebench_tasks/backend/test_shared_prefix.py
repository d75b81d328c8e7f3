"""Questions about one image share its keys and values, and get the answers that they get alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPooling

from pebench_tasks.backend import families, shared_prefix
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation import Answer, answer
from pebench_tasks.backend.image_features import ImageFeatures
from pebench_tasks.backend.kv_cache import RoomyLayer
from pebench_tasks.backend.shared_prefix import SharedPrefix, find, padded_behind
from pebench_tasks.versions import takes_features

QUESTIONS = ("Who is the person?", "Describe the scene in detail.", "Is there a dog?", "What?")
TOKENS = 12


class Asked:
    """A model, questions about images by number, and what went through its language model."""

    def __init__(self, checkpoint: Path) -> None:
        self.model = families.load_model(str(checkpoint), torch.float32).eval()
        if not takes_features(self.model):
            pytest.skip("generate takes no features in place of images: never before transformers 5.18")
        self.processor = families.load_processor(str(checkpoint))
        self.features = ImageFeatures(self.model)
        self.passes: list[tuple[int, int]] = []  # rows, tokens
        self.masked: list[bool] = []
        self.model.model.language_model.layers[0].self_attn.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = kwargs.get("hidden_states", args[0] if args else None)
        self.passes.append(tuple(states.shape[:2]))
        self.masked.append(kwargs.get("attention_mask") is not None)

    def __call__(
        self, images: Sequence[int], questions: Sequence[str], *, share: bool = True, drafts: Drafts | None = None
    ) -> list[Answer | None]:
        self.passes.clear()
        self.masked.clear()
        prompts = [_prompt(image, question) for image, question in zip(images, questions, strict=True)]
        inputs = families.generation_inputs(self.processor, prompts)
        pictures = [bytes([image]) for image in images]
        with torch.inference_mode():
            read = self.features.instead_of_images(inputs, pictures)
            settings = {"max_new_tokens": TOKENS}
            return answer(
                self.model, self.processor.tokenizer, read, settings, drafts, images=pictures if share else ()
            )


def _prompt(seed: int, question: str) -> list[dict[str, Any]]:
    torch.manual_seed(seed)
    image = Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())
    return [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]}]


@pytest.fixture(scope="module")
def ask(llava: Path) -> Asked:
    return Asked(llava)


@pytest.mark.parametrize("images", [[0, 0, 0, 0], [0, 1, 0, 1], [2, 0, 1, 1], [0, 1, 2, 3]])
def test_the_answers_are_those_of_prompts_that_share_nothing(ask: Asked, images: list[int]) -> None:
    whole = ask(images, QUESTIONS, share=False)
    assert ask(images, QUESTIONS) == whole
    alone = [ask([image], [question])[0] for image, question in zip(images, QUESTIONS, strict=True)]
    assert alone == whole
    drafts = Drafts()
    assert ask(images, QUESTIONS, drafts=drafts) == ask(images, QUESTIONS, drafts=drafts) == whole


def test_an_image_s_tokens_go_through_the_model_once_and_without_a_mask(ask: Asked) -> None:
    """16 image tokens of a picture of 32 px; four questions about two pictures begin with as many, and a text."""
    ask([0, 1, 0, 1], QUESTIONS)
    (first_rows, first_tokens), (rows, rest) = ask.passes[:2]
    assert (first_rows, rows) == (2, 4)
    assert first_tokens > 16
    assert ask.masked[:2] == [False, True]
    ask([0, 1, 0, 1], QUESTIONS, share=False)
    assert ask.passes[0] == (4, first_tokens + rest)
    assert ask.masked[0]


def test_prompts_of_several_lengths_about_an_image_each_need_no_mask_either(ask: Asked) -> None:
    ask([0, 1, 2, 3], QUESTIONS)
    assert [rows for rows, _ in ask.passes[:2]] == [4, 4]
    assert not ask.masked[0]


def test_prompts_of_one_length_about_an_image_each_stay_whole(ask: Asked) -> None:
    ask([0, 1, 2, 3], [QUESTIONS[0]] * 4)
    rows, tokens = ask.passes[0]
    assert rows == 4
    assert tokens > 16
    assert ask.passes[1] == (4, 1)
    assert not ask.masked[0]


@pytest.mark.parametrize("images", [[0, 1, 0, 2], [0, 1, 2, 3]])
def test_images_go_through_the_model_in_parts_that_a_cpu_can_keep(
    ask: Asked, monkeypatch: pytest.MonkeyPatch, images: list[int]
) -> None:
    whole = ask(images, QUESTIONS)
    tokens = ask.passes[0][1]
    hidden = ask.model.config.get_text_config().hidden_size
    monkeypatch.setattr(shared_prefix, "AT_ONCE", hidden * (2 * tokens + 1))
    assert ask(images, QUESTIONS) == whole
    distinct = len(set(images))
    assert ask.passes[:2] == [(2, tokens), (distinct - 2, tokens)]
    assert ask.passes[2][0] == 4


def test_a_family_that_is_not_proven_goes_the_ordinary_way(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_prefix, "PROVEN", ())
    ask([0, 0, 0, 0], QUESTIONS)
    assert ask.passes[0][0] == 4


# By hand


def features(count: int) -> dict[str, Any]:
    return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=torch.zeros(count, 2, 4))}}


def found(ask: Asked, prompts: list[str], images: list[int]) -> SharedPrefix | None:
    """What is shared by prompts of one-letter tokens: ``i`` of an image, ``.`` padding."""
    picture = ask.model.config.image_token_id
    ids = torch.tensor([[picture if letter == "i" else ord(letter) for letter in prompt] for prompt in prompts])
    mask = torch.tensor([[int(letter != ".") for letter in prompt] for prompt in prompts])
    cache = DynamicCache(config=ask.model.config.get_text_config())
    return find(ask.model, cache, ids, {"attention_mask": mask, **features(len(ids))}, images)


def test_what_all_prompts_begin_with_is_found_behind_their_padding(ask: Asked) -> None:
    """Three tokens: both go on with q, and the shorter one ends there; a token must be left to be answered."""
    shared = found(ask, ["siiqa", ".siiq"], [7, 7])
    assert shared is not None
    assert shared.tokens == 3
    assert shared.first.tolist() == [0]
    assert shared.image_of.tolist() == [0, 0]
    assert shared.padding.tolist() == [[0], [1]]


def test_pictures_of_several_sizes_stay_whole(ask: Asked) -> None:
    """The second has three image tokens: only two would be shared."""
    assert found(ask, [".siiq", "siiiq"], [7, 8]) is None


def test_few_tokens_of_one_length_stay_whole_and_many_go_in_parts(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(ask, ["siiq", "siiq"], [7, 8]) is None
    monkeypatch.setattr(shared_prefix, "_tokens_at_once", lambda model: 7)
    assert found(ask, ["siiq", "siiq"], [7, 8]) is not None


def test_padding_moves_behind_what_is_shared_with_all_that_a_token_has() -> None:
    """Rows of 1 2 and a rest; the second row's padding, 0, stood in front; positions may be of several axes."""
    ids = torch.tensor([[1, 2, 3, 4, 5], [0, 0, 1, 2, 6]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]])
    kwargs = {"attention_mask": mask, "position_ids": positions.expand(3, 2, 5), "pixels": None}
    shared = SharedPrefix(2, torch.tensor([0]), torch.tensor([0, 0]), torch.tensor([[0], [2]]))
    assert padded_behind(shared, ids, kwargs).tolist() == [[1, 2, 3, 4, 5], [1, 2, 0, 0, 6]]
    assert kwargs["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 1]]
    assert kwargs["position_ids"].tolist() == [[[0, 1, 2, 3, 4], [0, 1, 0, 0, 2]]] * 3


def test_rows_of_a_cache_can_be_kept_several_times_with_the_room_behind_them() -> None:
    layer = RoomyLayer(room=3)
    first, second = torch.randn(2, 1, 4, 2), torch.randn(3, 1, 1, 2)
    layer.update(first, first + 1)
    layer.reorder_cache(torch.tensor([1, 1, 0]))
    assert torch.equal(layer.keys, first[[1, 1, 0]])
    assert layer._buffers is not None
    buffer = layer._buffers[0]
    keys, values = layer.update(second, second + 1)
    assert layer._buffers[0] is buffer
    assert torch.equal(keys, torch.cat([first[[1, 1, 0]], second], dim=-2))
    assert torch.equal(values, keys + 1)
