"""How sure a figure is: its 95 % interval, over the people, events, figures or images that were asked about.

Documents about one person (or one event) succeed and fail together, so they are no independent draws. The interval
therefore resamples whole clusters and keeps all of a cluster's documents: the cluster bootstrap (Field & Welsh 2007,
"Bootstrapping clustered data", J. R. Stat. Soc. B 69, 369-390), percentile form, the figure recomputed in every
resample as a ratio of sums, so that clusters may differ in size. It needs many clusters: with few of them intervals
are too short (Cameron, Gelbach & Miller 2008, "Bootstrap-based improvements for inference with clustered errors",
Rev. Econ. Stat. 90, 414-427): simulated with an intra-cluster correlation of 0.2, intervals of 95 % cover the truth in
95 % of the cases with 40 clusters, in 91 % with 10; intervals over documents in 76 %. Below ten clusters (ours) the
documents are resampled instead, and the note says what that means: the interval then speaks about further images of
these very people or events, not about others.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pebench_tasks.benchmark.groups import ATTRIBUTES, SMALL, group
from pebench_tasks.benchmark.neighbours import near
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.marking.record import DocumentRecord, Mark
from pebench_tasks.marking.scoring import FIGURES, MOST_FAILED, TRUTH_ONLY, forgotten_scene, mean, measured
from pebench_tasks.marking.yes_no import world_f1
from pebench_tasks.results.resampling import CONFIDENCE, DIGITS, RESAMPLES, bootstrap, bounds, tally

FEW = 10  # clusters; with fewer an interval over clusters is too short to be honest
ASKED_ABOUT = {"name": "person", "scene": "event", "yesno": "image"}
PLURAL = {"person": "people", "event": "events", "figure": "figures", "image": "images", "document": "documents"}
NEIGHBOURS_OF = {"event": "retain", "joint": "event_retain"}  # the slice that asks scenes of retained events


class Observation(NamedTuple):
    """One scored document: its value and what it is about."""

    key: str
    slice: str  # or the figure that stands in for it: event Efficacy without Goal is efficacy_truth_only
    value: Mark  # None: a failed judgement, left out of every figure
    cluster: str  # id of the person, event, figure or image that the question asks about
    person: str  # of the image; "" for a figure or a World image
    event: str
    kind: str  # name, scene or yesno


class Interval(NamedTuple):
    """A figure with its 95 % interval, in the figure's unit."""

    value: float
    low: float
    high: float
    n: int  # documents
    clusters: int  # people, events, figures or images that they ask about
    unit: str  # what was resampled: person, event, figure, image; document where there are few of those
    note: str


def observations(documents: Iterable[DocumentRecord], benchmark: Benchmark) -> list[Observation]:
    """The observations behind the figures; KeyError for a figure or World question that the benchmark lacks."""
    figures = {row["key"]: row["figure"] for row in benchmark.real}
    images = {row["question_key"]: row["key"] for row in benchmark.world}
    found = []
    for document in documents:
        key, kind, name = document.key, document.kind, document.slice
        if forgotten_scene(kind, name) and not document.goals:
            name += TRUTH_ONLY
        person = event = ""
        if kind == "yesno":
            cluster = images[key]
        elif measured(name) == "real":
            cluster = figures[key.rpartition("/")[0]]
        else:
            person, event, _ = key.split("/")
            cluster = person if kind == "name" else event
        found.append(Observation(key, name, document.value, cluster, person, event, kind))
    return found


def interval(observations: Iterable[Observation], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The figure of one slice with its interval: the same for the same observations in any order.

    ``value`` is exactly ``scoring.mean`` of the values, or ``yes_no.world_f1``. Where nothing varies, or there is one
    document, both bounds are the value and the note says so. ValueError without a value.
    """
    answered = [o for o in observations if o.value is not None]
    if not answered:
        raise ValueError("no values: there is no figure to give an interval for")
    value = figure(answered)
    by, unit, note, clusters = resampled(answered)
    counted = tally([o.value for o in answered], by)
    rng = np.random.default_rng(seed)
    draws = np.concatenate([counted.figure(weights @ counted.rows) for weights in bootstrap(rng, counted, resamples)])
    low, high = bounds(draws)
    if np.ptp(draws) < 10**-DIGITS:
        low = high = value
        note = "; ".join(filter(None, [note, "one document" if len(answered) == 1 else "nothing varies"]))
    return Interval(value, low, high, len(answered), clusters, unit, note)


def figure(answered: Iterable[Observation]) -> float:
    """The figure of one slice, exactly as the results file has it: the mean, or World's mean F1."""
    values: list[Any] = [o.value for o in answered if o.value is not None]
    return world_f1(values) if values and isinstance(values[0], dict) else mean(values)


def resampled(answered: Sequence[Observation]) -> tuple[list[str], str, str, int]:
    """What is resampled: every observation's cluster, the unit, the note, and how many clusters there are."""
    by = [o.cluster for o in answered]
    first = answered[0]
    unit = "figure" if measured(first.slice) == "real" else ASKED_ABOUT[first.kind]
    clusters = len(set(by))
    if clusters >= FEW:
        return by, unit, "", clusters
    these = f"this {unit}" if clusters == 1 else f"these {clusters} {PLURAL[unit]}"
    return [o.key for o in answered], "document", f"over documents, conditional on {these}", clusters


def in_order(figures: Iterable[str], target: str) -> list[str]:
    """Names of figures in the paper's order, ``*_truth_only`` in the place of what it stands in for."""
    order = [name for slice_name in FIGURES[target] for name in (slice_name, slice_name + TRUTH_ONLY)]
    return sorted(figures, key=order.index)


def statistics(
    observations: Iterable[Observation], benchmark: Benchmark, split: Split, target: str, *, seed: int = 0
) -> dict[str, Any]:
    """What goes beside the figures of one result, JSON-serialisable.

    ``slices`` has every figure's interval and its number of failed judgements; ``neighbours`` the retained events
    near a forgotten one apart from the others; ``groups`` the name slices by age, gender, region and occupation of
    the person asked about.
    """
    slices: defaultdict[str, list[Observation]] = defaultdict(list)
    for observation in observations:
        slices[observation.slice].append(observation)
    ordered = {name: slices[name] for name in in_order(slices, target)}
    scenes = ordered.get(NEIGHBOURS_OF.get(target, ""), [])
    return {
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "seed": seed,
        "slices": {name: _interval_row(rows, seed) for name, rows in ordered.items()},
        "neighbours": _neighbours(scenes, benchmark, split, seed) if scenes else {},
        "groups": {
            name: _groups(rows, benchmark, seed)
            for name, rows in ordered.items()
            if rows[0].kind == "name" and rows[0].person
        },
    }


def _interval_row(rows: Sequence[Observation], seed: int) -> dict[str, Any]:
    """One interval as JSON; without values where there are no documents, or too many judgements failed."""
    failed = sum(row.value is None for row in rows)
    if rows and failed <= MOST_FAILED * len(rows):
        return {**interval(rows, seed=seed)._asdict(), "failed": failed}
    note = f"withheld: the judge failed on {failed} of {len(rows)}" if rows else "none"
    nothing = dict.fromkeys(("value", "low", "high"))
    return {**nothing, "n": len(rows) - failed, "clusters": 0, "unit": "", "note": note, "failed": failed}


def _neighbours(scenes: Sequence[Observation], benchmark: Benchmark, split: Split, seed: int) -> dict[str, Any]:
    """The retained events in two parts: near a forgotten event, and the others."""
    names = {row["id"]: row["name"] for row in benchmark.events}
    forgotten = [event for event in split.forget_ids if event in names]
    close = near(benchmark.events, forgotten)
    parts = {"near": [o for o in scenes if o.event in close], "other": [o for o in scenes if o.event not in close]}
    return {
        "slice": scenes[0].slice,
        "forgotten": [names[event] for event in forgotten],
        **{
            part: {"events": sorted({names[o.event] for o in rows}), **_interval_row(rows, seed)}
            for part, rows in parts.items()
        },
    }


def _groups(rows: Sequence[Observation], benchmark: Benchmark, seed: int) -> dict[str, dict[str, Any]]:
    """One name slice by attribute and cell; an interval where the cell holds enough people for one."""
    people = {row["id"]: row for row in benchmark.people}
    cells: dict[str, defaultdict[str, list[Observation]]] = {name: defaultdict(list) for name in ATTRIBUTES}
    for row in rows:
        for attribute, cell in group(people[row.person]).items():
            cells[attribute][cell].append(row)
    return {
        attribute: {cell: _cell(members, seed) for cell, members in sorted(found.items())}
        for attribute, found in cells.items()
    }


def _cell(rows: Sequence[Observation], seed: int) -> dict[str, Any]:
    people = len({row.person for row in rows})
    cell: dict[str, Any] = {"n": len(rows), "people": people, "small": people < SMALL}
    if people < FEW:
        return {"value": figure(rows), **cell}
    found = interval(rows, seed=seed)
    return {"value": found.value, "low": found.low, "high": found.high, **cell}
