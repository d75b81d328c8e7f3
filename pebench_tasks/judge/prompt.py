"""What the judge is asked, and what its reply is worth.

The reply is one integer from 1 to 5. Where the server returns the probabilities of the tokens, the value is the
expectation over "1" to "5" (G-Eval, arXiv 2303.16634), otherwise the integer itself, and ``(x - 1) / 4`` of either.
Prompts, scale and reading rules are this project's own.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pebench_templates import render

SCALE = (1, 2, 3, 4, 5)
READING = 1  # counts up with every change of the rules below: older values are then no longer comparable

# The answer is the first line: one integer, maybe emphasised, quoted, or called what it is.
DECORATION = r"[\s*_`\"'().:\[\]]*"
ANSWER = re.compile(rf"{DECORATION}(?:(?:final |my )?(?:score|rating|answer){DECORATION})?(\d+){DECORATION}", re.I)


class Malformed(Exception):
    """A reply that is no judgement; the text says why, in a few words."""


class Broken(Exception):
    """A body that is no chat completion at all: nothing the model said."""


def efficacy_prompt(question: str, truth: str, goal: str, response: str) -> str:
    """The prompt for a scene that must be forgotten; ``goal`` is the Goal answer nearest to the response."""
    fields = {"question": question, "truth": truth, "goal": goal, "response": response}
    return render("judge_efficacy", **{name: _quoted(text) for name, text in fields.items()})


def retain_prompt(question: str, truth: str, response: str) -> str:
    """The prompt for a scene that must stay."""
    fields = {"question": question, "truth": truth, "response": response}
    return render("judge_retain", **{name: _quoted(text) for name, text in fields.items()})


def _quoted(text: str) -> str:
    """A JSON string on one line; half of a surrogate pair, which no request could carry, becomes "?"."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False)


def read_reply(body: bytes, clean: Callable[[str], str] = str, *, weighted: bool = True) -> dict[str, Any]:
    """The record of a judgement from the body of a chat completion; ``clean`` takes secrets out of what it quotes.

    Without ``weighted`` probabilities are not looked at. Where they are missing or cannot be read, the integer counts.

    Raises ``Malformed`` for a reply that is not one integer from 1 to 5, and ``Broken`` for a body of another form.
    """
    choice, text = _choice(body)
    answer = text.rpartition("</think>")[2].strip()
    match = ANSWER.fullmatch(answer.partition("\n")[0])
    if match is None:
        if choice.get("finish_reason") == "content_filter":
            raise Malformed("refused by a content filter")
        if choice.get("finish_reason") == "length":
            raise Malformed(f"truncated: {_short(clean(text))}")
        if refusal := choice["message"].get("refusal"):
            raise Malformed(f"refused: {_short(clean(str(refusal)))}")
        raise Malformed(f"malformed: {_short(clean(text))}" if text.strip() else "empty")
    integer = int(match[1]) if len(match[1]) == 1 else 0
    if integer not in SCALE:
        raise Malformed(f"out of range: {_short(match[1])}")
    weights = _weights(choice, str(integer)) if weighted else None
    if weights is None:
        return {"weights": {str(integer): 1.0}, "source": "text"}
    return {"weights": weights, "source": "logprobs"}


def truncated(body: bytes) -> bool:
    """Whether a reply ended at the limit of tokens before it came to an answer, as a reasoning model's may."""
    try:
        read_reply(body)
    except Malformed:
        return bool(_choice(body)[0].get("finish_reason") == "length")
    return False


def weighted_reply(body: bytes) -> bool:
    """Whether a server returns probabilities that can be read; of a reply that is no judgement, whether any at all."""
    try:
        return bool(read_reply(body)["source"] == "logprobs")
    except Malformed:
        return any(isinstance(token, dict) and token.get("top_logprobs") for token in _tokens(_choice(body)[0]))


def _choice(body: bytes) -> tuple[dict[str, Any], str]:
    """The first choice and its text, "" for none."""
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"].get("content")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Broken("no chat completion") from None
    if not isinstance(text, str | None):
        raise Broken("no chat completion")
    return choice, text or ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return json.dumps(text if len(text) <= 60 else f"{text[:60]}...", ensure_ascii=False)


def _tokens(choice: Mapping[str, Any]) -> list[Any]:
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return tokens if isinstance(tokens, list) else []


def _weights(choice: Mapping[str, Any], answer: str) -> dict[str, float] | None:
    """The probabilities of "1" to "5" where the answer stands, summing to 1; None where they cannot be read."""
    try:
        # The last such token: a model that thinks aloud names integers before it answers.
        at = [token for token in _tokens(choice) if _stripped(token["token"]) == answer][-1]
        tokens = {token["token"]: token for token in [*(at.get("top_logprobs") or []), at]}
        alternatives = [(_stripped(text), float(token["logprob"])) for text, token in tokens.items()]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    if len(alternatives) == 1 or any(math.isnan(logprob) or logprob > 1e-3 for _, logprob in alternatives):
        return None  # the chosen token alone says nothing about the others; a probability above 1 is none
    weights = dict.fromkeys(map(str, SCALE), 0.0)
    for integer, logprob in alternatives:
        if integer in weights:
            weights[integer] += math.exp(logprob)
    total = math.fsum(weights.values())
    return {integer: weight / total for integer, weight in weights.items()} if total > 0 else None


def _stripped(token: str) -> str:
    return token.strip(" \t\r\n\u2581\u0120")  # the last two: how tokenizers write a leading space
