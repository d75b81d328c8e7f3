"""What a checkpoint's own ``generation_config.json`` does to its answers: obeyed, or overruled by the task.

A task asks for greedy answers of a certain length, and says so. What else a checkpoint sets - penalties, forced and
suppressed tokens - belongs to it, as its weights do, and ``generate`` of transformers obeys it. Settings of another
decoding, of the cache, and of what ``generate`` returns change what a task asked for, or nothing: they give way.
Each list was read off ``GenerationConfig`` of transformers 5.23, whose sampling settings do nothing to greedy answers.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from transformers import GenerationConfig
from transformers.generation import GenerationMixin

OBEYED: Mapping[str, tuple[Any, ...]] = {  # with the values that do nothing
    "repetition_penalty": (None, 1.0),
    "encoder_repetition_penalty": (None, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "bad_words_ids": (None,),
    "sequence_bias": (None,),
    "suppress_tokens": (None, []),
    "begin_suppress_tokens": (None, []),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "exponential_decay_length_penalty": (None,),
    "guidance_scale": (None, 1.0),
    "watermarking_config": (None,),
    "renormalize_logits": (None, False),
    "remove_invalid_values": (None, False),
    "stop_strings": (None, []),
}
# These count or read a prompt's tokens, its padding included: such answers are right for a prompt alone.
READS_PADDING = {"min_length", "no_repeat_ngram_size", "encoder_repetition_penalty", "encoder_no_repeat_ngram_size"}
ANOTHER_DECODING: Mapping[str, tuple[Any, Any]] = {  # what does nothing, and what is said instead of anything else
    "penalty_alpha": (0.0, None),
    "dola_layers": (None, None),
    "constraints": (None, None),
    "force_words_ids": (None, None),
    "num_beam_groups": (1, None),
    "num_return_sequences": (1, 1),
    "max_time": (None, None),
    "token_healing": (False, None),
}
WITHOUT_A_TRACE: Mapping[str, tuple[Any, Any]] = {  # the answer is the same, or its length the task's
    "use_cache": (True, True),
    "cache_implementation": ("dynamic", None),
    "cache_config": (None, None),
    "max_cache_len": (None, None),
    "prefill_chunk_size": (None, None),
    "compile_config": (None, None),
    "prompt_lookup_num_tokens": (None, None),
    "assistant_early_exit": (None, None),
    "use_mtp": (False, None),
    "speculation_type": (None, None),
    "is_assistant": (False, None),
    "max_length": (None, None),
    "return_dict_in_generate": (False, False),
    "output_scores": (False, False),
    "output_logits": (False, False),
    "output_attentions": (False, False),
    "output_hidden_states": (False, False),
}


class OwnSettings(NamedTuple):
    """What a checkpoint says of generation, as far as it matters here."""

    obeyed: dict[str, Any]
    overruled: dict[str, Any]  # what it says of another decoding
    arguments: dict[str, Any]  # of ``generate``, so that nothing but ``obeyed`` is
    alone: bool  # whether a prompt's answer depends on those beside it in a batch


def own_settings(model: Any, pad_token: int | None) -> OwnSettings:
    """Read a loaded model's settings; an adapter's are its base's. ``pad_token`` is the one that fills prompts up."""
    said = json.loads(generation_config(model).to_json_string(use_diff=False))  # as a results file can hold it
    obeyed = {name: said[name] for name, inert in OBEYED.items() if said.get(name) not in inert}
    differ = {
        name: instead
        for name, (inert, instead) in {**ANOTHER_DECODING, **WITHOUT_A_TRACE}.items()
        if said.get(name) not in (None, inert)
    }
    ends = said.get("eos_token_id")
    # A repeated token is made unlikely wherever it stands, in padding too, which must not be the end of an answer.
    ending = pad_token in (ends if isinstance(ends, list) else [ends])
    alone = bool(READS_PADDING & obeyed.keys()) or (ending and "repetition_penalty" in obeyed)
    return OwnSettings(obeyed, {name: said[name] for name in ANOTHER_DECODING if name in differ}, differ, alone)


def generation_config(model: Any) -> GenerationConfig:
    """What ``generate`` starts from: of families that hand over to their language model (BLIP-2), that one's."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    language_model: Any = getattr(inner, "language_model", None)
    hands_over = type(inner).generate is not GenerationMixin.generate and isinstance(language_model, GenerationMixin)
    generating: Any = language_model if hands_over else inner
    config: GenerationConfig = generating.generation_config
    return config
