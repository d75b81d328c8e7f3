"""``pebench compare``: what changed from one model to others, figure by figure, on the documents that both answered."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebench_tasks.files import csv_text, write_whole
from pebench_tasks.results.comparison import Comparison, Row, compare_models, read_models

if TYPE_CHECKING:
    from rich.table import Table


HEADINGS = ("figure", "from", "to", "change", "95 % interval", "p", "n", "better", "worse")
LEGEND = (
    "Percent: 0-100; scenes: 0-1; higher is better everywhere. better, worse: documents. p: two-sided, from exchanging "
    "the models' answers, all about one person, event, figure or image together; corrected for the figures of a table "
    "(Holm), the intervals are not."
)


def cells(row: Row) -> list[str]:
    """A row as tables print it, under ``HEADINGS``."""
    found, digits = row.difference, 1 if row.percent else 3
    values = f"{found.first:.{digits}f}", f"{found.second:.{digits}f}", f"{found.value:+.{digits}f}"
    between = f"{found.low:+.{digits}f} to {found.high:+.{digits}f}"
    p = "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    return [row.figure, *values, between, p, str(found.n), str(found.better), str(found.worse)]


def table(comparison: Comparison) -> "Table":
    """One comparison for the terminal."""
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{comparison.task}: from {comparison.first} to {comparison.second}")
    view = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for column in HEADINGS:
        view.add_column(column, justify="left" if column == "figure" else "right", no_wrap=column != "figure")
    for row in comparison.rows:
        view.add_row(*cells(row))
    return view


COLUMNS = (
    "task", "from", "to", "figure", "figure_from", "figure_to", "change", "low", "high", "p", "p_holm", "n", "clusters",
    "unit", "note", "better", "worse", "left_out",
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
            yield {**who, **values, "p_holm": row.p_holm, **found}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench compare``."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="two or more models' folders, results or samples files; the first is what the others are compared with",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as recorded, as chosen)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the resampling (default: 0)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the rows, all digits, to this file")
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="also write a page to look at, with the documents that changed, and its tables as Markdown and CSV",
    )  # fmt: skip


def main(arguments: argparse.Namespace) -> int:
    """Compare, print a table per task and model, and return the exit code."""
    from rich.console import Console

    models = read_models(arguments.results)
    comparisons = compare_models(models, data=arguments.data, seed=arguments.seed)
    console = Console()
    for comparison in comparisons:
        console.print(table(comparison))
        if comparison.rows:
            console.print(comparison.summary, highlight=False)
        for note in comparison.notes:
            console.print(note, highlight=False, soft_wrap=True, markup=False)
        console.print()
    console.print(LEGEND, style="dim", highlight=False)
    if arguments.csv is not None:
        write_csv(comparisons, arguments.csv)
        console.print(str(arguments.csv), highlight=False, soft_wrap=True, markup=False)
    if arguments.out is not None:
        from pebench_tasks.pages.comparison import write_comparison

        page = write_comparison(models, comparisons, arguments.out, data=arguments.data)
        console.print(str(page), highlight=False, soft_wrap=True, markup=False)
    return 0
