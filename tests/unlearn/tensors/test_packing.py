"""Packed rows: who sees whom, and which models read them."""

import copy
from typing import Any

import pytest
import torch
from transformers import Gemma3TextConfig, LlavaConfig, LlavaForConditionalGeneration

from unlearn.tensors.packing import block_mask, same_image, shares_prefix


def test_a_token_sees_the_common_beginning_and_its_own_question_before_it() -> None:
    """Two of beginning, one and two of rests, one of padding, which sees padding: no row is empty."""
    mask = block_mask(torch.tensor([[0, 0, 1, 2, 2, -1]]))[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 1, 0, 1, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]  # fmt: skip


def test_the_tokens_of_an_image_see_each_other_and_no_other_image() -> None:
    """Two images, of two tokens and of one, around a word."""
    mask = same_image(torch.tensor([[1, 1, 0, 1]]))[0, 0].int().tolist()
    assert mask == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
    ]  # fmt: skip


def test_the_prefix_is_shared_where_that_is_proven_and_the_reason_is_said_elsewhere(
    model: LlavaForConditionalGeneration,
) -> None:
    assert shares_prefix(model) == ""
    model.config.text_config._attn_implementation = "flash_attention_2"
    assert shares_prefix(model) == "the attention flash_attention_2 takes no mask of blocks"
    config: Any = copy.deepcopy(LlavaConfig())
    config.model_type = "paligemma"
    other = type("Model", (), {"config": config})()
    assert shares_prefix(other) == "not proven for the family paligemma"


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["full_attention", "sliding_attention"], ""),
        (["linear_attention", "full_attention"], "its language model has layers of the kind linear_attention"),
    ],
)
def test_layers_that_carry_a_state_from_token_to_token_read_questions_one_by_one(kinds: list[str], reason: str) -> None:
    """Whatever mask there is, such a layer would carry one question into the next."""
    text = Gemma3TextConfig(num_hidden_layers=2)
    text.layer_types = kinds
    config = LlavaConfig(text_config=text)
    config.text_config._attn_implementation = "sdpa"
    assert shares_prefix(type("Model", (), {"config": config})()) == reason
