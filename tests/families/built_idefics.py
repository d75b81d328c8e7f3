"""Tiny Idefics2, Idefics3 and SmolVLM: a SigLIP-like tower, then a perceiver or a pixel shuffle, then a decoder."""

from collections.abc import Sequence

import torch
from family import Built, Family, Stock
from tiny_parts import chat_template, finish, language, token_ids, tokenizer, vision
from transformers import (
    Idefics2Config,
    Idefics2ForConditionalGeneration,
    Idefics2ImageProcessor,
    Idefics2Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlamaConfig,
    MistralConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

SIDE = 64
SPECIALS = {"pad": "<pad>", "eos": "</s>", "bos": "<s>", "unk": "<unk>"}
AROUND = "<fake_token_around_image>"
END = "<end_of_utterance>"
TOWER = {"patch_size": 8, "initializer_range": 0.06}


def build_idefics2(texts: Sequence[str]) -> Built:
    """64 patches of 8 px, read by a perceiver of 16 latents."""
    tokens = tokenizer(texts, specials=SPECIALS, extra=["<image>", AROUND, END], chat_template=chat_template("<image>"))
    sizes = {"shortest_edge": SIDE, "longest_edge": SIDE}
    processor = Idefics2Processor(
        image_processor=Idefics2ImageProcessor(size=sizes, do_image_splitting=False),
        tokenizer=tokens,
        image_seq_len=16,
        chat_template=chat_template("<image>"),
    )
    torch.manual_seed(0)
    model = Idefics2ForConditionalGeneration(
        Idefics2Config(
            image_token_id=token_ids(tokens, "<image>")[0],
            tie_word_embeddings=False,
            vision_config=vision(**TOWER),
            perceiver_config={
                "hidden_size": 128,
                "resampler_n_latents": 16,
                "resampler_depth": 1,
                "resampler_n_heads": 4,
                "resampler_head_dim": 32,
                "num_key_value_heads": 4,
                "initializer_range": 0.06,
            },
            text_config=MistralConfig(**language(tokens), sliding_window=None),
        )
    )
    # transformers sets all latents to one, and what is alike at the start stays alike: a single image token in effect.
    latents = model.model.connector.perceiver_resampler.latents
    torch.nn.init.normal_(latents, std=1.0)
    return finish(model, tokens), processor


def build_idefics3(texts: Sequence[str]) -> Built:
    """64 patches of 8 px, shuffled to 16 image tokens."""
    marks = ["<image>", AROUND, END, "<global-img>"]
    tokens = tokenizer(texts, specials=SPECIALS, extra=marks, chat_template=chat_template("<image>"))
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessor(
            size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
        ),
        tokenizer=tokens,
        image_seq_len=16,
        chat_template=chat_template("<image>"),
    )
    torch.manual_seed(0)
    config = Idefics3Config(
        image_token_id=token_ids(tokens, "<image>")[0],
        tie_word_embeddings=False,
        scale_factor=2,
        vision_config=vision(**TOWER),
        text_config=LlamaConfig(**language(tokens)),
    )
    return finish(Idefics3ForConditionalGeneration(config), tokens), processor


def build_smolvlm(texts: Sequence[str]) -> Built:
    """As Idefics3, with the video processor that SmolVLM's processor asks for, and an end of utterance of its own."""
    specials = {**SPECIALS, "image_token": "<image>", "fake_image_token": AROUND, "global_image_token": "<global-img>"}
    template = chat_template("<image>", user="User:", assistant="Assistant:", end=END)
    tokens = tokenizer(texts, specials={**specials, "end_of_utterance_token": END}, chat_template=template)
    sizes = {"size": {"longest_edge": SIDE}, "max_image_size": {"longest_edge": SIDE}}
    processor = SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor(**sizes, do_image_splitting=False),
        tokenizer=tokens,
        video_processor=SmolVLMVideoProcessor(**sizes),
        image_seq_len=16,
        chat_template=template,
    )
    torch.manual_seed(0)
    config = SmolVLMConfig(
        image_token_id=token_ids(tokens, "<image>")[0],
        tie_word_embeddings=False,
        scale_factor=2,
        vision_config=vision(**TOWER),
        text_config=LlamaConfig(**language(tokens)),
    )
    model = finish(SmolVLMForConditionalGeneration(config), tokens)
    model.generation_config.eos_token_id = token_ids(tokens, END)[0]
    return model, processor


IDEFICS_FAMILIES = (
    Family("SmolVLM", "smolvlm", build_smolvlm, steps=160),
    Family(
        "Idefics2",
        "idefics2",
        build_idefics2,
        steps=200,
        stock=(
            Stock("idefics2", "pretrained={path},device=cpu,device_map=cpu,dtype=float32,attn_implementation=sdpa"),
        ),
    ),
    Family("Idefics3", "idefics3", build_idefics3, steps=160),
)
