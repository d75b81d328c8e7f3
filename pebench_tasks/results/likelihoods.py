"""The results of the likelihood tasks, read back, and set against those of Goal."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.likelihood_record import FORGOTTEN, MATCHED, SLICES, LikelihoodRecord
from pebench_tasks.results.distributions import Values, auc, bootstrap, js, ks, priv_leak
from pebench_tasks.results.intervals import FEW, PLURAL
from pebench_tasks.results.limits import limits
from pebench_tasks.results.tallies import bearing, figure_of, tally
from pebench_tasks.results.task_files import TaskFile, read_lines, read_tasks

LIKELIHOOD_TASKS = {"person": "pebench_people_likelihood", "event": "pebench_events_likelihood"}  # by concept
SHARES = ("probability", "truth_ratio", "choice")  # figures of 0-1, which have intervals
SCORES: dict[str, Callable[[LikelihoodRecord], float]] = {  # by which members are told: the higher, the likelier one
    "loss": lambda record: record.mean,
    "min_k": lambda record: record.min_k,
}
NO_MATCHED = "the benchmark has no people whom no model was trained on (pebench data build --matched)"
OF_PEOPLE = "only people are drawn for it"


class Found(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int  # documents
    clusters: int
    unit: str  # what counts as one draw
    note: str


class LikelihoodResult(NamedTuple):
    """One likelihood task's figures for one checkpoint, as the harness wrote them."""

    checkpoint: str
    task: str
    version: str
    metrics: dict[str, float]
    provenance: dict[str, Any]  # see ``evaluation.likelihood_run.LikelihoodRun.conclude``
    results_file: Path
    samples_file: Path


def likelihood_tasks(target: str) -> list[str]:
    """The likelihood tasks of a target: a model that forgot both concepts is asked about both."""
    return list(LIKELIHOOD_TASKS.values()) if target == "joint" else [LIKELIHOOD_TASKS[target]]


def likelihood_results(results_file: Path) -> list[LikelihoodResult]:
    """The results of the likelihood tasks in a file, none where it holds none; ``BenchmarkError`` for a damaged one."""
    return read_tasks(results_file, LIKELIHOOD_TASKS.values(), _read)


def _read(of: TaskFile) -> LikelihoodResult:
    metrics = {
        name.removesuffix(",none"): float(value)
        for name, value in of.values.items()
        if name.endswith(",none") and isinstance(value, int | float)
    }
    return LikelihoodResult(
        of.checkpoint, of.task, of.version, metrics, of.provenance, of.results_file, of.samples_file
    )


def likelihood_samples(path: Path) -> list[LikelihoodRecord]:
    """The documents of a samples file; ``BenchmarkError`` names the file and line of what is wrong."""
    return read_lines(path, lambda said: LikelihoodRecord.from_json(said["provenance"]), "likelihood")


# One model


def by_slice(records: Iterable[LikelihoodRecord]) -> dict[str, list[LikelihoodRecord]]:
    """The documents that have a likelihood, by slice."""
    found: defaultdict[str, list[LikelihoodRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.key):
        if not record.outcome:
            found[record.slice].append(record)
    return {name: found[name] for name in SLICES if name in found}


def figures(records: Sequence[LikelihoodRecord]) -> dict[str, dict[str, Any]]:
    """The mean of every figure over the documents of one slice; with limits where it is a share."""
    each = [record.figures() for record in records]
    found: dict[str, dict[str, Any]] = {}
    for name in each[0]:
        values = [row[name] for row in each]
        found[name] = {"value": fmean(values)}
        if name in SHARES:
            rows, documents = tally(values, _draws(records).by), tally(values, [record.key for record in records])
            bounds = limits(fmean(values), rows, documents, figure_of, ends=(0.0, 1.0), bearing=bearing(rows))
            found[name] |= {"low": float(bounds.low), "high": float(bounds.high)}
    return found


def membership(records: Iterable[LikelihoodRecord]) -> dict[str, Found]:
    """How well loss and Min-K tell the images of what is forgotten from those of matched people; empty without any."""
    slices = {name: [(record,) for record in rows] for name, rows in by_slice(records).items()}
    strata = _members(slices)
    return {name: _compared(strata, score, auc) for name, score in SCORES.items()} if all(strata) else {}


# A model and Goal


def distances(model: Iterable[LikelihoodRecord], goal: Iterable[LikelihoodRecord]) -> dict[str, dict[str, Found]]:
    """How far the true answers' mean log-probabilities are from Goal's, and the truth ratios, by slice.

    ``ks`` and ``js`` (see ``distributions``) over the documents that both have; ``ks_ratio`` is the statistic whose
    p-value is TOFU's forget quality. Raises ``BenchmarkError`` for results of other questions.
    """
    found = {}
    for name, rows in _paired(model, goal).items():
        found[name] = {"ks": _compared([rows], _mean, ks), "js": _compared([rows], _mean, js)}
        if rows[0][0].ratio is not None:
            found[name]["ks_ratio"] = _compared([rows], _ratio, ks)
    return found


def leaks(model: Iterable[LikelihoodRecord], goal: Iterable[LikelihoodRecord]) -> dict[str, Found]:
    """PrivLeak by loss and Min-K; none without matched people, or where Goal's AUC is 0.

    Raises ``BenchmarkError`` for results of other questions.
    """
    strata = _members(_paired(model, goal))
    found = {}
    for name, score in SCORES.items():
        if all(strata) and auc(*([score(goal) for _, goal in rows] for rows in strata)):
            found[name] = _compared(strata, score, _leak)
    return found


def _leak(model_in: Values, goal_in: Values, model_out: Values, goal_out: Values) -> float:
    of_goal = auc(goal_in, goal_out)
    return priv_leak(auc(model_in, model_out), of_goal) if of_goal else math.inf


def _mean(record: LikelihoodRecord) -> float:
    return record.mean


def _ratio(record: LikelihoodRecord) -> float:
    assert record.ratio is not None
    return record.ratio


Row = tuple[LikelihoodRecord, ...]  # one document: of the model, or of the model and of Goal


def _members(slices: Mapping[str, list[Any]]) -> tuple[list[Any], list[Any]]:
    """What Finetuned was trained on, and what nobody was."""
    return [row for name in FORGOTTEN for row in slices.get(name, [])], slices.get(MATCHED, [])


def _paired(
    model: Iterable[LikelihoodRecord], goal: Iterable[LikelihoodRecord]
) -> dict[str, list[tuple[LikelihoodRecord, LikelihoodRecord]]]:
    """The documents that both have, by slice."""
    slices, of_goal = by_slice(model), by_slice(goal)
    records = [record for found in (slices, of_goal) for rows in found.values() for record in rows]
    if len({(record.data, record.split, record.template, record.target) for record in records}) > 1:
        raise BenchmarkError(
            "Likelihoods of a model and of Goal must be of the same answers; these differ in benchmark, forget set, "
            "target or wording."
        )
    known = {record.key: record for rows in of_goal.values() for record in rows}
    paired = {name: [(row, known[row.key]) for row in rows if row.key in known] for name, rows in slices.items()}
    return {name: rows for name, rows in paired.items() if rows}


def _compared(
    strata: Sequence[Sequence[Row]], value: Callable[[LikelihoodRecord], float], statistic: Callable[..., float]
) -> Found:
    """``statistic`` of the values of all strata, in each those of the model, and of Goal where it is there."""
    draws = [_draws([row[0] for row in rows]) for rows in strata]
    clusters = []
    for rows, (by, *_) in zip(strata, draws, strict=True):
        stratum: defaultdict[str, list[list[float]]] = defaultdict(lambda: [[], []])
        for cluster, row in zip(by, rows, strict=True):
            for sample, record in zip(stratum[cluster], row, strict=False):
                sample.append(value(record))
        clusters.append({name: samples[: len(rows[0])] for name, samples in stratum.items()})
    samples = [[value(row[place]) for row in rows] for rows in strata for place in range(len(rows[0]))]
    low, high = bootstrap(clusters, statistic)
    members = draws[0]
    n = sum(map(len, strata))
    return Found(statistic(*samples), low, high, n, members.clusters, members.unit, members.note)


class _Draws(NamedTuple):
    """What counts as one draw."""

    by: list[str]  # every document's cluster
    clusters: int
    unit: str
    note: str


def _draws(records: Sequence[LikelihoodRecord]) -> _Draws:
    """People or events; documents where there are few of those."""
    unit = records[0].concept
    clusters = len({record.cluster for record in records})
    if clusters >= FEW:
        return _Draws([record.cluster for record in records], clusters, unit, "")
    these = f"this {unit}" if clusters == 1 else f"these {clusters} {PLURAL[unit]}"
    note = f"over documents, conditional on {these}"
    return _Draws([record.key for record in records], clusters, "document", note)
