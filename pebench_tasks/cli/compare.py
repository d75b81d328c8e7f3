"""``pebench compare``: what changed from one model to others, figure by figure, on the documents that both answered."""

import argparse
from pathlib import Path

from pebench_tasks.results.comparison import LEGEND, compare_models, read_models, table, write_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench compare``."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="two or more models' folders, results or samples files; the first is what the others are compared with",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as recorded, as chosen)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the exchanges drawn for p (default: 0)")
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
