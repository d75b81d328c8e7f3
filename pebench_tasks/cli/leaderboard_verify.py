"""``pebench leaderboard verify``: a maintainer scored the weights of a submission again."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.board import read_board
from pebench_tasks.leaderboard.check.check_board import open_benchmarks
from pebench_tasks.leaderboard.check.check_submission import check_submission
from pebench_tasks.leaderboard.check.verify import compare, write_verified
from pebench_tasks.leaderboard.entry.safe_json import shown, unfit_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench leaderboard verify``."""
    parser.add_argument("board", type=Path, metavar="DIR", help="the folder of submissions")
    parser.add_argument("name", metavar="NAME", help="the submission")
    parser.add_argument(
        "results", type=Path, nargs="+", metavar="RESULTS", help="your results of its model, Finetuned and Goals"
    )
    parser.add_argument("--by", required=True, metavar="WHO", help="who scored the weights again")
    parser.add_argument("--note", default="", metavar="TEXT", help="what readers should know: device, dtype, library")
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help="the benchmarks' folders"
    )


def main(arguments: argparse.Namespace) -> int:
    """Compare and print; write verified.json if all figures agree, else return 1."""
    for option in ("by", "note"):
        text = getattr(arguments, option)
        if (what := unfit_line(text)) or len(text) > 300 or (option == "by" and not text.strip()):
            raise BenchmarkError(f"--{option} is {shown(text)}: one line of 1 to 300 characters. {what}".strip())
    benchmarks = open_benchmarks(arguments.data)
    path = arguments.board / f"{arguments.name}.json"
    checked = check_submission(path, read_board(arguments.board), benchmarks)
    again = compare(checked, arguments.results, benchmarks)
    table = Table(box=None, pad_edge=False)
    for column in ("run", "figure", "submitted", "again", "allowed", ""):
        table.add_column(column, justify="left" if column in ("run", "figure", "") else "right")
    for row in again.compared:
        numbers = [f"{value:.4g}" for value in (row.submitted, row.again, row.allowed)]
        table.add_row(row.run, row.figure, *numbers, "" if row.agrees else "differs")
    Console().print(table)
    print(f"{again.equal} of {again.responses} responses are the same word for word")
    differing = [row for row in again.compared if not row.agrees]
    if differing:
        print(f"{arguments.name} is not verified: {len(differing)} figures differ by more than is allowed")
        return 1
    found = f"{again.equal} of {again.responses} responses the same word for word"
    note = "; ".join(filter(None, [found, arguments.note]))
    write_verified(arguments.board, checked, arguments.by, note, datetime.now(UTC).date().isoformat())
    print(f"{arguments.name} is verified by {arguments.by}")
    return 0
