"""Tiny Kimi-K2.5, LFM2-VL and Ovis2."""

from collections.abc import Sequence

import torch
from built_qwen import GENERIC, MERGE, PATCH, SIDE, finished, text_settings
from family import Built, Family
from tiny_parts import chat_template, token_ids, tokenizer
from transformers import (
    Kimi_K25Config,
    Kimi_K25ForConditionalGeneration,
    Kimi_K25ImageProcessor,
    Kimi_K25Processor,
    Kimi_K25VideoProcessor,
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    Lfm2VlImageProcessor,
    Lfm2VlProcessor,
    Ovis2Config,
    Ovis2ForConditionalGeneration,
    Ovis2ImageProcessor,
    Ovis2Processor,
)

ROPE = {"rope_type": "default", "rope_theta": 10000.0}


def kimi_k25(texts: Sequence[str]) -> Built:
    """A DeepSeek-V3 decoder: compressed keys and values, and experts behind a router from the second layer on."""
    words = tokenizer(
        texts,
        specials={"pad": "[PAD]", "eos": "<|im_end|>", "image_token": "<|media_pad|>"},
        extra=["<|kimi_k25_video_placeholder|>", "<|media_begin|>", "<|media_content|>", "<|media_end|>"],
        chat_template=chat_template("<|media_begin|>image<|media_content|><|media_pad|><|media_end|>"),
    )
    pictures = {"patch_size": PATCH, "merge_size": MERGE, "size": {"max_height": SIDE, "max_width": SIDE}}
    processor = Kimi_K25Processor(
        Kimi_K25ImageProcessor(**pictures),
        words,
        Kimi_K25VideoProcessor(**pictures),
        chat_template=words.chat_template,
    )
    image, video, start, end = token_ids(
        words, "<|media_pad|>", "<|kimi_k25_video_placeholder|>", "<|media_begin|>", "<|media_end|>"
    )
    text = text_settings(
        words, rope_parameters=ROPE, num_key_value_heads=4, moe_intermediate_size=192, n_routed_experts=4,
        num_experts_per_tok=2, n_shared_experts=1, n_group=1, topk_group=1, first_k_dense_replace=1, kv_lora_rank=64,
        q_lora_rank=64, qk_rope_head_dim=16, qk_nope_head_dim=16, v_head_dim=32, num_mtp_layers=0,
        routed_scaling_factor=1.0,
    )  # fmt: skip
    torch.manual_seed(0)
    config = Kimi_K25Config(
        text_config={"model_type": "deepseek_v3", **text},
        vision_config={
            "patch_size": PATCH,
            "pos_emb_height": SIDE // PATCH,
            "pos_emb_width": SIDE // PATCH,
            "num_attention_heads": 3,
            "num_hidden_layers": 3,
            "hidden_size": 96,
            "intermediate_size": 384,
        },
        projection_hidden_size=96,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=False,
    )
    return finished(Kimi_K25ForConditionalGeneration(config), words), processor


def lfm2_vl(texts: Sequence[str]) -> Built:
    """Convolutions in two of the decoder's three layers; padded patches with a mask of their own."""
    words = tokenizer(
        texts,
        specials={
            "pad": "<|pad|>",
            "eos": "<|im_end|>",
            "image_token": "<image>",
            "image_start_token": "<|image_start|>",
            "image_end_token": "<|image_end|>",
            "image_thumbnail_token": "<|img_thumbnail|>",
        },
        chat_template=chat_template("<image>"),
    )
    tokens = (SIDE // PATCH // 2) ** 2
    pictures = Lfm2VlImageProcessor(
        encoder_patch_size=PATCH,
        downsample_factor=2,
        min_image_tokens=tokens,
        max_image_tokens=tokens,
        tile_size=SIDE,
        do_image_splitting=False,
        min_tiles=1,
        max_tiles=1,
    )
    processor = Lfm2VlProcessor(pictures, words, chat_template=words.chat_template)
    text = text_settings(
        words, rope_parameters=ROPE, layer_types=["conv", "full_attention", "conv"], block_auto_adjust_ff_dim=False,
        tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    config = Lfm2VlConfig(
        text_config={"model_type": "lfm2", **text},
        vision_config={
            "model_type": "siglip2_vision_model",
            "hidden_size": 96,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "patch_size": PATCH,
            "num_patches": (SIDE // PATCH) ** 2,
            "initializer_range": 0.06,
        },
        projector_hidden_size=128,
        image_token_id=token_ids(words, "<image>")[0],
    )
    return finished(Lfm2VlForConditionalGeneration(config), words), processor


def ovis2(texts: Sequence[str]) -> Built:
    """Image features are mixtures of the entries of a table of visual words."""
    marks = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]
    words = tokenizer(
        texts,
        specials={"pad": "<|endoftext|>", "eos": "<|im_end|>", "image_token": "<image>"},
        extra=["<IMG_ATOM>", *marks],
        chat_template=chat_template("<image>"),
    )
    processor = Ovis2Processor(
        Ovis2ImageProcessor(size={"height": SIDE, "width": SIDE}, crop_to_patches=False),
        words,
        image_seq_length=(SIDE // PATCH // 2) ** 2,
        chat_template=words.chat_template,
    )
    text = text_settings(words, rope_parameters=ROPE)
    torch.manual_seed(0)
    config = Ovis2Config(
        text_config={"model_type": "qwen2", **text},
        vision_config={
            "hidden_size": 96,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "image_size": SIDE,
            "patch_size": PATCH,
            "vocab_size": 256,
            "hidden_stride": 2,
            "num_visual_indicator_tokens": len(marks),
            "initializer_range": 0.06,
        },
        image_token_id=token_ids(words, "<IMG_ATOM>")[0],
        visual_indicator_token_ids=token_ids(words, *marks),
        vocab_size=len(words),
        hidden_size=128,
        tie_word_embeddings=False,
    )
    return finished(Ovis2ForConditionalGeneration(config), words), processor


KIMI_FAMILIES = (
    Family("Kimi-K2.5", "kimi_k25", kimi_k25, steps=190, stock=(GENERIC,)),
    Family("LFM2-VL", "lfm2_vl", lfm2_vl, steps=200, learning_rate=1.5e-3, stock=(GENERIC,)),
    Family("Ovis2", "ovis2", ovis2, steps=130, stock=(GENERIC,)),
)
