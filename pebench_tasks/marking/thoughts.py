"""What a model thought before it answered, apart from the answer.

Known are marks that are called ``think``, ``thinking``, ``thought``, ``analysis``, ``reasoning``, ``reflection``,
``scratchpad`` and the like, in any case, written ``<think>``, ``<|think|>``, ``<|begin_of_thought|>``, ``[THINK]`` or
``◁think▷``, with their ends; and the channels of Harmony (``<|channel|>analysis<|message|>``) and Gemma
(``<|channel>thought``). An end without a beginning ends what the prompt began; a beginning without an end leaves the
thoughts unfinished, and no answer. A mark in quotation marks or backticks is spoken of, and marks nothing.
"""

import re
from typing import NamedTuple

from pebench_tasks.marking.words import Text

_NAME = (
    r"(?:\w{1,20}:)?(?:think(?:ing)?|thoughts?|analysis|reason(?:ing)?|reflection|scratch_?pad|(?:inner_)?monologue)"
)
_LEFT, _RIGHT = r"(?:<|&lt;)", r"(?:>|&gt;)"
_BRACKETED = r"(?:thinking|thoughts?|reasoning|analysis)"  # in square brackets also a heading: only where it has an end
_QUOTED = rf"(?P<quote>[`\"'])(?:{_LEFT}|◁|\[)/?{_NAME}(?:{_RIGHT}|▷|\])(?P=quote)"
_BEGIN = (
    rf"{_LEFT}\s{{0,9}}{_NAME}(?:\s[^<>\n/]{{0,80}})?{_RIGHT}|<\|(?:begin_of_|start_)?{_NAME}\|>|◁{_NAME}▷|\[think\]"
    rf"|\[(?P<bracketed>{_BRACKETED})\]"
    r"|<\|channel\|?>\s{0,9}(?:analysis|commentary|thought)(?:[^<\n]{0,80}<\|message\|>)?|<unused94>thought"
    r"|\Aanalysis(?=.*assistantfinal)"  # Harmony's channels where the marks themselves were left out
)
_END = (
    rf"{_LEFT}\s{{0,9}}/\s{{0,9}}{_NAME}\s{{0,9}}{_RIGHT}|<\|(?:/|end_of_|end_){_NAME}\|>|◁/{_NAME}▷"
    rf"|\[/(?:think|{_BRACKETED})\]|<channel\|>|<\|channel\|>\s{{0,9}}final\s{{0,9}}<\|message\|>|<unused95>"
    r"|assistantfinal"
)
_OTHER = r"<\|(?:start\|>assistant|end\|>|return\|>|message\|>|(?:begin|end)_of_solution\|>|(?:start|end)_response\|>)"
_MARKS = re.compile(rf"{_QUOTED}|(?P<begin>{_BEGIN})|(?P<end>{_END})|(?P<other>{_OTHER})", re.IGNORECASE | re.DOTALL)


class Response(NamedTuple):
    """A response, taken apart."""

    answer: Text
    thoughts: Text  # empty for a model that shows none
    unfinished: bool  # the thoughts have no end, so there is no answer
    whole: Text  # the thoughts, then the answer: all that the model let out


def take_apart(response: str) -> Response:
    """The thoughts and the answer of a response."""
    marks = _marks(response)
    if not marks:
        return Response(Text.of(response), Text.of(""), False, Text.of(response))
    ends, begins = (sum(mark[kind] is not None for mark in marks) for kind in ("end", "begin"))
    surplus = ends > begins + bool(marks[0]["end"])  # beside one that the prompt began: a mark that closes nothing
    thoughts: list[str] = []
    answer: list[str] = []
    place, thinking = 0, False
    for mark in marks:
        piece, place = response[place : mark.start()], mark.end()
        closes_nothing = surplus and mark is marks[-1] and not response[place:].strip()
        if mark["end"] and not (closes_nothing and not thinking):
            if not thinking:  # the prompt began these thoughts: nothing before was the answer
                thoughts += answer
                answer = []
            thoughts.append(piece)
            thinking = False
            continue
        (thoughts if thinking else answer).append(piece)
        thinking = thinking or bool(mark["begin"])
    (thoughts if thinking else answer).append(response[place:])
    thought, said = " ".join(thoughts).strip(), " ".join(answer).strip()
    return Response(Text.of(said), Text.of(thought), thinking, Text.of(f"{thought}\n{said}" if thought else said))


def _marks(response: str) -> list[re.Match[str]]:
    """The marks of a response, without those that are spoken of."""
    lower = response.lower()
    return [
        mark
        for mark in _MARKS.finditer(response)
        if not mark["quote"] and not (mark["bracketed"] and lower.rfind(f"[/{mark['bracketed'].lower()}]") < mark.end())
    ]
