"""What all prompts of a batch begin with, the image among it, goes through the model once for every image.

Padded on the left, prompts of several lengths need a mask in every layer's attention, and two questions about one
image put it through the model twice. Here the padding moves behind what the prompts have in common:

    . . system image who?              system image | . . who?
    system image describe this   ->    system image | describe this

Keys and values of the left part are computed once an image, where nothing is padded and so without a mask, and handed
to every question about it; the right parts go on from there. Every token sees what it saw before, at its old position.
"""

import copy
import sys
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from pebench_tasks.backend.kv_cache import keeps_all

# Families for which a test shows that the answers are the same: a token sees those before it and no others, and what a
# prompt begins with does not depend on how it goes on.
PROVEN = (
    "deepseek_vl", "glm4v", "idefics2", "idefics3", "internvl", "kimi_k25", "llava", "llava_next", "llava_onevision",
    "qwen2_5_vl", "qwen2_vl", "smolvlm", "vipllava",
)  # fmt: skip
MASKED_ATTENTION = ("sdpa", "eager")  # implementations that take any mask
# Numbers of a hidden state in a pass on a CPU: 4 MiB in float32. Arrays within a layer are a few times as large, and
# what takes over 32 MiB is given back to the system after every operation, and comes anew and cleared for the next.
AT_ONCE = 2**20
PER_TOKEN = ("attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")
FEATURES = "mm_encoder_outputs"


class SharedPrefix(NamedTuple):
    """How the prompts of a batch are taken apart."""

    tokens: int  # that all rows begin with
    first: torch.Tensor  # (images,), the row in which each image stands first
    image_of: torch.Tensor  # (rows,), places in ``first``
    padding: torch.Tensor  # (rows, 1), tokens of it


def find(
    model: Any, cache: Any, input_ids: torch.Tensor, model_kwargs: dict[str, Any], images: Sequence[Hashable]
) -> SharedPrefix | None:
    """What the prompts ``(rows, tokens)`` share; None where that saves nothing or is not proven for the model.

    ``images`` says of every row which picture it is about; ``model_kwargs`` are those that ``generate`` prepared.
    """
    features = (model_kwargs.get(FEATURES) or {}).get("image")
    if (
        model.config.model_type not in PROVEN
        or model.config._attn_implementation not in MASKED_ATTENTION
        or features is None
        or set(features) != {"pooler_output"}
        or not keeps_all(cache)
    ):
        return None
    mask = model_kwargs.get("attention_mask")
    padding = (torch.ones_like(input_ids) if mask is None else mask).eq(0).sum(dim=-1, keepdim=True)
    first = [images.index(image) for image in dict.fromkeys(images)]
    in_one_part = len(images) == 1 or input_ids.numel() <= _tokens_at_once(model)
    if len(first) == len(images) and not padding.any() and in_one_part:
        return None
    shortest = input_ids.shape[1] - int(padding.max())
    begun = input_ids.gather(1, padding + torch.arange(shortest - 1, device=input_ids.device))  # all but the last token
    tokens = int((begun == begun[:1]).all(dim=0).long().cumprod(dim=0).sum())
    of_images = [int((ids == model.config.image_token_id).sum()) for ids in (input_ids, begun[:, :tokens])]
    if not of_images[0] or of_images[0] != of_images[1]:
        return None  # pictures of several sizes
    places = {images[row]: place for place, row in enumerate(first)}
    device = input_ids.device
    image_of = torch.tensor([places[image] for image in images], device=device)
    return SharedPrefix(tokens, torch.tensor(first, device=device), image_of, padding)


def padded_behind(shared: SharedPrefix, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> torch.Tensor:
    """The prompts with their padding behind what they share; so are the ``model_kwargs`` that have a column a token."""
    if not shared.padding.any():
        return input_ids
    place = torch.arange(input_ids.shape[1], device=input_ids.device)
    behind = shared.tokens + shared.padding
    order = torch.where(place < shared.tokens, place + shared.padding, place - shared.tokens)  # (rows, tokens)
    order = torch.where(place < behind, order, place)
    for name in PER_TOKEN:
        if (value := model_kwargs.get(name)) is not None:
            model_kwargs[name] = value.gather(-1, order.expand(value.shape))
    return input_ids.gather(-1, order)


def prefill(shared: SharedPrefix, model: Any, cache: Any, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> Any:
    """Run the model on the prompts, ``padded_behind``; returns its output for what is not shared.

    ``cache`` is the one among ``model_kwargs``, unused; its layers are written in place.
    """
    images, rows = len(shared.first), len(shared.image_of)
    parts = torch.arange(images).split(max(1, _tokens_at_once(model) // shared.tokens))
    if len(parts) == 1 and images == rows:
        _begin(shared.first, shared.tokens, model, input_ids, model_kwargs)
    else:
        name = next(name for name, value in model_kwargs.items() if value is cache)
        unused, places = copy.deepcopy(cache), list(enumerate(shared.image_of.tolist()))
        for part in (part.tolist() for part in parts):
            piece = copy.deepcopy(unused)
            _begin(shared.first[part], shared.tokens, model, input_ids, {**model_kwargs, name: piece})
            of_part = [(part.index(image), row) for row, image in places if image in part]
            for whole, layer in zip(cache.layers, piece.layers, strict=True):
                whole.copy_rows(layer, of_part, rows)
    rest = input_ids.shape[1] - shared.tokens
    inputs = model.prepare_inputs_for_generation(input_ids, next_sequence_length=rest, **model_kwargs)
    return model(**inputs, return_dict=True)


def _tokens_at_once(model: Any) -> int:
    return AT_ONCE // int(model.config.get_text_config().hidden_size) if model.device.type == "cpu" else sys.maxsize


def _begin(rows: torch.Tensor, tokens: int, model: Any, input_ids: torch.Tensor, model_kwargs: dict[str, Any]) -> None:
    """Put the first ``tokens`` of some rows into the cache among ``model_kwargs``."""
    kwargs = dict(model_kwargs)
    for name in PER_TOKEN:
        if (value := kwargs.get(name)) is not None:
            kwargs[name] = (value if value.shape[-2] == 1 else value.index_select(-2, rows))[..., :tokens]
    features = kwargs[FEATURES]["image"].pooler_output
    kwargs[FEATURES] = {"image": _of_rows(features, rows.tolist(), len(input_ids))}
    inputs = model.prepare_inputs_for_generation(input_ids[rows, :tokens], is_first_iteration=True, **kwargs)
    model(**inputs, return_dict=True)


def _of_rows(features: Any, rows: Sequence[int], count: int) -> BaseModelOutputWithPooling:
    """The features of the images in some of ``count`` rows; all have as many."""
    images = len(features) // count  # a row
    places = [row * images + i for row in rows for i in range(images)]
    chosen: Any = features[places] if isinstance(features, torch.Tensor) else [features[place] for place in places]
    return BaseModelOutputWithPooling(pooler_output=chosen)
