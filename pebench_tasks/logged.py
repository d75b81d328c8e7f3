"""What lmms-eval logged of a run: its results file, its samples, and whether two results may stand in one table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results import TASKS, Result, read_result, read_results_file

OURS = "is not a sample of ours"


class Sample(NamedTuple):
    """One logged document."""

    key: str  # "p017/e03/scene": the same in every result, unlike lmms-eval's doc_id
    response: str
    metrics: dict[str, Any]  # floats; World: {"split", "truth", "answer"}; None for a failed judgement
    provenance: dict[str, Any]


class Logged(NamedTuple):
    """One task's result for one model, with all of its documents in the order in which they were logged."""

    result: Result
    samples: list[Sample]


def read_logged(path: Path | str) -> list[Logged]:
    """The results behind ``path``: a results file, a samples file, or a folder (the newest result of each task).

    A samples file without its results file is read as well: its ``Result`` then holds no figures, only what the
    samples say of themselves. Raises ``BenchmarkError`` for anything that is not ours, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        results = [result for task in TASKS.values() if (result := read_result(path, task)) is not None]
        if not results:
            raise BenchmarkError(
                f"{path} holds no results of our tasks with samples. Name a folder that lmms-eval wrote with "
                "--log_samples, one of its *_results.json or a *_samples_*.jsonl."
            )
    elif not path.is_file():
        raise BenchmarkError(f"There is no file or folder {path} with results.")
    elif "_samples_" in path.name:
        return [_of_samples(path)]
    else:
        results = read_results_file(path)
    return [Logged(result, read_samples(result.samples_file)) for result in results]


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
                return Logged(result, samples)
    first = samples[0].provenance
    known = {name: first[name] for name in ("target", "data", "split", "template", "forget")}
    result = Result(path.parent.name, task, "", {}, {"task": task, **known, "withheld": ""}, results_file, path)
    return Logged(result, samples)


def read_samples(path: Path) -> list[Sample]:
    """The documents of a samples file, in its order; ``BenchmarkError`` names the file and line of what is wrong."""
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: the logged responses. Score with --log_samples.")
    samples: list[Sample] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                sample = _sample(json.loads(line, parse_constant=_not_json))
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
                raise BenchmarkError(f"{path}, line {number}, {OURS} ({error!r}).") from None
            if sample.key in seen:
                raise BenchmarkError(f"{path}, line {number}: the document {sample.key} occurs twice.")
            seen.add(sample.key)
            samples.append(sample)
    if not samples:
        raise BenchmarkError(f"{path} holds no samples. Score again.")
    return samples


def _sample(row: dict[str, Any]) -> Sample:
    provenance, response = row["provenance"], row["filtered_resps"]
    response = response[0] if isinstance(response, list) else response
    if not isinstance(response, str):
        raise TypeError(f"the response is {response!r}, not a text")
    key = provenance["key"]
    fields = {"doc_id", "target", "resps", "filtered_resps", "token_counts", "doc_hash", "input", "provenance"}
    fields |= {"arguments", "doc", "input_media", "reasoning_tags", "prompt_hash", "target_hash"}
    metrics = {name: value for name, value in row.items() if name not in fields}
    return Sample(str(key), response, metrics, provenance)


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def refuse_mixed(results: Sequence[Result]) -> None:
    """Raise ``BenchmarkError``, naming what differs, unless all results answer the same questions, marked alike."""
    for other in results[1:]:
        first, second = _identity(results[0]), _identity(other)
        differing = [name for name in first if first[name] != second[name]]
        if differing:
            what = "; ".join(f"{name}: {_short(first[name])} and {_short(second[name])}" for name in differing)
            raise BenchmarkError(
                f"{results[0].results_file} and {other.results_file} do not belong in one table. They differ in {what}."
            )


def _identity(result: Result) -> dict[str, Any]:
    """All that two results must share before their figures may be compared."""
    provenance = result.provenance
    versions = provenance.get("versions", {})
    goal = provenance.get("goal") or {"runs": []}
    return {
        "task": result.task,
        "task version": result.version,
        "benchmark": provenance["data"],
        "forget set": f"{provenance['forget']} (split {provenance['split']})",
        "templates": provenance["template"],
        "judge": provenance.get("judge"),
        "Goal models": sorted(run["weights"] for run in goal["runs"]),
        "retained documents": provenance.get("retain_documents"),
        "World documents": provenance.get("world_documents"),
        "Real documents": provenance.get("real_documents"),
        "documents in all": {name: counts["n"] for name, counts in provenance.get("slices", {}).items()},
        "prompts": provenance.get("prompts"),
        "generation settings": provenance.get("generation"),
        "PEBench version": versions.get("pebench"),
        "lmms-eval version": versions.get("lmms-eval"),
    }


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 200 else text[:197] + "..."
