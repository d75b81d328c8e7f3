"""Chooses the tiny model's recipes: of a few settings of each method, the one nearest to the Goal models.

    python benchmarks/choose_recipes.py --out runs/recipes

The seeds are none that a table reports; each has its own benchmark, forget set, Finetuned and Goal models, made by the
stages of ``python -m unlearn.table1``. All settings are tried on the first seed and the best few on the others. What
counts is the mean distance to Goal; a setting with which a method misses more than one name in twenty on some seed
comes after those with which it forgets people. Gradient ascent has nothing that holds it and is there to show collapse:
on people, a setting with which it keeps more than a quarter of the other names comes last. Resumable: the same command
goes on. The outcome is kept in ``results/recipes.csv``; a recipe is changed by hand.
"""

import argparse
import csv
import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from pebench_tasks.benchmark.splits import forget_name
from pebench_tasks.errors import exit_code
from pebench_tasks.files import write_whole
from unlearn.protocol import graph, stages
from unlearn.protocol.graph import SINGLE, Scored, Setting, Training, console
from unlearn.protocol.rows import METRICS, Row
from unlearn.table1 import JOINT

KEPT = Path(__file__).parent / "results" / "recipes.csv"
TARGETS = (*SINGLE, "joint")
FINALISTS = 2
FORGOTTEN = 95  # percent of the people's names that are gone where a method forgets
COLLAPSED = 25  # percent of the other names that are left, at most, where ga collapses
COLUMNS = ("method", "target", "settings", "seed", *METRICS, "distance")
# What is tried: every combination of the values. Whatever else a method takes is as in its recipe.
TRIED: dict[str, dict[str, tuple[float, ...]]] = {
    "po": {"learning_rate": (1e-3,), "max_steps": (20, 40), "retain_weight": (1, 4)},
    "ga": {"max_steps": (14, 22, 30)},
    "gd": {"max_steps": (40, 60), "retain_weight": (4, 12, 30)},
    "kl": {"max_steps": (15, 30), "retain_weight": (1, 4)},
    "siu": {"learning_rate": (3e-4, 1e-3), "max_steps": (12,)},
    "dpo": {"learning_rate": (2e-4,), "max_steps": (20, 40), "retain_weight": (0, 0.3)},
    "npo": {"max_steps": (60,), "retain_weight": (2, 6)},
    "simnpo": {"max_steps": (60,), "retain_weight": (2, 6)},
    "rmu": {"max_steps": (16, 32), "retain_weight": (1, 4)},
}


class Candidate(NamedTuple):
    """One setting of a method on one target."""

    method: str
    target: str
    options: Mapping[str, float]

    @property
    def settings(self) -> str:
        """The setting as options of the command line."""
        return " ".join(f"--{name} {value:g}" for name, value in self.options.items())

    @property
    def name(self) -> str:
        """What its folder and its row are called."""
        return "_".join([self.method, *(f"{value:g}" for value in self.options.values())])


class Outcome(NamedTuple):
    """A setting's figures on the seeds that it was tried on."""

    candidate: Candidate
    rows: Mapping[int, Row]

    @property
    def spares(self) -> bool:
        """Whether people keep their names on some seed."""
        target = self.candidate.target
        return target == "person" and any(row.figures["efficacy"] < FORGOTTEN for row in self.rows.values())

    @property
    def unfit(self) -> bool:
        """Whether the setting does not show what the method is there for on some seed."""
        if (self.candidate.method, self.candidate.target) != ("ga", "person"):
            return self.spares
        return self.spares or any(row.figures["retain"] > COLLAPSED for row in self.rows.values())

    @property
    def distance(self) -> float:
        """The mean distance to Goal; 1 where a figure is missing."""
        return mean(1.0 if row.distance is None else row.distance for row in self.rows.values())


def candidates(methods: Sequence[str], targets: Sequence[str]) -> list[Candidate]:
    """Every setting of the methods; on both targets at once of those only that the table has there."""
    joint = {method for method, _ in JOINT}
    return [
        Candidate(method, target, dict(zip(TRIED[method], values, strict=True)))
        for target in targets
        for method in methods
        if target != "joint" or method in joint
        for values in product(*TRIED[method].values())
    ]


def finalists(outcomes: Sequence[Outcome]) -> list[Candidate]:
    """The best of each method and target."""
    return [outcome.candidate for ranked in _ranked(outcomes).values() for outcome in ranked[:FINALISTS]]


def _ranked(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    found: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.unfit, outcome.distance)):
        found.setdefault((outcome.candidate.method, outcome.candidate.target), []).append(outcome)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Try all settings and print which come nearest to Goal; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"), help="where everything goes (runs/recipes)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7], help="5 6 7")
    parser.add_argument("--methods", nargs="+", choices=TRIED, default=list(TRIED), metavar="KEY", help="default: all")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS, help="default: all")
    parser.add_argument("--processes", type=int, metavar="N", help=graph.PROCESSES_HELP)
    parser.add_argument("--keep", action="store_true", help="replace the committed results/recipes.csv")
    options = parser.parse_args(argv)

    def command() -> int:
        run(options)
        return 0

    return exit_code(command)


def run(options: argparse.Namespace) -> list[Outcome]:
    """Every stage that is not done yet, then the table; returns what reached the last seed."""
    first, *others = options.seeds
    tried = candidates(options.methods, options.targets)
    rows = _rows(tried, [first], options)
    if others:
        chosen = finalists([Outcome(candidate, of_seeds) for candidate, of_seeds in zip(tried, rows, strict=True)])
        for candidate, of_seeds in zip(chosen, _rows(chosen, others, options), strict=True):
            rows[tried.index(candidate)].update(of_seeds)
    outcomes = [Outcome(candidate, of_seeds) for candidate, of_seeds in zip(tried, rows, strict=True)]
    _write(outcomes, options)
    last = [outcome for outcome in outcomes if len(outcome.rows) == len(options.seeds)]
    for (method, target), ranked in _ranked(last).items():
        best = ranked[0]
        note = f" (forgets less than {FORGOTTEN} % of the people on a seed)" if best.spares else ""
        told = f"{method} on {target}: {best.candidate.settings}  distance {best.distance:.3f}{note}"
        console.print(told, highlight=False, soft_wrap=True)
    console.print(f"All settings: {options.out}/recipes.csv", highlight=False)
    return last


def _rows(tried: Sequence[Candidate], seeds: Sequence[int], options: argparse.Namespace) -> list[dict[int, Row]]:
    """Each setting's row on every seed."""
    lineups = [_lineup(tried, seed, options) for seed in seeds]
    work = [stage for lineup in lineups for stage in graph.stage_graph(*lineup, drawn=True)]
    stages.run(work, graph.processes(options.processes, tiny=True), options.out / "logs", console)
    rows: list[dict[int, Row]] = [{} for _ in tried]
    for setting, trainings in lineups:
        results = graph.results(setting, trainings)
        for of_seeds, candidate in zip(rows, tried, strict=True):
            scored = Scored(candidate.name, candidate.target)
            goal = results[Scored("goal", candidate.target)]
            of_seeds[setting.seed] = graph.row_of(scored, results[scored], goal)
    return rows


def _lineup(tried: Sequence[Candidate], seed: int, options: argparse.Namespace) -> tuple[Setting, list[Training]]:
    """A seed's Finetuned and Goal models, and the methods with every setting."""
    name = f"seed-{seed}"
    out = options.out / name
    setting = Setting(out, out / "data", forget_name(20), seed, "tiny", 64, name, tiny=True)
    base = str(out / "base")
    trainings = [graph.finetune_training(setting, base, TARGETS)]
    trainings += [graph.goal_training(setting, base, target) for target in TARGETS]
    for candidate in tried:
        made = graph.method_training(setting, candidate.method, candidate.target)
        folder = out / f"{candidate.name}_{candidate.target}"
        words = [*made.words, "--output_dir", str(folder), *candidate.settings.split()]
        words += ["--reference_cache", str(out / "reference" / folder.name)]
        title = f"{made.title}: {candidate.settings}"
        trainings.append(made._replace(title=title, row=candidate.name, folder=folder, words=words))
    return setting, trainings


def _write(outcomes: Sequence[Outcome], options: argparse.Namespace) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for candidate, rows in outcomes:
        for seed, row in rows.items():
            figures = [f"{row.figures[name]:.4g}" if name in row.figures else "" for name in METRICS]
            distance = "" if row.distance is None else f"{row.distance:.4f}"
            writer.writerow([candidate.method, candidate.target, candidate.settings, seed, *figures, distance])
    write_whole(options.out / "recipes.csv", text.getvalue())
    if options.keep:
        shutil.copy(options.out / "recipes.csv", KEPT)


if __name__ == "__main__":
    sys.exit(main())
