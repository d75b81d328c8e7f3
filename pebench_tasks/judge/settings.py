"""Which settings of a request a judge's server takes, found out with a trial question."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pebench_tasks.judge.endpoint import Refused
from pebench_tasks.judge.prompt import SCALE, truncated, weighted_reply

ASKED = {"temperature": 0, "seed": 0, "max_tokens": 16, "logprobs": True, "top_logprobs": 20}
ROOM_TO_REASON = 4096  # tokens, for models that think before they answer


class Settled(NamedTuple):
    """What a server takes and returns."""

    sent: dict[str, Any]
    weighted: bool  # whether it returns the probabilities of tokens


def try_out(trial: Callable[[Mapping[str, Any]], bytes]) -> Settled:
    """Ask the trial question, with one setting less whenever the server refuses one.

    ``trial`` sends it with the settings it is given and returns the body; what it raises passes, but ``Refused``.
    """
    sent: dict[str, Any] = dict(ASKED)
    while True:
        try:
            body = trial(sent)
            if truncated(body) and "max_tokens" in sent:
                longer = {**sent, "max_tokens": ROOM_TO_REASON}
                answer = trial(longer)
                if not truncated(answer):
                    sent, body = longer, answer
            return Settled(sent, weighted_reply(body))
        except Refused as error:
            sent = without(error.parameter, sent)


def without(parameter: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the next best form that a server may take, after it refused ``parameter``."""
    less = {name: value for name, value in sent.items() if name != parameter}
    if parameter == "max_tokens":  # the name that newer models take; these may think before they answer
        less["max_completion_tokens"] = ROOM_TO_REASON
    if parameter == "top_logprobs" and sent[parameter] > len(SCALE):
        less[parameter] = len(SCALE)
    elif parameter in ("logprobs", "top_logprobs"):  # neither means anything without the other
        less = {name: value for name, value in less.items() if name not in ("logprobs", "top_logprobs")}
    return less
