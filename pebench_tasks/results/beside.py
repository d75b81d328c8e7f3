"""What results were made with, found again from wherever one stands.

Results name the benchmark, the Goals' responses and the checkpoint by the paths that the scoring was given, often
relative ones. What lies at such a path today counts only if it is what was used, by its fingerprint, so that looking in
several places cannot find another thing.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pebench_tasks.benchmark.reading import Benchmark, named_fingerprint, shared_benchmark
from pebench_tasks.results.files import Result, age
from pebench_tasks.results.goals import GoalRun, Goals, goal_runs, open_goals
from pebench_tasks.run_record import RUN_RECORD, read_record


def places(recorded: str | None, result: Result) -> list[Path]:
    """Where a path that a result recorded leads today, the likeliest first; empty where it leads nowhere.

    Seen from here; from the folder in which the scoring was started; its last parts from the folders above the
    results, with which they may have been moved or copied.
    """
    if not recorded:
        return []
    path = Path(recorded)
    parts = [part for part in path.parts if part not in ("..", path.anchor)]
    seen = [path, Path(result.provenance.started_in, path)]
    if not parts:  # "." is wherever the scoring was started, and nowhere else
        return [place for place in seen[1:] if result.provenance.started_in and os.path.exists(place)]
    above = result.results_file.absolute().parents
    seen += [folder.joinpath(*parts[first:]) for first in range(len(parts)) for folder in above]
    return [place for place in dict.fromkeys(seen) if os.path.exists(place)]  # Path.exists raises for what is locked


def benchmark_beside(result: Result) -> Benchmark | None:
    """The benchmark that a result recorded, if it still is one of that fingerprint."""
    wanted = result.provenance.data
    folders = places(result.provenance.benchmark.directory, result)
    return next((shared_benchmark(folder) for folder in folders if named_fingerprint(folder) == wanted), None)


def record_beside(result: Result) -> Mapping[str, Any] | None:
    """The run record of the weights that were scored: as the result holds it, else beside the checkpoint."""
    model = result.provenance.model
    if model.record is not None or model.weights is None:
        return model.record
    for folder in places(model.pretrained, result):
        if (folder / RUN_RECORD).is_file():
            record = read_record(folder)
            if record is not None and record.get("weights") == model.weights:
                return record
    return None


def neighbours(files: Iterable[Path]) -> list[Path]:
    """The results files in the folders of these ones and in the folders beside them, the oldest first."""
    homes = dict.fromkeys(home(file) for file in files)
    patterns = ("*/*_results.json", "*/judge-*/*_results.json")
    return sorted({file for folder in homes for pattern in patterns for file in folder.glob(pattern)}, key=age)


def home(results_file: Path) -> Path:
    """The folder that holds a folder for each model."""
    folder = results_file.absolute().parent
    return folder.parent.parent if folder.name.startswith("judge-") else folder.parent


def goals_beside(
    result: Result, weights: Collection[str], wanted: Mapping[str, Any], given: Sequence[Path]
) -> Goals | None:
    """The Goals of these weights, with their responses; None where one of them is nowhere.

    Looked for in the very files that a result recorded, in the folder of Goals that it was given, among and beside the
    ``given`` results files.
    """
    found: dict[str, GoalRun] = {}
    for files in _goal_files(result, given):
        missing = set(weights) - found.keys()
        if not missing:
            break
        runs = goal_runs(files, result.provenance.target, damaged=False)
        found |= {run.fingerprint: run for run in runs if run.fingerprint in missing and run.matches(wanted)}
    if set(weights) - found.keys():
        return None
    order = [*result.provenance.goal_weights, *sorted(weights)]
    return open_goals([found[one] for one in dict.fromkeys(order) if one in weights], wanted)


def _goal_files(result: Result, given: Sequence[Path]) -> Iterator[list[Path]]:
    goal = result.provenance.goal
    if goal is not None:
        yield [file for run in goal.runs for file in places(run.results, result) if file.is_file()]
        for folder in places(goal.directory, result):
            yield sorted(folder.rglob("*_results.json"), key=age)
    yield neighbours([result.results_file, *given])
