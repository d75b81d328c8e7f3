"""``pebench leaderboard check``: all submissions of a board."""

import argparse
from pathlib import Path

from pebench_tasks.leaderboard.check.check_board import check_board, open_benchmarks, processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench leaderboard check``."""
    parser.add_argument("board", type=Path, metavar="DIR", help="the folder of submissions")
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help="the benchmarks' folders"
    )
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="NAME", help="only these submissions")
    parser.add_argument("--fresh", action="store_true", help="compute again what has a receipt of an earlier check")


def main(arguments: argparse.Namespace) -> int:
    """Check, print a line a submission, and return 1 if any was refused."""
    benchmarks = open_benchmarks(arguments.data)
    outcome = check_board(
        arguments.board, benchmarks, only=arguments.only, fresh=arguments.fresh, processes=processes()
    )
    for name in sorted(outcome.checked.keys() | outcome.refused.keys()):
        print(f"{name}: refused: {outcome.refused[name]}" if name in outcome.refused else f"{name}: ok")
    print(f"{len(outcome.checked)} passed, {len(outcome.refused)} refused")
    return int(bool(outcome.refused))
