"""What the README claims of the demo, as rules about its table that hold on every machine; and how they fare by seed.

    python benchmarks/demo_claims.py        # results/demo-claims.md from results/table1.csv

A seed of ``make table1`` holds every model of the demo with that seed.
"""

import csv
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pebench_tasks.files import write_whole

RESULTS = Path(__file__).parent / "results"
TABLE1, PAGE = RESULTS / "table1.csv", RESULTS / "demo-claims.md"
Table = Mapping[tuple[str, str], Mapping[str, float]]  # (method, target) -> metric -> figure
Cell = tuple[str, str, str]  # method, target, metric


class Rule(NamedTuple):
    """What is asked of a claim's figures."""

    text: str
    holds: Callable[..., bool]


class Claim(NamedTuple):
    """Something the README says of the demo, the figures it is about, and what is asked of them."""

    text: str
    cells: tuple[Cell, ...]
    rule: Rule

    def figures(self, table: Table) -> list[float]:
        """The figures of a table that the claim is about."""
        return [table[method, target][metric] for method, target, metric in self.cells]

    def holds(self, table: Table) -> bool:
        """Whether a table keeps it."""
        return self.rule.holds(*self.figures(table))


def at_least(limit: float) -> Rule:
    """Every figure."""
    return Rule(f"at least {limit:g}", lambda *figures: min(figures) >= limit)


def at_most(limit: float) -> Rule:
    """Every figure."""
    return Rule(f"at most {limit:g}", lambda *figures: max(figures) <= limit)


def more(by: float) -> Rule:
    """The first figure than the second."""
    return Rule(f"the first {by:g} more than the second", lambda one, other: one >= other + by)


def cells(method: str, target: str, *metrics: str) -> tuple[Cell, ...]:
    """Several metrics of one model."""
    return tuple((method, target, metric) for metric in metrics)


CLAIMS = (
    Claim("Finetuned forgot nobody", cells("finetuned", "person", "efficacy", "generality"), at_most(10)),
    Claim("Finetuned forgot no event", cells("finetuned", "event", "efficacy", "generality"), at_most(0.3)),
    Claim("Finetuned names people", cells("finetuned", "person", "retain"), at_least(95)),
    Claim("Finetuned names people on the images to forget", cells("finetuned", "event", "scope"), at_least(95)),
    Claim("Finetuned names public figures", cells("finetuned", "person", "real"), at_least(90)),
    Claim(
        "Finetuned describes scenes",
        (*cells("finetuned", "event", "retain"), *cells("finetuned", "person", "scope")),
        at_least(0.95),
    ),
    Claim("Finetuned describes other scenes", cells("finetuned", "event", "real"), at_least(0.9)),
    Claim("Finetuned knows objects", cells("finetuned", "person", "world"), at_least(80)),
    Claim("Goal never saw the people", cells("goal", "person", "efficacy", "generality"), at_least(95)),
    Claim("Goal never saw the events", cells("goal", "event", "efficacy", "generality"), at_least(0.9)),
    Claim("Goal knows the other people", cells("goal", "person", "retain"), at_least(95)),
    Claim("Goal describes the scenes of people it never saw", cells("goal", "person", "scope"), at_least(0.85)),
    Claim("Goal names people in scenes it never saw", cells("goal", "event", "scope"), at_least(80)),
    Claim("ga forgets people", cells("ga", "person", "efficacy"), at_least(95)),
    Claim("ga takes most other names with them", cells("ga", "person", "retain"), at_most(50)),
    Claim("gd forgets people", cells("gd", "person", "efficacy"), at_least(95)),
    Claim("gd keeps more than half of the other names", cells("gd", "person", "retain"), at_least(55)),
    Claim("simnpo forgets people", cells("simnpo", "person", "efficacy"), at_least(95)),
    Claim("simnpo keeps most of the other names", cells("simnpo", "person", "retain"), at_least(70)),
    Claim("gd moves events", (("gd", "event", "efficacy"), ("finetuned", "event", "efficacy")), more(0.2)),
    Claim("simnpo keeps the other events", cells("simnpo", "event", "retain"), at_least(0.8)),
)


def read_seeds(path: Path = TABLE1) -> dict[int, Table]:
    """The tables of a ``table1.csv``, by seed."""
    seeds: dict[int, dict[tuple[str, str], dict[str, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row.pop("method"), row.pop("target")
            seeds.setdefault(int(row.pop("seed")), {})[key] = {name: float(text) for name, text in row.items() if text}
    return dict(seeds)


def page(seeds: Mapping[int, Table]) -> str:
    """Every claim with its figures on every seed."""
    lines = [
        f"# What the README claims of the demo, on seeds {', '.join(map(str, seeds))}",
        "",
        "Written by `benchmarks/demo_claims.py` from `table1.csv`. The recipes were chosen on other seeds.",
        "",
        "| claim | figures | asked | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
        "| --- | --- | --- |" + " ---: |" * len(seeds),
    ]
    for claim in CLAIMS:
        about = ", ".join(dict.fromkeys(f"{method} {target} {metric}" for method, target, metric in claim.cells))
        told = []
        for table in seeds.values():
            figures = ", ".join(f"{figure:.4g}" for figure in claim.figures(table))
            told.append(figures if claim.holds(table) else f"**{figures}**")
        lines.append(f"| {claim.text} | {about} | {claim.rule.text} | " + " | ".join(told) + " |")
    kept = sum(claim.holds(table) for claim in CLAIMS for table in seeds.values())
    lines += ["", f"{kept} of {len(CLAIMS) * len(seeds)} hold; those that do not are bold.", ""]
    return "\n".join(lines)


def main() -> int:
    """Write the page; returns the exit code."""
    write_whole(PAGE, page(read_seeds()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
