"""The runs of many submissions marked again: as ``marking.mark_all``, but what submissions share is done once.

Most submissions of a board have the same Finetuned and Goal models, and all of one target answer the same questions.
"""

import gzip
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.documents import Document
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.loader import MAX_SAMPLES, SampleLine
from pebench_tasks.leaderboard.marking import Submission, asked, by_run, check_complete, logged_run, marking_context
from pebench_tasks.leaderboard.safe_json import read_bytes
from pebench_tasks.logged import Logged
from pebench_tasks.rescore import Context, Rescored, add_up, mark
from pebench_tasks.summary import describe

KEPT = 16  # marked bounds, and sets of questions, that stay in memory for the submissions to come


@dataclass(frozen=True)
class Questions:
    """What was asked; equal where the documents are."""

    benchmark: Benchmark
    facts: str  # everything in a submission that chooses documents
    submission: Submission = field(compare=False)


class Marks(NamedTuple):
    """All that follows from the samples of one run."""

    figures: dict[str, float]
    described: dict[str, Any]
    metrics: list[dict[str, Any]]  # of each document, its provenance included, in the order of the task


@dataclass(frozen=True)
class _Run:
    """A run to mark; equal to another where all that its marks follow from is equal."""

    questions: Questions
    samples: str  # hash of its own and the Goals'
    logged: Logged = field(compare=False)
    found: Context = field(compare=False)


def recompute(
    submission: Submission, lines: Iterable[SampleLine], benchmark: Benchmark, file: Path
) -> tuple[Context, dict[str, Rescored]]:
    """Every run of a submission computed from its samples alone, by name: what ``mark_all`` returns.

    ``file``: NAME.json, for the results' sake. Raises ``BenchmarkError`` where a run lacks a document, or has one too
    many, and where a judgement is missing or was never asked for.
    """
    questions = _questions(submission, benchmark)
    wanted = _asked(questions)
    samples = by_run(lines, submission)
    check_complete(samples, wanted)
    found = marking_context(submission, samples, benchmark, wanted)
    goals = found.goals and [[run.fingerprint for run in found.goals.runs], found.goals.responses]
    beside = json.dumps([submission["judge"], goals])
    rescored = {}
    for name, answers in samples.items():
        logged = logged_run(submission, name, answers, wanted, file)
        own = json.dumps([[key, answer.response, answer.judgement] for key, answer in answers.items()])
        digest = hashlib.sha256(f"{beside}\n{own}".encode()).hexdigest()
        run = _Run(questions, digest, logged, found)
        marks = _mark(run) if name == "model" else _shared(run)
        _check_judgements(name, answers, marks)
        result = logged.result
        result = result._replace(metrics=marks.figures, provenance={**result.provenance, **marks.described})
        rescored[name] = Rescored(result, marks.metrics, [])
    return found, rescored


class Again(NamedTuple):
    """Some documents of a submission, marked again: by run, metrics in the order of the task and responses by key."""

    found: Context
    metrics: dict[str, list[dict[str, Any]]]
    responses: dict[str, dict[str, str]]


def mark_again(submission: Submission, benchmark: Benchmark, file: Path, keys: Collection[str] | None = None) -> Again:
    """The documents (``keys``: only these) of a submission that passed the check, without its figures.

    Its samples were read with care then; they are believed now if they are the same bytes, else ``BenchmarkError``.
    """
    everything = _asked(_questions(submission, benchmark))
    wanted = {key: row for key, row in everything.items() if keys is None or key in keys}
    lines = (line for line in _believed(submission, file) if line.key in wanted)
    samples = by_run(lines, submission)
    found = marking_context(submission, samples, benchmark, wanted)._replace(documents=dict(everything))
    metrics = {}
    for name, answers in samples.items():
        logged = logged_run(submission, name, answers, wanted, file)
        metrics[name] = [mark(sample.key, sample.response, sample.provenance, found) for sample in logged.samples]
    responses = {name: {key: line.response for key, line in answers.items()} for name, answers in samples.items()}
    return Again(found, metrics, responses)


def _believed(submission: Submission, file: Path) -> Iterator[SampleLine]:
    path = file.with_name(submission["samples"]["file"])
    content = read_bytes(path, MAX_SAMPLES)
    if hashlib.sha256(content).hexdigest() != submission["samples"]["sha256"]:
        raise BenchmarkError(f"{path} was changed after it was checked. Check again.")
    for line in gzip.decompress(content).splitlines():
        row = json.loads(line)
        yield SampleLine(row["run"], row["key"], row["response"], row.get("judgement"))


def _check_judgements(name: str, answers: Mapping[str, SampleLine], marks: Marks) -> None:
    """No judgement where the marking asks for none: it would look like a mark and count for nothing."""
    for metrics in marks.metrics:
        provenance = metrics["provenance"]
        if provenance["judgement"] is None and answers[provenance["key"]].judgement is not None:
            raise BenchmarkError(f"{name} has a judgement of {provenance['key']}, which no judge marks.")


@lru_cache(maxsize=KEPT)
def _shared(run: _Run) -> Marks:
    """The marks of a bound, which other submissions may have as well."""
    return _mark(run)


def _mark(run: _Run) -> Marks:
    metrics = [mark(sample.key, sample.response, sample.provenance, run.found) for sample in run.logged.samples]
    return Marks(add_up(metrics), describe([one["provenance"] for one in metrics], run.found.benchmark), metrics)


def _questions(submission: Submission, benchmark: Benchmark) -> Questions:
    names = ("target", "benchmark", "retain_documents", "world_documents", "real_known")
    return Questions(benchmark, json.dumps([submission[name] for name in names], sort_keys=True), submission)


@lru_cache(maxsize=KEPT)
def _asked(questions: Questions) -> Mapping[str, Document]:
    return asked(questions.submission, questions.benchmark)
