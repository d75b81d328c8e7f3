"""Models' results set side by side: what changed from the first to each other, on the documents that both answered."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import csv_text, write_whole
from pebench_tasks.marking.scoring import PERCENT
from pebench_tasks.results.intervals import (
    PLURAL,
    Observation,
    asked_about,
    in_order,
    names_given_in_part,
    observations,
    too_few_marks,
)
from pebench_tasks.results.learning import finetuned_of, retain_note
from pebench_tasks.results.notes import failures, goal_flaws, missing_answers, wrong_questions
from pebench_tasks.results.paired import Difference, difference, holm, points
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.rescore import benchmark_of
from pebench_tasks.results.samples import Logged, read_logged, refuse_mixed


class Row(NamedTuple):
    """One figure of two models."""

    figure: str
    percent: bool  # else a share, 0-1
    difference: Difference
    p_holm: float  # p corrected for the figures of this task
    partial: tuple[int, int] | None = None  # of each model, answers that give a forgotten name away in part


class Change(NamedTuple):
    """One document whose mark is not the same for two models."""

    key: str
    figure: str
    percent: bool  # else a share, 0-1
    first: float  # the mark, in the figure's unit; World: 100 for a right answer, else 0
    second: float  # above ``first``: better
    first_response: str
    second_response: str

    @property
    def direction(self) -> str:
        """Whether the second model is better on this document, or worse."""
        return "better" if self.second > self.first else "worse"


class Comparison(NamedTuple):
    """One task of two models: its figures, what to know before believing them, and the documents behind them."""

    task: str
    first: str  # the baseline
    second: str
    rows: list[Row]
    notes: list[str]
    compared: list[str]  # keys of the documents behind the rows, in the order of the figures, then of the keys
    changed: list[Change]  # those of them whose marks differ

    @property
    def summary(self) -> str:
        """How many documents changed, in words."""
        better = sum(change.direction == "better" for change in self.changed)
        changed = len(self.changed)
        return f"{changed} of {len(self.compared)} documents changed: {better} better, {changed - better} worse"


LEVEL = 0.05  # of p; an interval of 95 % leaves out what is less likely
Models = dict[str, dict[str, "Logged"]]  # what a model is called -> its results by task; the first is the baseline


def compare(paths: Sequence[Path | str], *, data: Path | str | None = None, seed: int = 0) -> list[Comparison]:
    """Compare the first model's results with each of the others', task by task.

    A path is what ``samples.read_logged`` takes. ``data`` names the benchmark folder; else the recorded one, else the
    chosen one is used. Raises ``BenchmarkError`` for results that differ in more than the model, or share no task.
    """
    return compare_models(read_models(paths), data=data, seed=seed)


def read_models(paths: Sequence[Path | str]) -> Models:
    """The results behind each path, in their order; ``BenchmarkError`` for one model, or one given twice."""
    if len(paths) < 2:
        raise BenchmarkError("A comparison needs the results of at least two models.")
    models = [{one.result.task: one for one in read_logged(path)} for path in paths]
    return dict(zip(_names(paths, models), models, strict=True))


def compare_models(models: Models, *, data: Path | str | None = None, seed: int = 0) -> list[Comparison]:
    """``compare`` for results that are read already."""
    comparisons = []
    for task, having in by_task(models).items():
        (first_name, baseline), *others = having.items()
        benchmark = benchmark_of(baseline, data)
        first = by_figure(baseline, benchmark)
        target = baseline.result.provenance.target
        beside = [one.result.provenance for one in having.values()]
        for name, other in others:
            second = by_figure(other, benchmark)
            rows, notes = _rows(first, second, target, seed)
            amiss = [f"{n}: {why}" for n in (first_name, name) for why in _doubts(having[n].result.provenance, beside)]
            pairs = {row: _marks(first[row.figure], second[row.figure]) for row in rows}
            changed = [change for row, marks in pairs.items() for change in _changed(row, marks, baseline, other)]
            compared = [key for marks in pairs.values() for key in marks]
            comparisons.append(Comparison(task, first_name, name, rows, amiss + notes, compared, changed))
    return comparisons


def _doubts(provenance: ResultRecord, beside: Sequence[ResultRecord]) -> list[str]:
    """Why a model's responses must not be compared, or its figures say less than they seem to."""
    low = retain_note(provenance, finetuned_of(provenance, beside))
    graver = [*filter(None, [provenance.withheld]), *failures(provenance), *wrong_questions(provenance)]
    return [*graver, *missing_answers(provenance), *filter(None, [low]), *goal_flaws(provenance)]


def by_task(models: Models) -> dict[str, dict[str, Logged]]:
    """The tasks of the first model that any other shares, each with its results by model.

    Raises ``BenchmarkError`` without such a task, and where results of one differ in more than the model.
    """
    first, *others = models
    tasks = [task for task in models[first] if any(task in models[name] for name in others)]
    if not tasks:
        has = "; ".join(f"{name} has {', '.join(model)}" for name, model in models.items())
        raise BenchmarkError(f"{first} shares no task with the others ({has}). Score all models on the same targets.")
    found = {task: {name: model[task] for name, model in models.items() if task in model} for task in tasks}
    for having in found.values():
        refuse_mixed([one.result for one in having.values()])
    return found


def _names(paths: Sequence[Path | str], models: Sequence[dict[str, Logged]]) -> list[str]:
    """What each model is called: its checkpoint's name, or the path as given where two are called alike."""
    short = [Path(next(iter(model.values())).result.checkpoint).name for model in models]
    names = [name if short.count(name) == 1 else str(path) for name, path in zip(short, paths, strict=True)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BenchmarkError(f"{twice[0]} is given twice. Name the results of different models.")
    return names


def by_figure(logged: Logged, benchmark: Benchmark) -> dict[str, list[Observation]]:
    """The observations of each figure; none where the result's scores are withheld."""
    figures: defaultdict[str, list[Observation]] = defaultdict(list)
    documents = [] if logged.result.provenance.withheld else [sample.provenance for sample in logged.samples]
    for observation in observations(documents, benchmark):
        figures[observation.slice].append(observation)
    return figures


def _rows(
    first: dict[str, list[Observation]], second: dict[str, list[Observation]], target: str, seed: int
) -> tuple[list[Row], list[str]]:
    differences: dict[str, Difference] = {}
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for figure in in_order(first.keys() | second.keys(), target):
        pair = first.get(figure, []), second.get(figure, [])
        if lacking := next(filter(None, map(too_few_marks, pair)), ""):
            notes[f"withheld: {lacking}"].append(figure)
        elif (found := difference(*pair, seed=seed)) is None:
            notes["the models share no document"].append(figure)
        else:
            differences[figure] = found
            if found.note:
                notes[f"interval and p {found.note}: {_whose(pair[0][0])}"].append(figure)
            if found.left_out:
                what = "only one model answered them, or a judgement failed"
                notes[f"{found.left_out} documents left out: {what}"].append(figure)
    corrected = holm({figure: found.p for figure, found in differences.items()})
    rows = [
        Row(name, name in PERCENT[target], found, corrected[name], _partial(first[name], second[name]))
        for name, found in differences.items()
    ]
    for row in rows:
        if doubt := disagreement(row, len(rows)):
            notes[doubt].append(row.figure)
    return rows, [f"{', '.join(figures)}: {note}" for note, figures in notes.items()]


def _partial(first: Sequence[Observation], second: Sequence[Observation]) -> tuple[int, int] | None:
    """How many answers of each model give a forgotten name away in part, of the documents that both have."""
    both = {one.key for one in first} & {one.key for one in second}
    before, after = (names_given_in_part([one for one in model if one.key in both]) for model in (first, second))
    return None if before is None or after is None else (before, after)


def _whose(observation: Observation) -> str:
    """Whose difference is tested where documents count one by one."""
    unit = asked_about(observation)
    further = "questions about" if unit == "image" else "images of"
    return f"they are about further {further} the same, and say nothing of other {PLURAL[unit]}"


def disagreement(row: Row, figures: int) -> str:
    """Why the interval leaves out 0 and p is not small, or the other way round; else empty."""
    found = row.difference
    apart, small = not found.low <= 0 <= found.high, row.p_holm < LEVEL
    if apart == small:
        return ""
    if found.p < LEVEL:
        return (
            f"the interval leaves out 0, but p corrected for {figures} figures is not below {LEVEL}: no difference yet"
            if apart
            else f"p is below {LEVEL}, but the interval holds 0: a borderline case"
        )
    return f"the interval leaves out 0, but p is not below {LEVEL} even before it is corrected: a borderline case"


def _marks(first: Sequence[Observation], second: Sequence[Observation]) -> dict[str, tuple[float, float]]:
    """What both models got for each document of one figure that both answered."""
    before, after = ({o.key: points(o) for o in model if o.value is not None} for model in (first, second))
    return {key: (before[key], after[key]) for key in sorted(before.keys() & after.keys())}


def _changed(row: Row, marks: Mapping[str, tuple[float, float]], baseline: Logged, other: Logged) -> Iterator[Change]:
    responses = [{sample.key: sample.response for sample in model.samples} for model in (baseline, other)]
    for key, (before, after) in marks.items():
        if before != after:
            yield Change(key, row.figure, row.percent, before, after, responses[0][key], responses[1][key])


HEADINGS = ("figure", "from", "to", "change", "95 % interval", "p", "n", "better", "worse", "partial")


LEGEND = (
    "Percent: 0-100; scenes: 0-1; higher is better everywhere. better, worse: documents. p: two-sided, from exchanging "
    "the models' answers, all about one person, event, figure or image together; corrected for the figures of a table "
    "(Holm), the intervals are not. partial: answers with the first name or surname alone, which count as forgotten."
)


def cells(row: Row) -> list[str]:
    """A row as tables print it, under ``HEADINGS``; the last is empty where no name is forgotten."""
    found, digits = row.difference, 1 if row.percent else 3
    values = f"{found.first:.{digits}f}", f"{found.second:.{digits}f}", f"{found.value:+.{digits}f}"
    between = f"{found.low:+.{digits}f} to {found.high:+.{digits}f}"
    p = "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    partial = "" if row.partial is None else f"{row.partial[0]} to {row.partial[1]}"
    return [row.figure, *values, between, p, str(found.n), str(found.better), str(found.worse), partial]


def any_partial(rows: Iterable[Row]) -> bool:
    """Whether names are forgotten in any of these rows: other tables have no column for names given in part."""
    return any(row.partial is not None for row in rows)


def table(comparison: Comparison) -> Table:
    """One comparison for the terminal."""
    title = Text(f"{comparison.task}: from {comparison.first} to {comparison.second}")
    view = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for column in HEADINGS[:-1]:
        view.add_column(column, justify="left" if column == "figure" else "right", no_wrap=column != "figure")
    for row in comparison.rows:
        figure, *values, partial = cells(row)
        view.add_row(f"{figure}\n  {partial} partial" if partial else figure, *values)  # 80 columns hold no more
    return view


COLUMNS = (
    "task", "from", "to", "figure", "figure_from", "figure_to", "change", "low", "high", "p", "p_holm", "n", "clusters",
    "unit", "note", "better", "worse", "left_out", "partial_from", "partial_to",
)  # fmt: skip


def write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write every row with all its digits to ``path``."""
    write_whole(path, csv_text(_csv_rows(comparisons), COLUMNS))


def _csv_rows(comparisons: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    for comparison in comparisons:
        for row in comparison.rows:
            found = row.difference._asdict()
            values = {"figure_from": found.pop("first"), "figure_to": found.pop("second"), "change": found.pop("value")}
            who = {"task": comparison.task, "from": comparison.first, "to": comparison.second, "figure": row.figure}
            partial = dict(zip(("partial_from", "partial_to"), row.partial or (), strict=False))
            yield {**who, **values, "p_holm": row.p_holm, **found, **partial}
