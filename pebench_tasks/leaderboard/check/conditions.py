"""What a submission must be to stand on a board, before any response is looked at: asked what the board asks.

Every condition raises ``BenchmarkError`` with one reason. Which versions must be equal (ours): what was asked and how
it is marked, so the format, the version of the tasks, the fingerprint of the wording, the settings of generation and
the prompts around a question. The versions of PEBench, lmms-eval, transformers and torch are only recorded: all
figures are computed again by the code at hand, and a response does not become another by who logged it.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pebench_templates
import yaml

from pebench_tasks.benchmark.known_figures import check_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.entry.loader import SampleLine
from pebench_tasks.leaderboard.entry.safe_json import shown
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.marking.words import normalise
from pebench_tasks.results.files import TASKS
from pebench_tasks.versions import task_version

Submission = Mapping[str, Any]
WORDS, CHARACTERS = 2, 128  # that a token is at most counted as: ours, and generous


def check_asked(submission: Submission, board: Board, benchmarks: Mapping[str, Benchmark]) -> Benchmark:
    """The benchmark of a submission, if it is one of the board's and the questions were this version's."""
    target, task, version = (submission[name] for name in ("target", "task", "task_version"))
    if task != TASKS[target]:
        raise BenchmarkError(f"Its task is {task}, but the target {target} is asked by {TASKS[target]}.")
    if version != task_version():
        raise BenchmarkError(
            f"Its task version is {version}; this one is {task_version()}: other questions or other marking. Score "
            "its models again with this version and submit those results."
        )
    if submission["template"] != pebench_templates.fingerprint():
        raise BenchmarkError(
            f"Its models were asked in other words: the templates are {submission['template']}, here "
            f"{pebench_templates.fingerprint()}. Score with the templates of this version."
        )
    for name, expected in task_settings().items():
        if submission[name] != expected:
            raise BenchmarkError(
                f"Its {name} settings are not the task's own: {_first_difference(submission[name], expected)}. "
                "Score without changing them: one table has one way of asking."
            )
    benchmark = _benchmark(submission, board, benchmarks)
    split = benchmark.split(target, submission["benchmark"]["forget"])
    if submission["benchmark"]["split"] != split.split_id:
        raise BenchmarkError(
            f"Its split {submission['benchmark']['split']} is not the benchmark's {target}/{split.forget} "
            f"({split.split_id}): others were forgotten or retained."
        )
    return benchmark


def _benchmark(submission: Submission, board: Board, benchmarks: Mapping[str, Benchmark]) -> Benchmark:
    fingerprint = submission["benchmark"]["fingerprint"]
    if board.benchmarks and fingerprint not in board.benchmarks:
        taken = ", ".join(f"{facts.name} ({key})" for key, facts in board.benchmarks.items())
        raise BenchmarkError(f"Its benchmark {fingerprint} is not one of this board's: {taken}.")
    if fingerprint not in benchmarks:
        facts = board.benchmarks.get(fingerprint)
        build = f" Build it:  {facts.build}" if facts else ""
        raise BenchmarkError(
            f"No benchmark with its fingerprint {fingerprint} is at hand, so nothing can be computed.{build} Name its "
            "folder:  --data DIR"
        )
    return benchmarks[fingerprint]


@cache
def task_settings() -> dict[str, Any]:
    """The generation settings and prompts of our tasks, as results carry them where nothing was changed."""

    class Loader(yaml.SafeLoader):
        """Reads the task's settings and passes over the functions that it names."""

    Loader.add_constructor("!function", lambda loader, node: node.value)
    text = files("pebench_tasks.tasks").joinpath("_pebench_base").read_text(encoding="utf-8")
    task = yaml.load(text, Loader)
    return {"generation": task["generation_kwargs"], "prompts": task["lmms_eval_specific_kwargs"]["default"]}


def _first_difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    name = next(name for name in sorted(theirs.keys() | ours.keys()) if theirs.get(name, "-") != ours.get(name, "-"))
    return f"{name} is {shown(str(theirs.get(name, 'missing')))}, the task has {shown(str(ours.get(name, 'none')))}"


def check_judge(submission: Submission, board: Board) -> None:
    """One judge for all runs, and one that the board takes; without scenes to judge there is none."""
    judge, settings = submission["judge"], submission["judge_settings"]
    if judge is None:
        return  # a judge that was chosen for other tasks had nothing to mark
    if judge not in board.judges:
        raise BenchmarkError(f"Its judge {shown(judge)} is not one of this board's: {', '.join(board.judges)}.")
    if (settings or {}).get("fingerprint") != (None if judge == LEXICAL else judge):
        raise BenchmarkError(f"Its judge is {shown(judge)}, but judge_settings are not of that judge.")


def check_length(lines: Iterable[SampleLine]) -> Iterator[SampleLine]:
    """The same lines, each of a length that the task's settings allow: comparing texts takes the square of it.

    A token counts as at most two words and 128 characters (ours; the longest tokens are rows of blanks or dashes), so
    with 256 tokens no text has more than 512 words after normalisation, by which ROUGE-L compares. What a submission
    can ask for is bounded by that: with S scenes, F of them forgotten, and G Goals (at most 5), 2 + G runs need
    (2 + G) * S comparisons with the truth, (2 + G) * G * F with the Goals and G * F of these with the truth, each of
    at most 512 by 512 words (some 40 ms).
    """
    tokens = task_settings()["generation"]["max_new_tokens"]
    for line in lines:
        if len(line.response) > CHARACTERS * tokens:
            what = f"{CHARACTERS * tokens} characters"
        elif len(normalise(line.response).split()) > WORDS * tokens:
            what = f"{WORDS * tokens} words"
        else:
            yield line
            continue
        raise BenchmarkError(
            f"{line.run} answered {shown(line.key)} with more than {what}; the task stops after {tokens} tokens."
        )


def check_real(submission: Submission, benchmark: Benchmark) -> None:
    """Where Real asks only about figures that the base model knew, their list is there, whole and of that base."""
    known, claimed = submission["real_known"], submission["real_documents"]
    if known is None:
        if claimed != "all":
            raise BenchmarkError("Its Real column is restricted to a list of figures, and the list is missing.")
        return
    found = check_known(known, "Its list of known figures", benchmark)
    if known["template"] != submission["template"]:
        raise BenchmarkError(
            f"Its list of known figures was asked in other words: the templates are {known['template']}, the "
            f"submission has {submission['template']}."
        )
    if known["base"] != submission["base"]["weights"]:
        raise BenchmarkError(
            f"Its list of known figures is of another base: {known['base'] or 'unknown'}, not "
            f"{submission['base']['weights']}."
        )
    if known["weights"] not in ("", known["base"]):
        raise BenchmarkError(
            f"Its list of known figures is what {known['weights']} knew, which is not the base model {known['base']}. "
            "Score the base model itself."
        )
    expected = {"list": found.fingerprint, "known": len(found.keys), "asked": found.asked, "base": found.base}
    if claimed != expected:
        raise BenchmarkError("Its results were scored with another list of known figures than the one it holds.")
