"""``pebench real filter``: which public figures a base model knew."""

import argparse
from pathlib import Path

from pebench_tasks.results.public_figures import find_known, write_known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench real filter``."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results of the base model, with their samples")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the list to write (JSON)")


def main(arguments: argparse.Namespace) -> int:
    """Write the list and say how long it is; returns the exit code."""
    content = find_known(arguments.results)
    write_known(content, arguments.out)
    model = content.get("model") or content.get("base") or "the model"
    print(f"{len(content['known'])} of {content['asked']} known to {model}; the list is in {arguments.out}")
    if not content["known"]:
        print("This model knew nobody: Real carries no meaning for it, and the list cannot be used.")
        return 0
    print(f"Use it:  pebench score ... --real-known {arguments.out}    (or: export PEBENCH_REAL={arguments.out})")
    return 0
