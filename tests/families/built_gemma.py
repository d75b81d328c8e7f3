"""Tiny Gemma3 and Gemma4."""

from collections.abc import Sequence
from typing import Any

import torch
from built_qwen import GENERIC, PATCH, finished, text_settings
from family import Built, Family, Stock
from tiny_parts import chat_template, token_ids, tokenizer
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessor,
    Gemma4Processor,
    Gemma4VideoProcessor,
    PreTrainedTokenizerFast,
)

SOFT_TOKENS = 70  # the fewest image tokens that Gemma4's image processor knows; a square picture takes 64 of them
ON_CPU = "pretrained={path},device=cpu,device_map=cpu"


def _text(words: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
    """The last of three layers looks at everything, the others at what is near: the window holds a whole question."""
    settings = text_settings(words, head_dim=32, **changes)
    settings["layer_types"] = ["sliding_attention", "sliding_attention", "full_attention"]
    settings["sliding_window"] = 512
    del settings["rope_parameters"]  # two kinds of layers, two of these: the family's own
    return settings


def gemma3(texts: Sequence[str]) -> Built:
    """The tokens of an image see each other, also those behind them; 36, as fewer learn late."""
    words = tokenizer(
        texts,
        specials={
            "pad": "<pad>",
            "eos": "<end_of_turn>",
            "bos": "<bos>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        chat_template="{{ bos_token }}" + chat_template("<start_of_image>"),
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size={"height": 60, "width": 60}),
        words,
        image_seq_length=36,
        chat_template=words.chat_template,
    )
    start, end, image = token_ids(words, "<start_of_image>", "<end_of_image>", "<image_soft_token>")
    torch.manual_seed(0)
    config = Gemma3Config(
        text_config=_text(words, query_pre_attn_scalar=32),
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 96,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "image_size": 60,
            "patch_size": 10,
            "vision_use_head": False,
        },
        mm_tokens_per_image=36,
        boi_token_index=start,
        eoi_token_index=end,
        image_token_index=image,
    )
    model = Gemma3ForConditionalGeneration(config)
    # Zeros, as transformers begins: made for weights that are loaded.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.06)
    return finished(model, words), processor


def gemma4(texts: Sequence[str]) -> Built:
    """Its logits are bent by a tanh behind the head; every layer has an embedding of the words of its own."""
    words = tokenizer(
        texts,
        specials={
            "pad": "<pad>",
            "eos": "<turn|>",
            "bos": "<bos>",
            "boi_token": "<|image>",
            "eoi_token": "<image|>",
            "image_token": "<|image|>",
            "boa_token": "<|audio>",
            "eoa_token": "<audio|>",
            "audio_token": "<|audio|>",
        },
        extra=["<|video|>"],
        chat_template="{{ bos_token }}" + chat_template("<|image|>"),
    )
    pictures = {"patch_size": PATCH // 2, "pooling_kernel_size": 2, "max_soft_tokens": SOFT_TOKENS}
    processor = Gemma4Processor(
        Gemma4AudioFeatureExtractor(),
        Gemma4ImageProcessor(**pictures),
        words,
        Gemma4VideoProcessor(**pictures),
        image_seq_length=SOFT_TOKENS,
        chat_template=words.chat_template,
    )
    start, end, image, video, audio_start, audio_end, audio = token_ids(
        words, "<|image>", "<image|>", "<|image|>", "<|video|>", "<|audio>", "<audio|>", "<|audio|>"
    )
    torch.manual_seed(0)
    config = Gemma4Config(
        text_config=_text(
            words, final_logit_softcapping=30.0, vocab_size_per_layer_input=len(words), hidden_size_per_layer_input=16,
            global_head_dim=32,
        ),
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "patch_size": PATCH // 2,
            "pooling_kernel_size": 2,
            "position_embedding_size": 64,
            "initializer_range": 0.06,
        },
        audio_config=None,
        boi_token_id=start,
        eoi_token_id=end,
        image_token_id=image,
        video_token_id=video,
        boa_token_id=audio_start,
        eoa_token_index=audio_end,
        audio_token_id=audio,
    )  # fmt: skip
    model = Gemma4ForConditionalGeneration(config)
    # Ones, as transformers begins, would drown the patches: made for weights that are loaded.
    torch.nn.init.normal_(model.model.vision_tower.patch_embedder.position_embedding_table, std=0.06)
    return finished(model, words), processor


GEMMA_FAMILIES = (
    Family("Gemma3", "gemma3", gemma3, steps=200, stock=(Stock("gemma3", ON_CPU), GENERIC)),
    Family(
        "Gemma4",
        "gemma4",
        gemma4,
        steps=150,
        stock=(
            Stock("gemma4", ON_CPU, reads=False),
            Stock("gemma4", f"{ON_CPU},max_soft_tokens={SOFT_TOKENS}"),
            GENERIC,
        ),
    ),
)
