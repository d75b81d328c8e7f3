"""Which retained events are so like a forgotten one that unlearning may take them along.

``neighbours.csv`` lists 21 pairs among the paper's 40 events (ours): the same kind of place, or the same thing done in
a like one. Words alone do not tell them: in our descriptions the listed pairs have a median ROUGE-L of 0.12, at most
0.21, the 759 others a median of 0.12, at most 0.24, so no threshold separates the two. For events of other names there
is therefore only a threshold at which two texts are plainly alike, twice what any two of ours have. Where meanings are
compared (``PEBENCH_JUDGE=embedding:...``) it is the pairs that are alike in meaning instead.
"""

import csv
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pebench_tasks.marking.overlap import rouge_l
from pebench_tasks.marking.words import Text

PAIRS = Path(__file__).parent / "neighbours.csv"
SAME_WORDS = 0.5  # ROUGE-L from which two descriptions are near (ours)


Pairs = Collection[frozenset[str]]  # of events, by id


def near(events: Iterable[Mapping[str, Any]], forgotten_ids: Iterable[str], alike: Pairs | None = None) -> set[str]:
    """The ids of the events outside ``forgotten_ids`` that are near one within; symmetric.

    ``alike`` are the pairs whose descriptions mean nearly the same; None where words are compared.
    """
    rows = {row["id"]: row for row in events}
    forgotten = {event for event in forgotten_ids if event in rows}
    return {
        event
        for event, row in rows.items()
        if event not in forgotten and any(are_near(row, rows[other], alike) for other in forgotten)
    }


def are_near(one: Mapping[str, Any], other: Mapping[str, Any], alike: Pairs | None = None) -> bool:
    """Whether two events (id, name, description) are neighbours: a listed pair, or descriptions that are alike."""
    names = frozenset((one["name"].strip().casefold(), other["name"].strip().casefold()))
    if names in listed_pairs():
        return True
    if alike is not None:
        return frozenset((one["id"], other["id"])) in alike
    return rouge_l(*(Text.of(row["description"]) for row in (one, other))) >= SAME_WORDS


def alike_in(settings: Mapping[str, Any] | None) -> Pairs | None:
    """The pairs alike in meaning that the settings of a judge record; None where words are compared."""
    return {frozenset(pair) for pair in settings["near"]} if settings and "near" in settings else None


@cache
def listed_pairs() -> frozenset[frozenset[str]]:
    """The pairs of event names in ``neighbours.csv``, each without an order."""
    with PAIRS.open(encoding="utf-8", newline="") as file:
        return frozenset(frozenset((row["event"], row["neighbour"])) for row in csv.DictReader(file))
