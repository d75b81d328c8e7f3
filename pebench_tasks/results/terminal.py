"""Results on the terminal: figures with intervals and numbers of documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pebench_tasks.marking.scoring import PERCENT, SLICES
from pebench_tasks.results.files import DEFAULT_TARGETS, TASKS, Result, reading
from pebench_tasks.results.learning import finetuned_of
from pebench_tasks.results.notes import notes, shown_counts
from pebench_tasks.results.record import FigureRow, GroupRow
from pebench_tasks.results.samples import refuse_mixed


def print_results(results: Sequence[Result], *, details: bool = False) -> None:
    """Print tables of results and their notes; with ``details`` the accounting, neighbours and groups as well.

    Raises ``BenchmarkError`` where results of one task differ in anything but the model.
    """
    for task in TASKS.values():
        refuse_mixed([result for result in results if result.task == task])
    console = Console()
    for table in tables(results):
        console.print(table)
    legend = "Under each figure: 95 % interval, documents. Percent: 0-100; scenes: 0-1."
    console.print(legend, style="dim")
    beside = [result.provenance for result in results]
    for result in results:
        for note in notes(result, finetuned_of(result.provenance, beside)):
            console.print(f"{_name(result)}: {note}", highlight=False, soft_wrap=True)
        if details:
            _print_details(console, result)
    for file in dict.fromkeys(result.results_file for result in results):
        console.print(str(file), highlight=False, soft_wrap=True)


def tables(results: Sequence[Result]) -> list[Table]:
    """The single targets, a row each; then the joint one as the paper prints it: a row a concept, without Scope."""
    single = [(r, r.provenance.target, "") for r in results if r.provenance.target != "joint"]
    joint = [(r, f"joint {c}", f"{c}_") for r in results if r.provenance.target == "joint" for c in DEFAULT_TARGETS]
    columns = [name for name in SLICES if name != "scope"]
    return [_table(rows, names) for rows, names in ((single, SLICES), (joint, columns)) if rows]


def _table(rows: Sequence[tuple[Result, str, str]], columns: Sequence[str]) -> Table:
    """A table of results, each with its label and the prefix of its figures' names."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns hold it beside a name of 16
    for column in ("checkpoint", "target", *columns, "empty"):
        table.add_column(column, justify="left" if column in ("checkpoint", "target") else "right", no_wrap=True)
    for result, label, prefix in rows:
        figures = [name if name == "world" else prefix + name for name in columns]
        slices = result.provenance.slices
        own = [name for name in figures if name in slices and not (prefix and name == "world")]
        empty = sum(slices[name]["empty"] for name in own)
        table.add_row(
            Path(result.checkpoint).name,
            label,
            *(_cell(result, name) for name in figures),
            str(empty),
            end_section=True,
        )
    return table


def _name(result: Result) -> str:
    return f"{Path(result.checkpoint).name}, {result.provenance.target}"


def _cell(result: Result, column: str) -> str:
    value = result.metrics.get(column)
    interval = result.provenance.statistics.slices.get(column)
    if value is None:
        return "-"
    percent = column in PERCENT[result.provenance.target]
    lines = [f"{value:.1f}" if percent else f"{value:.3f}"]
    if interval:
        lines += [_interval(interval, percent) if interval.varies else "", f"n {interval.n}"]
    if (partial := reading(result, column).partial) is not None:
        lines.append(f"{partial} partial")
    return "\n".join(lines)


def _interval(row: FigureRow | GroupRow, percent: bool) -> str:
    return f"{row.low:.0f}-{row.high:.0f}" if percent else f"{row.low:.2f}-{row.high:.2f}"


def _responses(title: str, slices: Mapping[str, Mapping[str, int | None]]) -> Table:
    """What was answered: a column a slice, for there are more kinds of answers than 80 columns hold."""
    table = Table(title=title, box=None, title_justify="left", pad_edge=False)
    table.add_column("")
    for name in slices:
        table.add_column(name.replace("_", " "), justify="right")
    kinds = [kind for kind in next(iter(slices.values()), {}) if any(row[kind] for row in slices.values())]
    for kind in kinds:
        counts = (row[kind] for row in slices.values())
        table.add_row(kind.replace("_", " "), *("-" if count is None else str(count) for count in counts))
    return table


def _print_details(console: Console, result: Result) -> None:
    """Who was recognised, refused or empty; near and other retained events; the groups of people."""
    provenance = result.provenance
    console.print(_responses(f"{_name(result)}: responses", shown_counts(provenance)))
    console.print("other: any other text; scenes and yes/no answers are marked by their figures alone", style="dim")
    if neighbours := provenance.statistics.neighbours:
        table = Table(title=f"{_name(result)}: retained events", box=None, title_justify="left", pad_edge=False)
        for column in ("part", neighbours.slice, "interval", "n", "events"):
            table.add_column(column, justify="left" if column in ("part", "events") else "right")
        for name, part in (("near", neighbours.near), ("other", neighbours.other)):
            value, interval = ("-", "") if part.value is None else (f"{part.value:.3f}", _interval(part, False))
            table.add_row(name, value, interval, str(part.n), ", ".join(part.events) or "none")
        console.print(table)
    for name, attributes in provenance.statistics.groups.items():
        table = Table(title=f"{_name(result)}: {name} by group", box=None, title_justify="left", pad_edge=False)
        for column in ("attribute", "group", name, "interval", "n", "people", ""):
            table.add_column(column, justify="left" if column in ("attribute", "group", "") else "right")
        for attribute, cells in attributes.items():
            for group, cell in cells.items():
                few = "few people" if cell.small else ""
                interval = "" if cell.low is None else _interval(cell, True)  # none in results before task version 2.0
                n = f"{cell.n}" if cell.partial is None else f"{cell.n}, {cell.partial} partial"
                table.add_row(attribute, group, f"{cell.value:.1f}", interval, n, str(cell.people), few)
        console.print(table)
