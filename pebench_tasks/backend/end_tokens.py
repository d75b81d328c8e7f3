"""A prompt ends with what the chat template wrote: no tokenizer puts an end token behind it."""

from typing import Any

from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig

from pebench_tasks.errors import BenchmarkError


def end_no_prompt(tokenizer: Any, source: str, trust_remote_code: bool) -> None:
    """Let a tokenizer write nothing behind a text; what it writes before one stays.

    A model that continues its prompt would take the question for over. Those with an encoder read whole texts, end
    token included, and are left alone. Raises ``BenchmarkError`` for a tokenizer that cannot be changed; ``source`` is
    where it comes from.
    """
    before, behind = _around(tokenizer)
    if not behind or AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code).is_encoder_decoder:
        return
    if tokenizer.is_fast:
        names = tokenizer.convert_ids_to_tokens(before)
        begin = [f"{name}:0" for name in names]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=[*begin, "$A:0"], pair=[*begin, "$A:0", "$B:1"], special_tokens=list(zip(names, before, strict=True))
        )
    else:
        tokenizer.add_eos_token = False
    if _around(tokenizer) != (before, []):
        raise BenchmarkError(
            f"The tokenizer in {source} writes {tokenizer.decode(behind)!r} behind every text, so a model would take a "
            "question for over. Save it again without (add_eos_token=False)."
        )


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer writes before and behind a text."""
    plain, whole = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    start = next((i for i in range(len(whole)) if whole[i : i + len(plain)] == plain), None)
    return ([], []) if start is None else (whole[:start], whole[start + len(plain) :])
