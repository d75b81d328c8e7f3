"""Scores a checkpoint and prints its figures with their 95 % intervals.

    python examples/score_a_checkpoint.py runs/demo/gd-person --data runs/demo/data --forget 20

``CHECKPOINT`` is a folder or a hub id of any image-text-to-text model. It is asked what its run record says that it was
made for; a model without one is asked about people and events. Scenes to forget are compared with a Goal's answers.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pebench_tasks


def main(argv: Sequence[str] | None = None) -> None:
    """Score, print a line a figure, and say where the results are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("--data", type=Path, required=True, help="the benchmark folder")
    parser.add_argument("--forget", help="the forget set: 1, 5, 10 or 20")
    parser.add_argument("--goal", type=Path, help="results of Goal models")
    parser.add_argument("--out", type=Path, default=Path("results"), help="where the results go (results)")
    parser.add_argument("--limit", type=int, help="only so many questions, to try it out")
    options = parser.parse_args(argv)

    results = pebench_tasks.evaluate(
        [options.checkpoint],
        data=options.data,
        forget=options.forget,
        targets=None,
        goal=options.goal,
        output_path=options.out,
        limit=options.limit,
    )
    for row in pebench_tasks.table(results).to_pylist():
        between = "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
        print(f"{row['target']:<8}{row['figure']:<24}{row['value']:>8.2f}  {between:<18}n = {row['n']}")
    print(f"Look at them:  pebench report {options.out} --out report")


if __name__ == "__main__":
    main()
