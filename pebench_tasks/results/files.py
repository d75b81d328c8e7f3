"""The results files that lmms-eval writes, read back: one task's figures for one model."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FORGETTING, PERCENT, measured
from pebench_tasks.results.record import FigureRow, ResultRecord
from pebench_tasks.versions import task_version

TASKS = {"person": "pebench_people", "event": "pebench_events", "joint": "pebench_joint"}
TARGETS = {task: target for target, task in TASKS.items()}
DEFAULT_TARGETS = ("person", "event")
PREDICTED = "was run with --predict_only, which marks nothing. Score it without."


class OtherVersion(BenchmarkError):
    """Results of another task version than this package's."""


class Result(NamedTuple):
    """One task's figures for one checkpoint, as the harness wrote them."""

    checkpoint: str
    task: str
    version: str  # of the task; results of different versions are not comparable
    metrics: dict[str, float]  # figures over documents; units as in the paper
    provenance: ResultRecord
    results_file: Path
    samples_file: Path


class Reading(NamedTuple):
    """One figure of a result as it stands in its file."""

    value: float | None  # percent or 0-1, as in the paper; None where it was withheld or not measured
    low: float | None  # 95 % interval, in the figure's unit
    high: float | None
    n: int  # documents
    percent: bool
    note: str  # what to know about the interval
    partial: int | None  # answers that give a forgotten name away in part; None where no name is forgotten


def reading(result: Result, name: str) -> Reading:
    """The figure of this name: one of ``scoring.FIGURES``, with ``TRUTH_ONLY`` behind it where no Goal answered."""
    provenance = result.provenance
    slice_name = name.removesuffix(TRUTH_ONLY)
    counts = provenance.slices.get(slice_name, {"n": 0})
    row = provenance.statistics.slices.get(name, FigureRow(n=counts["n"]))
    value = result.metrics.get(name)
    low, high = (row.low, row.high) if value is not None else (None, None)
    percent = slice_name in PERCENT[provenance.target]
    partial = counts.get("partial", 0) if percent and measured(slice_name) in FORGETTING else None
    return Reading(value, low, high, row.n, percent, "" if row.note == "none" else row.note, partial)


def read_result(folder: Path, task: str) -> Result | None:
    """The newest result of ``task`` in the folder of one checkpoint that can be used, or None if there is none."""
    for results_file, values in _of_task(folder, task):
        if not _unusable(results_file, task, values):
            return next(result for result in read_results_file(results_file) if result.task == task)
    return None


def passed_over(folder: Path, tasks: Iterable[str] = TARGETS) -> list[tuple[Path, str]]:
    """The files in this folder that are newer than what is used of one of these tasks and cannot be, and why.

    An older result is used in their place, or none. Of a damaged file nothing tells the task.
    """
    damaged = [(file, why) for file in _newest_first(folder) if (why := _damage(file))]
    newest = [(task, *found) for task in tasks if (found := next(_of_task(folder, task), None)) is not None]
    unusable = [(file, why) for task, file, values in newest if (why := _unusable(file, task, values))]
    return unusable + damaged


def say_passed_over(folder: Path, tasks: Iterable[str] = TARGETS) -> None:
    """Say on standard error which results of a folder are passed over, and why."""
    say_left_out(passed_over(folder, tasks))


def say_left_out(files: Iterable[tuple[Path, str]]) -> None:
    """Say on standard error which results files are not used, and why."""
    for results_file, why in files:
        print(f"left out: {results_file}: {why}", file=sys.stderr)


def refuse_passed_over(folders: Iterable[Path]) -> None:
    """Raise ``BenchmarkError`` where the newest results of one of these folders cannot be used, and say why."""
    for folder in folders:
        for results_file, why in passed_over(folder):
            raise BenchmarkError(f"{results_file}: {why}")


def _of_task(folder: Path, task: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The results files with this task, the newest first, and what they say of it."""
    for results_file in _newest_first(folder):
        try:
            file = json.loads(results_file.read_text(encoding="utf-8"))
        except ValueError:  # the process was killed while it wrote
            continue
        if isinstance(file, dict) and task in file.get("results", {}):
            yield results_file, {**file["results"][task], "version": str(file.get("versions", {}).get(task))}


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_results.json"), key=age, reverse=True)


def _damage(results_file: Path) -> str:
    """Why a file is no JSON; empty where it is, and where the file is: a scoring reserves its name so."""
    text = results_file.read_bytes()
    try:
        json.loads(text or "{}")
    except ValueError as error:
        return f"it {_cannot_be_read(error)}"
    return ""


def _unusable(results_file: Path, task: str, values: Mapping[str, Any]) -> str:
    """Why a result cannot be read back; empty where it can."""
    if predicted_only(values):
        return f"{task} {PREDICTED}"
    if values["version"] != task_version():
        return f"{task} {other_version(values['version'])}"
    if not samples_file(results_file, task).is_file():
        return f"{task} was scored without --log_samples, so there are no responses to read. Score it with them."
    return ""


def predicted_only(values: Mapping[str, Any]) -> bool:
    """Whether lmms-eval was told to mark nothing."""
    return "bypass,none" in values


def age(results_file: Path) -> tuple[int, str]:
    """Sorts results files from old to new, by when they were written: the dates in their names are of several zones."""
    return results_file.stat().st_mtime_ns, results_file.name


def samples_file(results_file: Path, task: str) -> Path:
    """The samples that lmms-eval logs beside a results file."""
    return results_file.with_name(results_file.name.replace("_results.json", f"_samples_{task}.jsonl"))


def read_results_file(results_file: Path) -> list[Result]:
    """The results of our tasks in a file of lmms-eval's.

    Raises ``BenchmarkError`` without any, for a damaged file, and for results of another task version.
    """
    results = our_results(results_file)
    if not results:
        raise BenchmarkError(f"{results_file} holds no results of our tasks ({', '.join(TASKS.values())}).")
    return results


def our_results(
    results_file: Path, wanted: Callable[[str, Mapping[str, Any]], bool] = lambda task, values: True
) -> list[Result]:
    """The results of our tasks in a file, none if it holds other tasks alone; those ``wanted`` by task and values.

    ``BenchmarkError`` for a damaged file, and for a wanted result that lacks what ours hold; ``OtherVersion``.
    """
    try:
        file = json.loads(results_file.read_text(encoding="utf-8"))
        ours = {task: values for task, values in file["results"].items() if task in TARGETS}
        found = [_read(file, results_file, task) for task, values in ours.items() if wanted(task, values)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(results_file, error) from None
    for result in found:
        if result.version != task_version():
            raise OtherVersion(f"{results_file} {other_version(result.version)}")
    return found


def named_model(checkpoint: str, load_in: str | None) -> str:
    """What a checkpoint is called where its weights may have been rounded: it is another model then."""
    return f"{checkpoint}-{load_in}" if load_in else checkpoint


def other_version(version: str) -> str:
    """What results of another task version are, and what to do with them."""
    what = f"is of the task version {version}, this package marks by {task_version()}:"
    if newer_than_ours(version):
        return f"{what} use the PEBench that wrote it, or a newer one."
    return f"{what} turn its responses into results of {task_version()} with  pebench rescore RESULTS --convert DIR"


def newer_than_ours(version: str) -> bool:
    """Whether a task version is later than this package's."""
    return _numbers(version) > _numbers(task_version())


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def unreadable(results_file: Path, error: Exception) -> BenchmarkError:
    """The error of a results file that is damaged, or lacks what ours hold."""
    return BenchmarkError(f"{results_file} {_cannot_be_read(error)}")


def _cannot_be_read(error: Exception) -> str:
    return f"cannot be read as lmms-eval results ({error!r}). Remove or repair it."


def _read(file: dict[str, Any], results_file: Path, task: str) -> Result:
    values = file["results"][task]
    if predicted_only(values):
        raise BenchmarkError(f"{results_file}: {task} {PREDICTED}")
    metrics = {}
    for name, value in values.items():
        metric, _, _ = name.partition(",")
        if isinstance(value, int | float) and metric != "samples" and "_stderr" not in metric:
            metrics[metric] = float(value)
    said = values["provenance,none"]
    for name in ("data", "split", "template", "forget", "target", "judge", "slices", "withheld", "model"):
        said[name]  # what every reader of a result relies on
    provenance = ResultRecord.from_json(said)
    if provenance.withheld:  # of several processes some may have returned scores
        metrics = {}
    model = provenance.model
    checkpoint = named_model(model.pretrained, model.load_in) if model.pretrained else results_file.parent.name
    version = str(file["versions"][task])
    return Result(checkpoint, task, version, metrics, provenance, results_file, samples_file(results_file, task))
