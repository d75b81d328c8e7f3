"""An answer behind its prompt, as a checkpoint's chat template writes it: the same in training and in scoring.

An answer's tokens are those after the longest common prefix of the tokens of prompt and of prompt + answer, whatever a
tokenizer makes of the place where the two meet.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import ProcessorMixin

from pebench_tasks.backend import chat
from pebench_tasks.errors import BenchmarkError


class AnswerText(NamedTuple):
    """What a model reads of a question with its answer."""

    prompt: str
    answered: str  # the prompt and the answer
    end: str  # the end token, and what the template writes before it

    @property
    def whole(self) -> str:
        """All of it; nothing stands behind the end token."""
        return self.answered + self.end


def write_answer(
    processor: ProcessorMixin, messages: Sequence[Mapping[str, Any]], answer: str, name: str
) -> AnswerText:
    """The prompt, the answer and its end token as the chat template writes them; ``name`` is what errors call it.

    Templates that write no end token after an assistant's turn (LLaVA-1.5's) get the tokenizer's. Raises
    ``BenchmarkError`` for a template that does not continue its own prompt with the answer.
    """
    assistant: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    prompt, turn = chat.prompt(processor, messages), chat.turn(processor, [*messages, assistant])
    begun = prompt.rstrip()
    if not turn.startswith(begun):  # some templates drop the thoughts of what was answered
        begun = chat.without_empty_thoughts(prompt).rstrip()
    start = turn.find(answer, len(begun))
    if start < 0 or not turn.startswith(begun) or turn[len(begun) : start].strip():
        raise BenchmarkError(
            f"The chat template does not continue its own prompt with the answer of {name}: prompt "
            f"{prompt!r}, whole turn {turn!r}. This model family needs its own case in "
            "pebench_tasks/backend/families.py."
        )
    asked = turn[:start] if begun == prompt.rstrip() else prompt
    return AnswerText(prompt, asked + answer, _end_token(processor, turn[start + len(answer) :]))


def _end_token(processor: Any, tail: str) -> str:
    tokenizer = processor.tokenizer
    rest = tail.strip()
    if not rest:
        return str(tokenizer.eos_token)
    specials = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    if begins := [token for token in specials if rest.startswith(token)]:
        return tail[: tail.index(rest)] + max(begins, key=len)
    raise BenchmarkError(
        f"The chat template ends an answer with {tail!r}, which is no special token of the tokenizer. "
        "This model family needs its own case in pebench_tasks/backend/families.py."
    )
