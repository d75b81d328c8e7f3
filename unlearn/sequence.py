"""Several requests to forget, one after the other, each from the checkpoint before; against the same set at once.

    python -m unlearn.sequence --method gd --target person --forget 20 --requests 4 \\
        --model FINETUNED --data DIR --output_dir OUT

Every other option is one of ``python -m unlearn`` and holds for each of the trainings. Each checkpoint is scored on
every request and on Retain: OUT/sequence.json and sequence.csv. What is there already is not done again, so an
interrupted run goes on with the same command.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.files import csv_text, write_whole
from pebench_tasks.results.comparison import by_figure
from pebench_tasks.results.files import Result
from pebench_tasks.results.samples import Logged, read_samples
from pebench_tasks.run_record import read_record
from unlearn.arguments import UnlearnArguments, parse
from unlearn.protocol import graph, stages
from unlearn.protocol.graph import Setting, Training, console
from unlearn.protocol.requests import (
    AT_ONCE,
    BEFORE,
    FIGURES,
    GOAL,
    Observed,
    Row,
    Summary,
    heading,
    in_words,
    matrix,
    row_targets,
    rows_of,
    summarise,
)
from unlearn.recipes.choosing import choose
from unlearn.training.record import versions

FORMAT = "pebench-sequence/1"
RUN = ("method", "target", "forget", "requests")
COLUMNS = (*RUN, "step", "request", "training_steps", *FIGURES, *(f"n_{name}" for name in FIGURES))


def main(argv: Sequence[str] | None = None) -> int:
    """Train and score what is not there yet, write and print the table; returns the exit code."""
    command = list(sys.argv[1:] if argv is None else argv)
    options, words = _parser().parse_known_args(command)

    def run_command() -> int:
        run(options, words, shlex.join(["python", "-m", "unlearn.sequence", *command]))
        return 0

    return exit_code(run_command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlearn.sequence", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options] [options of python -m unlearn]",
    )  # fmt: skip
    parser.add_argument("--requests", type=_several, required=True, metavar="K", help="that share out the forget set")
    parser.add_argument(
        "--goal_model", type=Path, metavar="DIR",
        help="the Goal's checkpoint: its answers are what forgotten events are scored against, and it has a row",
    )  # fmt: skip
    parser.add_argument("--batch_size", type=int, default=64, metavar="N", help="documents scored at once (64)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="stages that run side by side (1)")
    return parser


def _several(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 1")
    return int(text)


def run(options: argparse.Namespace, words: Sequence[str], command: str) -> list[Row]:
    """All stages in order; returns the rows, which are also written. ``words`` are options of ``python -m unlearn``."""
    started = time.perf_counter()
    graph.set_choices_aside()
    ours, theirs = parse(words, choose)
    if ours.request:
        raise BenchmarkError(
            f"{ours.forget_set} is one request, and all are run here: give --forget {ours.forget} alone."
        )
    replace(ours, request=f"1/{options.requests}")  # refused for a method that forgets nothing
    benchmark, out = open_benchmark(Path(ours.data)), Path(theirs.output_dir or "")
    names = [f"{ours.forget}:{number}/{options.requests}" for number in range(1, options.requests + 1)]
    shares = [benchmark.split(ours.target, name) for name in names]
    if options.goal_model:
        _check_goal(options.goal_model, benchmark.split(ours.target, ours.forget))
    setting = Setting(out, benchmark.directory, ours.forget, theirs.seed, "", options.batch_size)
    trainings = _trainings(ours, words, out, options)
    work = graph.stage_graph(setting, trainings, drawn=False)
    peak = stages.run(work, graph.processes(options.processes, tiny=False), out / "logs", console)
    results = {scored.row: result for scored, result in graph.results(setting, trainings).items()}
    steps = {step: _observed(result, benchmark) for step, result in results.items()}
    ids = [share.forget_ids for share in shares]
    rows = [row for step, observed in steps.items() for row in rows_of(step, observed, ours.target, ids)]
    summaries = {name: summarise(rows, steps, name, prefix) for name, prefix in row_targets(ours.target).items()}
    checkpoints = _checkpoints(trainings, results)
    _write(rows, summaries, _head(ours, shares, command), checkpoints, out)
    _print(rows, summaries)
    last, at_once = (checkpoints[step]["training_steps"] for step in (str(len(shares)), AT_ONCE))
    _say(f"Training steps: {last} one after the other, {at_once} at once.", f"\n{out}/sequence.json, sequence.csv")
    graph.print_resources(started, peak)
    return rows


def _observed(result: Result, benchmark: Benchmark) -> Observed:
    return by_figure(Logged(result, read_samples(result.samples_file)), benchmark)


def _print(rows: Sequence[Row], summaries: Mapping[str, Summary]) -> None:
    for name, summary in summaries.items():
        _say(f"\n{heading(name, summary.efficacy)}")
        console.print(matrix(rows, name, summary.efficacy))
        _say(*in_words(summary, name))


def _say(*lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _check_goal(goal: Path, split: Split) -> None:
    record = read_record(goal) or {}
    if (record.get("method"), record.get("target"), record.get("split")) != ("goal", split.target, split.split_id):
        raise BenchmarkError(
            f"{goal} is no Goal of the target {split.target} and {split.forget}. Train one:  pebench goal --model BASE "
            f"--target {split.target} --forget {split.forget} ..."
        )


def _trainings(ours: UnlearnArguments, words: Sequence[str], out: Path, options: argparse.Namespace) -> list[Training]:
    """The start model and the Goal, as far as there is something to score, the requests, and all of them at once."""
    recipe = ["--config", ours.recipe] if ours.recipe else []  # the start model's, whatever the later ones look like

    def training(name: str, row: str, title: str, start: str, *more: str) -> Training:
        cache = ["--reference_cache", f"{ours.reference_cache}/{name}"] if ours.reference_cache else []
        place = ["--model", start, "--output_dir", str(out / name)]
        all_words = ["--disable_tqdm", "true", *words, *recipe, *place, *cache, *more]
        return Training(title, all_words, row, (ours.target,), out / name, start, graph.UNLEARNING_SECONDS)

    def there(row: str, folder: Path) -> Training:
        return Training("", [], row, (ours.target,), folder, "", 0.0)

    start = Path(ours.model)
    requests: list[Training] = []
    for number in range(1, options.requests + 1):
        before = str(requests[-1].folder) if requests else ours.model
        title, share = f"Request {number} of {options.requests}", f"{number}/{options.requests}"
        requests.append(training(f"step-{number}", str(number), title, before, "--request", share))
    found = [
        *([there(BEFORE, start)] if read_record(start) else []),
        *requests,
        training(AT_ONCE, AT_ONCE, "All requests at once", ours.model),
        *([there(GOAL, options.goal_model)] if options.goal_model else []),
    ]
    names = [one.folder.name for one in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BenchmarkError(
            f"Two of the checkpoints are called {twice[0]}: their scores would share a folder. Rename one."
        )
    return found


def _head(ours: UnlearnArguments, shares: Sequence[Split], command: str) -> dict[str, Any]:
    """What was run."""
    return {
        "format": FORMAT,
        "method": f"{ours.method}+{ours.balance}" if ours.balance else ours.method,
        "target": ours.target,
        "forget": ours.forget,
        "requests": len(shares),
        "shares": [{"forget": share.forget, "split": share.split_id, "ids": share.forget_ids} for share in shares],
        "model": ours.model,
        "recipe": ours.recipe,
        "command": command,
        "versions": versions(),
    }


def _checkpoints(trainings: Sequence[Training], results: Mapping[str, Result]) -> dict[str, dict[str, Any]]:
    """Each checkpoint by step; its training steps count from the start model."""
    found: dict[str, dict[str, Any]] = {}
    steps = {training.folder: 0 for training in trainings if not training.words}
    for training in trainings:
        record = read_record(training.folder) or {}
        if training.words:
            steps[training.folder] = record["steps"] + steps.get(Path(training.start), 0)
        found[training.row] = {
            "folder": str(training.folder),
            "weights": record["weights"],
            "training_steps": None if training.row == GOAL else steps[training.folder],
            "results_file": str(results[training.row].results_file),
        }
    return found


def _write(
    rows: Sequence[Row],
    summaries: Mapping[str, Summary],
    head: Mapping[str, Any],
    checkpoints: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> None:
    cells = [
        {**{name: head[name] for name in RUN}, **row.cells(), "training_steps": checkpoints[row.step]["training_steps"]}
        for row in rows
    ]
    said = {name: summary.as_json() for name, summary in summaries.items()}
    content = {**head, "checkpoints": checkpoints, "summary": said, "rows": cells}
    write_whole(out / "sequence.csv", csv_text(cells, COLUMNS))
    write_whole(out / "sequence.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
