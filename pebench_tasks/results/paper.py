"""The figures of the paper's Tables 1 and 2 (arXiv 2503.12545): LLaVA-1.5-7B, events marked by G-Eval."""

import csv
from pathlib import Path
from typing import NamedTuple

from pebench_tasks.marking.scoring import SLICES


class PublishedRow(NamedTuple):
    """One row of the paper: a method's figures on one target, in the paper's units."""

    table: str  # "1": one target; "2": people and events at once, without Scope
    method: str  # "finetuned" and "goal" are the bounds
    target: str  # "person" or "event": in Table 2 the concept whose figures these are
    figures: dict[str, float]


def published_rows() -> list[PublishedRow]:
    """All rows, in the order of the tables."""
    with (Path(__file__).parent / "paper.csv").open(encoding="utf-8", newline="") as file:
        return [
            PublishedRow(
                "2" if row["target"].startswith("joint ") else "1",
                row["method"],
                row["target"].removeprefix("joint "),
                {metric: float(row[metric]) for metric in SLICES if row[metric]},
            )
            for row in csv.DictReader(file)
        ]
