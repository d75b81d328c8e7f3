"""The samples on a submission's page: a few of each slice, the same documents for every submission, marked again.

``check.marked`` marks all documents; a page shows some sixty of them, so only these are marked here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.documents import Document
from pebench_tasks.leaderboard.loader import read_samples
from pebench_tasks.leaderboard.marking import asked, by_run, logged_run, marking_context, run_names
from pebench_tasks.logged import Logged
from pebench_tasks.pages.samples import Item, chosen, items
from pebench_tasks.rescore import Context, Rescored, mark

if TYPE_CHECKING:
    from pebench_tasks.leaderboard.check import Checked

PER_SLICE = 10
KEPT = 16  # sets of questions, and marked runs, that stay in memory for the submissions to come


@dataclass(frozen=True)
class _Questions:
    """What was asked; equal where the documents are."""

    benchmark: Benchmark
    facts: str  # everything in a submission that chooses documents
    submission: dict[str, Any] = field(compare=False)


@dataclass(frozen=True)
class _Run:
    """A run to mark; equal to another where all that its marks follow from is equal: many share Finetuned and Goal."""

    content: str
    logged: Logged = field(compare=False)
    found: Context = field(compare=False)


def page_items(checked: "Checked", benchmark: Benchmark, names: Mapping[str, str]) -> list[Item]:
    """Every document of a submission that passed the check, those that its page shows with all answers.

    ``names``: what the page calls the runs. Which are shown is what ``samples.chosen`` says for ``PER_SLICE``.
    """
    submission = checked.submission
    every, few = _documents(_questions(submission, benchmark))
    path = checked.file.with_name(submission["samples"]["file"])
    answers = by_run(read_samples(path, submission), submission)
    found = marking_context(submission, answers, benchmark, few)
    goals = found.goals and [[run.fingerprint for run in found.goals.runs], found.goals.responses]
    models, texts = [], []
    for run in run_names(submission):
        own = answers[run]
        content = json.dumps([benchmark.fingerprint, submission["judge"], goals, [own[key][1:] for key in few]])
        logged = logged_run(submission, run, own, few, checked.file)
        marks = _marked(_Run(hashlib.sha256(content.encode()).hexdigest(), logged, found))
        models.append((names[run], Rescored(checked.results[run], marks, [])))
        texts.append({key: own[key].response for key in few})
    answered = {item.key: item for item in items(models, found, texts, {})}
    return [answered.get(item.key, item) for item in every]


@lru_cache(maxsize=KEPT)
def _marked(run: _Run) -> list[dict[str, Any]]:
    return [mark(sample.key, sample.response, sample.provenance, run.found) for sample in run.logged.samples]


def _questions(submission: dict[str, Any], benchmark: Benchmark) -> _Questions:
    names = ("target", "benchmark", "retain_documents", "world_documents", "real_known")
    return _Questions(benchmark, json.dumps([submission[name] for name in names], sort_keys=True), submission)


@lru_cache(maxsize=KEPT)
def _documents(questions: _Questions) -> tuple[list[Item], dict[str, Document]]:
    """All documents, without answers, and those that pages show by key."""
    wanted = asked(questions.submission, questions.benchmark)
    every = [
        Item(key, one["target"], one["slice"], one["image"], one["question"], one["answer"], "", [])
        for key, one in wanted.items()
    ]
    return every, {item.key: wanted[item.key] for item in chosen(every, PER_SLICE)}
