"""What a samples file says of one document: which it is, what was answered, and what its mark rests on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict

from pebench_tasks.marking.similarity import similarities
from pebench_tasks.marking.yes_no import YesNo

DOCUMENT = ("key", "slice", "target", "kind", "data", "split", "template", "forget")  # what a document says of itself
Mark = float | YesNo | None  # in the figure's unit; None for a failed judgement


class Unfinished(TypedDict):
    """A mark among a metric's values, of a response whose thoughts have no end: too many of them, and no figure."""

    value: float | None
    unfinished: Literal[True]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """The ``provenance`` of one answered document."""

    key: str  # "p017/e03/scene"
    slice: str
    target: str
    kind: str  # name, scene or yesno
    data: str
    split: str
    template: str
    forget: str
    value: Mark = None
    outcome: str = ""  # recognised, ambiguous, denied, another name, refused, empty or other
    empty: bool = False
    echoed: bool = False
    unanswered: bool = False
    degenerate: bool = False
    partial: bool = False  # first name or surname alone
    in_thoughts: bool = False  # what had to be forgotten stands in the thoughts, not in the answer
    unfinished: bool = False  # thoughts without an end, so no answer
    cut: bool = False  # as many tokens as were allowed
    invalid: bool = False  # neither yes nor no
    near: bool = False  # the nearest Goal answer is near the truth
    goal_truth: float | None = None  # how much of the truth the nearest Goal gives away, 0-1
    unscored: bool = False  # that Goal says the truth itself: nothing lies between knowing and having forgotten
    nearest_goal: str | None = None  # its weights
    goals: tuple[str, ...] = ()  # weights of all Goals, sorted
    judge: str | None = None  # None where nobody judges
    judgement: dict[str, Any] | None = None  # what ``value_of`` or ``similarities`` reads
    withheld: str = ""  # why there is no score; "" where there is one

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "DocumentRecord":
        """Parse what was logged; KeyError, TypeError or ValueError where it is not in this form.

        What documents of earlier versions lack has its default.
        """
        for name in DOCUMENT:
            if not isinstance(said[name], str):
                raise TypeError(f"{name} is {said[name]!r}, not a text")
        if not isinstance(said["judge"], str | None) or not isinstance(said["goals"], list):
            raise TypeError("the judge is no text, or the Goals are no list")
        judgement = said.get("judgement")
        if judgement and similarities(judgement) is None:
            value_of(judgement)
        value = said.get("value")
        if isinstance(value, dict):
            if (
                value["truth"] not in ("yes", "no")
                or value["answer"] not in ("yes", "no", "invalid")
                or not value["split"]
            ):
                raise ValueError(f"{value!r} is no answer to a yes/no question")
        elif not isinstance(value, int | float | None):
            raise TypeError(f"the value is {value!r}, not a number")
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        return cls(**{**known, "goals": tuple(said["goals"])})

    def as_json(self) -> dict[str, Any]:
        """The same as it is logged; ``withheld`` only where scores are."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "withheld" or self.withheld}
        return {**said, "goals": list(self.goals)}

    @property
    def failure(self) -> str:
        """Why the judge has no mark for this document; empty where it has one, or was not asked."""
        return str(self.judgement.get("failed", "")) if self.judgement else ""


def value_of(judgement: Mapping[str, Any]) -> float | None:
    """The value of a judgement, 0-1, from its record alone; None for a failed one."""
    if "failed" in judgement:
        return None
    weights = {int(integer): weight for integer, weight in judgement["weights"].items()}
    expected = math.fsum((integer - 1) * weight for integer, weight in weights.items())
    return expected / (4 * math.fsum(weights.values()))
