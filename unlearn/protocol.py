"""The protocol's stages as the demo and the table of all methods run them: train, unlearn, score, one row a model.

Every stage leaves a folder below ``Setting.out`` and is skipped when that folder is there already.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pebench_templates
from rich.console import Console

from pebench_tasks import __version__
from pebench_tasks.benchmark import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.logged import refuse_mixed
from pebench_tasks.model_record import read_record
from pebench_tasks.results import TASKS, read_result, task_version
from pebench_tasks.scoring import FIGURES, LEXICAL, distance_to_goal, measured
from unlearn.table import Row

if TYPE_CHECKING:
    from pebench_tasks.results import Result

SINGLE = ("person", "event")
console = Console()


class Setting(NamedTuple):
    """Where, on which benchmark, and how."""

    out: Path
    benchmark: Benchmark
    forget: str
    seed: int
    recipes: str  # a folder of recipes named METHOD_TARGET.yaml or METHOD.yaml
    batch_size: int  # of scoring


class Training(NamedTuple):
    """One call of ``python -m unlearn``, and the rows of the table that its checkpoint fills."""

    title: str
    words: list[str]
    row: str
    targets: Sequence[str]
    folder: Path


class Scored(NamedTuple):
    """Which checkpoint a row of the table is about."""

    row: str
    target: str


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Announce a stage and say how long it took."""
    console.rule(f"[bold]{title}", align="left")
    started = time.perf_counter()
    yield
    console.print(f"[dim]{title}: {time.perf_counter() - started:.0f} s[/dim]", highlight=False)


def finetuning(setting: Setting, base: str, targets: Sequence[str]) -> Training:
    """The model that has seen everything: a row of every target."""
    title = "Finetune on everything: where unlearning starts"
    return _training(setting, title, "finetuned", "finetuned", "finetune", base, targets=targets)


def goal(setting: Setting, base: str, target: str, *, name: str = "goal", more: int = 0) -> Training:
    """The model that never saw the forget set; ``more`` is added to the seed for one that is not the first."""
    what = {"person": "people", "event": "events", "joint": "people and events"}[target]
    folder = f"goal-{target}" + (f"-{more + 1}" if more else "")
    return _training(setting, f"Goal: never saw the {what} to forget", name, folder, "goal", base, target, more=more)


def unlearning(setting: Setting, method: str, target: str, *, balance: str = "") -> Training:
    """One method on the finetuned model."""
    row = f"{method}+{balance}" if balance else method
    more = ["--reference_cache", str(setting.out / "reference"), *(["--balance", balance] if balance else [])]
    title = f"Unlearn with {row}, target {target}"
    start = str(setting.out / "finetuned")
    return _training(setting, title, row, f"{row}-{target}", method, start, target, extra=more)


def _training(
    setting: Setting,
    title: str,
    row: str,
    folder: str,
    method: str,
    start: str,
    target: str = "",
    *,
    targets: Sequence[str] = (),
    more: int = 0,
    extra: Sequence[str] = (),
) -> Training:
    path = setting.out / folder
    words = [*recipe(setting.recipes, method, target), "--method", method, "--model", start]
    words += ["--data", str(setting.benchmark.directory), "--output_dir", str(path)]
    words += ["--seed", str(setting.seed + more), "--logging_steps", "50", *extra]
    words += ["--target", target, "--forget", setting.forget] if target else []
    return Training(title, words, row, targets or (target,), path)


def recipe(recipes: str, method: str, target: str = "") -> list[str]:
    """The ``--config`` option of a method and target: the folder's METHOD_TARGET.yaml, else its METHOD.yaml."""
    from unlearn.arguments import RECIPES

    folder = RECIPES / recipes if (RECIPES / recipes).is_dir() else Path(recipes)
    if not folder.is_dir():
        raise BenchmarkError(f"There is no folder of recipes {recipes!r}.")
    for name in (f"{method}_{target}.yaml", f"{method}.yaml"):
        if (folder / name).is_file():
            return ["--config", str(folder / name)]
    raise BenchmarkError(f"{folder} has no recipe for {method} (neither {method}_{target}.yaml nor {method}.yaml).")


def train(trainings: Sequence[Training]) -> dict[Scored, Path]:
    """Train what is not trained yet; the checkpoint behind each row and target."""
    from unlearn.arguments import parse
    from unlearn.trainer import run

    checkpoints: dict[Scored, Path] = {}
    for training in trainings:
        with stage(training.title):
            folder = run(*parse(training.words))
        checkpoints |= {Scored(training.row, target): folder for target in training.targets}
    return checkpoints


def score(setting: Setting, checkpoints: Mapping[Scored, Path], goal_row: str = "goal") -> "dict[Scored, Result]":
    """Each checkpoint's result on its target; forgotten events against the Goal of that target."""
    results: dict[Scored, Result] = {}
    for target in dict.fromkeys(scored.target for scored in checkpoints):
        answers = None
        if target != "person":
            goal_model = checkpoints[Scored(goal_row, target)]
            # A folder for each Goal: the responses of one that was trained anew must not count as another seed's.
            answers = setting.out / "goal_responses" / _weights(goal_model)
            _score_once(setting, [goal_model], target, answers, None)
        mine = {scored: folder for scored, folder in checkpoints.items() if scored.target == target}
        found = _score_once(setting, list(mine.values()), target, setting.out / "scores", answers)
        refuse_mixed(found)
        results |= dict(zip(mine, found, strict=True))
    return results


def _score_once(setting: Setting, checkpoints: list[Path], target: str, out: Path, goal: Path | None) -> "list[Result]":
    """Score checkpoints on one target; a result of the same weights, questions and Goal responses is read back."""
    from pebench_tasks.score import run

    benchmark = setting.benchmark

    def known(checkpoint: Path) -> "Result | None":
        result = read_result(out / checkpoint.name, TASKS[target])
        if result is None:
            return None
        asked = (benchmark.fingerprint, benchmark.split(target, setting.forget).split_id)
        return result if is_current(result, _weights(checkpoint), asked, goal) else None

    if missing := [checkpoint for checkpoint in checkpoints if known(checkpoint) is None]:
        run(
            missing, data=benchmark.directory, forget=setting.forget, targets=[target], goal=goal, output_path=out,
            batch_size=setting.batch_size, judge=LEXICAL,
        )  # fmt: skip
    results = []
    for checkpoint in checkpoints:
        if (result := known(checkpoint)) is None:
            raise BenchmarkError(
                f"{checkpoint} was scored, but its result in {out} is another model's. Run this again."
            )
        results.append(result)
    return results


def is_current(result: "Result", weights: str, asked: tuple[str, str], goal: Path | None) -> bool:
    """Whether a result is of these weights, questions (data and split), wording, version and Goal responses."""
    provenance = result.provenance
    goals = [answered["weights"] for answered in (provenance["goal"] or {"runs": []})["runs"]]
    return (
        provenance["model"].get("weights") == weights
        and (provenance["data"], provenance["split"]) == asked
        and provenance["template"] == pebench_templates.fingerprint()
        and (result.version, provenance["versions"]["pebench"]) == (task_version(), __version__)
        and provenance["judge"] in (None, LEXICAL)
        and goals == ([goal.name] if goal else [])
    )


def _weights(checkpoint: Path) -> str:
    """The fingerprint of a checkpoint's weights as its run record has it."""
    record = read_record(checkpoint)
    if record is None:
        raise BenchmarkError(f"{checkpoint} has no run record. Delete the folder and run this again.")
    return str(record["weights"])


def row(scored: Scored, result: "Result", goal_result: "Result") -> Row:
    """One line of the table: figures, the documents behind them, and the distance to Goal where none lacks.

    A benchmark without public figures, or without World questions, asks for no such figure.
    """
    names, slices = FIGURES[scored.target], result.provenance["slices"]
    figures = {name: result.metrics[name] for name in names if name in result.metrics}
    asked = [name for name in names if name in slices or measured(name) not in ("real", "world")]
    complete = figures.keys() >= set(asked) and goal_result.metrics.keys() >= set(asked)
    return Row(
        scored.row,
        scored.target,
        figures,
        {name: slices[name]["n"] for name in slices},
        {name: slices[name]["empty"] for name in slices},
        distance_to_goal(figures, goal_result.metrics, scored.target).distance if complete else None,
    )
