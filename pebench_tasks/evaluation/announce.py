"""What a run says on standard error: what was chosen, and what is odd about its scores."""

import os
import sys
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.choice import Choice
from pebench_tasks.marking.failures import resolution_note
from pebench_tasks.results.goals import GoalRun
from pebench_tasks.results.learning import ignorant, retain_note
from pebench_tasks.results.notes import failing, goal_flaws, missing_answers
from pebench_tasks.results.record import ResultRecord

NO_GOAL = (
    "no Goal responses (PEBENCH_GOAL, or --goal of pebench score): scenes to forget get efficacy_truth_only and "
    "generality_truth_only, which only say what is given away, in place of efficacy and generality"
)
NO_MORE_THAN_HALF = "Efficacy and Generality stop near a half, whatever a model has forgotten"  # with a flawed Goal


def say(line: str) -> None:
    """Print one line; of several processes the first one does."""
    if int(os.environ.get("RANK", 0)) == 0:
        tqdm.write(f"pebench: {line}", file=sys.stderr)  # not through a progress bar


def choice_line(choice: Choice, benchmark: Benchmark) -> str:
    """What is measured, and with what."""
    return (
        f"data: {choice.directory} ({choice.reason}), {benchmark.name}, fingerprint {benchmark.fingerprint}; "
        f"forget set: {choice.forget}; Goal responses: {choice.goal or 'none'}; "
        f"judge: {choice.marked_by}"
    )


def flawed_goal_lines(runs: Iterable[GoalRun]) -> Iterator[str]:
    """What is said of Goals that are no good measure, before a model is scored with them."""
    for run in runs:
        for flaw in run.flaws:
            yield (f"FLAWED GOAL in {run.results_file}: {flaw}. Near it lies whatever is as poor; {NO_MORE_THAN_HALF}.")


def wrong_questions_line(pretrained: str, target: str, forget: str, other_target: str, other_split: str) -> str:
    """What is said before a model is asked about another target or forget set than it was made for."""
    if other_target:
        made_for, asked, instead = f"the target {other_target}", f"{target} is asked", f"--target {other_target}"
    else:
        made_for, asked, instead = other_split, f"{forget} is chosen", f"--forget {other_split}, PEBENCH_FORGET"
    return (
        f"WRONG QUESTIONS: {pretrained} was made for {made_for}, but {asked}: these will not be its forgetting scores "
        f"(its own: {instead})."
    )


def warn(result: ResultRecord, judge_stopped: str) -> None:
    """Say what is odd about one task's scores; ``judge_stopped`` is why the judge gave up, if it did."""
    if result.withheld:
        say(f"{result.task}: SCORES WITHHELD: {result.withheld}")
    for one in failing(result):
        share = f"{one.responses} of {one.n}" if one.n else "most"
        say(f"{result.task}, {one.slice_name}: {share} responses {one.sign.said}")
    for line in missing_answers(result):
        say(f"{result.task}: {line}")
    if note := resolution_note(result.image_size):
        say(f"{result.task}: WRONG IMAGE SIZE: {note}.")
    if result.judge_failures:
        reasons = ", ".join(f"{n} {reason}" for reason, n in result.judge_failures.items())
        reasons += f" ({judge_stopped})" if judge_stopped else ""
        say(
            f"{result.task}: judgements failed: {reasons}. They are left out of the figures; a figure with more "
            "than 5 % of them is not shown. Judge again with  pebench judge RESULTS."
        )
    if result.other_target:
        say(
            f"{result.task}: the model was made for the target {result.other_target}, but {result.target} was asked: "
            f"these are not its forgetting scores. Score it with --target {result.other_target}."
        )
    if result.other_split:
        say(
            f"{result.task}: the model was made for {result.other_split}, but {result.forget} is asked: "
            "these are not its forgetting scores. Set PEBENCH_FORGET (or --forget)."
        )
    if low := retain_note(result):
        instead = "Its forgetting scores mean nothing. Compare Real, World and scene descriptions instead."
        say(f"{result.task}: {low}." + (f" {instead}" if ignorant(result) else ""))
    for flaw in goal_flaws(result):
        say(f"{result.task}: {flaw}. {NO_MORE_THAN_HALF}.")
