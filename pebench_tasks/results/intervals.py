"""How sure a figure is: its 95 % interval, over the people, events, figures or images that were asked about.

Documents about one person (or one event) succeed and fail together, so they are no independent draws: ``limits`` counts
whole clusters. Below ten clusters (ours) the documents are counted one by one instead, and the note says what that
means: the interval then speaks about further images of these very people or events, not about others. For these the
limits are safe: documents that are right with unlike probabilities vary less than equal ones (Hoeffding 1956, Ann.
Math. Stat. 27, 713-721). About others two or three events can say next to nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pebench_tasks.benchmark.groups import ATTRIBUTES, SMALL, group
from pebench_tasks.benchmark.neighbours import Pairs, near
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.marking.record import DocumentRecord, Mark
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FIGURES, forgotten_scene, mean, measured
from pebench_tasks.marking.yes_no import MOST_MISSING, mean_f1
from pebench_tasks.results.limits import CONFIDENCE, limits
from pebench_tasks.results.tallies import bearing, figure_of, tally

FEW = 10  # clusters; with fewer hardly any two models can be told apart by exchanging whole clusters
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
    unfinished: bool = False  # the response is thoughts without an end


class Interval(NamedTuple):
    """A figure with its 95 % interval, in the figure's unit."""

    value: float
    low: float
    high: float
    n: int  # documents
    clusters: int  # people, events, figures or images that they ask about
    unit: str  # what counts as one draw: person, event, figure, image; document where there are few of those
    note: str


def observations(documents: Iterable[DocumentRecord], benchmark: Benchmark) -> list[Observation]:
    """The observations behind the figures; KeyError for a figure or World question that the benchmark lacks.

    Documents that no score can be given have none.
    """
    figures = {row["key"]: row["figure"] for row in benchmark.real}
    images = {row["question_key"]: row["key"] for row in benchmark.world}
    found = []
    for document in documents:
        if document.unscored:
            continue
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
        found.append(Observation(key, name, document.value, cluster, person, event, kind, document.unfinished))
    return found


def interval(observations: Iterable[Observation]) -> Interval:
    """The figure of one slice with its interval: the same for the same observations in any order.

    ``value`` is exactly ``scoring.mean`` of the values, or ``yes_no.mean_f1``. Where nothing varies, or there is one
    document, the note says so. ValueError without a value.
    """
    answered = [o for o in observations if o.value is not None]
    if not answered:
        raise ValueError("no values: there is no figure to give an interval for")
    value = figure(answered)
    by, unit, note, clusters = drawn(answered)
    values = [o.value for o in answered]
    rows, documents = tally(values, by), tally(values, [o.key for o in answered])
    found = limits(value, rows, documents, figure_of, ends=(0.0, whole(answered[0])), bearing=bearing(rows))
    if not found.varies:
        note = "; ".join(filter(None, [note, "one document" if len(answered) == 1 else "nothing varies"]))
    return Interval(value, float(found.low), float(found.high), len(answered), clusters, unit, note)


def figure(answered: Iterable[Observation]) -> float:
    """The figure of one slice, exactly as the results file has it: the mean, or World's mean F1."""
    values: list[Any] = [o.value for o in answered if o.value is not None]
    return mean_f1(values) if values and isinstance(values[0], dict) else mean(values)


def whole(observation: Observation) -> float:
    """The highest value of a figure, in its unit: scenes are shares, all others percent."""
    return 1.0 if observation.kind == "scene" else 100.0


def asked_about(observation: Observation) -> str:
    """What the question is about: person, event, figure or image."""
    return "figure" if measured(observation.slice) == "real" else ASKED_ABOUT[observation.kind]


def drawn(answered: Sequence[Observation]) -> tuple[list[str], str, str, int]:
    """What counts as one draw: every observation's cluster, the unit, the note, and how many clusters there are."""
    by = [o.cluster for o in answered]
    unit = asked_about(answered[0])
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
    observations: Iterable[Observation], benchmark: Benchmark, split: Split, target: str, *, alike: Pairs | None = None
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
        "slices": {name: _interval_row(rows) for name, rows in ordered.items()},
        "neighbours": _neighbours(scenes, benchmark, split, alike) if scenes else {},
        "groups": {
            name: _groups(rows, benchmark)
            for name, rows in ordered.items()
            if rows[0].kind == "name" and rows[0].person
        },
    }


def _interval_row(rows: Sequence[Observation]) -> dict[str, Any]:
    """One interval as JSON; without values where there are no documents, or too many have no mark."""
    failed = sum(row.value is None for row in rows)
    lacking = too_few_marks(rows)
    if rows and not lacking:
        return {**interval(rows)._asdict(), "failed": failed}
    note = f"withheld: {lacking}" if rows else "none"
    nothing = dict.fromkeys(("value", "low", "high"))
    return {**nothing, "n": len(rows) - failed, "clusters": 0, "unit": "", "note": note, "failed": failed}


def too_few_marks(rows: Sequence[Observation]) -> str:
    """Why these documents give no figure; empty where they do."""
    failed, unfinished = sum(row.value is None for row in rows), sum(row.unfinished for row in rows)
    if failed > MOST_MISSING * len(rows):
        return f"the judge failed on {failed} of {len(rows)}"
    if unfinished > MOST_MISSING * len(rows):
        return f"{unfinished} of {len(rows)} responses are thoughts without an end"
    return ""


def _neighbours(
    scenes: Sequence[Observation], benchmark: Benchmark, split: Split, alike: Pairs | None
) -> dict[str, Any]:
    """The retained events in two parts: near a forgotten event, and the others."""
    names = {row["id"]: row["name"] for row in benchmark.events}
    forgotten = [event for event in split.forget_ids if event in names]
    close = near(benchmark.events, forgotten, alike)
    parts = {"near": [o for o in scenes if o.event in close], "other": [o for o in scenes if o.event not in close]}
    return {
        "slice": scenes[0].slice,
        "forgotten": [names[event] for event in forgotten],
        **{
            part: {"events": sorted({names[o.event] for o in rows}), **_interval_row(rows)}
            for part, rows in parts.items()
        },
    }


def _groups(rows: Sequence[Observation], benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """One name slice by attribute and cell, each with its interval."""
    people = {row["id"]: row for row in benchmark.people}
    cells: dict[str, defaultdict[str, list[Observation]]] = {name: defaultdict(list) for name in ATTRIBUTES}
    for row in rows:
        for attribute, cell in group(people[row.person]).items():
            cells[attribute][cell].append(row)
    return {
        attribute: {cell: _cell(members) for cell, members in sorted(found.items())}
        for attribute, found in cells.items()
    }


def _cell(rows: Sequence[Observation]) -> dict[str, Any]:
    people = len({row.person for row in rows})
    found = interval(rows)
    bounds = {"value": found.value, "low": found.low, "high": found.high}
    return {**bounds, "n": len(rows), "people": people, "small": people < SMALL}
