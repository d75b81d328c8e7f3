"""What the pages of a site show: the values that their templates are rendered with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_board import Checked
from pebench_tasks.leaderboard.entry.context import run_names, run_of
from pebench_tasks.leaderboard.site.drawings import drawn
from pebench_tasks.leaderboard.site.ranking import Listed, Row, Table
from pebench_tasks.leaderboard.site.site_samples import PER_SLICE, page_items
from pebench_tasks.marking.scoring import SLICES, measured
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.pages import sections
from pebench_tasks.pages.entries import Entry
from pebench_tasks.pages.page import render
from pebench_tasks.pages.samples import browser
from pebench_tasks.results.paper import published_rows
from pebench_tasks.versions import task_version

TARGETS = {"person": "People", "event": "Events", "joint": "People and events at once"}
BOUNDS = {"finetuned": "Finetuned", "goal": "Goal"}
UNITS = {
    "person": "Scope: 0 to 1; the others in percent.",
    "event": "Scope and World in percent; the others 0 to 1.",
    "joint": "People and World in percent, events 0 to 1.",
}
PAPER = {"1": "Table 1: one target", "2": "Table 2: people and events at once"}
UNSEEN = (
    "whether the model really gave these responses. They are the submitter's, as are a judge's recorded marks and the "
    "training record. Truths, questions and marking are not: they come from the benchmark itself."
)


class Column(NamedTuple):
    """The header of a column of figures."""

    name: str
    term: str  # what explains it
    label: str


class PaperTable(NamedTuple):
    """One target of one of the paper's tables."""

    title: str
    columns: list[Column]
    rows: list[Any]


def index(tables: Sequence["Table"], title: str, about: str, benchmarks: Mapping[str, str]) -> str:
    """The index as HTML; ``benchmarks``: their names by fingerprint."""
    keys = [table.key for table in tables]
    judges = {key.judge: judge_name(key.judge) for key in keys}
    options = (
        ("target", "Target", {table.target: TARGETS[table.target] for table in tables}),
        ("forget", "Forget set", {key.forget: key.forget for key in keys}),
        ("judge", "Judge", {judge or "none": name for judge, name in judges.items()}),  # "" would be all
        ("benchmark", "Benchmark", {key.benchmark: benchmarks[key.benchmark] for key in keys}),
        ("base", "Base model", {table.key.base: table.base for table in tables}),
    )
    return render(
        "board_index.html.jinja",
        assets="assets/",
        title=title,
        about=about,
        boards=tables,
        count=sum(len(table.rows) for table in tables),
        filters=[(name, label, _told_apart(values)) for name, label, values in options],
        benchmarks=benchmarks,
        judges=judges,
        paper=paper_tables(),
        target_titles=TARGETS,
        bound_titles=BOUNDS,
        weights=lambda table, role: [
            entry.result.provenance.model.weights for entry in table.bounds if entry.role == role
        ],
        units=UNITS,
        unseen=UNSEEN,
        columns=lambda table: columns(table.columns),
        plural=plural,
        digits=lambda value: f"{value:.9g}",
        empty=sections.empty,
        method=method,
    )


def _told_apart(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Options of a filter by what they are called; where two are called alike, with the beginning of the value."""
    names = list(values.values())
    shown = {value: name if names.count(name) == 1 else f"{name} ({value[:8]})" for value, name in values.items()}
    return sorted(shown.items(), key=lambda one: (one[1].casefold(), one[0]))


def columns(names: Iterable[str]) -> list[Column]:
    """Headers of figures: a joint figure says whose it is."""
    found = []
    for name in names:
        term = measured(name).capitalize()
        concept = name.rpartition("_")[0]
        found.append(Column(name, term, f"{TARGETS[concept]}: {term.lower()}" if concept else term))
    return found


def paper_tables() -> list[PaperTable]:
    """The paper's rows, a table for each of its tables and targets."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in published_rows():
        groups.setdefault((row.table, row.target), []).append(row)
    return [
        PaperTable(
            f"{PAPER[table]}, {TARGETS[target].lower()}",
            columns(name for name in SLICES if any(name in row.figures for row in rows)),
            rows,
        )
        for (table, target), rows in groups.items()
    ]


def judge_name(judge: str) -> str:
    """A judge in words."""
    return "word overlap (ROUGE-L)" if judge in ("", LEXICAL) else judge


def plural(count: int, noun: str) -> str:
    """``1 submission``, ``1,000 submissions``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def method(entry: Entry) -> str:
    """The unlearning method, as the run record names it."""
    return entry.result.provenance.model.method or ""


def contribute(board: Board, workflow: str) -> str:
    """The contribution page as HTML; ``workflow`` is the text of the CI recipe."""
    return render(
        "contribute.html.jinja",
        assets="assets/",
        title=board.title,
        repository=board.repository,
        benchmarks=board.benchmarks,
        judges=[judge_name(judge) for judge in board.judges],
        task_version=task_version(),
        unseen=UNSEEN,
        workflow=workflow,
    )


def submission_page(row: Row, of: int, checked: Checked, benchmark: Benchmark, board: Board) -> str:
    """A submission's page as HTML; ``of``: how many rows its table ranks."""
    listed, submission = row.listed, checked.submission
    called = {run: entry.name for run, entry in zip(run_names(submission), listed.board.entries, strict=True)}
    facts = board.benchmarks.get(benchmark.fingerprint)
    key = listed.key
    return render(
        "submission.html.jinja",
        assets="../assets/",
        title=board.title,
        name=listed.name,
        lead=f"{method(listed.model)} on {TARGETS[listed.board.target].lower()}, {key.forget} of {benchmark.name}; "
        f"base model: {submission['base']['name']}; scenes marked by {judge_name(key.judge)}.",
        standing=_standing(row, of),
        warnings=row.notes,
        verified=listed.verified,
        unchecked=checked.unchecked,
        description=submission["description"],
        link=submission["link"],
        base=submission["base"]["name"],
        view=_view(listed, benchmark),
        browser=browser(page_items(checked, benchmark, called), {}, per_slice=PER_SLICE),
        samples_file=submission["samples"]["file"],
        documents=submission["samples"]["documents"],
        bytes=submission["samples"]["bytes"],
        sha256=submission["samples"]["sha256"],
        build=facts.build if facts else "pebench data build ...",
    )


def _standing(row: Row, of: int) -> str:
    """Where a submission stands in its table, in a sentence; all of a table have the same Finetuned and Goal models."""
    place = f"Rank {row.rank} of {of} with these bounds" if row.rank else "Not ranked"
    if (distance := row.listed.model.distance) is None:
        return f"{place}."
    behind = f"{distance.forget:.2f} behind in forgetting, {distance.utility:.2f} in what must stay"
    return f"{place}: {distance.distance:.3f} from its Goal model, {behind}."


def _view(listed: Listed, benchmark: Benchmark) -> sections.View:
    """The sections about a submission's runs; run records are the submission's."""
    board, submission = listed.board, listed.submission
    ids = set(benchmark.split(board.target, listed.key.forget).forget_ids)
    forgotten = [row["name"] for row in (*benchmark.people, *benchmark.events) if row["id"] in ids]
    records = [run_of(submission, run)["record"] for run in run_names(submission)]
    runs = [sections.run(entry.name, record) for entry, record in zip(board.entries, records, strict=True)]
    return sections.view(board, forgotten=forgotten, plots=False)._replace(drawn=drawn(board), runs=runs)
