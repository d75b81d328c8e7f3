"""The whole protocol in one command: finetune, Goal models, unlearn, score through lmms-eval, one table.

    python -m unlearn.demo                                            the embedded benchmark and a tiny LLaVA
    python -m unlearn.demo --model HUB_ID --data DIR --methods ga,gd  your own base model and benchmark

Every stage leaves a folder in --out and is skipped when that folder is there already, so an interrupted run goes on
where it stopped. Scores of the tiny model show that the mechanism works; they say nothing about large models.
"""

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pebench_tasks.benchmark.reading import open_benchmark, shared_benchmark
from pebench_tasks.benchmark.splits import forget_name
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.files import write_whole
from pebench_tasks.machine import end_with_parent
from pebench_tasks.marking.scoring import FORGETTING
from pebench_tasks.pages.report import write_report
from pebench_tasks.results.files import Result
from unlearn import methods
from unlearn.protocol import graph, stages
from unlearn.protocol.graph import SINGLE, Scored, Setting, Training, console, timed
from unlearn.protocol.rows import Row, console_table, markdown, write_csv

SECOND_GOAL = "goal, 2nd seed"
NOTES = """\
The six metrics: higher is better. Efficacy alone rewards a model that has collapsed: read it beside Retain and Scope.
Event Efficacy of about 0.5 cannot be told from gibberish. Distance to Goal: 0 is the Goal model, 1 the farthest."""
CEILING = "A second Goal, scored against the first, shows the most that event Efficacy can honestly reach."
TINY = "These are scores of a tiny model on drawings: they show that the mechanism works, nothing about large models."


def main(argv: Sequence[str] | None = None) -> int:
    """Run every stage that is not done yet; returns the exit code."""
    options = parse(argv)

    def command() -> int:
        run(options)
        return 0

    return exit_code(command)


def run(options: argparse.Namespace) -> list[Row]:
    """All stages in order; returns the rows of the table."""
    started = time.perf_counter()
    names = _unlearning_methods(options.methods)
    graph.set_choices_aside()
    recipes = options.recipes or ("tiny" if options.model is None else "")
    tiny = options.model is None
    data = options.data or options.out / "data"
    processes = graph.processes(options.processes, tiny=tiny)
    setting = Setting(
        options.out, data, forget_name(options.forget), options.seed, recipes, options.batch_size,
        tiny=tiny, one_by_one=not tiny and processes.number == 1,
    )  # fmt: skip
    trainings = _trainings(setting, names, options.model or str(options.out / "base"), options.second_goal)
    if options.data:
        open_benchmark(data)  # which refuses one that is not whole
    elif not tiny:
        with timed(graph.drawing()):
            graph.draw(data, options.seed, graph.SIZE)
    if not tiny:
        words = [training.words for training in trainings]
        # In a process of its own, which gives the GPU back when it ends.
        with ProcessPoolExecutor(1, mp_context=stages.SPAWN, initializer=_begin_estimate) as pool:
            pool.submit(_print_estimate, options.model, data, setting.forget, words).result()
    work = graph.stage_graph(setting, trainings, drawn=tiny and options.data is None)
    peak = stages.run(work, processes, options.out / "logs", console)
    results = graph.results(setting, trainings)
    with timed("Report: figures with intervals, plots, and the responses themselves"):
        folders = dict.fromkeys(result.results_file.parent for result in results.values())
        page = write_report(list(folders), options.out / "report", data=data)
    rows = [graph.row_of(scored, result, results[Scored("goal", scored.target)]) for scored, result in results.items()]
    _write(rows, _notes(results, options), options, setting)
    console.print(f"[bold]Open in a browser:[/bold] {page}", highlight=False, soft_wrap=True)
    graph.print_resources(started, peak)
    return rows


def _begin_estimate() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word


def _print_estimate(model: str, data: Path, forget: str, words: Sequence[Sequence[str]]) -> None:
    from unlearn.protocol.estimate import print_estimate

    print_estimate(model, shared_benchmark(data), forget, words, len(words), console)


def _trainings(setting: Setting, names: Sequence[str], base: str, second_goal: bool) -> list[Training]:
    trainings = [graph.finetune_training(setting, base, SINGLE)]
    for target in SINGLE:
        trainings += [graph.method_training(setting, name, target) for name in names]
        trainings.append(graph.goal_training(setting, base, target))
    if second_goal:
        title = "A second Goal for events, from another seed: the ceiling of event Efficacy"
        trainings.append(graph.goal_training(setting, base, "event", name=SECOND_GOAL, more=1)._replace(title=title))
    return trainings


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line."""
    parser = argparse.ArgumentParser(
        prog="python -m unlearn.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where everything goes (runs/demo)")
    parser.add_argument("--model", help="your own base model, a folder or hub id (default: a tiny LLaVA, made here)")
    parser.add_argument("--data", type=Path, help="a benchmark folder (default: PEBench-Synthetic, built here)")
    parser.add_argument("--methods", default="ga,gd,simnpo", help="unlearning methods, comma-separated (ga,gd,simnpo)")
    parser.add_argument("--forget", default="20", help="percent forgotten: 1, 5, 10 or 20 (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the data, the models and their training (0)")
    parser.add_argument("--batch_size", type=int, default=64, help="documents scored at once (64)")
    parser.add_argument("--recipes", help="a folder of recipes named METHOD_TARGET.yaml or METHOD.yaml")
    parser.add_argument("--processes", type=int, metavar="N", help=graph.PROCESSES_HELP)
    parser.add_argument(
        "--second_goal",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train a second Goal model for events and score it against the first: the ceiling of event Efficacy",
    )
    return parser.parse_args(argv)


def _unlearning_methods(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if {"everything", "remaining"} & set(methods.needed_sets(methods.find(name))):
            raise BenchmarkError(f"{name} unlearns nothing; the demo runs it by itself. --methods takes ga, gd, ...")
    if not names or len(set(names)) < len(names):
        raise BenchmarkError(f"--methods {text!r}: name each unlearning method once, separated by commas.")
    return names


def _notes(results: Mapping[Scored, Result], options: argparse.Namespace) -> str:
    lines = [NOTES]
    if options.second_goal:
        lines.append(CEILING)
    if options.model is None:
        lines.append(TINY)
    forgotten = [results[Scored("goal", "event")].provenance.slices[name] for name in FORGETTING]
    near, asked = (sum(counts[kind] for counts in forgotten) for kind in ("near", "n"))
    accuracies = [result.metrics["world_accuracy"] for result in results.values()]
    lines.append(
        f"In {near} of {asked} answers about forgotten events the Goal, which never saw them, says much of the truth "
        "by chance: such questions tell little about forgetting."
    )
    lowest, highest = min(accuracies), max(accuracies)
    lines.append(f"World's accuracy (the column has its F1) lies between {lowest:.1f} and {highest:.1f} %.")
    return "\n".join(lines)


def _write(rows: list[Row], notes: str, options: argparse.Namespace, setting: Setting) -> None:
    benchmark = shared_benchmark(setting.data)
    write_csv(rows, options.out / "table.csv")
    for target in SINGLE:
        console.print(console_table(rows, target))
    console.print(notes, highlight=False)
    head = [
        f"# {benchmark.name}: {len(benchmark.people)} x {len(benchmark.events)}, {setting.forget}, seed {options.seed}",
        "",
        f"Data {benchmark.fingerprint}. Model: {options.model or 'a tiny LLaVA, pre-trained and finetuned here'}.",
        "",
    ]
    write_whole(options.out / "table.md", "\n".join([*head, markdown(rows), notes, ""]))
    console.print(f"\n{options.out}/table.csv, table.md; the harness's results and samples in {options.out}/scores")


if __name__ == "__main__":
    sys.exit(main())
