"""One submission: every figure computed again from its samples, or why it is refused."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check import conditions
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.entry.context import claims, run_names, run_of
from pebench_tasks.leaderboard.entry.lineage import check_lineage
from pebench_tasks.leaderboard.entry.loader import read_samples, read_submission
from pebench_tasks.leaderboard.entry.recompute import Answers, recompute
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.results.files import Result
from pebench_tasks.results.notes import failing
from pebench_tasks.results.rescore import Rescored

TOLERANCE = 1e-8  # bounds are rounded to nine decimals, and the last one may differ between machines
UNSEEN = (
    "That these responses came from these models: a submission holds texts, not weights, and texts can be made up.",
    "The run records: hyper-parameters, parents and weights' fingerprints are what the submitter wrote.",
)
UNASKED_JUDGE = (
    "The judge's marks: its recorded judgements were added up again, but the judge was not asked again, so they could "
    "be made up."
)
UNSEEN_BASE = (
    "Which public figures the base model knew: the list is whole and of this base, but the base model's own responses "
    "are not part of a submission."
)


class Refused(BenchmarkError):
    """A submission that does not pass; the message is the reason."""


class Checked(NamedTuple):
    """A submission that passed, with what was computed from its samples: nothing in ``results`` is a claim."""

    name: str
    file: Path  # NAME.json; its samples lie beside it
    submission: dict[str, Any]
    results: dict[str, Result]  # "finetuned", "model", "goal-0", ...: as the harness would have written them
    answers: dict[str, Answers]  # by run, what it answered, as hashes
    unchecked: list[str]  # what no check can see, in sentences for the page

    @property
    def bounds(self) -> str:
        """A hash of the base's weights and of the weights, responses and judgements of Finetuned and of every Goal.

        It does not depend on the order of the documents, nor on that of the Goals after the first, to which distances
        are taken.
        """
        finetuned, first, *others = (
            [run_of(self.submission, name)["weights"], *self.answers[name]]
            for name in run_names(self.submission)
            if name != "model"
        )
        whole = [self.submission["base"]["weights"], finetuned, first, sorted(others)]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]


def check_submission(path: Path, board: Board, benchmarks: Mapping[str, Benchmark]) -> Checked:
    """Check one submission, ``NAME.json`` with its samples beside it; raises ``Refused`` with the reason.

    ``benchmarks``: those at hand, by fingerprint.
    """
    try:
        submission = read_submission(path)
        benchmark = conditions.check_asked(submission, board, benchmarks)
        conditions.check_judge(submission, board)
        check_lineage(submission)
        conditions.check_real(submission, benchmark)
        lines = read_samples(path.with_name(submission["samples"]["file"]), submission)
        rescored, answers = recompute(submission, conditions.check_length(lines), benchmark, path)
        for name, run in rescored.items():
            _check_run(name, run, submission)
    except Refused:
        raise
    except BenchmarkError as error:
        raise Refused(str(error)) from error
    results = {name: run.result for name, run in rescored.items()}
    return Checked(path.stem, path, submission, results, answers, unchecked(submission))


def unchecked(submission: Mapping[str, Any]) -> list[str]:
    """What no check of this submission can see."""
    judged = [UNASKED_JUDGE] if submission["judge"] not in (None, LEXICAL) else []
    return [*UNSEEN, *judged, *([UNSEEN_BASE] if submission["real_known"] is not None else [])]


def _check_run(name: str, run: Rescored, submission: Mapping[str, Any]) -> None:
    """What one run's responses give must be worth showing, and what the submission claims."""
    provenance = run.result.provenance
    if found := failing(provenance):
        one = found[0]
        where = ", ".join(other.slice_name for other in found if other.sign == one.sign)
        raise Refused(
            f"{name} gave {one.sign.noted} in {where} ({one.responses} of {one.n} in {one.slice_name}): they "
            f"{one.sign.said} Score again."
        )
    if provenance.judge != submission["judge"]:
        raise Refused(f"Its judge is {submission['judge']!a}, but {name} was marked by {provenance.judge!a}.")
    for figure, row in provenance.statistics.slices.items():
        if row.value is None:
            judged = "Judge again with  pebench judge RESULTS."
            again = judged if row.failed else "A board asks with the task's own tokens."
            raise Refused(f"{name} has no {figure}, {row.note}, more than 5 %. {again}")
    computed, claimed = claims(run), run_of(dict(submission), name)
    for part in computed:
        if differing := difference(claimed[part], computed[part]):
            raise Refused(f"Its samples do not give its scores: {name}, {part}{differing}.")


def difference(claimed: Any, computed: Any) -> str:
    """Where and how two JSON values differ by more than ``TOLERANCE``, in words; empty where they do not."""
    if isinstance(claimed, dict) and isinstance(computed, dict):
        if lacking := sorted(computed.keys() - claimed.keys()):
            return f": {lacking[0]} is missing"
        if foreign := sorted(claimed.keys() - computed.keys()):
            return f": {foreign[0]!a} does not exist"
        found = ((name, difference(claimed[name], computed[name])) for name in computed)
        return next((f", {name}{differing}" for name, differing in found if differing), "")
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (claimed, computed)]
    equal = math.isclose(claimed, computed, rel_tol=0, abs_tol=TOLERANCE) if all(numbers) else claimed == computed
    return "" if equal else f": {claimed!a} is claimed, {computed!a} computed"
