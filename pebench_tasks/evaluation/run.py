"""One run: what must be known about all documents of a harness call at once, its checks, and what it says.

lmms-eval hands over one document at a time and never says which run it belongs to. ``Run`` keeps which documents were
asked, whose image was read, with which settings. Three of the harness's habits matter:

- Several of its backends mix the documents of two tasks in one batch, without a word. A document whose image was never
  read has an answer to another document, so the scores of the whole run are withheld.
- Several backends answer "", the question or an error message where generation failed, which looks like perfect
  forgetting: such answers are counted (``marking.failures``).
- Some replace the checkpoint's image resolution by their own: it is watched (``image_sizes``).
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar

from PIL import Image
from tqdm import tqdm

from pebench_tasks import __version__
from pebench_tasks.benchmark.documents import Document, both_forgotten
from pebench_tasks.benchmark.reading import Benchmark, shared_benchmark
from pebench_tasks.benchmark.splits import Split, forget_name
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation import image_sizes
from pebench_tasks.evaluation.choice import Choice, choose, forget_judge
from pebench_tasks.evaluation.tested import unsupported
from pebench_tasks.marking import scoring
from pebench_tasks.marking.failures import failing, resolution_note
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.results.files import TARGETS, TASKS
from pebench_tasks.results.goals import (
    GOAL_TARGETS,
    Goals,
    choose_goals,
    comparable,
    find_goal_runs,
    goal_answers,
    load_goals,
)
from pebench_tasks.results.summary import describe
from pebench_tasks.run_record import forget_model, take_model

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Run:
    """One evaluation: all tasks of one harness call on one model."""

    choice: Choice
    benchmark: Benchmark
    names: NameIndex
    model: dict[str, Any]
    splits: dict[str, Split] = field(default_factory=dict)
    self_tests: set[str] = field(default_factory=set)  # targets whose task was just constructed
    asked: set[tuple[str, str]] = field(default_factory=set)  # (target, key)
    read: set[tuple[str, str]] = field(default_factory=set)
    mixed: set[tuple[str, str]] = field(default_factory=set)  # read for another task
    generation: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    goals: dict[str, Goals] = field(default_factory=dict)  # by target, once its first document was asked
    unread: frozenset[tuple[str, str]] | None = None  # None until scoring begins
    lock: threading.Lock = field(default_factory=threading.Lock)


_run: Run | None = None  # lmms-eval has one at a time in a process


def boundary(function: Callable[P, R]) -> Callable[P, R]:
    """Turn a ``BenchmarkError`` into an exit with its message: lmms-eval swallows and retries anything less."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BenchmarkError as error:
            raise SystemExit(f"error: {error}") from error

    return call


def start_run() -> None:
    """Forget what is left of a run that broke off; only needed where several models are scored in one process."""
    global _run
    _run = None
    forget_model()


@boundary
def check_before_model(task_names: Sequence[str]) -> None:
    """Verify the chosen data, forget set and Goal responses, and say what was chosen; exits where they are wrong.

    The plugin calls this when the tasks are selected, because lmms-eval loads the model before it loads the tasks.
    """
    forget_judge()
    image_sizes.watch(_say)
    choice = choose()
    benchmark = shared_benchmark(choice.directory)
    _announce(choice, benchmark)
    for target in {TARGETS[name] for name in task_names if name in TARGETS}:
        rows = choice.documents(benchmark, target)
        if target in GOAL_TARGETS and choice.goal is not None:
            wanted = comparable({**rows[0], "generation": None, "prompts": None}, base=None)
            choose_goals(find_goal_runs(choice.goal, target), wanted, choice.goal)


def _announce(choice: Choice, benchmark: Benchmark) -> None:
    _say_once(
        f"data: {choice.directory} ({choice.reason}), {benchmark.name}, fingerprint {benchmark.fingerprint}; "
        f"forget set: {forget_name(choice.forget)}; Goal responses: {choice.goal or 'none'}; "
        f"judge: {choice.judge.fingerprint if choice.judge else scoring.LEXICAL}"
    )


@lru_cache(maxsize=64)
def _say_once(line: str) -> None:
    _say(line)


def _say(line: str) -> None:
    if int(os.environ.get("RANK", 0)) == 0:
        tqdm.write(f"pebench: {line}", file=sys.stderr)  # not through a progress bar


def begin(target: str) -> list[Document]:
    """The documents of a target's task; they belong to the current run, or to a new one.

    A run has a target once, and is over as soon as one of its documents was marked. Raises ``BenchmarkError`` where
    the model was trained on other data, or made for another forget set than the one that nobody chose.
    """
    global _run
    if line := unsupported():
        raise BenchmarkError(line)
    if _run is None or _run.unread is not None or target in _run.splits:
        choice = choose()
        benchmark = shared_benchmark(choice.directory)
        _run = Run(choice, benchmark, NameIndex(benchmark.names), take_model())
        image_sizes.start(_run.model.get("backend") != "pebench_hf")  # which has the checkpoint's own settings
        _announce(choice, benchmark)
    trained_on = _run.model.get("data", _run.benchmark.fingerprint)
    if trained_on != _run.benchmark.fingerprint:
        raise BenchmarkError(
            f"{_run.model['pretrained']} was trained on the benchmark {trained_on}, but {_run.choice.directory} is "
            f"{_run.benchmark.fingerprint}. Choose the one it was trained on (--data or PEBENCH_DATA)."
        )
    _check_forget(_run, target)
    _check_known(_run)
    rows = _run.choice.documents(_run.benchmark, target)
    _run.splits[target] = _run.benchmark.split(target, _run.choice.forget)
    _run.self_tests.add(target)
    return rows


def _check_forget(run: Run, target: str) -> None:
    """A forget set that nobody chose must be the one that the model was made for."""
    made_for = run.model.get("forget")
    chosen = bool(os.environ.get("PEBENCH_FORGET"))
    if not chosen and made_for and run.model["target"] == target and made_for != forget_name(run.choice.forget):
        raise BenchmarkError(
            f"{run.model['pretrained']} was made for {made_for}, and no forget set is chosen, so {run.choice.forget} "
            f"would be asked. Choose one, such as  --forget {made_for}  or  PEBENCH_FORGET={made_for}"
        )


def _check_known(run: Run) -> None:
    """A list of figures that another foundation model knew says nothing about this one."""
    known = run.choice.known_figures(run.benchmark)
    base = run.model.get("base")
    if known is not None and not (base and known.base):
        _say_once(f"nothing says whether {run.choice.known} is of this model's foundation model: no run record")
    elif known is not None and known.base != base:
        raise BenchmarkError(
            f"{run.choice.known} lists what the foundation model {known.base} knew, but {run.model['pretrained']} "
            f"comes from {base}. Make the list of that one:  pebench real filter RESULTS --out FILE"
        )


def ask(run: Run, doc: Document, prompts: dict[str, str], generation: dict[str, Any] | None) -> None:
    """Note that a document is asked, and how; fails at once where the Goal's answer to it is missing."""
    target = doc["target"]
    if target in run.self_tests:  # the harness tries every new task on its first document
        run.self_tests.remove(target)
        return
    run.asked.add((target, doc["key"]))
    if target not in run.prompts:
        run.prompts[target] = prompts
        run.generation[target] = None if generation is None else json.loads(json.dumps(generation))
    if target in GOAL_TARGETS and run.choice.goal is not None:
        if target not in run.goals:
            wanted = comparable(_facts(run, doc), run.model.get("base") or None)
            run.goals[target] = load_goals(run.choice.goal, wanted, target)
        if scoring.forgotten_scene(doc):
            run.goals[target].of(doc["key"])  # raises now, not after hours of generation


def current() -> Run:
    """The run whose documents the harness hands over; ``BenchmarkError`` in a process that did not build them."""
    if _run is None:
        raise BenchmarkError("The task's documents were not built by this process; start lmms-eval again.")
    return _run


def image(run: Run, doc: Document, target: str) -> Image.Image:
    """The document's image, read for a document of ``target``; records that it was read."""
    with run.lock:
        (run.read if doc["target"] == target else run.mixed).add((doc["target"], doc["key"]))
    picture = run.benchmark.image(doc["image"])
    image_sizes.handed_out(picture.size)
    return picture


def mark(run: Run, doc: Document, response: str) -> dict[str, Any]:
    """The metrics of one answered document and its provenance; the provenance alone where scores are withheld."""
    answers = goal_answers(run.goals.get(doc["target"]), doc)
    if withheld := _withheld(run, doc):
        record = scoring.score(doc, response, run.names, answers)["provenance"]
        if record["judge"] is not None and run.choice.judge is not None:  # other processes may not withhold
            record["judge"] = run.choice.judge.fingerprint
        return {"provenance": record | {"withheld": withheld}}
    return scoring.score(doc, response, run.names, answers, run.choice.judge)


def conclude(run: Run, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where the scores of a target come from, counts, and intervals; says what is odd."""
    target = items[0]["target"]
    described = describe(items, run.benchmark)
    result = {
        "task": TASKS[target],
        **described,
        **_facts(run, items[0]),
        "other_split": _other_split(run, target, described["split"]),
        **run.choice.record(run.benchmark),
        "goal": _goal_record(run, target),
        "judge_settings": run.choice.judge.facts() if run.choice.judge else None,
        "model": run.model,
        "benchmark": {"name": run.benchmark.name, "directory": str(run.choice.directory), "chosen": run.choice.reason},
        "image_size": image_sizes.found(),
        "forget_note": run.splits[target].note,
        "versions": {"pebench": __version__} | {name: version(name) for name in ("lmms-eval", "transformers", "torch")},
    }
    if target == "joint":
        result["both_forgotten"] = both_forgotten(run.splits[target])
    if judge := run.choice.judge:
        _say(f"the judge was asked {judge.calls} times, {judge.cached} judgements were known, {judge.failed} failed")
    _warn(result, judge.stopped_by if judge else "")
    return result


def _facts(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies the questions of a run, in the form that ``comparable`` compares."""
    target = row["target"]
    return {
        **{name: row[name] for name in ("target", "data", "split", "template", "forget")},
        "generation": run.generation.get(target),
        "prompts": run.prompts.get(target),
    }


def _other_split(run: Run, target: str, split: str) -> str:
    """Which forget set the model was made for, if it is not the one that is asked; empty where all is well."""
    same = run.model.get("target") != target or run.model.get("split") == split
    return "" if same else str(run.model["forget"])


def _withheld(run: Run, doc: Document) -> str:
    """Why this run's scores cannot be shown; empty where they can."""
    with run.lock:
        if run.unread is None:
            run.unread = frozenset(run.asked - run.read)
    if (doc["target"], doc["key"]) not in run.read and not run.unread:
        return _reason(1, 1, 0)  # its request came from a cache of requests, so nobody was asked
    return _reason(len(run.unread), len(run.asked), len(run.mixed))


def _reason(unread: int, asked: int, mixed: int) -> str:
    if not unread and not mixed:
        return ""
    return (
        f"the images of {unread} documents were never read (of {asked}; {mixed} were read for another task's "
        "question): the backend mixes the documents of several tasks, or took answers from a cache. Run one task a "
        "command, or --batch_size 1, without --use_cache; or use --model pebench_hf."
    )


def _goal_record(run: Run, target: str) -> dict[str, Any] | None:
    goals = run.goals.get(target)
    if goals is None:
        return None
    return {
        "directory": str(run.choice.goal),
        "base": goals.base,
        "runs": [{"weights": goal.fingerprint, "results": str(goal.results_file)} for goal in goals.runs],
    }


def _warn(result: Mapping[str, Any], judge_stopped: str) -> None:
    if result["withheld"]:
        _say(f"{result['task']}: SCORES WITHHELD: {result['withheld']}")
    for one in failing(result):
        share = f"{one.responses} of {one.n}" if one.n else "most"
        _say(f"{result['task']}, {one.slice_name}: {share} responses {one.sign.said}")
    if note := resolution_note(result["image_size"]):
        _say(f"{result['task']}: WRONG IMAGE SIZE: {note}.")
    if result["judge_failures"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in result["judge_failures"].items())
        reasons += f" ({judge_stopped})" if judge_stopped else ""
        _say(
            f"{result['task']}: judgements failed: {reasons}. They are left out of the figures; a figure with more "
            "than 5 % of them is not shown. Judge again with  pebench judge RESULTS."
        )
    if result["other_split"]:
        _say(
            f"{result['task']}: the model was made for {result['other_split']}, but {result['forget']} is asked: "
            "these are not its forgetting scores. Set PEBENCH_FORGET (or --forget)."
        )
    if result["never_learned"]:
        _say(
            f"{result['task']}: Retain is under half of its range: this model never learned the benchmark, or "
            "unlearning destroyed it, and its forgetting scores mean nothing. Compare Real, World and scene "
            "descriptions instead."
        )
