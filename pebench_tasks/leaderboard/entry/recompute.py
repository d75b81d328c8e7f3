"""The runs of submissions marked again; what submissions share is done once.

Most submissions of a board have the same Finetuned and Goal models, and all of one target answer the same questions.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.documents import Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.context import (
    Submission,
    asked,
    by_run,
    check_complete,
    logged_run,
    marking_context,
)
from pebench_tasks.leaderboard.entry.loader import SampleLine
from pebench_tasks.marking.scoring import Score
from pebench_tasks.marking.similarity import similarities
from pebench_tasks.results.rescore import Context, Rescored, add_up, mark
from pebench_tasks.results.samples import Logged
from pebench_tasks.results.summary import describe

KEPT = 16  # marked bounds, and sets of questions, that stay in memory for the submissions to come


@dataclass(frozen=True)
class Questions:
    """What was asked; equal where the documents are."""

    benchmark: Benchmark
    facts: str  # everything in a submission that chooses documents
    submission: Submission = field(compare=False)

    @classmethod
    def of(cls, submission: Submission, benchmark: Benchmark) -> "Questions":
        """The questions of a submission."""
        names = ("target", "benchmark", "retain_documents", "world_documents", "real_known")
        return cls(benchmark, json.dumps([submission[name] for name in names], sort_keys=True), submission)


class Marks(NamedTuple):
    """All that follows from the samples of one run."""

    figures: dict[str, float]
    described: dict[str, Any]
    scores: list[Score]  # of each document, in the order of the task


@dataclass(frozen=True)
class _Run:
    """A run to mark; equal to another where all that its marks follow from is equal."""

    questions: Questions
    samples: str  # hash of its own and the Goals'
    logged: Logged = field(compare=False)
    found: Context = field(compare=False)


class Answers(NamedTuple):
    """What one run answered, as hashes: of what was asked, of the responses, of what the judge said of them."""

    asked: str  # target, benchmark, split, and every document
    responses: str
    judgements: str


class Recomputed(NamedTuple):
    """All that follows from a submission's samples, by run, in the order of a table."""

    rescored: dict[str, Rescored]
    answers: dict[str, Answers]


def recompute(submission: Submission, lines: Iterable[SampleLine], benchmark: Benchmark, file: Path) -> Recomputed:
    """Every run of a submission computed from its samples alone: for the one who submits, and for the one who checks.

    What its runs claim, and ``samples``, are not looked at. ``file``: NAME.json, for the results' sake. Raises
    ``BenchmarkError`` where a run lacks a document, or has one too many, and where a judgement is missing or was never
    asked for.
    """
    questions = Questions.of(submission, benchmark)
    wanted = asked_once(questions)
    samples = by_run(lines, submission)
    check_complete(samples, wanted)
    found = marking_context(submission, samples, benchmark, wanted)
    goals = found.goals and [[run.fingerprint for run in found.goals.runs], found.goals.responses]
    beside = json.dumps([submission["judge"], submission["judge_settings"], goals])
    whole = Recomputed({}, {})
    for name, answers in samples.items():
        logged = logged_run(submission, name, answers, wanted, file)
        own = json.dumps([[key, answer.response, answer.judgement, answer.cut] for key, answer in answers.items()])
        run = _Run(questions, _hash(f"{beside}\n{own}"), logged, found)
        marks = _latest(run) if name == "model" else _shared(run)
        _check_judgements(name, answers, marks)
        result = logged.result
        result = result._replace(metrics=marks.figures, provenance=result.provenance.changed(**marks.described))
        whole.rescored[name] = Rescored(result, marks.scores, [])
        whole.answers[name] = hashed(submission, answers)
    return whole


def hashed(submission: Submission, answers: Mapping[str, SampleLine]) -> Answers:
    """The hashes of one run's answers, whatever the order of ``answers``."""
    facts = submission["benchmark"]
    keys = sorted(answers)
    return Answers(
        _hash(json.dumps([submission["target"], facts["fingerprint"], facts["split"], keys])),
        _hash(json.dumps([answers[key].response for key in keys])),
        _hash(json.dumps([answers[key].judgement for key in keys], sort_keys=True)),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_judgements(name: str, answers: Mapping[str, SampleLine], marks: Marks) -> None:
    """No judgement or similarity that the marking does not ask for: it would look like a mark and count for nothing."""
    for score in marks.scores:
        key, judgement = score.provenance.key, score.provenance.judgement
        if judgement is None and answers[key].judgement is not None:
            raise BenchmarkError(f"{name} has a judgement of {key}, which no judge marks.")
        if similarities(judgement) is not None and judgement != answers[key].judgement:
            raise BenchmarkError(f"{name} has similarities of texts that do not belong to {key}.")


@lru_cache(maxsize=KEPT)
def _shared(run: _Run) -> Marks:
    """The marks of a bound, which other submissions may have as well."""
    return _mark(run)


def _mark(run: _Run) -> Marks:
    scores = [mark(sample, run.found) for sample in run.logged.samples]
    records, settings = [score.provenance for score in scores], run.logged.result.provenance.judge_settings
    return Marks(add_up(scores), describe(records, run.found.benchmark, settings), scores)


@lru_cache(maxsize=1)
def _latest(run: _Run) -> Marks:
    """The marks of an unlearned model, which is its submission's own: what is submitted is checked at once."""
    return _mark(run)


@lru_cache(maxsize=KEPT)
def asked_once(questions: Questions) -> Mapping[str, Document]:
    """What ``entry.context.asked`` gives, of the last questions without drawing them up again; not to be changed."""
    return asked(questions.submission, questions.benchmark)
