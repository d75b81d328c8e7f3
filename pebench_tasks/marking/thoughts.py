"""What a model thought before it answered, apart from the answer.

Known are the marks ``<think>``, ``<thinking>``, ``<thought>``, ``<analysis>``, ``<reasoning>``, ``[THINK]`` and
``◁think▷`` with their ends, and the channels of Harmony (``<|channel|>analysis<|message|>``) and Gemma
(``<|channel>thought``), in any case. An end without a beginning ends what the prompt began; a beginning without an end
leaves the thoughts unfinished, and no answer.
"""

import re
from typing import NamedTuple

from pebench_tasks.marking.words import Text

_NAMES = "think|thinking|thought|thoughts|analysis|reasoning|reflection"
_MARKS = re.compile(
    rf"(?P<begin><(?:{_NAMES})>|◁think▷|\[think\]|<\|channel\|?>\s*(?:analysis|commentary|thought)\s*(?:<\|message\|>)?)"
    rf"|(?P<end></(?:{_NAMES})>|◁/think▷|\[/think\]|<channel\|>|<\|channel\|>\s*final\s*<\|message\|>)"
    r"|(?P<other><\|(?:start\|>assistant|end\|>|return\|>|message\|>))",
    re.IGNORECASE,
)


class Response(NamedTuple):
    """A response, taken apart."""

    answer: Text
    thoughts: Text  # empty for a model that shows none
    unfinished: bool  # the thoughts have no end, so there is no answer
    whole: Text  # the thoughts, then the answer: all that the model let out


def take_apart(response: str) -> Response:
    """The thoughts and the answer of a response."""
    thoughts: list[str] = []
    answer: list[str] = []
    place, thinking = 0, False
    for mark in _MARKS.finditer(response):
        piece, place = response[place : mark.start()], mark.end()
        if mark["end"]:
            if not thinking:  # the prompt began these thoughts: nothing before was the answer
                thoughts += answer
                answer = []
            thoughts.append(piece)
            thinking = False
            continue
        (thoughts if thinking else answer).append(piece)
        thinking = thinking or bool(mark["begin"])
    (thoughts if thinking else answer).append(response[place:])
    if not place:
        return Response(Text.of(response), Text.of(""), False, Text.of(response))
    thought, said = " ".join(thoughts).strip(), " ".join(answer).strip()
    return Response(Text.of(said), Text.of(thought), thinking, Text.of(f"{thought}\n{said}" if thought else said))
