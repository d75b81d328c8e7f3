"""The whole protocol in one command: finetune, Goal models, unlearn, score through lmms-eval, one table.

    python -m unlearn.demo                                            the embedded benchmark and a tiny LLaVA
    python -m unlearn.demo --model HUB_ID --data DIR --methods ga,gd  your own base model and benchmark

Every stage leaves a folder in --out and is skipped when that folder is there already, so an interrupted run goes on
where it stopped. Scores of the tiny model show that the mechanism works; they say nothing about large models.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pebench_templates
from rich.console import Console

from pebench_tasks import __version__
from pebench_tasks.benchmark import Benchmark, open_benchmark
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.splits import forget_name
from unlearn import methods
from unlearn.record import peak_memory_bytes, read_record
from unlearn.table import METRICS, Row, console_table, markdown, write_csv

if TYPE_CHECKING:
    from pebench_tasks.score import Result

TARGETS = ("person", "event")
SECOND_GOAL = "goal, 2nd seed"
NOTES = """\
Every column: higher is better. Efficacy alone rewards a model that has collapsed: read it beside Retain and Scope.
Event Efficacy of about 0.5 cannot be told from gibberish. Distance to Goal: 0 is the Goal model, 1 the farthest."""
CEILING = "A second Goal, scored against the first, shows the most that event Efficacy can honestly reach."
TINY = "These are scores of a tiny model on drawings: they show that the mechanism works, nothing about large models."
console = Console()


def main(argv: Sequence[str] | None = None) -> int:
    """Run every stage that is not done yet; returns the exit code."""
    options = _parser().parse_args(argv)

    def command() -> int:
        run(options)
        return 0

    return exit_code(command)


def run(options: argparse.Namespace) -> list[Row]:
    """All stages in order; returns the rows of the table."""
    started = time.perf_counter()
    names = _unlearning_methods(options.methods)
    for name in ("PEBENCH_GOAL", "PEBENCH_RETAIN"):  # the user's own choices do not belong in this table
        os.environ.pop(name, None)
    forget = forget_name(options.forget)
    benchmark = _benchmark(options)
    base = options.model or str(options.out / "base")
    runs = _runs(options, names, forget, benchmark, base)
    if options.model is None:
        from unlearn.tiny_model import pretrain

        with stage("Pre-train a tiny LLaVA from scratch: the foundation model"):
            words = ["--output_dir", base, "--seed", str(options.seed)]
            pretrain(benchmark, [*_recipe("tiny", "pretrain"), *words])
    else:
        from unlearn.estimate import print_estimate

        print_estimate(options.model, benchmark, forget, [run.words for run in runs], len(runs), console)
    checkpoints: dict[tuple[str, str], Path] = {}
    for training in runs:
        with stage(training.title):
            folder = _train(training.words)
        checkpoints |= {(training.row, target): folder for target in training.targets}
    with stage("Score every checkpoint through lmms-eval"):
        results = score(checkpoints, options, benchmark, forget)
    rows = [_row(name, target, result, results["goal", target]) for (name, target), result in results.items()]
    _write(rows, _notes(results, options), options, benchmark, forget, time.perf_counter() - started)
    return rows


class Training(NamedTuple):
    """One call of ``python -m unlearn``, and the rows of the table that its checkpoint fills."""

    title: str
    words: list[str]
    row: str
    targets: Sequence[str]


def _runs(
    options: argparse.Namespace, names: Sequence[str], forget: str, benchmark: Benchmark, base: str
) -> list[Training]:
    recipes = options.recipes or ("tiny" if options.model is None else "")

    def train(title: str, row: str, folder: str, method: str, start: str, target: str = "", more: int = 0) -> Training:
        words = [*_recipe(recipes, method, target), "--method", method, "--model", start]
        words += ["--data", str(benchmark.directory), "--output_dir", str(options.out / folder)]
        words += ["--seed", str(options.seed + more), "--logging_steps", "50"]
        words += ["--target", target, "--forget", forget] if target else []
        return Training(title, words, row, (target,) if target else TARGETS)

    finetuned = str(options.out / "finetuned")
    runs = [train("Finetune on everything: where unlearning starts", "finetuned", "finetuned", "finetune", base)]
    for target in TARGETS:
        for name in names:
            runs.append(train(f"Unlearn the {target}s with {name}", name, f"{name}-{target}", name, finetuned, target))
        runs.append(train(f"Goal: never saw the {target}s to forget", "goal", f"goal-{target}", "goal", base, target))
    if options.second_goal:
        title = "A second Goal for events, from another seed: the ceiling of event Efficacy"
        runs.append(train(title, SECOND_GOAL, "goal-event-2", "goal", base, "event", more=1))
    return runs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlearn.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where everything goes (runs/demo)")
    parser.add_argument("--model", help="your own base model, a folder or hub id (default: a tiny LLaVA, made here)")
    parser.add_argument("--data", type=Path, help="a benchmark folder (default: PEBench-Synthetic, built here)")
    parser.add_argument("--methods", default="ga,gd", help="unlearning methods, comma-separated (ga,gd)")
    parser.add_argument("--forget", default="20", help="percent forgotten: 1, 5, 10 or 20 (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the data, the models and their training (0)")
    parser.add_argument("--batch_size", type=int, default=64, help="documents scored at once (64)")
    parser.add_argument("--recipes", help="a folder of recipes named METHOD_TARGET.yaml or METHOD.yaml")
    parser.add_argument(
        "--second_goal",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train a second Goal model for events and score it against the first: the ceiling of event Efficacy",
    )
    return parser


def _unlearning_methods(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if "forget" not in methods.needed_sets(methods.find(name)):
            raise BenchmarkError(f"{name} unlearns nothing; the demo runs it by itself. --methods takes ga, gd, ...")
    if not names or len(set(names)) < len(names):
        raise BenchmarkError(f"--methods {text!r}: name each unlearning method once, separated by commas.")
    return names


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Announce a stage and say how long it took."""
    console.rule(f"[bold]{title}", align="left")
    started = time.perf_counter()
    yield
    console.print(f"[dim]{title}: {time.perf_counter() - started:.0f} s[/dim]", highlight=False)


def _benchmark(options: argparse.Namespace) -> Benchmark:
    if options.data is not None:
        return open_benchmark(options.data)
    from pebench_tasks.build import build_synthetic

    with stage("Draw the benchmark: 20 people x 10 events, 64 px"):
        return build_synthetic(options.out / "data", people=20, events=10, image_size=64, seed=options.seed)


def _train(words: Sequence[str]) -> Path:
    from unlearn.arguments import parse
    from unlearn.trainer import run as run_training

    return run_training(*parse(words))


def _recipe(recipes: str, method: str, target: str = "") -> list[str]:
    """The ``--config`` option of a method and target: the folder's METHOD_TARGET.yaml, else its METHOD.yaml."""
    from unlearn.arguments import RECIPES

    folder = RECIPES / recipes if (RECIPES / recipes).is_dir() else Path(recipes)
    if not folder.is_dir():
        raise BenchmarkError(f"There is no folder of recipes {recipes!r}.")
    for name in (f"{method}_{target}.yaml", f"{method}.yaml"):
        if (folder / name).is_file():
            return ["--config", str(folder / name)]
    raise BenchmarkError(f"{folder} has no recipe for {method} (neither {method}_{target}.yaml nor {method}.yaml).")


def score(
    checkpoints: dict[tuple[str, str], Path], options: argparse.Namespace, benchmark: Benchmark, forget: str
) -> "dict[tuple[str, str], Result]":
    """Each checkpoint's result on its target, by row and target; events against the first Goal's responses."""
    goal = checkpoints["goal", "event"]
    # A folder for each Goal: the responses of one that was trained anew must not count as another seed's.
    answers = options.out / "goal_responses" / _weights(goal)
    _score_once([goal], "event", answers, None, options, benchmark, forget)
    results: dict[tuple[str, str], Result] = {}
    for target in TARGETS:
        mine = {name: folder for (name, of), folder in checkpoints.items() if of == target}
        found = _score_once(
            list(mine.values()), target, options.out / "scores", answers if target == "event" else None,
            options, benchmark, forget,
        )  # fmt: skip
        results |= {(name, target): result for name, result in zip(mine, found, strict=True)}
    return results


def _score_once(
    checkpoints: list[Path],
    target: str,
    out: Path,
    goal: Path | None,
    options: argparse.Namespace,
    benchmark: Benchmark,
    forget: str,
) -> "list[Result]":
    """Score checkpoints on one target; a result of the same weights, questions and Goal responses is read back."""
    from pebench_tasks.score import TASKS, read_result, run

    def known(checkpoint: Path) -> "Result | None":
        result = read_result(out / checkpoint.name, TASKS[target])
        if result is None:
            return None
        asked = (benchmark.fingerprint, benchmark.split(target, forget).split_id)
        return result if _is_current(result.provenance, _weights(checkpoint), asked, goal) else None

    if missing := [checkpoint for checkpoint in checkpoints if known(checkpoint) is None]:
        run(
            missing, data=benchmark.directory, forget=forget, targets=[target], goal=goal, output_path=out,
            batch_size=options.batch_size,
        )  # fmt: skip
    results = []
    for checkpoint in checkpoints:
        if (result := known(checkpoint)) is None:
            raise BenchmarkError(
                f"{checkpoint} was scored, but its result in {out} is another model's. Run this again."
            )
        results.append(result)
    return results


def _is_current(provenance: Mapping[str, Any], weights: str, asked: tuple[str, str], goal: Path | None) -> bool:
    """Whether a result is of these weights, questions (data and split), wording, version and Goal responses."""
    goals = [answered["weights"] for answered in (provenance["goal"] or {"runs": []})["runs"]]
    return (
        provenance["model"].get("weights") == weights
        and (provenance["data"], provenance["split"]) == asked
        and provenance["template"] == pebench_templates.fingerprint()
        and provenance["versions"]["pebench"] == __version__
        and goals == ([goal.name] if goal else [])
    )


def _weights(checkpoint: Path) -> str:
    """The fingerprint of a checkpoint's weights as its run record has it."""
    record = read_record(checkpoint)
    if record is None:
        raise BenchmarkError(f"{checkpoint} has no run record. Delete the folder and run this again.")
    return str(record["weights"])


def _row(name: str, target: str, result: "Result", goal: "Result") -> Row:
    from pebench_tasks.scoring import distance_to_goal

    slices = result.provenance["slices"]
    figures = {metric: result.metrics[metric] for metric in METRICS if metric in result.metrics}
    complete = len(figures) == len(METRICS)
    return Row(
        name,
        target,
        figures,
        {metric: slices[metric]["n"] for metric in slices},
        {metric: slices[metric]["empty"] for metric in slices},
        distance_to_goal(figures, goal.metrics, target).distance if complete else None,
    )


def _notes(results: "dict[tuple[str, str], Result]", options: argparse.Namespace) -> str:
    lines = [NOTES]
    if options.second_goal:
        lines.append(CEILING)
    if options.model is None:
        lines.append(TINY)
    overlap = 1 - results["goal", "event"].metrics["efficacy_away"]
    accuracies = [result.metrics["world_accuracy"] for result in results.values()]
    lines.append(
        f"On forgotten events the Goal's own answers overlap with the truth by {overlap:.2f} (mean ROUGE-L): "
        "the lower, the more room between knowing and having forgotten."
    )
    lines.append(f"World accuracy lies between {min(accuracies):.1f} and {max(accuracies):.1f} %.")
    return "\n".join(lines)


def _write(
    rows: list[Row], notes: str, options: argparse.Namespace, benchmark: Benchmark, forget: str, seconds: float
) -> None:
    write_csv(rows, options.out / "table.csv")
    for target in TARGETS:
        console.print(console_table(rows, target))
    console.print(notes, highlight=False)
    head = [
        f"# {benchmark.name}: {len(benchmark.people)} x {len(benchmark.events)}, {forget}, seed {options.seed}",
        "",
        f"Data {benchmark.fingerprint}. Model: {options.model or 'a tiny LLaVA, pre-trained and finetuned here'}.",
        "",
    ]
    text = "\n".join([*head, markdown(rows), notes, ""])
    temporary = options.out / "table.md.partial"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(options.out / "table.md")
    console.print(f"\n{options.out}/table.csv, table.md; the harness's results and samples in {options.out}/scores")
    console.print(f"{seconds:.0f} s in all, peak memory {peak_memory_bytes() / 2**30:.1f} GiB", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
