"""``pebench submit``: one unlearned checkpoint on one target, as a leaderboard takes it."""

import argparse
import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from pebench_tasks.leaderboard.submit.submit import submit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench submit``."""
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="the unlearned model's results: a folder, or a results file"
    )
    parser.add_argument("--name", required=True, help="of the submission: lower-case letters, digits, . _ -")
    parser.add_argument("--link", required=True, metavar="URL", help="method, code or paper: an https:// address")
    parser.add_argument("--description", default="", metavar="TEXT", help="a few sentences for readers")
    parser.add_argument("--target", choices=("person", "event", "joint"), help="where RESULTS has several")
    parser.add_argument(
        "--finetuned", type=Path, metavar="RESULTS", help="of the model before unlearning (default: beside RESULTS)"
    )
    parser.add_argument(
        "--goal", type=Path, nargs="+", default=[], metavar="RESULTS",
        help="of the Goal models, the bound first (default: those that were used, else beside RESULTS)",
    )  # fmt: skip
    parser.add_argument(
        "--real-known", type=Path, metavar="FILE", help="the list of known public figures, if RESULTS used one"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="the unlearned checkpoint, if it is not where it was scored"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as recorded, as chosen)")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="where to write (here)")


def main(arguments: argparse.Namespace) -> int:
    """Write the submission and say what to do with it; returns the exit code."""
    options = vars(arguments)
    wanted = ("name", "link", "description", "target", "finetuned", "real_known", "checkpoint", "data", "out")
    before = arguments.out / f"{arguments.name}.json"
    replaced = "replaced: " if before.exists() else ""
    with _status("marking every response again"):
        path, data = submit(arguments.results, goals=arguments.goal, **{option: options[option] for option in wanted})
    submission = json.loads(path.read_text(encoding="utf-8"))
    model = submission["runs"]["model"]
    figures = ", ".join(
        f"{figure} {row['value']:.4g}" for figure, row in model["intervals"].items() if row["value"] is not None
    )
    print(f"{model['name']} ({model['method']}), {submission['target']}: {figures}")
    print(f"{replaced}{path} and {submission['samples']['file']} ({submission['samples']['documents']} responses)")
    print("Send both files to the board, as its page says. Try first what it will do:")
    words = ["pebench", "leaderboard", "check", str(path.parent), "--only", submission["name"], "--data", str(data)]
    print(f"  {shlex.join(words)}")
    return 0


@contextlib.contextmanager
def _status(what: str) -> Iterator[None]:
    with Console(stderr=True).status(what):
        yield
