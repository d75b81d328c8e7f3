"""What ``pebench compare --out DIR`` writes: a page, its tables as Markdown and CSV, and the documents that changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup
from rich.console import Console

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import csv_text, write_whole
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FIGURES, Score
from pebench_tasks.pages import page
from pebench_tasks.pages.entries import TITLES
from pebench_tasks.pages.plots import Dot, changes, row_name
from pebench_tasks.pages.samples import Item, browser, chosen, items, responses_of, thumbnails
from pebench_tasks.results.comparison import (
    HEADINGS,
    LEGEND,
    Comparison,
    Models,
    Row,
    by_task,
    cells,
    write_csv,
)
from pebench_tasks.results.intervals import in_order
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.rescore import Context, Rescored, context
from pebench_tasks.results.samples import Logged

SHOWN = 200  # documents of each slice in the page's browser, those that changed first
THUMBNAIL = 160  # pixels
CHANGED = (
    "task", "from", "to", "figure", "key", "change", "mark_from", "mark_to", "response_from", "response_to",
)  # fmt: skip
FILES = {
    "comparison.html": "the page",
    "comparison.md": "the tables for a text",
    "comparison.csv": "the tables with all digits",
    "changed.csv": "every document whose mark changed, with both responses",
}


class Section(NamedTuple):
    """One task on the page."""

    id: str
    title: str
    facts: list[tuple[str, str]]  # what was asked, and of whom
    comparisons: list[Comparison]
    several: bool  # whether the first model is compared with more than one
    rows: list[tuple[str, str, Row, list[str]]]  # the figure's name, the other model, the row, its cells as text
    notes: list[str]
    plot: Markup | None


def write_comparison(
    models: Models, comparisons: Sequence[Comparison], out: Path, *, data: Path | str | None = None
) -> Path:
    """Write comparison.html, .md, .csv and changed.csv into ``out`` and return the page.

    The comparisons are those of ``results.comparison.compare_models`` with these models and ``data``. The same input
    gives the same bytes.
    """
    found = by_task(models)
    samples, notes = _samples(found, comparisons, data)
    html = page.render(
        "comparison.html.jinja",
        models=list(models),
        sections=[_section(task, having, comparisons) for task, having in found.items()],
        changed=sum(len(one.changed) for one in comparisons),
        samples=samples,
        notes=notes,
        files={name: what for name, what in FILES.items() if name != "comparison.html"},
    )
    write_whole(out / "comparison.html", html)
    write_whole(out / "comparison.md", markdown(list(models), comparisons))
    write_csv(comparisons, out / "comparison.csv")
    write_whole(out / "changed.csv", csv_text(_changed_rows(comparisons), CHANGED))
    console = Console(stderr=True)
    for note in notes:
        console.print(f"left out: {note}", highlight=False, markup=False, soft_wrap=True)
    return out / "comparison.html"


def markdown(models: Sequence[str], comparisons: Sequence[Comparison]) -> str:
    """The tables as Markdown."""
    lines = [f"# From {_plain(models[0])} to {', '.join(map(_plain, models[1:]))}", ""]
    for comparison in comparisons:
        lines += [f"## {comparison.task}: from {_plain(comparison.first)} to {_plain(comparison.second)}", ""]
        if comparison.rows:
            lines.append(f"| {' | '.join(HEADINGS)} |")
            lines.append(f"|{'|'.join([' --- '] + [' ---: '] * (len(HEADINGS) - 1))}|")
            lines += [f"| {' | '.join(cells(row))} |" for row in comparison.rows]
            lines += ["", comparison.summary + "."]
        lines += ["", *(f"- {_plain(note)}" for note in comparison.notes), *([""] if comparison.notes else [])]
    return "\n".join([*lines, LEGEND, ""])


def _plain(text: str) -> str:
    """A text as one line of Markdown in which nothing has a meaning."""
    one_line = " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&" else c for c in one_line)


def _changed_rows(comparisons: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    for comparison in comparisons:
        who = {"task": comparison.task, "from": comparison.first, "to": comparison.second}
        for one in comparison.changed:
            marks = {"mark_from": one.first, "mark_to": one.second}
            texts = {"response_from": one.first_response, "response_to": one.second_response}
            yield {**who, "figure": one.figure, "key": one.key, "change": one.direction, **marks, **texts}


# The page


def _section(task: str, having: Mapping[str, Logged], comparisons: Sequence[Comparison]) -> Section:
    own = [comparison for comparison in comparisons if comparison.task == task]
    provenance = next(iter(having.values())).result.provenance
    target = provenance.target
    several = len(own) > 1
    rows = [(row_name(row.figure, target), one.second, row, cells(row)) for one in own for row in one.rows]
    order = in_order({row.figure for _, _, row, _ in rows}, target)
    rows.sort(key=lambda row: order.index(row[2].figure))  # every figure's models below each other
    return Section(task, TITLES[target], _facts(provenance), own, several, rows, _notes(own, target), _plot(own, rows))


def _notes(comparisons: Sequence[Comparison], target: str) -> list[str]:
    """Every note once, with the models that it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for one in comparisons:
        for note in one.notes:
            about.setdefault(note, []).append(one.second)
    notes = []
    for note, models in about.items():
        said = len(models) == len(comparisons) or note.startswith(f"{models[0]}: ")
        notes.append(_readable(note, target) if said else f"{', '.join(models)}: {_readable(note, target)}")
    return notes


def _readable(note: str, target: str) -> str:
    """A note with the figures that it begins with in words: "person_efficacy" is "efficacy of people"."""
    figures, _, rest = note.partition(": ")
    names = figures.split(", ")
    if any(name.removesuffix(TRUTH_ONLY) not in FIGURES[target] for name in names):
        return note
    return f"{', '.join(row_name(name, target).replace(', ', ' of ') for name in names)}: {rest}"


def _facts(provenance: ResultRecord) -> list[tuple[str, str]]:
    generation = provenance.generation or {}
    known = [
        ("Benchmark", f"{provenance.benchmark.name or ''} {provenance.data}".strip()),
        ("Forgotten", f"{provenance.forget} (split {provenance.split})"),
        ("Scenes marked by", provenance.judge or "nobody: no scene was asked"),
        ("Goal models", ", ".join(provenance.goal_weights)),
        ("Generation", ", ".join(f"{name} {value}" for name, value in generation.items() if value not in ([], None))),
        ("Versions", ", ".join(f"{name} {value}" for name, value in provenance.versions.items())),
    ]
    return [(name, value) for name, value in known if value]


def _plot(comparisons: Sequence[Comparison], rows: Sequence[tuple[str, str, Row, list[str]]]) -> Markup | None:
    dots = []
    for name, second, row, (_, _, _, change, between, *_) in rows:
        found = row.difference
        value, low, high = (x / (100 if row.percent else 1) for x in (found.value, found.low, found.high))
        dots.append(Dot(name, second, value, low, high, f"{second}, {name}: {change} ({between}), n {found.n}"))
    if not dots:
        return None
    models = list(dict.fromkeys(second for _, second, _, _ in rows))
    label = (
        f"Changes from {comparisons[0].first} to {', '.join(models)} with 95 % intervals; the table has the numbers."
    )
    return changes(dots, models, label)


def _samples(
    found: Mapping[str, Mapping[str, Logged]], comparisons: Sequence[Comparison], data: Path | str | None
) -> tuple[Markup, list[str]]:
    """The sample browser over the documents of all tasks, and what to know of it."""
    rows: list[Item] = []
    notes: list[str] = []
    benchmarks = {}
    for task, having in found.items():
        used, note = _context(next(iter(having.values())), data, [one.result.results_file for one in having.values()])
        notes += [note] if note and note not in notes else []
        benchmarks[used.benchmark.fingerprint] = used.benchmark
        goal = used.goals.responses[0] if used.goals else {}
        of_models = [(name, _as_logged(one)) for name, one in having.items()]
        direction = _directions([one for one in comparisons if one.task == task])
        asked = items(of_models, used, [responses_of(one) for one in having.values()], goal)
        rows += [_told(row, next(iter(having)), direction.get(row.key, {})) for row in asked]
    rows.sort(key=lambda row: row.change in ("same", ""))  # what changed comes first
    if len(benchmarks) > 1:
        raise BenchmarkError(
            f"The tasks are of different benchmarks ({', '.join(benchmarks)}). Make a page for each: name the results "
            "files of one task instead of folders."
        )
    (benchmark,) = benchmarks.values()
    images = thumbnails(benchmark, (row.image for row in chosen(rows, SHOWN)), THUMBNAIL)
    return browser(rows, images, per_slice=SHOWN), notes


def _context(logged: Logged, data: Path | str | None, given: Sequence[Path]) -> tuple[Context, str]:
    """What a result was asked, with the Goal's answers if they are at hand; else a note says why they are not."""
    try:
        return context(logged, data, given=given), ""
    except BenchmarkError as error:  # the marks are those that were logged, so nothing is lost but what Goal said
        goalless = [s._replace(provenance=replace(s.provenance, goals=())) for s in logged.samples]
        return context(logged._replace(samples=goalless), data), f"Goal's answers are not shown: {error}"


def _as_logged(logged: Logged) -> Rescored:
    """A result with the marks that it was logged with, in the form of one that is marked again."""
    return Rescored(logged.result, [Score(sample.metrics, sample.provenance) for sample in logged.samples], [])


def _directions(comparisons: Sequence[Comparison]) -> dict[str, dict[str, str]]:
    """By document key: what became of it in each model that is compared with the first, for all that both answered."""
    found: dict[str, dict[str, str]] = {}
    for one in comparisons:
        changed = {change.key: change.direction for change in one.changed}
        for key in one.compared:
            found.setdefault(key, {})[one.second] = changed.get(key, "same")
    return found


def _told(item: Item, first: str, directions: Mapping[str, str]) -> Item:
    """An item with its change from the first model; of several others each answer says its own."""
    kinds = sorted(set(directions.values()) - {"same"}) or sorted(set(directions.values()))
    if len(directions) > 1:
        words = {model: f"{what} {'as' if what == 'same' else 'than'} {first}" for model, what in directions.items()}
        item = item._replace(
            answers=[a._replace(how=f"{a.how}; {words[a.model]}") if a.model in words else a for a in item.answers]
        )
    return item._replace(change=" and ".join(kinds))
