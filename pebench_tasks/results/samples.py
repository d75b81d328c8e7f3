"""What lmms-eval logged of a run: its results file, its samples, and whether two results may stand in one table."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.results.files import (
    PREDICTED,
    TASKS,
    Result,
    read_result,
    read_results_file,
    refuse_passed_over,
    say_passed_over,
)
from pebench_tasks.results.record import ResultRecord

# What reading a line raises that is none of ours.
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError)
OLD = "is of a task version before 2.0: turn it into results of this one with  pebench rescore RESULTS --convert DIR"
UNSAID_WITHOUT_SCORES = ("judge", "documents in all")  # what a result does not say where its scores are withheld


class Sample(NamedTuple):
    """One logged document."""

    key: str  # "p017/e03/scene": the same in every result, unlike lmms-eval's doc_id
    response: str
    metrics: dict[str, Any]  # floats; World: {"split", "truth", "answer"}; None for a failed judgement
    provenance: DocumentRecord


class Logged(NamedTuple):
    """One task's result for one model, with all of its documents in the order in which they were logged."""

    result: Result
    samples: list[Sample]


def read_logged(path: Path | str) -> list[Logged]:
    """The results behind ``path``: a results file, a samples file, or a folder (the newest result of each task).

    What is passed over in a folder is said on standard error. A samples file without its results file is read as well:
    its ``Result`` then holds no figures, only what the samples say of themselves. Raises ``BenchmarkError``
    for anything that is not ours, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        results = [result for task in TASKS.values() if (result := read_result(path, task)) is not None]
        if not results:
            refuse_passed_over([path])
            files = (file for depth in range(1, 4) for file in path.glob("*/" * depth + "*_results.json"))
            below = sorted({str(file.parent.relative_to(path)) for file in files})
            there = f" Below it there are {', '.join(below[:9])}: name one of those." if below else ""
            raise BenchmarkError(
                f"{path} holds no results of our tasks with samples. Name a folder that lmms-eval wrote with "
                f"--log_samples, one of its *_results.json or a *_samples_*.jsonl.{there}"
            )
        say_passed_over(path)
    elif not path.is_file():
        raise BenchmarkError(f"There is no file or folder {path} with results.")
    elif "_samples_" in path.name:
        return [_of_samples(path)]
    else:
        results = read_results_file(path)
    return [_checked(result, read_samples(result.samples_file)) for result in results]


def _checked(result: Result, samples: list[Sample]) -> Logged:
    """A result with its samples; ``BenchmarkError`` where they say different things of where they come from."""
    names = ("data", "split", "template", "forget", *(() if result.provenance.withheld else ("judge",)))
    for name in names:
        said = {getattr(sample.provenance, name) for sample in samples} - ({None} if name == "judge" else set())
        if said - {getattr(result.provenance, name)}:
            raise BenchmarkError(
                f"{result.samples_file} and {result.results_file} do not belong together: their {name} differ "
                f"({_short(sorted(map(str, said)))} and {getattr(result.provenance, name)})."
            )
    return Logged(result, samples)


def _of_samples(path: Path) -> Logged:
    date, _, rest = path.name.partition("_samples_")
    task = rest.removesuffix(".jsonl")
    if task not in TASKS.values():
        raise BenchmarkError(f"{path} holds samples of the task {task}; ours are {', '.join(TASKS.values())}.")
    samples = read_samples(path)
    results_file = path.with_name(f"{date}_results.json")
    if results_file.is_file():
        for result in read_results_file(results_file):
            if result.task == task:
                return _checked(result, samples)
    first = samples[0].provenance
    known = {name: getattr(first, name) for name in ("target", "data", "split", "template", "forget")}
    known["judge"] = next((s.provenance.judge for s in samples if s.provenance.judge is not None), None)
    provenance = ResultRecord.from_json({"task": task, **known, "withheld": ""})
    result = Result(path.parent.name, task, "", {}, provenance, results_file, path)
    return _checked(result, samples)


def read_samples(path: Path) -> list[Sample]:
    """The documents of a samples file, in its order; ``BenchmarkError`` names the file and line of what is wrong."""
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: the logged responses. Score with --log_samples.")
    samples: list[Sample] = []
    seen: set[str] = set()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                sample = _sample(json.loads(line, parse_constant=_not_json))
            except BenchmarkError as error:
                raise BenchmarkError(f"{path} {error}") from None
            except UNREADABLE as error:
                raise unlike_ours(path, number, error) from None
            if sample.key in seen:
                raise BenchmarkError(f"{path}, line {number}: the document {sample.key} occurs twice.")
            seen.add(sample.key)
            samples.append(sample)
    if not samples:
        raise BenchmarkError(f"{path} holds no samples. Score again.")
    return samples


def unlike_ours(path: Path, number: int, error: Exception) -> BenchmarkError:
    """The error of a line that is no sample of ours, or damaged."""
    return BenchmarkError(f"{path}, line {number}, is not a sample of ours ({error!r}).")


def _sample(row: dict[str, Any]) -> Sample:
    if "bypass" in row:
        raise ValueError(PREDICTED)
    said, response = row["provenance"], row["filtered_resps"]
    response = response[0] if isinstance(response, list) else response
    if response is None:  # an API model without content; the harness marks it as an empty response
        response = ""
    if not isinstance(response, str):
        raise TypeError(f"the response is {response!r}, not a text")
    if "cut" not in said:
        raise BenchmarkError(OLD)
    fields = {"doc_id", "target", "resps", "filtered_resps", "token_counts", "doc_hash", "input", "provenance"}
    fields |= {"arguments", "doc", "input_media", "reasoning_tags", "prompt_hash", "target_hash"}
    metrics = {name: _mark(value) for name, value in row.items() if name not in fields}
    provenance = DocumentRecord.from_json(said)
    return Sample(provenance.key, response, metrics, provenance)


def _mark(value: Any) -> Any:
    """A metric's mark alone: that the response is unfinished stands in the provenance, too."""
    if not isinstance(value, dict) or "unfinished" not in value:
        return value
    return value["value"] if "value" in value else {name: value[name] for name in value if name != "unfinished"}


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def refuse_mixed(results: Sequence[Result]) -> None:
    """Raise ``BenchmarkError``, naming what differs, unless all results answer the same questions, marked alike.

    Samples without their results file say too little of themselves to stand in a table with others.
    """
    if len(results) > 1:
        for result in results:
            if not result.results_file.is_file():
                raise BenchmarkError(
                    f"{result.results_file} is missing: it says how {result.samples_file.name} was scored. Without it "
                    "these responses stand in no table with others."
                )
    # A result whose scores are withheld says too little of itself to be what the others are held against.
    ordered = sorted(results, key=lambda result: bool(result.provenance.withheld))
    for other in ordered[1:]:
        if differing := differences(ordered[0], other):
            what = "; ".join(f"{name}: {_short(one)} and {_short(two)}" for name, (one, two) in differing.items())
            raise BenchmarkError(
                f"{ordered[0].results_file} and {other.results_file} do not belong in one table. They differ in {what}."
            )


def differences(first: Result, second: Result) -> dict[str, tuple[Any, Any]]:
    """In what two results differ beside the model, as far as both say it; empty where they may stand in one table."""
    said, other = _identity(first), _identity(second)
    unsaid = UNSAID_WITHOUT_SCORES if first.provenance.withheld or second.provenance.withheld else ()
    return {name: (said[name], other[name]) for name in said if said[name] != other[name] and name not in unsaid}


def in_tables(results: Iterable[Result]) -> list[list[Result]]:
    """The results in as few tables as their questions and marks allow, each in the first that it belongs in."""
    tables: list[list[Result]] = []
    for result in results:
        fitting = (table for table in tables if _belongs(result, table))
        if (table := next(fitting, None)) is None:
            tables.append(table := [])
        table.append(result)
    return tables


def _belongs(result: Result, table: Sequence[Result]) -> bool:
    try:
        refuse_mixed([one for one in [*table, result] if one.task == result.task])
    except BenchmarkError:
        return False
    return True


def _identity(result: Result) -> dict[str, Any]:
    """All that two results must share before their figures may be compared."""
    provenance = result.provenance
    return {
        "task": result.task,
        "task version": result.version,
        "benchmark": provenance.data,
        "forget set": f"{provenance.forget} (split {provenance.split})",
        "templates": provenance.template,
        "judge": provenance.judge,
        "Goal models": sorted(provenance.goal_weights),
        "retained documents": provenance.retain_documents,
        "World documents": provenance.world_documents,
        "Real documents": provenance.real_documents,
        "documents in all": {name: counts["n"] for name, counts in provenance.slices.items()},
        "prompts": provenance.prompts,
        "generation settings": provenance.generation,
        "PEBench version": provenance.versions.get("pebench"),
        "lmms-eval version": provenance.versions.get("lmms-eval"),
    }


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 200 else text[:197] + "..."
