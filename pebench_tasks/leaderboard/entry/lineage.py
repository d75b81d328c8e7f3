"""Which models a submission may hold: an unlearned one, the Finetuned that it started from, Goals of the same base.

What the records say is believed: nobody here sees the weights. Every condition raises ``BenchmarkError``.
"""

from collections.abc import Mapping
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.records import lineage

Submission = Mapping[str, Any]
BOUNDS = ("finetune", "finetuned", "goal", "pretrain", "pretrained")  # methods that unlearn nothing


def unlearns_nothing(method: str) -> bool:
    """Whether a method is a bound's or a base's, however it is spelled."""
    return "".join(filter(str.isalpha, method.casefold())) in BOUNDS


def check_lineage(submission: Submission) -> None:
    """An unlearned model, the Finetuned that it started from, and Goals of the same base that never saw it all."""
    runs = submission["runs"]
    model, finetuned, goals = runs["model"], runs["finetuned"], runs["goals"]
    named = {"model": model, "finetuned": finetuned, **{f"goal-{i}": goal for i, goal in enumerate(goals)}}
    weights: dict[str, str] = {submission["base"]["weights"]: "the base model"}
    for name, run in named.items():
        _check_record(name, run, submission)
        if run["weights"] in weights:
            raise BenchmarkError(
                f"{name} and {weights[run['weights']]} are one checkpoint ({run['weights']}): the model, Finetuned, "
                "every Goal and their base are weights of their own."
            )
        weights[run["weights"]] = name
    if unlearns_nothing(model["method"]):
        raise BenchmarkError(f"Its model is made by {model['method']}: that unlearns nothing. Submit an unlearned one.")
    forgets = " ".join(filter(None, (finetuned["record"][field] for field in ("target", "forget", "split"))))
    if finetuned["method"] != "finetune" or forgets:
        raise BenchmarkError(
            f"Its Finetuned model is made by {finetuned['method']} (to forget: {forgets or 'nothing'}): it must be "
            "finetuned on everything."
        )
    parent = model["record"]["parent"]
    if parent is None or parent["weights"] != finetuned["weights"]:
        raise BenchmarkError(
            f"Its model started from {parent['weights'] if parent else 'nothing'}, but the Finetuned model is "
            f"{finetuned['weights']}: Finetuned is where unlearning starts."
        )
    for name, run in named.items():
        if name != "finetuned":
            _check_forgets(name, run, submission)
        if name != "model":
            _check_starts_from_base(name, run, submission)


def _check_record(name: str, run: Mapping[str, Any], submission: Submission) -> None:
    record = run["record"]
    for field in ("weights", "method"):
        if record[field] != run[field]:
            raise BenchmarkError(f"The record of {name} is of other {field}: {record[field]}, not {run[field]}.")
    if record["base"] != submission["base"]["weights"]:
        raise BenchmarkError(
            f"{name} comes from another base: {record['base']}, not {submission['base']['weights']}. All runs start "
            "from one foundation model."
        )
    if record["data"] != submission["benchmark"]["fingerprint"]:
        raise BenchmarkError(
            f"{name} was trained on another benchmark: {record['data'] or 'none'}, not "
            f"{submission['benchmark']['fingerprint']}."
        )


def _check_starts_from_base(name: str, run: Mapping[str, Any], submission: Submission) -> None:
    """A bound was trained from the base itself; of one whose record names no parent nobody knows."""
    base = submission["base"]["weights"]
    for place, parent in enumerate(lineage(run["record"])):
        if place == 0 and parent["weights"] != base:
            raise BenchmarkError(
                f"{name} started from {parent['weights']}, not from the base model {base}: it may have seen what a "
                "bound has not."
            )
        if parent.get("method", "pretrain") != "pretrain" or parent.get("target"):
            raise BenchmarkError(
                f"{name} started from a model that was made by {parent['method']}, not from the base model."
            )


def _check_forgets(name: str, run: Mapping[str, Any], submission: Submission) -> None:
    """The model was unlearned, and each Goal trained, for exactly the forget set that is asked about."""
    if name != "model" and run["method"] != "goal":
        raise BenchmarkError(
            f"Its {name} is made by {run['method']}, which is no Goal: it may have seen what to forget."
        )
    record, asked = run["record"], submission["benchmark"]
    theirs = record["target"], record["forget"], record["split"]
    ours = submission["target"], asked["forget"], asked["split"]
    if theirs != ours:
        made = "unlearned for" if name == "model" else "trained without"
        told = " ".join(theirs).strip() or "nothing"
        why = "" if name == "model" else ": it has seen what is to be forgotten"
        raise BenchmarkError(f"{name} was {made} {told}; what is asked is {' '.join(ours)}{why}.")
