"""What two submissions of one board may not have: one checkpoint, or one bound that answered the same in two ways.

Which came first, no file says, so all that were checked are refused, each naming the others. What does not pass the
check counts for nothing: a bad copy does no harm to the original.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.check_submission import Checked, Refused
from pebench_tasks.leaderboard.entry.context import by_run, run_of
from pebench_tasks.leaderboard.entry.loader import MAX_SUBMISSION, read_samples, read_submission
from pebench_tasks.leaderboard.entry.recompute import Answers, hashed
from pebench_tasks.leaderboard.entry.safe_json import parse, read_bytes

Submission = Mapping[str, Any]


class _Claimed(NamedTuple):
    """What a file that is not checked says of itself, as far as it concerns others."""

    identity: tuple[str, ...]
    bounds: frozenset[str]  # weights


def refuse_twins(
    checked: Mapping[str, Checked], others: Iterable[Path], examine: Callable[[Path], Checked | Refused]
) -> dict[str, Refused]:
    """Those of ``checked`` that cannot stand on the board with another, by name.

    ``others``: files of the board that were not checked. ``examine`` checks one; only those are that seem to be in
    conflict with a submission at hand.
    """
    known = dict(checked)
    for path in others:
        if _in_conflict(path, checked) and isinstance(one := examine(path), Checked):
            known[path.stem] = one
    refused: dict[str, Refused] = {}
    same: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    said: defaultdict[tuple[str, str], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, one in sorted(known.items()):
        same[_identity(one.submission)].append(name)
        for weights, answers in _bounds(one.submission, one.answers):
            said[weights, answers.asked][answers.responses].append(name)
    for (weights, _), ways in said.items():
        for responses, names in ways.items():
            against = sorted({other for way, others in ways.items() if way != responses for other in others})
            for name in names if against else ():
                refused[name] = Refused(
                    f"Its bound {weights} answered the same questions otherwise in {_listed(against)}: weights have "
                    f"one set of answers on a board. Submit with the results of them that {against[0]} has."
                )
    for names in same.values():
        for name in names if len(names) > 1 else ():
            against = [other for other in names if other != name]
            refused[name] = Refused(f"It is the same checkpoint on the same target as {_listed(against)}. Keep one.")
    return {name: reason for name, reason in refused.items() if name in checked}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _identity(submission: Submission) -> tuple[str, ...]:
    return submission["runs"]["model"]["weights"], submission["target"], str(submission["judge"])


def _bounds(submission: Submission, answers: Mapping[str, Answers]) -> Iterator[tuple[str, Answers]]:
    """The bounds of a submission: weights, and what they answered."""
    for name, theirs in answers.items():
        if name != "model":
            yield run_of(dict(submission), name)["weights"], theirs


def _in_conflict(path: Path, checked: Mapping[str, Checked]) -> bool:
    """Whether a file of which nothing is known, if it passes, could not stand beside those that were checked."""
    claimed = _claimed(path)
    if claimed is None:
        return False
    ours = {weights for one in checked.values() for weights, _ in _bounds(one.submission, one.answers)}
    if any(claimed.identity == _identity(one.submission) for one in checked.values()):
        return True
    return bool(claimed.bounds & ours) and _answers_otherwise(path, checked)


def _claimed(path: Path) -> _Claimed | None:
    """What the file says; None for what cannot be read, and for what is no submission at first sight."""
    try:
        content = parse(read_bytes(path, MAX_SUBMISSION), str(path))
    except BenchmarkError:
        return None
    match content:
        case {
            "target": str(target),
            "judge": judge,
            "runs": {
                "model": {"weights": str(model)},
                "finetuned": {"weights": str(finetuned)},
                "goals": [*goals],
            },
        }:
            bounds = [
                goal["weights"] for goal in goals if isinstance(goal, dict) and isinstance(goal.get("weights"), str)
            ]
            return _Claimed((model, target, str(judge)), frozenset([finetuned, *bounds]))
    return None


def _answers_otherwise(path: Path, checked: Mapping[str, Checked]) -> bool:
    """Whether a bound of the submission in ``path`` answered other than that of a checked one; its samples are read."""
    try:
        submission = read_submission(path)
        samples = by_run(read_samples(path.with_name(submission["samples"]["file"]), submission), submission)
    except BenchmarkError:
        return False
    answers = {name: hashed(submission, lines) for name, lines in samples.items()}
    theirs = {(weights, own.asked): own.responses for weights, own in _bounds(submission, answers)}
    return any(
        theirs.get((weights, own.asked), own.responses) != own.responses
        for one in checked.values()
        for weights, own in _bounds(one.submission, one.answers)
    )
