"""The table of a run, in the shape of the paper's Table 1: one row a model, both targets, the six metrics."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rich.table import Table

from pebench_tasks.files import write_whole
from pebench_tasks.marking.scoring import PERCENT, SLICES

METRICS = SLICES
COLUMNS = ("method", "target", *METRICS)
T = TypeVar("T")


class Row(NamedTuple):
    """One model on one target: its figures, the documents behind each and how many responses were empty."""

    method: str
    target: str
    figures: dict[str, float]  # metric -> percent or 0-1, as in the paper
    documents: dict[str, int]  # metric -> n
    empty: dict[str, int]  # metric -> empty responses
    partial: dict[str, int]  # metric of forgotten names -> answers that give one away in part
    distance: float | None  # to the Goal model, None where it is not known


def by_concept(row: Row) -> list[Row]:
    """A row of the joint target as two, "joint person" and "joint event", in the shape of the paper's Table 2.

    World and the distance to Goal are the same in both; Scope is in neither. Other rows stay as they are.
    """
    if row.target != "joint":
        return [row]

    def of(concept: str, values: Mapping[str, T]) -> dict[str, T]:
        wanted = {metric: metric if metric == "world" else f"{concept}_{metric}" for metric in METRICS}
        return {metric: values[name] for metric, name in wanted.items() if name in values}

    return [
        row._replace(
            target=f"joint {concept}",
            figures=of(concept, row.figures),
            documents=of(concept, row.documents),
            empty=of(concept, row.empty),
            partial=of(concept, row.partial),
        )
        for concept in ("person", "event")
    ]


def percent(target: str) -> Collection[str]:
    """The metrics of a target of ``Row`` that are percent; the others are 0-1."""
    return PERCENT[target.removeprefix("joint ")]


def shown(row: Row, metric: str) -> str:
    """A figure as the table prints it: two decimals, a dash where it was withheld or not measured."""
    return f"{row.figures[metric]:.2f}" if metric in row.figures else "-"


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write ``method,target`` and the six metrics, at full precision; empty cells where nothing was measured."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([row.method, row.target, *(row.figures.get(metric, "") for metric in METRICS)])
    write_whole(path, text.getvalue())


def markdown(rows: Sequence[Row]) -> str:
    """The figures, then what is behind them: n, empty responses and names in part; two Markdown tables per target."""
    lines: list[str] = []
    for target in dict.fromkeys(row.target for row in rows):
        chosen = [row for row in rows if row.target == target]
        lines += [f"## Target: {target}", ""]
        lines += _markdown_table(
            ["method", *(_title(target, m) for m in METRICS), "distance to Goal"],
            [[row.method, *(shown(row, m) for m in METRICS), _distance(row)] for row in chosen],
        )
        behind = "Documents behind each figure, how many responses were empty, and how many gave a forgotten name away "
        lines += ["", behind + "in part:", ""]
        lines += _markdown_table(
            ["method", *METRICS], [[row.method, *(_counts(row, m) for m in METRICS)] for row in chosen]
        )
        lines += [""]
    return "\n".join(lines)


def console_table(rows: Sequence[Row], target: str) -> Table:
    """The figures of one target for a terminal of 80 columns; the last row holds n."""
    units = {"person": "scope 0-1, the others in %", "event": "scope and world in %, the others 0-1"}[target]
    table = Table(
        title=f"Target: {target} ({units})", title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column("method", no_wrap=True)
    for column in (*METRICS, "to Goal", "empty"):
        table.add_column(column, justify="right", no_wrap=True)
    chosen = [row for row in rows if row.target == target]
    for row in chosen:
        table.add_row(row.method, *(shown(row, m) for m in METRICS), _distance(row), str(sum(row.empty.values())))
    if chosen:
        table.add_row("[dim]n[/dim]", *(f"[dim]{chosen[0].documents.get(m, 0)}[/dim]" for m in METRICS))
    return table


def _title(target: str, metric: str) -> str:
    return f"{metric} %" if metric in percent(target) else metric


def _counts(row: Row, metric: str) -> str:
    said = [f"{row.empty[metric]} empty"] if row.empty.get(metric) else []
    said += [f"{row.partial[metric]} partial"] if metric in row.partial else []
    return f"{row.documents.get(metric, 0)}" + (f" ({', '.join(said)})" if said else "")


def _distance(row: Row) -> str:
    return "-" if row.distance is None else f"{row.distance:.2f}"


def _markdown_table(header: Sequence[str], body: Iterable[Sequence[Any]]) -> list[str]:
    rows = [list(header), ["---"] + ["---:"] * (len(header) - 1), *body]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
