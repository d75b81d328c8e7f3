"""Results of any number of models as one table: a row a model, target and figure."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FIGURES
from pebench_tasks.results.beside import home
from pebench_tasks.results.files import (
    TASKS,
    Result,
    age,
    passed_over,
    read_result,
    read_results_file,
    reading,
    refuse_passed_over,
    say_left_out,
)
from pebench_tasks.results.rescore import Rescored
from pebench_tasks.results.samples import differences, read_logged

SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "method": pa.string(),  # as the checkpoint's run record says; empty without one
        "target": pa.string(),
        "forget": pa.string(),
        "figure": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),  # the 95 % interval; empty where there is none
        "high": pa.float64(),
        "n": pa.int64(),  # documents
        "partial": pa.int64(),  # answers that give a forgotten name away in part; empty where no name is forgotten
        "unit": pa.string(),  # percent (0-100) or share (0-1)
        "results_file": pa.string(),
    }
)

# In what two results of the same model may differ when it was scored again; else they are of different questions.
OF_A_RUN = {"Goal models", "PEBench version", "lmms-eval version"}
# In what they may not: a method whose steps were all rounded away left the weights of another model.
OF_A_MODEL = ("weights", "dtype", "backend", "method", "target", "split")


class Found(NamedTuple):
    """The results behind some paths, and the files that are passed over, each with the reason."""

    results: list[Result]
    passed_over: list[tuple[Path, str]]


def table(results: Path | str | Sequence[Path | str | Result | Rescored]) -> pa.Table:
    """The six figures of each result with their intervals; ``.to_pandas()`` makes a DataFrame of it.

    ``results`` are what ``evaluate`` or ``rescore`` returned, or paths: what ``rescore`` takes, or folders of such
    folders; see ``find_results``. The columns are those of ``SCHEMA``; without results there are no rows. Names of
    figures are ``scoring.FIGURES``, and ``..._truth_only`` where no Goal answered. A figure that was withheld or not
    measured has no row. Raises ``BenchmarkError`` for paths without results.
    """
    found = find_results([results] if isinstance(results, Path | str) else results)
    say_left_out(found.passed_over)
    return pa.Table.from_pylist([row for result in found.results for row in _rows(result)], SCHEMA)


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    provenance = result.provenance
    for slice_name in FIGURES[provenance.target]:
        for name in (slice_name, slice_name + TRUTH_ONLY):
            if name in result.metrics:
                read = reading(result, name)
                yield {
                    "model": result.checkpoint,
                    "method": provenance.model.method or "",
                    "target": provenance.target,
                    "forget": provenance.forget,
                    "figure": name,
                    "value": read.value,
                    "low": read.low,
                    "high": read.high,
                    "n": read.n,
                    "partial": read.partial,
                    "unit": "percent" if read.percent else "share",
                    "results_file": str(result.results_file),
                }


def find_results(given: Iterable[Path | str | Result | Rescored]) -> Found:
    """The results behind ``given``, in their order; of a folder of folders those of each, by name.

    A path is what ``samples.read_logged`` takes, or a folder of such folders; folders in it without results of ours are
    left out. Of several results of one model and the same questions in folders the newest counts; files that are named
    count in any case. Raises ``BenchmarkError`` for paths without results.
    """
    found: list[Result] = []
    named: set[Path] = set()
    unusable: list[tuple[Path, str]] = []
    for one in given:
        if isinstance(one, Path | str):
            folders = result_folders(Path(one))
            behind = _behind(Path(one), folders)
            unusable += [passed for folder in folders for passed in passed_over(folder)]
        else:
            folders, behind = [], [one.result if isinstance(one, Rescored) else one]
        found += behind
        named |= {result.samples_file.resolve() for result in behind if not folders}
    in_folders = {result.samples_file.resolve(): result for result in found}
    repeated = _repeated(result for file, result in in_folders.items() if file not in named)
    replaced = {result.samples_file.resolve(): (result, other) for result, other in repeated}
    older = [(result.results_file, _replaced_by(result, other)) for result, other in replaced.values()]
    return Found([result for result in found if result.samples_file.resolve() not in replaced], unusable + older)


def _behind(path: Path, folders: Sequence[Path]) -> list[Result]:
    """The results that a path stands for: a file, a folder of results, or a folder of such ``folders``."""
    if folders and folders != [path]:
        ours = [result for folder in folders for result in _of_folder(folder)]
        if not ours:
            refuse_passed_over(folders)
            raise BenchmarkError(
                f"{path} holds no results of our tasks with samples, nor do the folders in it. Name folders that "
                "lmms-eval wrote with --log_samples."
            )
        return ours
    if path.is_file() and "_samples_" not in path.name:
        return read_results_file(path)
    return _of_folder(path) or [one.result for one in read_logged(path)]


def _repeated(results: Iterable[Result]) -> Iterator[tuple[Result, Result]]:
    """The results that another one of the same model and questions replaces, each with that one.

    ``pebench score`` and lmms-eval name a checkpoint's folder differently, so a model that both have scored has two.
    The newest counts, of those that have scores, and of these of those whose forgotten scenes had a Goal to be compared
    with, if there are any.
    """
    counting: list[Result] = []
    for result in sorted(results, key=_worth, reverse=True):
        if other := next((one for one in counting if _repeats(result, one)), None):
            yield result, other
        else:
            counting.append(result)


def _worth(result: Result) -> tuple[bool, bool, tuple[int, str]]:
    lacks_goal = any(name.endswith(TRUTH_ONLY) for name in result.metrics)
    return not result.provenance.withheld, not lacks_goal, age(result.results_file)


def _replaced_by(result: Result, other: Result) -> str:
    (scored, goal, written), (other_scored, other_goal, other_written) = _worth(result), _worth(other)
    if other_scored > scored:
        what = "has its scores"
    elif other_goal > goal:
        what = "was scored with Goal responses"
    else:
        what = "is newer" if other_written > written else "is as new"
    return f"{result.task} of the same model in {other.results_file.parent.name}/{other.results_file.name} {what}"


def _repeats(result: Result, other: Result) -> bool:
    """Whether two results are of the same weights, made and loaded alike, and of the same questions."""
    first, second = result.provenance.model, other.provenance.model
    if any(getattr(first, name) != getattr(second, name) for name in OF_A_MODEL):
        return False
    if differences(result, other).keys() - OF_A_RUN:
        return False
    if first.weights is not None:
        return True
    # Nothing but its name tells what a model without a run record is, and only within one scoring's folder.
    return first.pretrained == second.pretrained is not None and home(result.results_file) == home(other.results_file)


def result_folders(path: Path) -> list[Path]:
    """The folders whose results a path stands for: itself, or of a folder of folders those; none for a file."""
    if not path.is_dir():
        return []
    below = sorted({file.parent for file in path.glob("*/*_results.json")})
    return below if below and not any(path.glob("*_results.json")) else [path]


def _of_folder(folder: Path) -> list[Result]:
    if not folder.is_dir():
        return []
    return [result for task in TASKS.values() if (result := read_result(folder, task)) is not None]
