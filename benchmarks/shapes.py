"""Models of two to eight billion parameters, as transformers builds them, and processors whose output they read.

Nothing is downloaded: sizes are those of the published configurations, weights are none (see ``counting``), tokens are
those of a tokenizer trained on the benchmark's texts, so that an answer is about as long as with the model's own.
``tiny`` gives each family's shape no size, to try a program.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import gpu_step
import small_llava
import torch
from small_llava import Sizes
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    LlavaForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.protocol import tiny_model

Settings = dict[str, Any]
Built = tuple[PreTrainedModel, ProcessorMixin]


class Shape(NamedTuple):
    """A model of one family: what its configuration says of the language model and of the tower."""

    build: Callable[[Benchmark, Settings, Settings, torch.dtype], Built]
    text: Settings
    tower: Settings
    tiny_text: Settings
    tiny_tower: Settings

    def layers(self, *, tiny: bool = False) -> int:
        """Of the language model."""
        return int((self.tiny_text if tiny else self.text)["num_hidden_layers"])

    def model(self, data: Benchmark, dtype: torch.dtype, *, tiny: bool = False, layers: int = 0) -> Built:
        """The untrained model and its processor; with ``layers`` the language model is that deep."""
        text, tower = self.text, self.tower
        if tiny:
            text, tower = {**text, **self.tiny_text}, {**tower, **self.tiny_tower}
        model, processor = self.build(
            data, {**text, "num_hidden_layers": layers or self.layers(tiny=tiny)}, tower, dtype
        )
        model.tie_weights()  # transformers does not where it draws no weights
        return model, processor


_processor = cache(small_llava.processor_of)  # training a tokenizer takes longer than building seven billion weights


def _tokenizer(data: Benchmark, marker: str, **roles: str) -> PreTrainedTokenizerFast:
    """A tokenizer with a family's special tokens, and its chat template, which writes ``marker`` for an image."""
    trained = _processor(data, Sizes(gpu_step.WORDS)).tokenizer
    return PreTrainedTokenizerFast(
        tokenizer_object=trained.backend_tokenizer,
        pad_token=tiny_model.PAD,
        eos_token=tiny_model.END,
        bos_token="<s>",
        unk_token="<unk>",
        extra_special_tokens=roles,
        padding_side="left",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
        chat_template=tiny_model.CHAT_TEMPLATE.replace("<image>\n", marker),
    )


def _ids(words: PreTrainedTokenizerFast, **names: str) -> Settings:
    known = words.get_vocab()
    return {name: known[token] for name, token in names.items()}


def _ends(words: PreTrainedTokenizerFast) -> dict[str, int]:
    return {"bos_token_id": None, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}


def llava(data: Benchmark, text: Settings, tower: Settings, dtype: torch.dtype) -> Built:
    """CLIP, of which the last layer but one is read; a projector of two linear layers; a Llama."""
    text, tower = dict(text), dict(tower)
    sizes = Sizes(
        vocabulary=text.pop("vocab_size"),
        hidden=text.pop("hidden_size"),
        layers=text.pop("num_hidden_layers"),
        image_size=tower.pop("image_size"),
        patch_size=tower.pop("patch_size"),
    )
    processor = _processor(data, sizes._replace(vocabulary=gpu_step.WORDS, hidden=0, layers=0))
    config = small_llava.configuration(
        processor, sizes, vision=tower, text=text, vision_feature_layer=gpu_step.FEATURE_LAYER
    )
    return LlavaForConditionalGeneration._from_config(config, dtype=dtype), processor


def qwen2_5_vl(data: Benchmark, text: Settings, tower: Settings, dtype: torch.dtype) -> Built:
    """Attention within windows of 112 px, but for four layers of the tower; four patches make a token."""
    words = _tokenizer(
        data,
        "<|vision_start|><|image_pad|><|vision_end|>",
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )
    pictures = {"patch_size": tower["patch_size"], "merge_size": tower["spatial_merge_size"]}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**pictures), words, Qwen2VLVideoProcessor(**pictures), chat_template=words.chat_template
    )
    config = Qwen2_5_VLConfig(
        text_config={**text, **_ends(words)},
        vision_config={**tower, "out_hidden_size": text["hidden_size"]},
        tie_word_embeddings=False,
        **_ids(
            words,
            image_token_id="<|image_pad|>",
            video_token_id="<|video_pad|>",
            vision_start_token_id="<|vision_start|>",
            vision_end_token_id="<|vision_end|>",
        ),
    )
    return Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=dtype), processor


def gemma3(data: Benchmark, text: Settings, tower: Settings, dtype: torch.dtype) -> Built:
    """SigLIP, whose patches are averaged to 256 tokens; embeddings of the words and the head are one matrix."""
    words = _tokenizer(
        data,
        "<start_of_image>",
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
    )
    tower = dict(tower)
    tokens, side = tower.pop("image_tokens"), tower["image_size"]
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size={"height": side, "width": side}),
        words,
        image_seq_length=tokens,
        chat_template=words.chat_template,
    )
    config = Gemma3Config(
        text_config={**text, **_ends(words)},
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **tower},
        mm_tokens_per_image=tokens,
        **_ids(
            words,
            boi_token_index="<start_of_image>",
            eoi_token_index="<end_of_image>",
            image_token_index="<image_soft_token>",
        ),
    )
    return Gemma3ForConditionalGeneration._from_config(config, dtype=dtype), processor


def smolvlm(data: Benchmark, text: Settings, tower: Settings, dtype: torch.dtype) -> Built:
    """SigLIP on one picture that is not split, nine patches to a token, a Llama."""
    words = _tokenizer(
        data,
        "<image>",
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )
    scale, side = 3, tower["image_size"]
    sizes: Settings = {"size": {"longest_edge": side}, "max_image_size": {"longest_edge": side}}
    processor = SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor(**sizes, do_image_splitting=False),
        tokenizer=words,
        video_processor=SmolVLMVideoProcessor(**sizes),
        image_seq_len=(side // tower["patch_size"] // scale) ** 2,
        chat_template=words.chat_template,
    )
    config = SmolVLMConfig(
        **_ids(words, image_token_id="<image>"),
        tie_word_embeddings=False,
        scale_factor=scale,
        vision_config=tower,
        text_config={"model_type": "llama", **text, **_ends(words)},
    )
    return SmolVLMForConditionalGeneration._from_config(config, dtype=dtype), processor


SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
TINY_TEXT = {
    "vocab_size": 1100, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
TINY_TOWER = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}

SHAPES: Mapping[str, Shape] = {
    "LLaVA-1.5-7B": Shape(
        llava,
        {"vocab_size": 32064, "hidden_size": 4096, "num_hidden_layers": 32, **gpu_step.TEXT},
        {"image_size": 336, "patch_size": 14, **gpu_step.TOWER},
        {**TINY_TEXT, "num_key_value_heads": 4},
        {**TINY_TOWER, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8},
    ),
    "Qwen2.5-VL-7B": Shape(
        qwen2_5_vl,
        {
            "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
            "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
        },
        {**TINY_TEXT, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}},
        {
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "patch_size": 8,
            "window_size": 32, "fullatt_block_indexes": [1],
        },
    ),
    "Gemma3-4B": Shape(
        gemma3,
        {
            "vocab_size": 262208, "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "query_pre_attn_scalar": 256,
            "sliding_window": 1024, "max_position_embeddings": 8192,
        },
        {**SIGLIP, "image_size": 896, "patch_size": 14, "image_tokens": 256},
        {**TINY_TEXT, "head_dim": 16, "query_pre_attn_scalar": 16},
        {**TINY_TOWER, "image_size": 32, "patch_size": 4, "image_tokens": 16},
    ),
    "SmolVLM-2.2B": Shape(
        smolvlm,
        {
            "vocab_size": 49155, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
            "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 8192,
        },
        {**SIGLIP, "image_size": 384, "patch_size": 14},
        {**TINY_TEXT, "num_key_value_heads": 4},
        {**TINY_TOWER, "image_size": 48, "patch_size": 8},
    ),
}  # fmt: skip
