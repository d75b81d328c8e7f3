"""Results of any number of models as one table: a row a model, target and figure."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FIGURES
from pebench_tasks.results.files import TASKS, Result, read_result, read_results_file, reading, refuse_passed_over
from pebench_tasks.results.rescore import Rescored
from pebench_tasks.results.samples import read_logged

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
        "unit": pa.string(),  # percent (0-100) or share (0-1)
        "results_file": pa.string(),
    }
)


def table(results: Path | str | Sequence[Path | str | Result | Rescored]) -> pa.Table:
    """The six figures of each result with their intervals; ``.to_pandas()`` makes a DataFrame of it.

    ``results`` are what ``evaluate`` or ``rescore`` returned, or paths: what ``rescore`` takes, or folders of such
    folders. The columns are those of ``SCHEMA``; without results there are no rows. Names of figures are
    ``scoring.FIGURES``, and ``..._truth_only`` where no Goal answered. A figure that was withheld or not measured has
    no row. Raises ``BenchmarkError`` for paths without results.
    """
    found: list[Result] = []
    for one in [results] if isinstance(results, Path | str) else results:
        if isinstance(one, Path | str):
            found += find_results([one])
        else:
            found.append(one.result if isinstance(one, Rescored) else one)
    return pa.Table.from_pylist([row for result in found for row in _rows(result)], SCHEMA)


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
                    "unit": "percent" if read.percent else "share",
                    "results_file": str(result.results_file),
                }


def find_results(paths: Iterable[Path | str]) -> list[Result]:
    """The results behind ``paths``, in their order; of a folder of folders those of each, by name.

    A path is what ``samples.read_logged`` takes, or a folder of such folders; folders in it without results of ours are
    left out. Raises ``BenchmarkError`` where there are none.
    """
    found: list[Result] = []
    for path in map(Path, paths):
        folders = result_folders(path)
        if folders and folders != [path]:
            ours = [result for folder in folders for result in _of_folder(folder)]
            if not ours:
                refuse_passed_over(folders)
                raise BenchmarkError(
                    f"{path} holds no results of our tasks with samples, nor do the folders in it. Name folders that "
                    "lmms-eval wrote with --log_samples."
                )
            found += ours
        elif path.is_file() and "_samples_" not in path.name:
            found += read_results_file(path)
        else:
            found += _of_folder(path) or [one.result for one in read_logged(path)]
    return found


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
