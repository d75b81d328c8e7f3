"""What a page shows of results: the models of one task with their figures, Finetuned and Goal as bounds.

``forget_quality`` and ``utility`` are ours: the means, as shares, of the two forgetting figures and of all the others.
"""

from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FIGURES, FORGETTING, SLICES, Distance, distance_to_goal, mean, measured
from pebench_tasks.results.files import DEFAULT_TARGETS, TASKS, Result, reading
from pebench_tasks.results.learning import finetuned_of
from pebench_tasks.results.notes import failing, notes, wrong_questions
from pebench_tasks.results.record import FigureRow, GroupRow
from pebench_tasks.results.samples import refuse_mixed

ROLES = ("finetuned", "model", "goal")  # in the order of a table: the lower bound, what is measured, the upper bound
TITLES = {"person": "People", "event": "Events", "joint": "People and events at once"}


class Figure(NamedTuple):
    """One figure of one model; None where it was withheld or not measured."""

    name: str  # "retain", "person_retain", "efficacy_truth_only"
    value: float | None  # percent or 0-1, as in the paper
    low: float | None  # 95 % interval, in the figure's unit
    high: float | None
    n: int  # documents
    percent: bool
    note: str
    partial: int | None = None  # answers that give a forgotten name away in part; None where no name is forgotten

    @property
    def share(self) -> float | None:
        """The value from 0 to 1."""
        return self.value if self.value is None or not self.percent else self.value / 100

    @property
    def varies(self) -> bool:
        """Whether there is an interval to show: before task version 2.0 not where all documents are alike."""
        return self.low is not None and self.high is not None and self.low < self.high

    @property
    def text(self) -> str:
        """The value as tables print it, a dash where there is none."""
        if self.value is None:
            return "–"
        return f"{self.value:.1f}" if self.percent else f"{self.value:.3f}"

    @property
    def interval(self) -> str:
        """The interval as tables print it, empty where there is none."""
        if not self.varies:
            return ""
        return f"{self.low:.0f}–{self.high:.0f}" if self.percent else f"{self.low:.2f}–{self.high:.2f}"


class Entry(NamedTuple):
    """One model on one task."""

    name: str  # what the page calls it; no two of a board are called alike
    role: str  # one of ROLES
    result: Result
    figures: dict[str, Figure]  # by name, every figure of the board
    distance: Distance | None  # to the board's first Goal
    forget_quality: float | None  # 0-1; None where a figure that goes into it is missing
    utility: float | None
    notes: list[str]  # what to know before believing the figures


class Board(NamedTuple):
    """The models of one task, in order: Finetuned, models, Goal; they answer the same questions, marked alike."""

    task: str
    target: str
    title: str
    columns: list[str]  # metrics, in the paper's order; the joint target has each for people and for events
    entries: list[Entry]

    @property
    def rows(self) -> "list[Row]":
        """The rows of its table: one a model, two on the joint target, as in the paper's Table 2."""
        if self.target != "joint":
            return [Row(entry, "", [entry.figures.get(column) for column in self.columns]) for entry in self.entries]
        return [
            Row(entry, concept, [entry.figures.get(_of_concept(concept, column)) for column in self.columns])
            for entry in self.entries
            for concept in DEFAULT_TARGETS
        ]

    def bound(self, role: str) -> "Entry | None":
        """The first Finetuned or Goal, if there is one."""
        return next((entry for entry in self.entries if entry.role == role), None)


class Row(NamedTuple):
    """A row of a board's table: a model, or one concept of a model where both were unlearned at once."""

    entry: Entry
    concept: str  # "person" or "event" on the joint target, else empty
    figures: list[Figure | None]  # one a column; None where the row has no such figure


def boards(results: Sequence[Result], names: Sequence[str] | None = None) -> list[Board]:
    """One board a task, in the order people, events, joint.

    ``names`` are what the results are called, else their checkpoints' names. The methods in the run records give the
    roles; a Goal is a bound only for the target and forget set that it was trained without. Raises ``BenchmarkError``
    for results of one task that differ in more than the model, and for one that is given twice.
    """
    called = list(names) if names is not None else [PurePath(result.checkpoint).name for result in results]
    found = []
    for target, task in TASKS.items():
        chosen = [(result, name) for result, name in zip(results, called, strict=True) if result.task == task]
        if chosen:
            found.append(_board(task, target, *zip(*chosen, strict=True)))
    return found


def _of_concept(concept: str, column: str) -> str:
    return column if column == "world" else f"{concept}_{column}"


def _board(task: str, target: str, results: Sequence[Result], called: Sequence[str]) -> Board:
    refuse_mixed(results)
    used = {weights for result in results for weights in result.provenance.goal_weights}

    def place(named: tuple[str, Result]) -> tuple[int, bool]:
        role = _role(named[1])
        own = named[1].provenance.model.weights in used
        return ROLES.index(role), role == "goal" and not own  # the Goal that the others were scored with comes first

    ordered = sorted(zip(_distinct(results, called), results, strict=True), key=place)
    expected = _expected(target, results)
    figures = [{name: _figure(result, name) for name in expected} for _, result in ordered]
    values = [{name: f.value for name, f in found.items() if f.value is not None} for found in figures]
    whole = [found if len(found) == len(expected) else None for found in values]
    goal = next((v for (_, r), v in zip(ordered, whole, strict=True) if v is not None and _role(r) == "goal"), None)
    entries = [
        Entry(
            name,
            _role(result),
            result,
            found,
            _distance(own, goal, target),
            _share(found, forgetting=True),
            _share(found, forgetting=False),
            _notes(result, results),
        )
        for (name, result), found, own in zip(ordered, figures, whole, strict=True)
    ]
    order = [name for metric in SLICES for name in (metric, metric + TRUTH_ONLY)]
    columns = {_without_concept(name) for name in expected}
    return Board(task, target, TITLES[target], sorted(columns, key=order.index), entries)


def _without_concept(name: str) -> str:
    return name.removeprefix("person_").removeprefix("event_")


def _role(result: Result) -> str:
    """What a model is on this task, by the run record of its checkpoint; one without a record is a model."""
    provenance = result.provenance
    model = provenance.model
    same_data = model.data == provenance.data
    if model.method == "finetune" and same_data:
        return "finetuned"
    trained_for = (model.target, model.split)
    goal = model.method == "goal" and same_data and trained_for == (provenance.target, provenance.split)
    return "goal" if goal else "model"


def _distinct(results: Sequence[Result], called: Sequence[str]) -> list[str]:
    """The names, where two are alike with as much of the paths of their results as tells them apart."""
    paths = [result.samples_file.resolve() for result in results]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise BenchmarkError(f"{twice[0]} is given twice. Name the results of different models.")
    names = list(called)
    for alike in {name for name in called if called.count(name) > 1}:
        places = [place for place, name in enumerate(called) if name == alike]
        for length in range(1, max(len(paths[place].parts) for place in places) + 1):
            folders = [PurePath(*paths[place].parent.parts[-length:]).as_posix() for place in places]
            if len(set(folders)) == len(folders):
                break
        else:  # several results files in one folder
            folders = [paths[place].name for place in places]
        for place, folder in zip(places, folders, strict=True):
            names[place] = folder
    return names


def _expected(target: str, results: Sequence[Result]) -> list[str]:
    """The figures that a model of this board should have: of the slices that were asked, under the names they got."""
    asked = {name for result in results for name in (*result.provenance.slices, *result.metrics)}
    expected = []
    for name in FIGURES[target]:
        if not asked or name in asked:
            truth_only = any(name + TRUTH_ONLY in result.metrics for result in results)
            expected.append(name + TRUTH_ONLY if truth_only else name)
    return expected


def _figure(result: Result, name: str) -> Figure:
    read = reading(result, name)
    slice_name = name.removesuffix(TRUTH_ONLY)
    said = [read.note, "withheld" if result.provenance.withheld else ""]
    said += [
        f"{one.sign.mark}: {one.responses} of {one.n}"
        for one in failing(result.provenance)
        if one.slice_name == slice_name
    ]
    return Figure(name, *read._replace(note="; ".join(filter(None, said))))


def cell(name: str, row: FigureRow | GroupRow, *, percent: bool) -> Figure | None:
    """A figure of a part of the documents, which names it; None where it was withheld."""
    partial = row.partial if isinstance(row, GroupRow) else None
    return None if row.value is None else Figure(name, row.value, row.low, row.high, row.n, percent, "", partial)


def _distance(own: dict[str, float] | None, goal: dict[str, float] | None, target: str) -> Distance | None:
    """None without a Goal, or where forgetting has no Goal's answers behind it."""
    if own is None or goal is None or any(name.endswith(TRUTH_ONLY) for name in own):
        return None
    return distance_to_goal(own, goal, target)


def _share(figures: dict[str, Figure], *, forgetting: bool) -> float | None:
    """The mean of a half of the figures as shares; None where one of them is missing."""
    shares = [
        figure.share
        for name, figure in figures.items()
        if (measured(name.removesuffix(TRUTH_ONLY)) in FORGETTING) == forgetting
    ]
    known = [share for share in shares if share is not None]
    return mean(known) if known and len(known) == len(shares) else None


def _notes(result: Result, beside: Sequence[Result]) -> list[str]:
    method = result.provenance.model.method
    found = notes(result, finetuned_of(result.provenance, [one.provenance for one in beside]))
    if method == "goal" and _role(result) == "model":
        found = [note for note in found if note not in wrong_questions(result.provenance)]  # which this says as well
        found.append("a Goal of another target or forget set: no bound here")
    if method == "finetune" and _role(result) == "model":
        found.append("finetuned on another benchmark: no bound here")
    return found
