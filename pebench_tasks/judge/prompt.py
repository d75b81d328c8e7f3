"""What the judge is asked, and what its reply is worth.

The reply is one integer from 1 to 5. Where the server returns the probabilities of the tokens, the value is the
expectation over "1" to "5" (G-Eval, arXiv 2303.16634), otherwise the integer itself, and ``(x - 1) / 4`` of either.
Prompts, scale and reading rules are this project's own. A reply is read so:

1. Of content that is a list of parts the texts count, joined; parts of another type are thoughts.
2. What stands up to the last end of thoughts (``</think>``, ``[/THINK]`` and the like) is no answer. Thoughts that
   never end are no answer either.
3. The score is the first or the last line, if that line is a score and nothing else: ``4``, ``4/5``, ``4 out of 5``,
   with or without a name before it (``Score: 4``, ``Rating: 4``, ``The final score is 4``), Markdown, quotes or
   brackets. Or the rest, or such a line, is a JSON object, in a code block or not: its ``score``, ``rating`` or
   ``answer`` counts. A first and a last line that disagree are no score; of a reply that was cut the last line says
   nothing.
4. The probabilities are those of the very token that was read as the score, wherever else such a digit stands.
"""

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from pebench_templates import render

SCALE = (1, 2, 3, 4, 5)
READING = 2  # counts up with every change of the rules above: older values are then no longer comparable

DECORATION = r"[\s*_`\"'().:\[\]#>]*"
NAMED = (
    r"(?:the\s+)?(?:(?:final|my|overall)\s+)?(?:score|rating|answer)(?:\s*\(1\s*(?:-|–|to)\s*5\))?"
    rf"{DECORATION}(?:(?:=|\bis\b|\s[-–]\s){DECORATION})?"
)
SCORE = re.compile(
    rf"{DECORATION}(?:{NAMED})?(\d+)(?:\.0+)?{DECORATION}"
    rf"(?:(?:/|out of){DECORATION}{SCALE[-1]}(?:\.0+)?{DECORATION})?",
    re.I,
)
OBJECT = re.compile(r"\s*(?:```\w*\s+)?(\{.*\})\s*(?:```\s*)?", re.S)
MEMBERS = ("score", "rating", "answer")  # of a JSON object; the first that it has counts
FENCE = re.compile(r"\s*(?:```\w*\s*)?")  # a line without words: blank, or the edge of a code block

THOUGHTS = r"think|thinking|thoughts?|reasoning"
THOUGHTS_BEGIN = re.compile(rf"<(?:{THOUGHTS})>|\[THINK\]|◁think▷|<\|channel\|>analysis|<\|channel>thought", re.I)
THOUGHTS_END = re.compile(rf"</(?:{THOUGHTS})>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>|<channel\|>", re.I)


class Read(NamedTuple):
    """A score where it stands: the integer as it is written, and its place in the answer."""

    digits: str
    place: int


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
    cut = choice.get("finish_reason") == "length"
    thoughts = [match.end() for match in THOUGHTS_END.finditer(text)]
    answer = text[thoughts[-1] if thoughts else 0 :]
    unended = THOUGHTS_BEGIN.search(answer) is not None
    found = [] if unended else list(_scores(answer, cut=cut))
    said = _short(clean(text))
    if not found:
        if choice.get("finish_reason") == "content_filter":
            raise Malformed("refused by a content filter")
        if cut:
            raise Malformed(f"truncated: {said}")
        if refusal := choice["message"].get("refusal"):
            raise Malformed(f"refused: {_short(clean(str(refusal)))}")
        raise Malformed((f"unended thoughts: {said}" if unended else f"malformed: {said}") if text.strip() else "empty")
    if len({read.digits for read in found}) > 1:
        raise Malformed(f"two scores: {said}")
    digits, place = found[0]
    integer = int(digits) if len(digits) == 1 else 0
    if integer not in SCALE:
        raise Malformed(f"out of range: {_short(digits)}")
    weights = _weights(choice, answer, place, str(integer)) if weighted else None
    if weights is None:
        return {"weights": {str(integer): 1.0}, "source": "text"}
    return {"weights": weights, "source": "logprobs"}


def _scores(answer: str, *, cut: bool) -> Iterator[Read]:
    """Where the answer as a whole, its first line or its last one is a score; ``cut``: the last one is not whole."""
    lines = [line for line in re.finditer(r"[^\n]+", answer) if not FENCE.fullmatch(line[0])]
    ends = lines[:1] if cut else lines[:1] + lines[-1:]
    for start, part in [(0, answer), *((line.start(), line[0]) for line in ends)]:
        if member := OBJECT.fullmatch(part):
            yield from _members(member[1], start + member.start(1))
        elif read := SCORE.fullmatch(part):
            yield Read(read[1], start + read.start(1))


def _members(text: str, start: int) -> Iterator[Read]:
    """The score in a JSON object that begins at ``start`` of the answer."""
    try:
        said = {name.lower(): value for name, value in json.loads(text).items()}
    except (ValueError, RecursionError):
        return
    for name in [name for name in MEMBERS if name in said][:1]:
        written = list(re.finditer(rf'"{name}"\s*:\s*(?:"[^"]*?)?(?=\d)', text, re.I))
        if written and (read := SCORE.fullmatch(str(said[name]))):
            yield Read(read[1], start + written[-1].end())


def truncated(body: bytes) -> bool:
    """Whether a reply ended at the limit of tokens before it came to an answer, as a reasoning model's may."""
    try:
        read_reply(body)
    except Malformed:
        return bool(_choice(body)[0].get("finish_reason") == "length")
    return False


def served_model(body: bytes) -> str:
    """What the server calls the model that answered; empty where it does not say."""
    name = json.loads(body).get("model")
    return name if isinstance(name, str) else ""


def _choice(body: bytes) -> tuple[dict[str, Any], str]:
    """The first choice and its text, "" for none."""
    try:
        choice = json.loads(body)["choices"][0]
        content = choice["message"].get("content")
        if isinstance(content, list):  # a part without a type is a text; refusals, thoughts and images are none
            texts = [part["text"] for part in content if part.get("type", "text") in ("text", "output_text")]
            content = "".join(texts)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Broken("no chat completion") from None
    if not isinstance(content, str | None):
        raise Broken("no chat completion")
    return choice, content or ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return json.dumps(text if len(text) <= 60 else f"{text[:60]}...", ensure_ascii=False)


def _tokens(choice: Mapping[str, Any]) -> list[Any]:
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return tokens if isinstance(tokens, list) else []


def _weights(choice: Mapping[str, Any], answer: str, place: int, digit: str) -> dict[str, float] | None:
    """The probabilities of "1" to "5" at ``place`` of the answer, summing to 1; None where they cannot be read."""
    try:
        at = _token_at(_tokens(choice), answer, place)
        tokens = {token["token"]: token for token in [*(at.get("top_logprobs") or []), at]}
        alternatives = [(_stripped(text), float(token["logprob"])) for text, token in tokens.items()]
        if _stripped(at["token"]) != digit:
            return None
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


def _token_at(tokens: Sequence[Mapping[str, Any]], answer: str, place: int) -> Mapping[str, Any]:
    """The token that holds the character at ``place`` of the answer; ``LookupError`` where tokens and answer differ.

    Servers write spaces, line ends and what is not ASCII in several ways, so letters and digits alone are compared.
    The answer is the last that was said: thoughts, which a server may have cut off, come before it.
    """
    written = [_letters(bytes(token.get("bytes") or token["token"].encode())) for token in tokens]
    start = b"".join(written).rfind(_letters(answer.encode("utf-8", "replace")))
    if start < 0:
        raise LookupError
    wanted = start + len(_letters(answer[:place].encode("utf-8", "replace")))
    ends = list(accumulate(map(len, written)))
    return tokens[bisect_right(ends, wanted)]


def _letters(text: bytes) -> bytes:
    return re.sub(rb"[^0-9A-Za-z]", b"", text)


def _stripped(token: str) -> str:
    """A token without what may stick to a score: quotes, brackets, Markdown, the ways to write a leading space."""
    return token.strip(" \t\r\n\u2581\u0120*_`\"'().:[]{}#>/,")
