"""The results of a page, found, marked again, and reduced to the documents that the page shows.

One result is in memory at a time: of its documents only those that the sample browser shows are kept.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.pages.entries import Board
from pebench_tasks.pages.samples import Item, chosen, items, responses_of
from pebench_tasks.results.files import Result
from pebench_tasks.results.rescore import Context, Rescored, context, rescore
from pebench_tasks.results.samples import Logged, read_logged, refuse_mixed

CLOSE = 1e-9  # ours: figures nearer than this are equal; earlier versions summed in another order
WITHOUT_GOAL = "was scored without Goal responses; its forgetting is marked here with those of the others"


class Remarked(NamedTuple):
    """One result, computed anew."""

    before: Result
    after: Rescored  # with the scores of the documents that are shown, no others
    responses: dict[str, str]  # theirs, by key
    without_goal: bool  # whether it was scored without the Goal answers that it is marked with here


class Collected(NamedTuple):
    """The results of one task with what they were marked with."""

    found: Context
    asked: list[Item]  # every document, without answers
    results: list[Remarked]


def mark_task(
    results: Sequence[Result],
    *,
    data: Path | str | None = None,
    goal: Path | str | None = None,
    samples: int | None = None,
) -> Collected:
    """Mark the results of one task again, all with the same benchmark and the same Goals' answers.

    A result that was scored before there was a Goal, as Goals themselves are, counts as scored with the Goals of the
    others. ``samples``: documents of each slice whose answers are kept, None for all. Raises ``BenchmarkError`` for
    results that differ in more than the model.
    """
    scored = next((result for result in results if result.provenance.goal), None)
    without = [scored is not None and not result.provenance.goal and _lexical(result) for result in results]
    aligned = [
        result._replace(provenance=result.provenance.with_goals_of(scored.provenance)) if scored and lacks else result
        for result, lacks in zip(results, without, strict=True)
    ]
    refuse_mixed(aligned)
    found = context(_logged(scored or aligned[0]), data, goal, [result.results_file for result in results])
    asked: list[Item] = []
    shown: set[str] = set()
    marked: list[Remarked] = []
    for result, lacks in zip(aligned, without, strict=True):
        logged = _logged(result)
        after, responses = rescore(logged, found), responses_of(logged)
        if not marked:
            every = items([("", after)], found, [responses], {})
            shown = {item.key for item in chosen(every, samples)}
            asked = [item._replace(answers=[]) for item in every]
        kept = [score for score in after.scores if score.provenance.key in shown]
        texts = {key: text for key, text in responses.items() if key in shown}
        marked.append(Remarked(result, after._replace(scores=kept), texts, lacks))
    return Collected(found, asked, marked)


def _logged(result: Result) -> Logged:
    (logged,) = read_logged(result.samples_file)
    return logged._replace(result=result)


def _lexical(result: Result) -> bool:
    return result.provenance.judge in (None, LEXICAL) and not result.provenance.withheld


def names_of(board: Board, collected: Collected) -> list[str]:
    """What the board calls each of the results, in the order of ``collected``."""
    called = {entry.result.samples_file: entry.name for entry in board.entries}
    return [called[one.before.samples_file] for one in collected.results]


def forgotten_names(board: Board, found: Context) -> list[str]:
    """The names of the forgotten people and events."""
    split = found.benchmark.split(board.target, board.entries[0].result.provenance.forget)
    names = {row["id"]: row["name"] for row in (*found.benchmark.people, *found.benchmark.events)}
    return [names[one] for one in split.forget_ids]


def shown_items(board: Board, collected: Collected) -> list[Item]:
    """Every document; those that are shown with the answers of all models, in the board's order, and a Goal's.

    The Goal's answer is that of the board's first Goal, else of the first Goal that the results were scored with.
    """
    by_name = dict(zip(names_of(board, collected), collected.results, strict=True))
    models = [(entry.name, by_name[entry.name]) for entry in board.entries]
    goal = collected.found.goals.responses[0] if collected.found.goals else {}
    if bound := board.bound("goal"):
        goal = by_name[bound.name].responses
    answered = items(
        [(name, one.after) for name, one in models], collected.found, [one.responses for _, one in models], goal
    )
    by_key = {item.key: item for item in answered}
    return [by_key.get(item.key, item) for item in collected.asked]


def differences(board: Board, collected: Collected) -> list[str]:
    """A line for each result whose file says something else than its samples, by more than rounding."""
    lines = []
    for name, one in zip(names_of(board, collected), collected.results, strict=True):
        old, new = one.before.metrics, one.after.result.metrics
        said = [f"{n}: {old.get(n)} there, {new.get(n)} here" for n in sorted(old | new) if not _alike(old, new, n)]
        if one.without_goal:
            lines.append(f"{name}, {board.target}: {WITHOUT_GOAL}.")
        elif old and said:
            lines.append(
                f"{name}, {board.target}: the samples do not give the figures of the results file (task version "
                f"{one.before.version}); what the samples give is shown. {'; '.join(said)}."
            )
    return lines


def _alike(old: dict[str, float], new: dict[str, float], name: str) -> bool:
    return name in old and name in new and math.isclose(old[name], new[name], rel_tol=CLOSE, abs_tol=CLOSE)
