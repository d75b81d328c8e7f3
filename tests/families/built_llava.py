"""Tiny models of the families that lead a vision tower's features through a projector into a language model.

Images are 64 px; a family that cuts them into tiles gets one. They take 16 to 40 tokens.
"""

from collections.abc import Sequence
from typing import Any

import torch
from family import Built, Family, Stock
from tiny_parts import chat_template, finish, language, tokenizer, vision
from transformers import (
    AyaVisionConfig,
    AyaVisionForConditionalGeneration,
    AyaVisionProcessor,
    CLIPImageProcessor,
    CLIPVisionConfig,
    Cohere2Config,
    Cohere2VisionConfig,
    Cohere2VisionForConditionalGeneration,
    Cohere2VisionImageProcessor,
    Cohere2VisionProcessor,
    DeepseekVLConfig,
    DeepseekVLForConditionalGeneration,
    DeepseekVLImageProcessor,
    DeepseekVLProcessor,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    InternVLVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    PixtralImageProcessor,
    PixtralProcessor,
    PixtralVisionConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
    TimmWrapperConfig,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

SIDE, PATCH = 64, 16
IMAGE = "<image>"
SQUARE = {"height": SIDE, "width": SIDE}
SPECIALS = {"pad": "<pad>", "eos": "</s>", "image_token": IMAGE}
CPU = "pretrained={path},device_map=cpu,device=cpu"


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    return tokenizer(texts, specials=SPECIALS, chat_template=chat_template(IMAGE + "\\n"))


def _clip() -> CLIPVisionConfig:
    return CLIPVisionConfig(**vision(), projection_dim=64, initializer_factor=2.0)


def _siglip(**changes: Any) -> SiglipVisionConfig:
    return SiglipVisionConfig(**vision(**changes), vision_use_head=False)


def _llava_processor(words: PreTrainedTokenizerFast) -> LlavaProcessor:
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SQUARE),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=1,
        chat_template=words.chat_template,
    )


def llava(texts: Sequence[str]) -> Built:
    """LLaVA-1.5: CLIP, 16 patches an image, a Llama."""
    words = _tokenizer(texts)
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**language(words)),
        image_token_index=words.image_token_id,
        image_seq_length=16,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    return finish(LlavaForConditionalGeneration(config), words), _llava_processor(words)


def vipllava(texts: Sequence[str]) -> Built:
    """VipLLaVA: LLaVA with the features of several layers of CLIP."""
    words = _tokenizer(texts)
    torch.manual_seed(0)
    config = VipLlavaConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**language(words)),
        image_token_index=words.image_token_id,
        image_seq_length=16,
        vision_feature_layer=[-2, -1],
        tie_word_embeddings=False,
    )
    return finish(VipLlavaForConditionalGeneration(config), words), _llava_processor(words)


def llava_next(texts: Sequence[str]) -> Built:
    """LLaVA-NeXT: the image once as a whole and once as tiles (one here), with a token that ends a row of patches."""
    words = _tokenizer(texts)
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(
            size={"shortest_edge": SIDE}, crop_size=SQUARE, image_grid_pinpoints=[[SIDE, SIDE]]
        ),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=1,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    config = LlavaNextConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**language(words)),
        image_token_index=words.image_token_id,
        image_grid_pinpoints=[[SIDE, SIDE]],
        image_seq_length=16,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    return finish(LlavaNextForConditionalGeneration(config), words), processor


def llava_onevision(texts: Sequence[str]) -> Built:
    """LLaVA-OneVision: SigLIP, tiles as in LLaVA-NeXT, a Qwen2."""
    words = tokenizer(
        texts, specials={**SPECIALS, "video_token": "<video>"}, chat_template=chat_template(IMAGE + "\\n")
    )
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=[[SIDE, SIDE]]),
        tokenizer=words,
        video_processor=LlavaOnevisionVideoProcessor(size=SQUARE),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    config = LlavaOnevisionConfig(
        vision_config=_siglip(),
        text_config=Qwen2Config(**language(words)),
        image_token_index=words.image_token_id,
        video_token_index=words.video_token_id,
        image_grid_pinpoints=[[SIDE, SIDE]],
        tie_word_embeddings=False,
    )
    return finish(LlavaOnevisionForConditionalGeneration(config), words), processor


def aya_vision(texts: Sequence[str]) -> Built:
    """Aya-Vision: SigLIP, 64 patches shuffled into 16 tokens, a Cohere2."""
    marks = ["<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", "TILE", "TILE_GLOBAL"]
    words = tokenizer(texts, specials=SPECIALS, extra=marks, chat_template=chat_template(IMAGE))
    processor = AyaVisionProcessor(
        image_processor=GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=1),
        tokenizer=words,
        patch_size=8,
        img_size=SIDE,
        downsample_factor=2,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    config = AyaVisionConfig(
        vision_config=_siglip(patch_size=8),
        text_config=Cohere2Config(**language(words), logit_scale=1.0),
        image_token_index=processor.image_token_id,
        downsample_factor=2,
        tie_word_embeddings=False,
    )
    return finish(AyaVisionForConditionalGeneration(config), words), processor


def cohere2_vision(texts: Sequence[str]) -> Built:
    """Cohere2-Vision: SigLIP, 64 patches shuffled into 16 tokens, a Cohere2."""
    roles = {"boi_token": "<|START_OF_IMG|>", "eoi_token": "<|END_OF_IMG|>", "img_line_break_token": "<|IMG_LINE|>"}
    words = tokenizer(texts, specials={**SPECIALS, **roles}, chat_template=chat_template(IMAGE))
    processor = Cohere2VisionProcessor(
        image_processor=Cohere2VisionImageProcessor(size=SQUARE, patch_size=4, min_patches=1, max_patches=1),
        tokenizer=words,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    config = Cohere2VisionConfig(
        vision_config=_siglip(patch_size=8),
        text_config=Cohere2Config(**language(words), logit_scale=1.0),
        image_token_id=words.image_token_id,
        alignment_intermediate_size=128,
        downsample_factor=2,
        tie_word_embeddings=False,
    )
    return finish(Cohere2VisionForConditionalGeneration(config), words), processor


def _pixtral_processor(texts: Sequence[str], *, patch_size: int, merge: int) -> PixtralProcessor:
    words = tokenizer(
        texts,
        specials={"pad": "<pad>", "bos": "<s>", "eos": "</s>"},
        extra=["[IMG]", "[IMG_BREAK]", "[IMG_END]"],
        chat_template="{{ bos_token }}" + chat_template("[IMG]", user="[INST]", assistant="[/INST]"),
    )
    return PixtralProcessor(
        image_processor=PixtralImageProcessor(
            size={"longest_edge": SIDE}, patch_size={"height": patch_size * merge, "width": patch_size * merge}
        ),
        tokenizer=words,
        patch_size=patch_size,
        spatial_merge_size=merge,
        chat_template=words.chat_template,
    )


def _pixtral_tower(patch_size: int) -> PixtralVisionConfig:
    return PixtralVisionConfig(**vision(patch_size=patch_size), initializer_range=0.06)


def pixtral(texts: Sequence[str]) -> Built:
    """Pixtral: a tower for images of any size in LLaVA's frame, a token that ends a row of patches, a Mistral."""
    processor = _pixtral_processor(texts, patch_size=PATCH, merge=1)
    words = processor.tokenizer
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=_pixtral_tower(PATCH),
        text_config=MistralConfig(**language(words)),
        image_token_index=processor.image_token_id,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    return finish(LlavaForConditionalGeneration(config), words), processor


def mistral3(texts: Sequence[str]) -> Built:
    """Mistral3: Pixtral's tower, patches merged by fours."""
    processor = _pixtral_processor(texts, patch_size=8, merge=2)
    words = processor.tokenizer
    torch.manual_seed(0)
    config = Mistral3Config(
        vision_config=_pixtral_tower(8),
        text_config=MistralConfig(**language(words)),
        image_token_index=processor.image_token_id,
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    return finish(Mistral3ForConditionalGeneration(config), words), processor


def internvl(texts: Sequence[str]) -> Built:
    """InternVL: 64 patches shuffled into 16 tokens, a Qwen2."""
    roles = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    words = tokenizer(
        texts, specials={"pad": "<pad>", "eos": "<|im_end|>", **roles}, chat_template=chat_template("<IMG_CONTEXT>\\n")
    )
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=1),
        tokenizer=words,
        video_processor=InternVLVideoProcessor(size=SQUARE),
        image_seq_length=16,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    tower = vision(image_size=[SIDE, SIDE], patch_size=[8, 8], initializer_range=0.06)
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**tower, layer_scale_init_value=1.0),
        text_config=Qwen2Config(**language(words)),
        image_token_id=processor.image_token_id,
        image_seq_length=16,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    return finish(InternVLForConditionalGeneration(config), words), processor


def deepseek_vl(texts: Sequence[str]) -> Built:
    """DeepSeek-VL: SigLIP, an aligner, a Llama."""
    words = _tokenizer(texts)
    processor = DeepseekVLProcessor(
        image_processor=DeepseekVLImageProcessor(size=SQUARE, min_size=PATCH),
        tokenizer=words,
        num_image_tokens=16,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    config = DeepseekVLConfig(
        vision_config=_siglip(),
        text_config=LlamaConfig(**language(words)),
        image_token_id=words.image_token_id,
        tie_word_embeddings=False,
    )
    return finish(DeepseekVLForConditionalGeneration(config), words), processor


def fast_vlm(texts: Sequence[str]) -> Built:
    """FastVLM: a tower of convolutions with BatchNorm that leaves 16 patches of an image of 128 px, a Qwen2."""
    words = _tokenizer(texts)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": 2 * SIDE}, crop_size={"height": 2 * SIDE, "width": 2 * SIDE}
        ),
        tokenizer=words,
        patch_size=2 * PATCH,
        vision_feature_select_strategy="full",
        image_token=IMAGE,
        chat_template=words.chat_template,
    )
    torch.manual_seed(0)
    tower = {"inference_mode": True, "layers": [1, 1, 1, 1], "embed_dims": [16, 32, 64, 64], "mlp_ratios": [2, 2, 2, 2]}
    config = FastVlmConfig(
        vision_config=TimmWrapperConfig(architecture="fastvit_t8", model_args=tower, hidden_size=128),
        text_config=Qwen2Config(**language(words)),
        image_token_index=words.image_token_id,
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    model = FastVlmForConditionalGeneration(config)
    for parameter in model.model.vision_tower.parameters():
        if parameter.dim() == 4:  # timm's 0.02 leaves nothing of the image behind so few channels
            torch.nn.init.kaiming_normal_(parameter)
    return finish(model, words), processor


LLAVA_HF = Stock("llava_hf", CPU, batch_size=1)
LLAVA_FAMILIES = (
    Family("LLaVA-1.5", "llava", llava, stock=(LLAVA_HF,), runs=""),
    Family("LLaVA-NeXT", "llava_next", llava_next, steps=320, stock=(LLAVA_HF,)),
    Family("LLaVA-OneVision", "llava_onevision", llava_onevision, stock=(LLAVA_HF,)),
    Family("VipLLaVA", "vipllava", vipllava),
    Family("Pixtral", "pixtral", pixtral, stock=(LLAVA_HF,)),
    Family("Mistral3", "mistral3", mistral3, stock=(Stock("mistral3_vl", CPU),)),
    Family("Aya-Vision", "aya_vision", aya_vision),
    Family("Cohere2-Vision", "cohere2_vision", cohere2_vision),
    Family("InternVL", "internvl", internvl, stock=(Stock("internvl_hf", CPU, batch_size=1),)),
    Family("DeepSeek-VL", "deepseek_vl", deepseek_vl),
    Family("FastVLM", "fast_vlm", fast_vlm),
)
