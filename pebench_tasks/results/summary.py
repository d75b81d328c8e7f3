"""What the documents of one result are: where they come from, how they were answered, how sure the figures are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pebench_tasks.benchmark.neighbours import alike_in
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.failures import count_signs
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scoring import FORGETTING, JOINT_SLICES, SLICES, average, learned, measured
from pebench_tasks.results.intervals import observations, statistics

OUTCOMES = ("recognised", "ambiguous", "denied", "another name", "refused", "empty", "other")
FLAGS = ("partial", "in_thoughts", "unfinished", "cut", "degenerate", "near", "unscored", "invalid")


def describe(
    documents: Sequence[DocumentRecord], benchmark: Benchmark, judge_settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All that follows from the documents' records, for the results file; the settings say which events are alike.

    ``summarise``, and beside it the intervals, neighbours and groups, why judgements failed, and whether the model ever
    knew the benchmark. Where scores are withheld there are no counts and no statistics.
    """
    target = documents[0].target
    summary = summarise(documents)
    judgements = [one.judgement for one in documents if one.judgement]
    withheld = sorted({one.withheld for one in documents if one.withheld})
    described = {
        **summary,
        "withheld": " ".join(withheld),
        "n": len(documents),
        "never_learned": None if withheld else _never_learned(documents, target),
        "judge_failures": dict(sorted(Counter(_kind(one.failure) for one in documents if one.failure).items())),
        "judge_sources": dict(sorted(Counter(j["source"] for j in judgements if "source" in j).items())),
        "statistics": {},
    }
    if withheld:
        return described | {"slices": {}}
    split = benchmark.split(target, documents[0].forget)
    described["statistics"] = statistics(
        observations(documents, benchmark), benchmark, split, target, alike=alike_in(judge_settings)
    )
    return described


def summarise(documents: Sequence[DocumentRecord]) -> dict[str, Any]:
    """What the scored documents are: where they come from, and per slice how many there are and what was answered.

    JSON-serialisable and independent of the documents' order. ``near`` counts documents whose nearest Goal answer gives
    away more than 0.6 of the truth: they stay in the means and say little; ``unscored`` those that have no score, since
    that answer is the truth itself. Echoed and unanswered responses are counted
    apart (see ``marking.failures``). ValueError if there are no documents, or if they differ in data, split, template,
    forget set, judge or Goals.
    """
    if not documents:
        raise ValueError("no documents: there is nothing to summarise")
    summary = {
        field: _only(field, (getattr(d, field) for d in documents)) for field in ("data", "split", "template", "forget")
    }
    judged = [d for d in documents if d.judge is not None]
    summary["judge"] = _only("judge", (d.judge for d in judged)) if judged else None
    goals = [d.goals for d in judged if measured(d.slice) in FORGETTING]
    summary["goals"] = list(_only("goals", goals)) if goals else []
    groups: defaultdict[str, list[DocumentRecord]] = defaultdict(list)
    for document in documents:
        groups[document.slice].append(document)
    order = (*SLICES[:-1], *JOINT_SLICES)  # World is last in both
    summary["slices"] = {name: _counts(groups[name]) for name in sorted(groups, key=order.index)}
    summary["mostly_empty"] = [name for name, counts in summary["slices"].items() if 2 * counts["empty"] > counts["n"]]
    return summary | count_signs(groups)


def _only(field: str, values: Iterable[Any]) -> Any:
    distinct = sorted(set(values))
    if len(distinct) > 1:
        raise ValueError(f"documents of different {field} are mixed: {distinct[0]!r} and {distinct[1]!r}")
    return distinct[0]


def _counts(documents: Sequence[DocumentRecord]) -> dict[str, int]:
    outcomes = {outcome: sum(d.outcome == outcome for d in documents) for outcome in OUTCOMES}
    flags = {flag: sum(getattr(d, flag) for d in documents) for flag in FLAGS}
    return {"n": len(documents), **outcomes, **flags, "failed": sum(d.failure != "" for d in documents)}


def _kind(reason: str) -> str:
    """A reason without what the judge said in that case: ``malformed``, ``out of range``."""
    return reason.partition(":")[0]


def _never_learned(documents: Sequence[DocumentRecord], target: str) -> bool | None:
    """Whether any Retain (the joint target has two) is under half; None where nothing retained has a figure."""
    retained: defaultdict[str, list[float | None]] = defaultdict(list)
    for document in documents:
        if measured(document.slice) == "retain" and not isinstance(document.value, dict):
            retained[document.slice].append(document.value)
    figures = {name: average(values) for name, values in retained.items()}
    known = [learned(figure, target, name) for name, figure in figures.items() if figure is not None]
    return not all(known) if known else None
