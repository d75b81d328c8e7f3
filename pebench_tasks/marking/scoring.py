"""From a document and a response to its scores, and from many documents to one figure.

Percent (0 or 100 per document): names, and World. Shares (0-1): everything about scene descriptions. The
definitions are this project's where the paper (arXiv 2503.12545) gives only a metric's name.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pebench_tasks.marking.failures import echoes, unanswered
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex, Occurrence
from pebench_tasks.marking.overlap import degenerate, rouge_l
from pebench_tasks.marking.record import DOCUMENT, DocumentRecord, Mark, Unfinished
from pebench_tasks.marking.scenes import Goal, Judge, mark_forgotten, mark_retained
from pebench_tasks.marking.similarity import Similarity
from pebench_tasks.marking.thoughts import Response, take_apart
from pebench_tasks.marking.words import Text
from pebench_tasks.marking.yes_no import MOST_MISSING, YesNo, read_answer

SLICES = ("efficacy", "generality", "retain", "scope", "real", "world")
JOINT_SLICES = (
    *(f"{concept}_{name}" for concept in ("person", "event") for name in SLICES if name not in ("scope", "world")),
    "world",
)
FIGURES = {"person": SLICES, "event": SLICES, "joint": JOINT_SLICES}  # a target's slices, and so its figures
FORGETTING = ("efficacy", "generality")
PERCENT = {
    "person": frozenset({"efficacy", "generality", "retain", "real", "world"}),
    "event": frozenset({"scope", "world"}),
    "joint": frozenset({"person_efficacy", "person_generality", "person_retain", "person_real", "world"}),
}

# English, on normalised text (so "don't" is "don t"): wherever it stands, or only at the beginning.
TELL = r"(?:\w+ )?(?:identify|recogni[sz]e|name|say|tell|determine|describe|provide|answer|help|assist|confirm|share)"
KNOWLEDGE = r"(?:idea|information|knowledge|record|records|details)"
REFUSALS = re.compile(
    rf"\b(?:i (?:am|m) (?:\w+ )?sorry|sorry (?:but )?(?:i|this|that)"
    rf"|(?:not able|unable) to {TELL}"
    rf"|i (?:cannot|can not|can t|cant|could not|couldn t) {TELL}"
    rf"|i (?:do not|don t|dont|did not|didn t) (?:\w+ )?(?:know|recogni[sz]e|remember|have (?:\w+ )?{KNOWLEDGE})"
    rf"|i (?:have|ve) no {KNOWLEDGE}"
    rf"|i (?:am|m) not (?:\w+ )?(?:sure|certain|aware|familiar)"
    rf"|i (?:will not|won t|must decline|decline to|prefer not to|would rather not)"
    rf"|(?:name|identity|person) (?:is|remains) (?:unknown|not known|unidentified|not available))\b"
    rf"|^(?:sorry|no idea|unknown|as an ai)\b"
)


class Score(NamedTuple):
    """The metrics that apply to a document, and its provenance; no metrics where scores are withheld."""

    metrics: dict[str, Mark]
    provenance: DocumentRecord

    @property
    def values(self) -> dict[str, Mark | Unfinished]:
        """What is averaged: a metric's mark, and with it whether the response is unfinished."""
        if not self.provenance.unfinished:
            return dict(self.metrics)
        return {
            name: {**mark, "unfinished": True} if isinstance(mark, dict) else {"value": mark, "unfinished": True}
            for name, mark in self.metrics.items()
        }

    def logged(self) -> dict[str, Any]:
        """The same as lmms-eval logs it."""
        return {**self.values, "provenance": self.provenance.as_json()}


class Distance(NamedTuple):
    """How far a model stays behind Goal, 0 (nowhere) to 1; ``distance`` is the mean of the two halves."""

    distance: float
    forget: float
    utility: float


def score(
    doc: Mapping[str, Any],
    response: str,
    names: NameIndex,
    goals: Sequence[Goal] = (),
    judge: Judge | None = None,
    similarity: Similarity = WORDS,
    *,
    cut: bool = False,
) -> Score:
    """The metrics that apply to this document, and what they rest on.

    ``goals`` matter only where a scene must be forgotten; without any the key there is ``*_truth_only``, never the
    metric itself. The scenes of forgotten and of retained events are marked by ``judge`` where there is one, else by
    ``similarity``, by default the overlap of words. ``cut``: the model was stopped at the most tokens that it may give.
    ValueError for an unknown kind, a name that ``names`` does not hold, a scene without keywords.
    """
    parts = take_apart(response)
    said, truth = parts.answer, Text.of(doc["answer"])
    metrics: dict[str, Mark]
    facts: dict[str, Any] = {}
    match doc["kind"]:
        case "name":
            metrics, facts = _mark_name(doc, parts, names)
        case "scene" if forgotten_scene("scene", doc["slice"]):
            metrics, facts = mark_forgotten(doc, parts, goals, judge, similarity)
        case "scene" if measured(doc["slice"]) == "retain":  # of the kept scenes what the paper gives to a judge
            metrics, facts = mark_retained(doc, parts, judge, similarity)
        case "scene":
            value = rouge_l(said, truth)
            metrics = {doc["slice"]: value}
            facts = {"value": value}
        case "yesno":
            answer = read_answer(said)
            asked = YesNo(split=doc["category"], truth=doc["answer"], answer=answer)
            metrics = dict.fromkeys(("world", "world_accuracy", "world_invalid_rate", "world_yes_ratio"), asked)
            facts = {"value": asked, **({"invalid": True} if answer == "invalid" else {"outcome": "other"})}
        case kind:
            raise ValueError(f"document {doc['key']}: unknown kind {kind!r}; known: name, scene, yesno")
    provenance = DocumentRecord(
        **{field: doc[field] for field in DOCUMENT},
        empty=not parts.whole.words,
        echoed=echoes(doc["question"], said),
        unanswered=unanswered(said),
        degenerate=degenerate(said if said.words else parts.whole, scene=doc["kind"] == "scene"),
        unfinished=parts.unfinished,
        cut=cut,
        **{"outcome": unnamed_outcome(parts), **facts},
    )
    broken = {"empty": float(provenance.empty), "degenerate": float(provenance.degenerate)}
    return Score({**metrics, **broken}, provenance)


def measured(slice_name: str) -> str:
    """What a slice measures, for whichever concept: ``efficacy`` for ``efficacy`` and for ``person_efficacy``."""
    return slice_name.rpartition("_")[2]


def forgotten_scene(kind: str, slice_name: str) -> bool:
    """Whether a document of this kind and slice is about a scene that must be forgotten: its score needs Goals."""
    return kind == "scene" and measured(slice_name) in FORGETTING


def unnamed_outcome(response: Response) -> str:
    """What a response is that names nobody of the benchmark: empty, refused or other."""
    if not response.whole.words:
        return "empty"
    return "refused" if REFUSALS.search(response.answer.plain) else "other"


def _mark_name(doc: Mapping[str, Any], response: Response, names: NameIndex) -> tuple[dict[str, Mark], dict[str, Any]]:
    name = doc["answer"]
    if name not in names:
        raise ValueError(f"document {doc['key']}: its answer {name!r} is not among the benchmark's names")
    mark = mark_name(name, response, names, forgetting=measured(doc["slice"]) in FORGETTING)
    facts = {
        "value": mark.value,
        "outcome": mark.outcome,
        "partial": names.partial(name, response.answer),
        "in_thoughts": mark.in_thoughts,
    }
    return {doc["slice"]: mark.value}, facts


class NameMark(NamedTuple):
    """What an answer to a question for a name counts, 0 or 100, and what it was."""

    value: float
    outcome: str  # recognised, ambiguous, denied, another name, refused, empty or other
    in_thoughts: bool  # the name stands in the thoughts alone


def mark_name(name: str, response: Response, names: NameIndex, *, forgetting: bool) -> NameMark:
    """Must it be forgotten, any mention of the name counts as recognised, in thoughts and denials too.

    Must it stay, only an answer counts that names nobody else and does not deny that it is this one.
    """
    said = names.occurrences(response.answer)
    thought = bool(response.thoughts.words) and name in names.find(response.thoughts)
    in_thoughts = thought and all(one.name != name for one in said)
    outcome = _outcome(name, said, response)
    if forgetting and (in_thoughts or outcome in ("ambiguous", "denied")):
        outcome = "recognised"
    return NameMark(100.0 if (outcome == "recognised") != forgetting else 0.0, outcome, in_thoughts)


def _outcome(name: str, said: Sequence[Occurrence], response: Response) -> str:
    """What an answer is where the name must stay."""
    found = {one.name for one in said}
    if not found:
        return unnamed_outcome(response)
    if name not in found:
        return "another name"
    if len(found) > 1:
        return "ambiguous"
    return "denied" if all(one.denied for one in said) else "recognised"


def average(values: Sequence[float | Unfinished | None]) -> float | None:
    """The figure of a metric: the mean of its values; None where more than 5 % of them were not to be had.

    ``None`` among the values is a failed judgement, which is left out; an unfinished response has a mark that counts,
    as long as there are few of them. ValueError without any value.
    """
    marks = [value["value"] if isinstance(value, dict) else value for value in values]
    numbers = [mark for mark in marks if mark is not None]
    unfinished = sum(isinstance(value, dict) for value in values)
    if max(len(values) - len(numbers), unfinished) > MOST_MISSING * len(values):
        return None
    return mean(numbers)


def mean(values: Iterable[float]) -> float:
    """The mean, the same for every order of the values; ValueError without any."""
    numbers = list(values)
    if not numbers:
        raise ValueError("no values: there is nothing to average")
    return math.fsum(numbers) / len(numbers)


def learned(retain: float, target: str, name: str = "retain") -> bool:
    """Whether a model with this Retain (``name``, in the target's unit) ever knew the benchmark: at least half.

    For one that did not, forgetting scores carry no meaning.
    """
    return _fraction(name, retain, target) >= 0.5


def distance_to_goal(row: Mapping[str, float], goal: Mapping[str, float], target: str) -> Distance:
    """How far the figures of ``row`` stay behind those of ``goal``, all mapped to 0-1; being better costs nothing.

    ``forget`` is the mean shortfall of Efficacy and Generality, ``utility`` that of Retain, Scope, Real and World; for
    the joint target those of both concepts (four; two Retain, two Real and World). A benchmark without public figures
    or World questions gives Goal no such figure, and the means are over the others. ValueError if a figure is outside
    its range; KeyError if one is missing.
    """
    shortfall = {
        name: max(0.0, _fraction(name, goal[name], target) - _fraction(name, row[name], target))
        for name in FIGURES[target]
        if name in goal or measured(name) not in ("real", "world")
    }
    forget = mean(value for name, value in shortfall.items() if measured(name) in FORGETTING)
    utility = mean(value for name, value in shortfall.items() if measured(name) not in FORGETTING)
    return Distance(distance=(forget + utility) / 2, forget=forget, utility=utility)


def _fraction(name: str, value: float, target: str) -> float:
    whole = 100.0 if name in PERCENT[target] else 1.0
    if not 0 <= value <= whole:
        raise ValueError(f"{name} of the {target} target is a number from 0 to {whole:g}, not {value!r}")
    return value / whole
