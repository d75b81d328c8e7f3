"""Tiny PaliGemma, InstructBLIP and BLIP-2, whose processors place image tokens and prompts by themselves."""

from collections.abc import Sequence

import torch
from family import Built, Family, Stock
from tiny_parts import chat_template, finish, language, token_ids, tokenizer, vision
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessor,
    GemmaConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlamaConfig,
    OPTConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessor,
)

SIDE = 64
QUERIES = 16
SPECIALS = {"pad": "<pad>", "eos": "</s>", "bos": "<s>", "unk": "<unk>"}
IMAGES = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
TOWER = {"patch_size": 16, "initializer_range": 0.06}
QFORMER = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "cross_attention_frequency": 1,
    "initializer_range": 0.06,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def build_paligemma(texts: Sequence[str]) -> Built:
    """16 patches of 16 px; the prompt is read in both directions, and no template writes its newline or bos."""
    template = "{% for part in messages[0]['content'] if part['type'] == 'image' %}<image>{% endfor %}" + PLAIN
    specials = {**SPECIALS, "image_token": "<image>"}
    tokens = tokenizer(texts, specials=specials, chat_template=template)
    images = SiglipImageProcessor(**IMAGES)
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(image_processor=images, tokenizer=tokens, chat_template=template)
    torch.manual_seed(0)
    config = PaliGemmaConfig(
        image_token_index=token_ids(tokens, "<image>")[0],
        projection_dim=128,
        hidden_size=128,
        tie_word_embeddings=True,
        vision_config=vision(**TOWER, model_type="siglip_vision_model", vision_use_head=False),
        text_config=GemmaConfig(**language(tokens, head_dim=32, tie_word_embeddings=True)),
    )
    return finish(PaliGemmaForConditionalGeneration(config), tokens), processor


def build_instructblip(texts: Sequence[str]) -> Built:
    """16 queries that read the image and the prompt with the usual dropout of 0.1, and a Llama behind them."""
    template = chat_template()
    tokens = tokenizer(texts, specials=SPECIALS, extra=["<image>"], chat_template=template)
    questions = tokenizer(texts, specials={"pad": "[PAD]", "unk": "[UNK]"})
    processor = InstructBlipProcessor(BlipImageProcessor(**IMAGES), tokens, questions, num_query_tokens=QUERIES)
    processor.chat_template = template
    torch.manual_seed(0)
    config = InstructBlipConfig(
        image_token_index=token_ids(tokens, "<image>")[0],
        num_query_tokens=QUERIES,
        vision_config=vision(**TOWER),
        qformer_config={**QFORMER, "vocab_size": len(questions), "pad_token_id": questions.pad_token_id},
        text_config=LlamaConfig(**language(tokens)),
    )
    model = InstructBlipForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens, std=1.0)  # see _blip2
    return finish(model, tokens), processor


def build_blip2(texts: Sequence[str]) -> Built:
    """16 queries that read the image, and an OPT behind them."""
    template = chat_template()
    tokens = tokenizer(texts, specials=SPECIALS, extra=["<image>"], chat_template=template)
    processor = Blip2Processor(BlipImageProcessor(**IMAGES), tokens, num_query_tokens=QUERIES)
    processor.chat_template = template
    torch.manual_seed(0)
    config = Blip2Config(
        image_token_index=token_ids(tokens, "<image>")[0],
        num_query_tokens=QUERIES,
        vision_config=vision(**TOWER),
        qformer_config={**QFORMER, **NO_DROPOUT, "vocab_size": len(tokens)},
        text_config=OPTConfig(**language(tokens), ffn_dim=256, word_embed_proj_dim=128, init_std=0.06, dropout=0.0),
    )
    model = Blip2ForConditionalGeneration(config)
    # transformers begins with queries of zero, and what is alike at the start stays alike: a single query in effect.
    torch.nn.init.normal_(model.query_tokens, std=1.0)
    return finish(model, tokens), processor


PLAIN = (
    "{% for message in messages %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ eos_token if message['role'] == 'assistant' else '' }}"
    "{% endfor %}"
)


INSTRUCTBLIP = Stock(
    "instructblip", "pretrained={path},device=cpu", batch_size=1, reads=False
)  # the prompt comes first
BLIP_FAMILIES = (
    Family("PaliGemma", "paligemma", build_paligemma, steps=160),
    Family("InstructBLIP", "instructblip", build_instructblip, steps=260, stock=(INSTRUCTBLIP,)),
    Family("BLIP-2", "blip-2", build_blip2, steps=180, stock=(INSTRUCTBLIP,)),
)
