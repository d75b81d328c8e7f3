"""``pebench rescore``: every figure computed again from logged responses, without a model.

Truths and slices come from the benchmark whose fingerprint the samples carry, Goal answers from the Goal's own logged
responses, judgements and similarities of meaning from what was said when the texts were read; of texts that were
changed since, the embedding that ``PEBENCH_JUDGE`` names says it anew. Nothing that a sample claims as its score is
used.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.choosing import choose_benchmark
from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.reading import Benchmark, shared_benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.embedding import Meaning, shared_embedding
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DocumentRecord, value_of
from pebench_tasks.marking.scenes import Judge, Judgement
from pebench_tasks.marking.scoring import Score, average, score
from pebench_tasks.marking.similarity import LEXICAL, Recorded, Similarity, means_meaning, similarities
from pebench_tasks.marking.yes_no import world_accuracy, world_f1, world_invalid_rate, world_yes_ratio
from pebench_tasks.results.beside import benchmark_beside, goals_beside
from pebench_tasks.results.files import TARGETS, Result
from pebench_tasks.results.goals import Goals, comparable, goal_answers, load_goals, with_flaws
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.samples import Logged, Sample, read_logged
from pebench_tasks.results.summary import describe

# How a metric's values become its figure: as the task's YAML has it, tested against it.
AGGREGATIONS = {
    "world": world_f1,
    "world_accuracy": world_accuracy,
    "world_invalid_rate": world_invalid_rate,
    "world_yes_ratio": world_yes_ratio,
}


class Context(NamedTuple):
    """What the responses of one result are marked with: its benchmark, documents by key, Goal answers, a model."""

    benchmark: Benchmark
    names: NameIndex
    documents: dict[str, Document]
    goals: Goals | None
    meaning: Meaning | None = None  # compares texts that were changed since they were marked

    def document(self, key: str) -> Document:
        """The document of a key; ``BenchmarkError`` where the benchmark asks no such thing."""
        if key not in self.documents:
            raise BenchmarkError(f"The benchmark in {self.benchmark.directory} has no document {key} for this result.")
        return self.documents[key]


class RecordedJudge(NamedTuple):
    """The judge of a logged document: it says what it said."""

    fingerprint: str
    record: dict[str, Any] | None  # None where it was not asked, for want of a Goal

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        """The recorded judgement."""
        return self.retain(question, truth, response)

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        """The recorded judgement; ``BenchmarkError`` without one."""
        if self.record is None:
            raise BenchmarkError("A sample names a judge but holds no judgement: the file is damaged.")
        return Judgement(value_of(self.record), self.record)


class Rescored(NamedTuple):
    """One result, computed anew, and where what the harness wrote differs: nowhere, if all is well."""

    result: Result
    scores: list[Score]  # of each document, in the order of the samples
    differing: list[str]


def rescore_all(
    paths: Path | str | Sequence[Path | str], *, data: Path | str | None = None, goal: Path | str | None = None
) -> list[Rescored]:
    """Every figure again of the results behind ``paths``, from their responses alone; in their order.

    A path is what ``samples.read_logged`` takes: a folder, a results file or a samples file. ``data`` and ``goal`` name
    the benchmark's folder and that of the Goals' results; else the recorded ones are used, else the chosen ones. Raises
    ``BenchmarkError`` for what cannot be read or marked.
    """
    several = [paths] if isinstance(paths, Path | str) else paths
    logged = [one for path in several for one in read_logged(path)]
    given = [one.result.results_file for one in logged]
    return [rescore(one, context(one, data, goal, given)) for one in logged]


def context(
    logged: Logged, data: Path | str | None = None, goal: Path | str | None = None, given: Sequence[Path] = ()
) -> Context:
    """Find what a result is marked with: the benchmark of its fingerprint and the Goals it was scored with.

    ``data`` and ``goal`` name their folders; else those that the result recorded are tried (see ``beside``; ``given``:
    results files among and beside which Goals may be), then the environment's. Raises ``BenchmarkError`` where none
    fits.
    """
    first = logged.samples[0].provenance
    benchmark = benchmark_of(logged, data)
    target = TARGETS[logged.result.task]
    every = documents(benchmark, target, first.forget, retain_all=True, world_all=True)
    if every[0]["split"] != first.split:
        raise BenchmarkError(
            f"{logged.result.samples_file} is of the split {first.split}; {benchmark.directory} has another "
            f"{first.forget} ({every[0]['split']})."
        )
    goals = _goals(logged, target, goal, given)
    by_key = {document["key"]: document for document in every}
    return Context(benchmark, NameIndex(benchmark.names), by_key, goals, _meaning(logged, benchmark))


def _meaning(logged: Logged, benchmark: Benchmark) -> Meaning | None:
    """The model that ``PEBENCH_JUDGE`` names, where it is the one that the result was marked with."""
    wanted = logged.result.provenance.judge
    if not means_meaning(wanted):
        return None
    embedding = shared_embedding()
    if embedding is None:
        return None
    if embedding.fingerprint != wanted:
        raise BenchmarkError(
            f"{logged.result.samples_file} was marked by {wanted}; PEBENCH_JUDGE names {embedding.fingerprint}. Name "
            "the same model, or none."
        )
    return embedding.about([row["description"] for row in benchmark.events])


def benchmark_of(logged: Logged, data: Path | str | None = None) -> Benchmark:
    """The benchmark of a result: ``data``, else the folder that it recorded if that is still it, else the chosen one.

    Raises ``BenchmarkError`` for a folder of another benchmark.
    """
    result, fingerprint = logged.result, logged.result.provenance.data
    if data is None and (found := benchmark_beside(result)) is not None:
        return found
    benchmark = shared_benchmark(Path(data) if data is not None else choose_benchmark(build=False)[0])
    if benchmark.fingerprint != fingerprint:
        raise BenchmarkError(
            f"{result.samples_file} is of the benchmark {fingerprint}, but {benchmark.directory} is "
            f"{benchmark.fingerprint}. Name the right one:  --data DIR"
        )
    return benchmark


def _goals(logged: Logged, target: str, goal: Path | str | None, given: Sequence[Path]) -> Goals | None:
    """The Goals that the samples name, with their responses; None where they name none."""
    named = {weights for sample in logged.samples for weights in sample.provenance.goals}
    if not named:
        return None
    wanted = comparable({"generation": None, "prompts": None, **logged.result.provenance.json}, None)
    if goal is None and (found := goals_beside(logged.result, named, wanted, given)) is not None:
        return found
    folder = goal or os.environ.get("PEBENCH_GOAL")
    if folder is None:
        raise BenchmarkError(
            f"{logged.result.samples_file} was scored with the Goal models {', '.join(sorted(named))}; their responses "
            "are needed again, and are neither where the result says, nor among or beside the results. Name the folder "
            "that has them:  --goal DIR"
        )
    return load_goals(Path(folder), wanted, target, named)


def rescore(logged: Logged, found: Context) -> Rescored:
    """Mark every logged response again and add the figures up as the harness does.

    ``differing`` names each figure of the results file that is not equal to the last digit.
    """
    scores = [mark(sample, found) for sample in logged.samples]
    figures = add_up(scores)
    logged_with = logged.result.provenance.json
    described = describe([one.provenance for one in scores], found.benchmark, logged_with.get("judge_settings"))
    if goal := with_flaws(logged_with.get("goal"), found.goals):
        described["goal"] = goal
    provenance = ResultRecord.from_json({"other_split": "", **logged_with, **described})
    if provenance.withheld:
        figures = {}
    old = logged.result.metrics
    differing = [
        f"{name}: {old.get(name)!r} in the results file, {figures.get(name)!r} now"
        for name in sorted(old.keys() | figures.keys())
        if old and old.get(name) != figures.get(name)
    ]
    return Rescored(logged.result._replace(metrics=figures, provenance=provenance), scores, differing)


def mark(sample: Sample, found: Context, judge: Judge | None = None, similarity: Similarity | None = None) -> Score:
    """One logged response marked as in a run of the harness.

    Without ``judge`` and ``similarity`` what the recorded ones said counts again. ``BenchmarkError`` where the sample
    is of another slice, benchmark or split than the document.
    """
    document, logged = found.document(sample.key), sample.provenance
    for name in ("slice", "data", "split"):
        if document[name] != (said := getattr(logged, name)):
            raise BenchmarkError(f"{sample.key} is of the {name} {document[name]}, but was logged as {said}.")
    document = {**document, "template": logged.template}
    if judge is None and similarity is None and not logged.withheld:
        judge, similarity = _recorded(logged, found)
    answers = goal_answers(found.goals, document)
    marked = score(document, sample.response, found.names, answers, judge, similarity or WORDS, cut=logged.cut)
    if logged.withheld:
        return Score({}, replace(marked.provenance, judge=logged.judge, withheld=logged.withheld))
    return marked


def _recorded(logged: DocumentRecord, found: Context) -> tuple[Judge | None, Similarity | None]:
    """What marked a logged document, saying what it said."""
    if logged.judge is None or logged.judge == LEXICAL:
        return None, None
    if not means_meaning(logged.judge):
        return RecordedJudge(logged.judge, logged.judgement), None
    return None, Recorded(logged.judge, similarities(logged.judgement) or {}, found.meaning)


def add_up(scores: Iterable[Score]) -> dict[str, float]:
    """The figures of documents' metrics; one whose judge failed too often is left out."""
    values: dict[str, list[Any]] = {}
    for one in scores:
        for name, value in one.values.items():
            values.setdefault(name, []).append(value)
    figures = {name: AGGREGATIONS.get(name, average)(found) for name, found in values.items()}
    return {name: float(figure) for name, figure in figures.items() if figure is not None}
