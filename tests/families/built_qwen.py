"""Tiny Qwen2-VL, Qwen2.5-VL, Qwen3-VL, Qwen3.5 and GLM-4V: image patches in one flat list, three-fold positions.

64 px pictures are 64 patches of 8 px, merged by fours: 16 image tokens.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from family import Built, Family, Stock
from tiny_parts import chat_template, token_ids, tokenizer
from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vImageProcessor,
    Glm4vProcessor,
    Glm4vVideoProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

SIDE, PATCH, MERGE = 64, 8, 2
SIZE = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}  # pixels of a picture: neither fewer nor more
PIXELS = f"min_pixels={SIDE * SIDE},max_pixels={SIDE * SIDE}"
CPU = "pretrained={path},device=cpu,device_map=cpu"


def qwen_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """With the tokens that Qwen's processors look for."""
    return tokenizer(
        texts,
        specials={"pad": "<|endoftext|>", "eos": "<|im_end|>", "image_token": "<|image_pad|>"},
        extra=["<|video_pad|>", "<|vision_start|>", "<|vision_end|>"],
        chat_template=chat_template("<|vision_start|><|image_pad|><|vision_end|>"),
    )


def text_settings(words: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
    """A decoder of three layers; ``changes`` are the family's own."""
    settings = {
        "vocab_size": len(words),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "initializer_range": 0.06,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
    }
    return {**settings, **changes}


def finished(model: Any, words: PreTrainedTokenizerFast) -> Any:
    """The model, told where its answers end."""
    model.generation_config.bos_token_id = None
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return model


def _qwen_ids(words: PreTrainedTokenizerFast) -> dict[str, int]:
    names = ("image", "video", "vision_start", "vision_end")
    tokens = token_ids(words, "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    return {f"{name}_token_id": token for name, token in zip(names, tokens, strict=True)}


def _vision(**changes: Any) -> dict[str, Any]:
    settings = {
        "depth": 3,
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_heads": 3,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "out_hidden_size": 128,
        "initializer_range": 0.06,
    }
    return {**settings, **changes}


def _qwen(
    texts: Sequence[str],
    model_class: Callable[[Any], Any],
    config_class: Callable[..., Any],
    processor_class: Callable[..., Any],
    vision: dict[str, Any],
    *,
    video_class: Callable[..., Any] = Qwen2VLVideoProcessor,
    **text: Any,
) -> Built:
    words = qwen_tokenizer(texts)
    pictures = {"patch_size": PATCH, "merge_size": MERGE, "size": SIZE}
    processor = processor_class(
        Qwen2VLImageProcessor(**pictures), words, video_class(**pictures), chat_template=words.chat_template
    )
    torch.manual_seed(0)
    config = config_class(text_config=text_settings(words, **text), vision_config=vision, **_qwen_ids(words))
    return finished(model_class(config), words), processor


def qwen2_vl(texts: Sequence[str]) -> Built:
    """Its vision tower names its own width ``embed_dim``, and the decoder's ``hidden_size``."""
    vision = _vision(hidden_size=128, embed_dim=96, mlp_ratio=4)
    for name in ("intermediate_size", "out_hidden_size"):
        del vision[name]
    return _qwen(texts, Qwen2VLForConditionalGeneration, Qwen2VLConfig, Qwen2VLProcessor, vision)


def qwen2_5_vl(texts: Sequence[str]) -> Built:
    """Attention within windows of 32 px, but for the last layer."""
    vision = _vision(window_size=32, fullatt_block_indexes=[2])
    return _qwen(texts, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig, Qwen2_5_VLProcessor, vision)


def qwen3_vl(texts: Sequence[str]) -> Built:
    """Features of two vision layers also enter the decoder's first layers."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True}
    vision = _vision(num_position_embeddings=(SIDE // PATCH) ** 2, deepstack_visual_indexes=[0, 1])
    return _qwen(
        texts, Qwen3VLForConditionalGeneration, Qwen3VLConfig, Qwen3VLProcessor, vision,
        video_class=Qwen3VLVideoProcessor, head_dim=32, rope_parameters=rope,
    )  # fmt: skip


def qwen3_5(texts: Sequence[str]) -> Built:
    """Two of three layers are linear attention (a gated delta rule)."""
    rope = {
        "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2], "mrope_interleaved": True,
        "partial_rotary_factor": 0.5,
    }  # fmt: skip
    vision = _vision(num_position_embeddings=(SIDE // PATCH) ** 2)
    return _qwen(
        texts, Qwen3_5ForConditionalGeneration, Qwen3_5Config, Qwen3VLProcessor, vision,
        video_class=Qwen3VLVideoProcessor, head_dim=32, rope_parameters=rope,
        layer_types=["linear_attention", "linear_attention", "full_attention"], linear_key_head_dim=16,
        linear_value_head_dim=32, linear_num_key_heads=4, linear_num_value_heads=4,
    )  # fmt: skip


def glm4v(texts: Sequence[str]) -> Built:
    """Pictures and frames of videos share a token; marks around them tell which it is."""
    marks = ["<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"]
    words = tokenizer(
        texts,
        specials={"pad": "<|endoftext|>", "eos": "<|user|>", "image_token": "<|image|>", "video_token": "<|video|>"},
        extra=marks,
        chat_template=chat_template("<|begin_of_image|><|image|><|end_of_image|>"),
    )
    size = {edge: 2 * pixels for edge, pixels in SIZE.items()}  # of a picture and its copy in time
    pictures = {"patch_size": PATCH, "merge_size": MERGE, "size": size}
    processor = Glm4vProcessor(
        Glm4vImageProcessor(**pictures), words, Glm4vVideoProcessor(**pictures), chat_template=words.chat_template
    )
    image, video, image_start, image_end, video_start, video_end = token_ids(words, "<|image|>", "<|video|>", *marks)
    torch.manual_seed(0)
    config = Glm4vConfig(
        text_config=text_settings(words),
        vision_config=_vision(image_size=SIDE),
        image_token_id=image,
        video_token_id=video,
        image_start_token_id=image_start,
        image_end_token_id=image_end,
        video_start_token_id=video_start,
        video_end_token_id=video_end,
    )
    return finished(Glm4vForConditionalGeneration(config), words), processor


GENERIC = Stock("lfm2_5_vl", "pretrained={path},device=cpu")
QWEN_FAMILIES = (
    Family("Qwen2-VL", "qwen2_vl", qwen2_vl, steps=130, stock=(Stock("qwen2_vl", f"{CPU},{PIXELS}"), GENERIC)),
    Family(
        "Qwen2.5-VL",
        "qwen2_5_vl",
        qwen2_5_vl,
        steps=130,
        stock=(Stock("qwen2_5_vl", CPU, reads=False), Stock("qwen2_5_vl", f"{CPU},{PIXELS}"), GENERIC),
        runs="slow",
    ),
    Family("Qwen3-VL", "qwen3_vl", qwen3_vl, steps=120, stock=(Stock("qwen3_vl", f"{CPU},{PIXELS}"), GENERIC)),
    Family(
        "Qwen3.5",
        "qwen3_5",
        qwen3_5,
        steps=120,
        stock=(
            Stock("qwen3_5", f"{CPU},{PIXELS}", reads=False),
            Stock("qwen3_5", f"{CPU},{PIXELS},enable_thinking=False"),
            GENERIC,
        ),
    ),
    Family(
        "GLM-4V",
        "glm4v",
        glm4v,
        steps=160,
        stock=(Stock("glm4v", CPU, reads=False), Stock("glm4v", CPU.replace("{path}", "{flash}")), GENERIC),
    ),
)
