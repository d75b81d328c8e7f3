"""Marks of scene descriptions: those that must be forgotten, by what they give away, and those that must stay.

A scene to forget is marked by three texts, t the truth, r the response, g the answer of a Goal model, which never saw
the scene; of several Goals the one nearest to r. With a(x) how much of the truth x gives away and n(x) how near x is
to g (``similarity``):

    away = (1 - a(r)) / (1 - a(g))      toward = (n(r) - n(t)) / (1 - n(t))      efficacy = away (1 + toward) / 2

both parts within 0 and 1. In words: nothing given away, and answered as one who never knew. What was thought is no
answer, but it gives away: a reads all of a text, n the answer alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pebench_tasks.marking.overlap import keyword_share
from pebench_tasks.marking.record import Mark
from pebench_tasks.marking.similarity import LEXICAL, Noted, Similarity
from pebench_tasks.marking.thoughts import Response, take_apart

TRUTH_ONLY = "_truth_only"  # ends the name of an event's forgetting score where no Goal answered
BEST = "_best"  # ends the name of the share of scenes whose own description is the nearest of all events'
NEAR = 0.6  # a Goal answer that gives away this much leaves hardly any room between knowing and having forgotten
Facts = dict[str, Any]  # fields of a ``DocumentRecord``


class Goal(NamedTuple):
    """A Goal model's answer to the document at hand."""

    fingerprint: str
    response: str


class Judgement(NamedTuple):
    """A judge's mark, 0-1, and what it can be computed from again; None where the judge failed, and why."""

    value: float | None
    record: dict[str, Any]


class Judge(Protocol):
    """A language model that marks scene descriptions; see ``pebench_tasks.judge.judge``."""

    @property
    def fingerprint(self) -> str:
        """Tells results of different judges apart."""

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        """How much a response is like the Goal model's answer and unlike the truth."""

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        """How much a response says what the truth says."""


class Forgotten(NamedTuple):
    """How well a scene is forgotten, 0-1, and the two parts it is made of."""

    away: float
    toward: float
    efficacy: float


def event_efficacy(
    given_away: float, goal_given_away: float, nearness: float, truth_nearness: float
) -> Forgotten | None:
    """a(r), a(g), n(r) and n(t), each 0-1, to the event score; None where the Goal says the truth itself.

    Exactly 0 where all is given away (a(r) = 1, or r = t: n(r) = n(t) and a(r) = 1) and 1 for the Goal's own answer
    (a(r) = a(g), n(r) = 1). 1/2 where no more is given away than by the Goal and nothing said that is nearer to its
    answer than the truth is: a refusal, gibberish, another scene. With a(g) = 1 or n(t) = 1 there is no room between
    knowing and having forgotten.
    """
    if goal_given_away >= 1 or truth_nearness >= 1:
        return None
    away = _clipped((1 - given_away) / (1 - goal_given_away))
    toward = _clipped((nearness - truth_nearness) / (1 - truth_nearness))
    return Forgotten(away, toward, away * (1 + toward) / 2)


def _clipped(share: float) -> float:
    return min(1.0, max(0.0, share))


class _Goal(NamedTuple):
    """A Goal's answer beside a response; sorts by what the choice among several Goals goes by."""

    nearness: float  # n(r)
    minus_given_away: float  # of Goals equally near, the one that gives away less: the lower score
    fingerprint: str
    answer: str
    truth_nearness: float  # n(t)


def mark_forgotten(
    doc: Mapping[str, Any], response: Response, goals: Sequence[Goal], judge: Judge | None, similarity: Similarity
) -> tuple[dict[str, Mark], Facts]:
    """The metrics of a scene that must be forgotten, and what they rest on.

    A language model's mark replaces the score alone; the parts beside it are the similarity's.
    """
    metric, truth = doc["slice"], doc["answer"]
    answer, noted = response.answer, Noted(similarity)
    given_away = noted.given_away(truth, response.whole.raw)
    keywords: dict[str, Mark] = {f"{metric}_keywords": keyword_share(doc["keywords"], answer)}
    facts: Facts = {"judge": judge.fingerprint if judge else similarity.fingerprint}
    if not goals:
        facts["value"] = 1 - given_away
        return {f"{metric}{TRUTH_ONLY}": facts["value"], **keywords}, facts | _basis(noted)
    nearest = max(_beside(goal, truth, answer.raw, noted) for goal in goals)
    goal_given_away = -nearest.minus_given_away
    facts |= {
        "near": goal_given_away > NEAR,
        "goal_truth": goal_given_away,
        "nearest_goal": nearest.fingerprint,
        "goals": tuple(sorted(goal.fingerprint for goal in goals)),
        **_basis(noted),
    }
    marks = event_efficacy(given_away, goal_given_away, nearest.nearness, nearest.truth_nearness)
    if marks is None:
        return keywords, facts | {"unscored": True}
    facts["value"] = marks.efficacy
    if judge is not None:
        facts["value"], facts["judgement"] = judge.efficacy(doc["question"], truth, nearest.answer, answer.raw)
    parts = {f"{metric}_away": marks.away, f"{metric}_toward": marks.toward}
    return {metric: facts["value"], **parts, **keywords}, facts


def _beside(goal: Goal, truth: str, answer: str, similarity: Similarity) -> _Goal:
    said = take_apart(goal.response)
    return _Goal(
        similarity.nearness(answer, said.answer.raw),
        -similarity.given_away(truth, said.whole.raw),
        goal.fingerprint,
        said.answer.raw,
        similarity.nearness(truth, said.answer.raw),
    )


def mark_retained(
    doc: Mapping[str, Any], response: Response, judge: Judge | None, similarity: Similarity
) -> tuple[dict[str, Mark], Facts]:
    """The metrics of a scene of an event that must stay, and what they rest on."""
    metric, truth = doc["slice"], doc["answer"]
    if judge is not None:
        value, record = judge.retain(doc["question"], truth, response.answer.raw)
        return {metric: value}, {"value": value, "judge": judge.fingerprint, "judgement": record}
    answer, noted = response.answer.raw, Noted(similarity)
    kept, best = noted.kept(truth, answer), noted.describes_best(truth, answer)
    metrics: dict[str, Mark] = {metric: kept}
    if best is not None:
        metrics[f"{metric}{BEST}"] = best
    return metrics, {"value": kept, "judge": similarity.fingerprint, **_basis(noted)}


def _basis(noted: Noted) -> Facts:
    """What a model said of the texts; words are counted anew at any time."""
    return {} if noted.fingerprint == LEXICAL else {"judgement": {"similarities": noted.numbers}}
