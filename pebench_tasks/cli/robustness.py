"""``pebench robustness``: what attacks bring back of what was to be forgotten, between Finetuned and Goal."""

import argparse
from pathlib import Path

from pebench_tasks.results.robustness import robustness, write_csv
from pebench_tasks.results.robustness_tables import show, write_latex


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench robustness``."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="folders with the results of attacks on Finetuned, Goal and the models between them, or single files",
    )  # fmt: skip
    parser.add_argument("--finetuned", metavar="NAME", help="which model is Finetuned (default: by its run record)")
    parser.add_argument("--goal", metavar="NAME", help="which model is Goal (default: by its run record)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the rows, all digits, to this file")
    parser.add_argument("--latex", type=Path, metavar="FILE", help="also write the shares as a table for a paper")


def main(arguments: argparse.Namespace) -> int:
    """Compute, print a table per concept and model, and return the exit code."""
    from rich.console import Console

    found = robustness(arguments.results, finetuned=arguments.finetuned, goal=arguments.goal)
    console = Console()
    show(found, console)
    for path, write in ((arguments.csv, write_csv), (arguments.latex, write_latex)):
        if path is not None:
            write(found, path)
            console.print(str(path), highlight=False, soft_wrap=True, markup=False)
    return 0
