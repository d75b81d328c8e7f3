"""Tiny Mllama (cross-attention), Llama 4 (experts) and Phi-4-multimodal (audio parts, crops of fixed token counts)."""

from collections.abc import Sequence

import torch
from family import Built, Family, Stock
from tiny_parts import chat_template, finish, language, token_ids, tokenizer
from transformers import (
    Llama4Config,
    Llama4ForConditionalGeneration,
    Llama4ImageProcessor,
    Llama4Processor,
    MllamaConfig,
    MllamaForConditionalGeneration,
    MllamaImageProcessor,
    MllamaProcessor,
    Phi4MultimodalConfig,
    Phi4MultimodalFeatureExtractor,
    Phi4MultimodalForCausalLM,
    Phi4MultimodalImageProcessor,
    Phi4MultimodalProcessor,
)

SIDE = 64
HIDDEN = 128
IMAGES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}


def build_mllama(texts: Sequence[str]) -> Built:
    """One tile of 64 px; the second of three layers looks at it."""
    template = chat_template("<|image|>", end="<|eot_id|>")
    tokens = tokenizer(
        texts,
        specials={"pad": "<pad>", "eos": "<|eot_id|>", "bos": "<|begin_of_text|>", "image_token": "<|image|>"},
        extra=["<|python_tag|>"],
        chat_template=template,
    )
    images = MllamaImageProcessor(size={"height": SIDE, "width": SIDE}, max_image_tiles=1, **IMAGES)
    processor = MllamaProcessor(images, tokens, chat_template=template)
    torch.manual_seed(0)
    config = MllamaConfig(
        image_token_index=token_ids(tokens, "<|image|>")[0],
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 4,
            "intermediate_layers_indices": [1],
            "vision_output_dim": 128,
            "image_size": SIDE,
            "patch_size": 16,
            "max_num_tiles": 1,
            "supported_aspect_ratios": [[1, 1]],
            "initializer_range": 0.06,
        },
        text_config=language(tokens, num_hidden_layers=3, cross_attention_layers=[1], rope_parameters=ROPE),
    )
    model = MllamaForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("cross_attn_attn_gate", "cross_attn_mlp_gate")):  # zero: no image at the start of training
            torch.nn.init.constant_(parameter, 1.0)
    return finish(model, tokens), processor


def build_llama4(texts: Sequence[str]) -> Built:
    """One tile of 64 px, 16 image tokens; four experts, one of them for each token."""
    marks = ["<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>"]
    template = chat_template("<|image|>", end="<|eot|>")
    tokens = tokenizer(
        texts,
        specials={"pad": "<pad>", "eos": "<|eot|>", "bos": "<|begin_of_text|>"},
        extra=["<|image|>", *marks],
        chat_template=template,
    )
    images = Llama4ImageProcessor(size={"height": SIDE, "width": SIDE}, max_patches=1, **IMAGES)
    processor = Llama4Processor(images, tokens, patch_size=8, pixel_shuffle_ratio=0.5, chat_template=template)
    torch.manual_seed(0)
    begin, end, patch = token_ids(tokens, *marks[:3])
    config = Llama4Config(
        boi_token_index=begin,
        eoi_token_index=end,
        image_token_index=patch,
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": SIDE,
            "patch_size": 8,
            "vision_output_dim": HIDDEN,
            "projector_input_dim": HIDDEN,
            "projector_output_dim": HIDDEN,
            "initializer_range": 0.06,
        },
        text_config=language(
            tokens,
            intermediate_size=128,
            intermediate_size_mlp=256,
            head_dim=32,
            num_local_experts=4,
            num_experts_per_tok=1,
            moe_layers=[1],
            no_rope_layers=[1, 1],
            attention_chunk_size=512,
            rope_parameters=ROPE,
        ),
    )
    return finish(Llama4ForConditionalGeneration(config), tokens), processor


def build_phi4(texts: Sequence[str]) -> Built:
    """32 x 32 patches a crop (2 px instead of 14): the processor counts on 256 tokens for the picture as a whole.

    A second crop holds the picture once more: 545 image tokens in all.
    """
    template = chat_template("<|image|>", user="<|user|>", assistant="<|assistant|>", end="<|end|>")
    marks = {"image_token": "<|image|>", "audio_token": "<|audio|>"}
    tokens = tokenizer(
        texts,
        specials={"pad": "<pad>", "eos": "<|end|>", "bos": "<s>", **marks},
        extra=["<|user|>", "<|assistant|>"],
        chat_template=template,
        context=1024,
    )
    processor = Phi4MultimodalProcessor(
        Phi4MultimodalImageProcessor(size={"height": SIDE, "width": SIDE}, patch_size=2),
        Phi4MultimodalFeatureExtractor(),
        tokens,
    )
    processor.chat_template = template
    torch.manual_seed(0)
    image, audio = token_ids(tokens, "<|image|>", "<|audio|>")
    config = Phi4MultimodalConfig(
        **language(tokens, hidden_size=64, intermediate_size=128, num_attention_heads=2, num_key_value_heads=2),
        original_max_position_embeddings=1024,
        rope_parameters=ROPE,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": SIDE,
            "crop_size": SIDE,
            "patch_size": 2,
            "feature_layer": -2,
            "image_token_id": image,
        },
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_blocks": 1,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "bias_max_distance": 8,
            "audio_token_id": audio,
        },
    )
    model = Phi4MultimodalForCausalLM(config)
    tower = model.model.embed_tokens_extend.image_embed.img_processor
    for name, parameter in tower.named_parameters():
        if "encoder" in name and parameter.dim() == 2:  # transformers' 1.0 is for checkpoints that replace it
            torch.nn.init.normal_(parameter, std=0.1)
    return finish(model, tokens), processor


OTHER_FAMILIES = (
    Family(
        "Mllama",
        "mllama",
        build_mllama,
        steps=140,
        stock=(Stock("llama_vision", "pretrained={path},device=cpu,device_map=cpu"),),
    ),
    Family(
        "Llama 4",
        "llama4",
        build_llama4,
        steps=160,
        stock=(Stock("llama4_scout", "pretrained={path},device=cpu,device_map=cpu"),),
    ),
    Family("Phi-4-multimodal", "phi4_multimodal", build_phi4, steps=220, learning_rate=6e-3, batch_size=4),
)
