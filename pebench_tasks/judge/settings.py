"""Which settings of a request a judge's server takes, found out with a trial question."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pebench_tasks.judge.endpoint import Declined, Refused, TooLong
from pebench_tasks.judge.prompt import SCALE, read_reply, served_model, truncated
from pebench_tasks.marking.record import value_of

ROOM = 4096  # tokens: models may think before they answer, and nothing in a model's name says whether it does
MORE_ROOM = 16384  # for one that thinks longer
LESS_ROOM = {MORE_ROOM: ROOM, ROOM: 1024, 1024: 16}  # for servers that cannot take so many
ASKED = {"temperature": 0, "seed": 0, "max_tokens": ROOM, "logprobs": True, "top_logprobs": 20}
LIMITS = ("max_tokens", "max_completion_tokens")
TOO_MUCH = re.compile(r"too (?:large|big|high|many)|at most|exceed|maximum|less than|<=", re.I)
GOOD = 0.625  # what the trial question, two equal texts, must get at least: a mark that rounds to 4 or 5


class Settled(NamedTuple):
    """What a server takes and returns."""

    sent: dict[str, Any]
    weighted: bool  # whether it returns the probabilities of tokens
    served: str  # what it calls its model; empty where it does not say


class Unfit(Exception):
    """A judge that calls two equal texts unlike; the text is its mark."""


def try_out(trial: Callable[[Mapping[str, Any]], bytes], clean: Callable[[str], str] = str) -> Settled:
    """Ask the trial question, with one setting less or less room whenever the server refuses one.

    ``trial`` sends it with the settings it is given and returns the body; what it raises passes, but ``Refused``, and
    ``TooLong`` where less room for the answer may help. Raises ``Malformed`` for an answer that is no score, and
    ``Unfit`` for a low one; ``clean`` takes secrets out of what they quote.
    """
    sent: dict[str, Any] = dict(ASKED)
    while True:
        try:
            body = trial(sent)
            break
        except Refused as error:
            sent = without(error.parameter, sent, error.message)
        except TooLong:
            if (less := _with_less_room(sent)) is None:
                raise
            sent = less
    if truncated(body):
        sent, body = _with_more_room(trial, sent, body)
    record = read_reply(body, clean)
    if (value := value_of(record)) is None or value < GOOD:
        raise Unfit(f"{1 + 4 * (value or 0):.1f} of {SCALE[-1]}")
    return Settled(sent, record["source"] == "logprobs", served_model(body))


def _with_more_room(
    trial: Callable[[Mapping[str, Any]], bytes], sent: dict[str, Any], body: bytes
) -> tuple[dict[str, Any], bytes]:
    """The settings and the answer where a model that was cut off thinks longer; the same ones if that cannot be."""
    longer = {name: MORE_ROOM if name in LIMITS else value for name, value in sent.items()}
    if longer == sent:
        return sent, body
    try:
        return longer, trial(longer)
    except (Refused, Declined):
        return sent, body


def _with_less_room(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    limit = next((name for name in LIMITS if sent.get(name) in LESS_ROOM), None)
    return None if limit is None else {**sent, limit: LESS_ROOM[sent[limit]]}


def without(parameter: str, sent: Mapping[str, Any], message: str = "") -> dict[str, Any]:
    """The settings in the next best form that a server may take, after it refused ``parameter`` with a message."""
    if parameter in LIMITS and TOO_MUCH.search(message) and (less := _with_less_room(sent)) is not None:
        return less
    less = {name: value for name, value in sent.items() if name != parameter}
    if parameter == "max_tokens":  # the name that newer models take
        less["max_completion_tokens"] = ROOM
    if parameter == "top_logprobs" and sent[parameter] > len(SCALE):
        less[parameter] = len(SCALE)
    elif parameter in ("logprobs", "top_logprobs"):  # neither means anything without the other
        less = {name: value for name, value in less.items() if name not in ("logprobs", "top_logprobs")}
    return less
