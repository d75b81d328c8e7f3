"""The protocol's stages as the demo and the table of all methods run them: train, unlearn, score, one row a model.

Every stage leaves a folder below ``Setting.out`` and is skipped when that folder is there already. What a stage waits
for is in ``stage_graph``; which of them run side by side does not change a byte of what they leave on the tiny model.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pebench_templates
from rich.console import Console

from pebench_tasks.benchmark.reading import shared_benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.choice import ALL, FIXED_SUBSET
from pebench_tasks.machine import free_memory, usable_cores
from pebench_tasks.marking.scoring import FIGURES, distance_to_goal, measured
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.results.files import TASKS, Result, read_result, reading
from pebench_tasks.results.samples import refuse_mixed
from pebench_tasks.run_record import read_record
from pebench_tasks.versions import __version__, task_version
from unlearn.protocol.rows import Row
from unlearn.protocol.stages import Processes, Report, Stage
from unlearn.training.record import peak_memory_bytes

SINGLE = ("person", "event")
PROCESSES_HELP = "stages that run side by side, one thread each (a tiny model: a process a core; your own: 1)"
SIZE = {"people": 20, "events": 20, "image_size": 64}  # of the benchmark that is drawn
# Seconds of the tiny model's stages on one core, to begin with the longest way and to say what they take and is left.
TRAINING_SECONDS = {"finetune": 90.0, "goal": 90.0}
DRAWING_SECONDS, PRETRAINING_SECONDS, UNLEARNING_SECONDS, SCORING_SECONDS = 6.0, 250.0, 6.0, 4.0
TINY_BYTES = 3 * 2**29  # of memory that a process with the tiny model takes, and some more
console = Console()


class Setting(NamedTuple):
    """Where, on which benchmark, and how."""

    out: Path
    data: Path  # the benchmark's folder
    forget: str
    seed: int
    recipes: str  # a folder of recipes named METHOD_TARGET.yaml or METHOD.yaml
    batch_size: int  # of scoring
    run: str = ""  # where several are stages of one: which it is, as in "seed-2"
    tiny: bool = False  # on the CPU whatever there is: a GPU would be no faster, and many processes would share it
    one_by_one: bool = False  # one stage after the other, always in the same order


class Training(NamedTuple):
    """One call of ``python -m unlearn``, and the rows of the table that its checkpoint fills.

    Without words it is a checkpoint that is there already.
    """

    title: str
    words: list[str]
    row: str
    targets: Sequence[str]
    folder: Path
    start: str  # the checkpoint it begins with, or a hub id
    seconds: float


class Scored(NamedTuple):
    """Which checkpoint a row of the table is about."""

    row: str
    target: str


@contextmanager
def timed(title: str) -> Iterator[None]:
    """Say how long something took that is not a stage among others."""
    started = time.perf_counter()
    yield
    console.print(f"{title}: {time.perf_counter() - started:.0f} s", highlight=False, soft_wrap=True)


def print_resources(started: float, peak_bytes: int) -> None:
    """Say what a run took that began at ``started`` and whose processes held ``peak_bytes`` beside this one."""
    # Those processes have ended, and would be counted twice if it were not this one's alone.
    seconds, peak = time.perf_counter() - started, peak_memory_bytes(alone=True) + peak_bytes
    console.print(
        f"{seconds:.0f} s in all, peak memory {peak / 2**30:.1f} GiB (each process's own, added up)", highlight=False
    )


def set_choices_aside() -> None:
    """Forget what the user's environment chooses to ask: data and forget set are the protocol's, and its tables ask
    the same of everybody."""
    for name in ("PEBENCH_GOAL", "PEBENCH_REQUEST", "PEBENCH_RETAIN", "PEBENCH_WORLD", "PEBENCH_REAL"):
        os.environ.pop(name, None)


def finetune_training(setting: Setting, base: str, targets: Sequence[str]) -> Training:
    """The model that has seen everything: a row of every target."""
    title = "Finetune on everything: where unlearning starts"
    return _training(setting, title, "finetuned", "finetuned", "finetune", base, targets=targets)


def goal_training(setting: Setting, base: str, target: str, *, name: str = "goal", more: int = 0) -> Training:
    """The model that never saw the forget set; ``more`` is added to the seed for one that is not the first."""
    what = {"person": "people", "event": "events", "joint": "people and events"}[target]
    folder = f"goal-{target}" + (f"-{more + 1}" if more else "")
    return _training(setting, f"Goal: never saw the {what} to forget", name, folder, "goal", base, target, more=more)


def method_training(setting: Setting, method: str, target: str, *, balance: str = "") -> Training:
    """One method on the finetuned model."""
    row = f"{method}+{balance}" if balance else method
    # One after the other, methods share what a large model says; kl may keep less of it than others.
    shared = setting.one_by_one and method != "kl"
    more = ["--reference_cache", str(setting.out / "reference" / target)] if shared else []
    more += ["--balance", balance] if balance else []
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
    words += ["--data", str(setting.data), "--output_dir", str(path)]
    words += [
        "--seed",
        str(setting.seed + more),
        "--logging_steps",
        "50",
        "--disable_tqdm",
        "true",
        *_on_cpu(setting),
        *extra,
    ]
    words += ["--target", target, "--forget", setting.forget] if target else []
    seconds = TRAINING_SECONDS.get(method, UNLEARNING_SECONDS)
    return Training(title, words, row, targets or (target,), path, start, seconds)


def _on_cpu(setting: Setting) -> list[str]:
    return ["--use_cpu", "true"] if setting.tiny else []


def recipe(recipes: str, method: str, target: str = "") -> list[str]:
    """The ``--config`` option of a method and target, out of a folder of recipes."""
    from unlearn.arguments import RECIPES
    from unlearn.recipes.choosing import find

    folder = RECIPES / recipes if (RECIPES / recipes).is_dir() else Path(recipes)
    if not folder.is_dir():
        raise BenchmarkError(f"There is no folder of recipes {recipes!r}.")
    return ["--config", str(find(folder, method, target))]


def processes(asked: int | None, *, tiny: bool) -> Processes:
    """How many processes stages run in, and torch's threads in each.

    The tiny model: a process a core as far as the free memory goes, one thread each, since two threads that share a
    core with others mostly wait for each other. A model of one's own: one process with all cores
    or the GPU, unless more are ``asked`` for.
    """
    if asked is not None and asked < 1:
        raise BenchmarkError(f"--processes {asked}: at least 1.")
    cores = usable_cores()
    number = asked or (max(1, min(cores, free_memory() // TINY_BYTES)) if tiny else 1)
    threads = 1 if tiny else None if number == 1 else max(1, cores // number)
    return Processes(number, threads, _import_what_stages_need)


def _import_what_stages_need() -> None:
    for module in ("unlearn.protocol.tiny_model", "pebench_tasks.evaluation.one_checkpoint"):
        import_module(module)


def stage_graph(setting: Setting, trainings: Sequence[Training], *, drawn: bool) -> list[Stage]:
    """Every part of the run and what it waits for; the benchmark is one if it is ``drawn``, and the tiny model.

    Each model is scored on its targets, and forgotten events against the responses of that target's Goal, if any.
    """
    prefix = f"{setting.run}/" if setting.run else ""
    graph = []

    def add(name: str, title: str, call: Callable[[Report], object], after: Sequence[str], seconds: float) -> str:
        title = f"{setting.run}: {title}" if setting.run else title
        graph.append(Stage(prefix + name, title, call, tuple(after), seconds, timed=setting.tiny))
        return prefix + name

    before: list[str] = []
    if drawn:
        call: Callable[[Report], object] = partial(_draw, setting.data, setting.seed, SIZE)
        before = [add("data", drawing(), call, [], DRAWING_SECONDS)]
    made: dict[str, str] = {}  # checkpoint folder -> the stage that makes it
    if setting.tiny:
        title = "Pre-train a tiny LLaVA from scratch: the foundation model"
        made[str(setting.out / "base")] = add("base", title, partial(_pretrain, setting), before, PRETRAINING_SECONDS)

    def maker(model: str | Path) -> list[str]:
        return [made[str(model)]] if str(model) in made else []

    for training in trainings:
        if training.words:
            call, after = partial(_train, training.words), maker(training.start)
            made[str(training.folder)] = add(training.folder.name, training.title, call, after, training.seconds)
    goals = {target: training.folder for training in trainings if training.row == "goal" for target in training.targets}
    answered = {}
    for target, goal_model in goals.items():
        if target != "person":
            call = partial(_answer, setting, goal_model, target)
            title = f"Responses of the Goal, target {target}"
            answered[target] = add(f"responses-{target}", title, call, maker(goal_model), SCORING_SECONDS)
    for training in trainings:
        after = maker(training.folder)
        for target in training.targets:
            call = partial(_score, setting, training.folder, target, goals.get(target))
            waits = [*after, *([answered[target]] if target in answered else [])]
            name, title = f"score-{training.folder.name}", f"Score {training.folder.name}"
            if len(training.targets) > 1:
                name, title = f"{name}-{target}", f"{title}, target {target}"
            after = [add(name, title, call, waits, SCORING_SECONDS)]  # one after the other in the folder of a model
    return graph


def drawing() -> str:
    """The title of the stage that draws the benchmark."""
    return f"Draw the benchmark: {SIZE['people']} people x {SIZE['events']} events, {SIZE['image_size']} px"


def draw(data: Path, seed: int, size: Mapping[str, int]) -> None:
    """The benchmark of a run that was given none."""
    from pebench_tasks.benchmark.synthetic.build import build_synthetic

    build_synthetic(data, people=size["people"], events=size["events"], image_size=size["image_size"], seed=seed)


def _draw(data: Path, seed: int, size: Mapping[str, int], report: Report) -> None:
    draw(data, seed, size)


def _pretrain(setting: Setting, report: Report) -> None:
    """The tiny model, by the folder's own recipe if it has one."""
    from unlearn.protocol.tiny_model import pretrain

    own = setting.recipes if (Path(setting.recipes) / "pretrain.yaml").is_file() else "tiny"
    words = ["--output_dir", str(setting.out / "base"), "--seed", str(setting.seed), "--disable_tqdm", "true"]
    words += _on_cpu(setting)
    pretrain(shared_benchmark(setting.data), [*recipe(own, "pretrain"), *words], report)


def _train(words: Sequence[str], report: Report) -> None:
    from unlearn.arguments import parse
    from unlearn.training.run import train_from_options

    logging.basicConfig(format="%(message)s")
    logging.getLogger("unlearn").setLevel(logging.INFO)
    train_from_options(*parse(words), report)


def _answer(setting: Setting, goal_model: Path, target: str, report: Report) -> None:
    """The Goal's responses, which are what forgotten events are scored against."""
    _score_once(setting, goal_model, target, _responses(setting, goal_model), None)


def _score(setting: Setting, checkpoint: Path, target: str, goal_model: Path | None, report: Report) -> None:
    """One checkpoint's scores on one target."""
    _score_once(setting, checkpoint, target, setting.out / "scores", _against(setting, target, goal_model))


def _against(setting: Setting, target: str, goal_model: Path | None) -> Path | None:
    return None if target == "person" or goal_model is None else _responses(setting, goal_model)


def _responses(setting: Setting, goal_model: Path) -> Path:
    """A folder for each Goal: the responses of one that was trained anew must not count as another seed's."""
    return setting.out / "goal_responses" / _weights(goal_model)


def _score_once(setting: Setting, checkpoint: Path, target: str, out: Path, goal: Path | None) -> None:
    """Score a checkpoint on one target, unless there is a result of the same weights, questions and responses."""
    if _known(setting, checkpoint, target, out, goal) is None:
        from pebench_tasks.evaluation.checkpoints import evaluate

        evaluate(
            [checkpoint], data=setting.data, forget=setting.forget, targets=[target], goal=goal, output_path=out,
            batch_size=setting.batch_size, device="cpu" if setting.tiny else None, judge=LEXICAL,
        )  # fmt: skip


def _known(setting: Setting, checkpoint: Path, target: str, out: Path, goal: Path | None) -> Result | None:
    result = read_result(out / checkpoint.name, TASKS[target])
    if result is None:
        return None
    benchmark = shared_benchmark(setting.data)
    asked = (benchmark.fingerprint, benchmark.split(target, setting.forget).split_id)
    return result if is_current(result, _weights(checkpoint), asked, goal) else None


def results(setting: Setting, trainings: Sequence[Training]) -> dict[Scored, Result]:
    """Each checkpoint's result on its target, target by target, once every stage is done."""
    found: dict[Scored, Result] = {}
    for target in dict.fromkeys(target for training in trainings for target in training.targets):
        mine = [training for training in trainings if target in training.targets]
        goal_model = next((training.folder for training in mine if training.row == "goal"), None)
        against = _against(setting, target, goal_model)
        for training in mine:
            result = _known(setting, training.folder, target, setting.out / "scores", against)
            if result is None:
                raise BenchmarkError(
                    f"{training.folder} was scored, but its result in {setting.out}/scores is another model's. Run "
                    "this again."
                )
            found[Scored(training.row, target)] = result
        refuse_mixed([found[scored] for scored in found if scored.target == target])
    return found


def is_current(result: Result, weights: str, asked: tuple[str, str], goal: Path | None) -> bool:
    """Whether a result is of these weights, questions (data and split), wording, version and Goal responses."""
    provenance = result.provenance
    documents = (provenance.retain_documents, provenance.world_documents, provenance.real_documents)
    return (
        provenance.model.weights == weights
        and documents == (FIXED_SUBSET, FIXED_SUBSET, ALL)
        and (provenance.data, provenance.split) == asked
        and provenance.template == pebench_templates.fingerprint()
        and (result.version, provenance.versions.get("pebench")) == (task_version(), __version__)
        and provenance.judge in (None, LEXICAL)
        and provenance.goal_weights == ([goal.name] if goal else [])
    )


def _weights(checkpoint: Path) -> str:
    """The fingerprint of a checkpoint's weights as its run record has it."""
    record = read_record(checkpoint)
    if record is None:
        raise BenchmarkError(f"{checkpoint} has no run record. Delete the folder and run this again.")
    return str(record["weights"])


def row_of(scored: Scored, result: Result, goal_result: Result) -> Row:
    """One line of the table: figures, the documents behind them, and the distance to Goal where none lacks.

    A benchmark without public figures, or without World questions, asks for no such figure.
    """
    names, slices = FIGURES[scored.target], result.provenance.slices
    figures = {name: result.metrics[name] for name in names if name in result.metrics}
    asked = [name for name in names if name in slices or measured(name) not in ("real", "world")]
    complete = figures.keys() >= set(asked) and goal_result.metrics.keys() >= set(asked)
    return Row(
        scored.row,
        scored.target,
        figures,
        {name: slices[name]["n"] for name in slices},
        {name: slices[name]["empty"] for name in slices},
        {name: partial for name in figures if (partial := reading(result, name).partial) is not None},
        distance_to_goal(figures, goal_result.metrics, scored.target).distance if complete else None,
    )
