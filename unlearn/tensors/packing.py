"""Several questions about one image in one row, behind one copy of the image.

A packed row holds what its questions begin with in common, the image included, and then the rest of each. A mask lets
every rest see the beginning and itself, and positions go on from the beginning in each, so that a question is read
exactly as in a row of its own. Families differ in what they take for both: see ``packed_inputs``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pebench_tasks.backend.shared_prefix import MASKED_ATTENTION
from unlearn.losses import IGNORED
from unlearn.tensors.encoding import Encoded, Inputs, common_prefix

# Families for which a test shows that losses and gradients behind a shared image equal the separate ones.
SHARED_PREFIX_FAMILIES = (
    "aya_vision", "blip-2", "cohere2_vision", "deepseek_vl", "fast_vlm", "gemma3", "glm4v", "idefics2", "idefics3",
    "internvl", "llava", "llava_next", "llava_onevision", "mistral3", "ovis2", "phi4_multimodal", "qwen2_5_vl",
    "qwen2_vl", "qwen3_vl", "smolvlm", "vipllava",
)  # fmt: skip
LAYERS = ("full_attention", "sliding_attention")  # the kinds of layers that read a row through a mask
PACKED = ("segments", "rewind")  # what only a packed batch has of each token, beside the inputs


def shares_prefix(model: Any) -> str:
    """Why questions about one image cannot share it in this model; "" if they can."""
    config = model.config
    if config.model_type not in SHARED_PREFIX_FAMILIES:
        return f"not proven for the family {config.model_type}"
    text = config.get_text_config()
    if others := set(getattr(text, "layer_types", None) or []) - set(LAYERS):
        return f"its language model has layers of the kind {min(others)}"
    attention = text._attn_implementation
    return "" if attention in MASKED_ATTENTION else f"the attention {attention} takes no mask of blocks"


def pack(unit: Sequence[Encoded]) -> Inputs:
    """Questions about one image as one row: what they begin with in common, once, then the rest of each.

    ``segments`` is 0 on the common beginning and 1, 2, ... on the rests; ``rewind`` is how many tokens lie between the
    beginning and a rest, whose positions are to follow the beginning. Each rest keeps a token of its own prompt, from
    which the answer's first is predicted.
    """
    ids = [encoded.tokens["input_ids"] for encoded in unit]
    answers = [int((encoded.tokens["labels"] != IGNORED).nonzero()[0]) for encoded in unit]
    prefix = min([common_prefix(ids[0], other) for other in ids[1:]] + [answer - 1 for answer in answers])
    rests = torch.tensor([len(row) - prefix for row in ids])
    row = {
        key: torch.cat([unit[0].tokens[key][:prefix], *(encoded.tokens[key][prefix:] for encoded in unit)])
        for key in unit[0].tokens
    }
    numbers = torch.arange(len(unit)).repeat_interleave(rests)  # (tokens behind the prefix,)
    start = torch.zeros(prefix, dtype=torch.long)
    row["samples"] = torch.cat([start, numbers])
    row["segments"] = torch.cat([start, numbers + 1])
    row["rewind"] = torch.cat([start, (rests.cumsum(0) - rests)[numbers]])
    return row


def packed_inputs(model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    """What ``model`` reads of a packed batch: its inputs, and the mask and positions that keep its questions apart.

    Positions are the family's own of the row as it stands, less what each rest is to be rewound: behind an image, one
    token is one position in all families. ``(rows, tokens)``, or ``(3, rows, tokens)`` where images have positions in
    time, height and width. The mask is ``(rows, 1, tokens, tokens)``, or one for each kind of layer.
    """
    text, inputs = model.config.get_text_config(), batch["inputs"]
    order = torch.arange(batch["segments"].shape[1], device=batch["segments"].device) - batch["rewind"]
    masks = _by_layers(text, order, _seen(model.config.model_type, batch))
    if text._attn_implementation == "eager":  # it adds its mask to the scores
        least = torch.finfo(model.dtype).min
        masks = {kind: torch.zeros_like(m, dtype=model.dtype).masked_fill(~m, least) for kind, m in masks.items()}
    if "image_grid_thw" in inputs:
        body = next(module for module in model.modules() if hasattr(module, "get_rope_index"))
        read = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
        order = body.get_rope_index(**{name: inputs[name] for name in read})[0] - batch["rewind"]
    mask = masks if len(masks) > 1 else next(iter(masks.values()))
    return {**inputs, "attention_mask": mask, "position_ids": order}


def _seen(family: str, batch: Mapping[str, Any]) -> Tensor:
    seen = block_mask(batch["segments"])
    return seen | same_image(batch["inputs"]["token_type_ids"]) if family == "gemma3" else seen


def _by_layers(text: Any, order: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """The mask of each kind of layer that a text model has; ``order`` is the place of each token in its question."""
    window: Any = getattr(text, "sliding_window", None)
    # Without the list, a window is that of all layers (Mistral); with it, one that no layer has does nothing.
    kinds = set(getattr(text, "layer_types", None) or ["sliding_attention" if window else "full_attention"])
    masks = {"full_attention": seen} if "full_attention" in kinds else {}
    if "sliding_attention" in kinds:
        masks["sliding_attention"] = seen & (order[:, :, None] - order[:, None, :] < window)[:, None]
    return masks


def block_mask(segments: Tensor) -> Tensor:
    """Who sees whom in packed rows, ``(rows, 1, tokens, tokens)``: the common beginning and what is one's own, before.

    ``segments`` is ``(rows, tokens)``; padding (-1) sees padding, so that no row of the mask is empty.
    """
    tokens = segments.shape[1]
    before = torch.ones(tokens, tokens, dtype=torch.bool, device=segments.device).tril()
    own, start = segments[:, :, None] == segments[:, None, :], (segments == 0)[:, None, :]
    return (before & (own | start))[:, None]


def same_image(token_types: Tensor) -> Tensor:
    """Which tokens belong to one image (Gemma3 lets these see each other), ``(rows, 1, tokens, tokens)``.

    ``token_types`` is ``(rows, tokens)``, 1 on the tokens of images.
    """
    image = token_types == 1
    begins = image & ~torch.nn.functional.pad(image, (1, 0))[:, :-1]
    number = begins.cumsum(1).where(image, -1)
    return ((number[:, :, None] == number[:, None, :]) & image[:, :, None])[:, None]
