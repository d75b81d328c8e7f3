"""``pebench leaderboard build``: a board folder as a static site."""

import argparse
from pathlib import Path

from pebench_tasks.leaderboard.site.site import build_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench leaderboard build``."""
    parser.add_argument("board", type=Path, metavar="DIR", help="the folder of submissions")
    parser.add_argument("--out", type=Path, required=True, metavar="SITE", help="the folder to write, or an older site")
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help="the benchmarks' folders"
    )
    parser.add_argument("--title", metavar="TEXT", help="of the site (default: board.json's)")


def main(arguments: argparse.Namespace) -> int:
    """Check the board, build its site, say where it is."""
    print(build_site(arguments.board, arguments.out, data=arguments.data, title=arguments.title))
    return 0
