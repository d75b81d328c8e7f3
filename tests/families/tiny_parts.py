"""Tokenizers and chat templates of a few hundred tokens, which every tiny model of the matrix is built with."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

NAMED = ("pad", "eos", "bos", "unk")  # roles that transformers knows; any other is an attribute of the tokenizer


def tokenizer(
    texts: Sequence[str],
    *,
    specials: Mapping[str, str],
    chat_template: str = "",
    extra: Sequence[str] = (),
    vocabulary: int = 800,
    context: int = 512,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on ``texts``.

    ``specials`` names special tokens by their role: ``pad``, ``eos``, ``bos``, ``unk``, or an attribute that a
    processor reads from its tokenizer (``image_token``). ``extra`` are special tokens without a role.
    """
    tokens = list(dict.fromkeys([*specials.values(), *extra]))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    named = {f"{role}_token": token for role, token in specials.items() if role in NAMED}
    roles = {role: token for role, token in specials.items() if role not in NAMED}
    known = set(named.values()) | set(roles.values())
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        **named,
        extra_special_tokens=roles or [token for token in extra if token not in known],
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        **({"chat_template": chat_template} if chat_template else {}),
    )


def chat_template(image: str = "", *, user: str = "USER: ", assistant: str = "ASSISTANT:", end: str = "") -> str:
    """A template of turns: ``image`` for every image, then the texts; ``end`` (default: eos) closes an answer.

    The generation prompt is ``assistant``; an answer stands behind it and a space.
    """
    closing = f"'{end}'" if end else "eos_token"
    return (
        "{% for message in messages %}"
        f"{{{{ '{user}' if message['role'] == 'user' else '{assistant} ' }}}}"
        "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}"
        "{% for part in message['content'] if part['type'] == 'image' %}" + image + "{% endfor %}"
        "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
        "{% endif %}"
        f"{{{{ '\\n' if message['role'] == 'user' else {closing} }}}}"
        "{% endfor %}"
        f"{{{{ '{assistant}' if add_generation_prompt else '' }}}}"
    )


def token_ids(tokenizer: PreTrainedTokenizerFast, *tokens: str) -> list[int]:
    """The numbers of some tokens; raises ``KeyError`` for one that the tokenizer has not."""
    known = tokenizer.get_vocab()
    return [known[token] for token in tokens]


def language(tokenizer: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
    """Sizes of a language model that learns 16 images by heart in seconds; ``changes`` are the family's own."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 1024,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
        "initializer_range": 0.06,  # the usual 0.02 is for widths of thousands
        **changes,
    }


def vision(**changes: Any) -> dict[str, Any]:
    """Sizes of a vision tower for images of 64 px."""
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 16,
        **changes,
    }


def finish(model: Any, tokenizer: PreTrainedTokenizerFast) -> Any:
    """The model with the tokens that end its answers and fill its batches."""
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
