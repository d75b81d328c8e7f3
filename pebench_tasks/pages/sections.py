"""What the sections of a page say, prepared for its templates and for Markdown: tables without their looks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from pebench_tasks.marking.failures import resolution_note
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import PERCENT
from pebench_tasks.pages.entries import Board, Entry, Figure, cell
from pebench_tasks.pages.facts import CONCEPTS, ONLY_TRUTH, in_short, measured, plain, slice_title
from pebench_tasks.pages.plots import Drawn, draw
from pebench_tasks.results.beside import record_beside
from pebench_tasks.results.notes import NAMES, failing_slices, goal_flaws, shown_counts
from pebench_tasks.results.summary import FLAGS, OUTCOMES
from pebench_tasks.run_record import RUN_RECORD

ODD = (*FLAGS, "failed", "echoed", "unanswered")
ACCOUNTING = (
    "what was answered where a name was asked for; slices of scenes and yes/no questions only where an answer was "
    "empty, refused, degenerate or the like. Recognised to other add up to n; what stands behind them is counted on "
    "top. A dash: no answer there can be of that kind."
)
INTERVAL_NOTE = "interval of "  # so begin the notes of ``results.notes`` that ``footnotes`` has in another form
ON_INTERVALS = ("over documents", "nothing varies", "one document")  # such notes stand below a table, not in its cells
# Settings of a run record that say where files lay, or what other facts say already.
UNSAID = ("template", "data", "model", "method", "target", "forget", "split", "start", "data_fingerprint",
          "reference_cache")  # fmt: skip


class View(NamedTuple):
    """All that the sections about one board show; the macros of sections.html.jinja take it."""

    board: Board
    drawn: Drawn | None
    heads: list[tuple[str, str, str]]  # of the figures: term, what the column is called, unit
    rows: list["Line"]
    footnotes: list[str]
    warnings: list[str]
    in_short: str
    measured: list[tuple[str, str]]
    accounting: "Counts"
    neighbours: "Near | None"
    groups: list["Group"]
    runs: list["Run"]


class Line(NamedTuple):
    """A row of the figures' table."""

    entry: Entry
    concept: str  # "people" or "events" on the joint target, else empty
    marks: list[str]
    figures: list[Figure | None]
    empty: int


class Counts(NamedTuple):
    """The response accounting: a row a model and slice, the columns that are not zero throughout."""

    columns: list[str]
    rows: list[tuple[str, str, list[int | None]]]  # model, slice, n and the counts; None: no answer can be of that kind
    caption: str = ACCOUNTING


class Near(NamedTuple):
    """Retained events near a forgotten one, and the others."""

    events: dict[str, Sequence[str]]  # "near" and "other": their names
    forgotten: Sequence[str]
    rows: list[tuple[str, Figure | None, Figure | None]]  # model, near, other


class Group(NamedTuple):
    """One name figure by the people's attributes."""

    title: str  # of the figure
    models: list[str]
    rows: list[tuple[str, str, int, bool, list[Figure | None]]]  # attribute, group, people, few of them, a cell a model


class Run(NamedTuple):
    """What the run record beside a checkpoint says."""

    name: str
    facts: list[tuple[str, str]]
    settings: list[tuple[str, str]]


def view(board: Board, *, forgotten: Sequence[str] = (), plots: bool = True) -> View:
    """All sections of a board; ``forgotten`` are names of people and events."""
    return View(
        board,
        draw(board) if plots else None,
        [(heading(column), _called(column), _unit(column, board.target)) for column in board.columns],
        [
            Line(
                row.entry,
                CONCEPTS.get(row.concept, ""),
                marks(row.entry),
                [in_cell(figure) for figure in row.figures],
                empty(row.entry),
            )
            for row in board.rows
        ],
        footnotes(board),
        warnings(board),
        in_short(board, forgotten),
        measured(board, forgotten),
        accounting(board.entries),
        neighbours(board.entries),
        groups(board.entries),
        runs(board.entries),
    )


def _called(column: str) -> str:
    return heading(column) + (f" {ONLY_TRUTH}" if column.endswith(TRUTH_ONLY) else "")


def _unit(column: str, target: str) -> str:
    """The unit of a column; none on the joint target, where people and events differ, but for World."""
    if target == "joint":
        return "%" if column == "world" else ""
    return "%" if column.removesuffix(TRUTH_ONLY) in PERCENT[target] else "0–1"


def heading(column: str) -> str:
    """A column of the table as the paper calls it: "Efficacy"."""
    return column.removesuffix(TRUTH_ONLY).capitalize()


def in_cell(figure: Figure | None) -> Figure | None:
    """A figure as a table's cell shows it: without what is said once, below the table."""
    if figure is None:
        return None
    said = [note for note in figure.note.split("; ") if note and not note.startswith(ON_INTERVALS)]
    return figure._replace(note="; ".join(said))


def empty(entry: Entry) -> int:
    """The empty responses of a model."""
    return sum(counts["empty"] for counts in entry.result.provenance.slices.values())


def warnings(board: Board) -> list[str]:
    """What to know before believing the figures, each once with the models that it is about."""
    found: dict[str, list[str]] = {}
    for entry in board.entries:
        for note in entry.notes:
            if not note.startswith(INTERVAL_NOTE):
                found.setdefault(note, []).append(entry.name)
    every = len(board.entries)
    return [f"{'all models' if every == len(who) > 1 else ', '.join(who)}: {note}" for note, who in found.items()]


def footnotes(board: Board) -> list[str]:
    """What the intervals of some figures are conditional on, each once."""
    found: dict[str, list[str]] = {}
    for entry in board.entries:
        for figure in entry.figures.values():
            if figure.varies and figure.note.startswith("over documents"):
                found.setdefault(figure.note.partition(";")[0], []).append(slice_title(figure.name))
    return [f"Intervals of {', '.join(dict.fromkeys(names))}: {note}." for note, names in found.items()]


def marks(entry: Entry) -> list[str]:
    """The gravest of an entry's notes in a word or two, for beside its name."""
    provenance = entry.result.provenance
    said = {
        "withheld": provenance.withheld,
        **{sign.mark: True for sign in failing_slices(provenance)},
        "wrong image size": resolution_note(provenance.image_size),
        "other target": provenance.other_target,
        "other forget set": provenance.other_split,
        "Retain under half": provenance.never_learned,
        "flawed Goal": goal_flaws(provenance),
        "no Goal": any(name.endswith(TRUTH_ONLY) for name in entry.result.metrics),
    }
    return [mark for mark, holds in said.items() if holds]


def accounting(entries: Iterable[Entry]) -> Counts:
    """What was answered: recognised, refused, empty and so on, per model and slice.

    Slices of scenes and of yes/no questions, whose answers name nobody, are there only where something is amiss.
    """
    found = [
        (entry.name, name, row)
        for entry in entries
        for name, row in shown_counts(entry.result.provenance).items()
        if name in NAMES[entry.result.provenance.target] or row["other"] != row["n"] or any(map(row.get, ODD))
    ]
    kinds = [kind for kind in (*OUTCOMES, *ODD) if any(row.get(kind) for _, _, row in found)]
    rows = [(model, slice_title(name), [row["n"], *(row.get(kind, 0) for kind in kinds)]) for model, name, row in found]
    return Counts(["n", *kinds], rows)


def neighbours(entries: Iterable[Entry]) -> Near | None:
    """Retain apart for events near a forgotten one; None where no event was forgotten, or none is near."""
    found = [(e.name, both) for e in entries if (both := e.result.provenance.statistics.neighbours)]
    if not any(both.near.events for _, both in found):
        return None
    first = found[0][1]
    rows = [
        (name, cell("near", both.near, percent=False), cell("other", both.other, percent=False)) for name, both in found
    ]
    return Near({"near": first.near.events, "other": first.other.events}, first.forgotten, rows)


def groups(entries: Sequence[Entry]) -> list[Group]:
    """The name figures by age, gender, region and occupation of the person asked about."""
    of_models = [(entry.name, entry.result.provenance.statistics.groups) for entry in entries]
    found = []
    for name in dict.fromkeys(name for _, figures in of_models for name in figures):
        having = [(model, figures[name]) for model, figures in of_models if name in figures]
        rows = [
            (attribute, group, row.people, row.small,
             [cell(name, of_model[attribute][group], percent=True) for _, of_model in having])
            for attribute, of_attribute in having[0][1].items()
            for group, row in of_attribute.items()
        ]  # fmt: skip
        found.append(Group(slice_title(name), [model for model, _ in having], rows))
    return found


def runs(entries: Iterable[Entry]) -> list[Run]:
    """The run records of the weights that were scored, from the results or beside the checkpoints."""
    return [run(entry.name, record) for entry in entries if (record := record_beside(entry.result)) is not None]


def unrecorded(boards: Iterable[Board]) -> list[str]:
    """A line about the models that had a run record when they were scored, and whose record is not found."""
    entries = [entry for board in boards for entry in board.entries]
    lost = [e for e in entries if e.result.provenance.model.weights is not None and record_beside(e.result) is None]
    if not lost:
        return []
    names = ", ".join(dict.fromkeys(entry.name for entry in lost))
    where = ", ".join(dict.fromkeys(f".../{PurePath(entry.result.checkpoint).name}" for entry in lost))
    return [
        f"Method and settings of {names} are not shown: the results do not hold them, and there is no {RUN_RECORD} of "
        f"their weights in {where}."
    ]


def run(name: str, record: Mapping[str, Any]) -> Run:
    """What a run record says of the model that the page calls ``name``."""
    return Run(name, _facts(record), _hyper_parameters(record))


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    sets = (f"{name}: {of['samples']} samples" for name, of in record.get("sets", {}).items())
    parent = record.get("parent") or {}
    facts = {
        "Method": record.get("method", ""),
        "Started from": f"{parent.get('method')} ({parent.get('weights')})" if parent else "",
        "Sets": ", ".join(sets),
        "Steps": record.get("steps"),
        "Seconds": f"{record['seconds']:.0f} on {record.get('device', '?')}" if "seconds" in record else "",
        "Trained parameters": f"{record['trained_parameters']:,}" if "trained_parameters" in record else "",
        "Kept by merging": f"{record['merge_kept']:.1%} of the adapters' change" if "merge_kept" in record else "",
        "Weights": record.get("weights", ""),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]


def _hyper_parameters(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = record.get("arguments", {})
    return [(name, plain(value)) for name, value in sorted(settings.items()) if name not in UNSAID]
