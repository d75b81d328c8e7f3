"""The results of the robust tasks, read back: what every attack by questions shows that a model knows."""

from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.marking.attack_record import AttackRecord
from pebench_tasks.results.task_files import TaskFile, read_lines, read_tasks

ROBUST_TASKS = {"person": "pebench_people_robust", "event": "pebench_events_robust"}  # by the concept asked about


def robust_tasks(target: str) -> list[str]:
    """The robust tasks of a target: a model that forgot both concepts is asked about both."""
    return list(ROBUST_TASKS.values()) if target == "joint" else [ROBUST_TASKS[target]]


class RobustResult(NamedTuple):
    """One robust task's figures for one checkpoint, as the harness wrote them."""

    checkpoint: str
    task: str
    version: str
    known: dict[str, float]  # by slice, ``<attack>_<side>``, 0-1
    provenance: dict[str, Any]  # see ``evaluation.robust_run.RobustRun.conclude``
    results_file: Path
    samples_file: Path


class AttackSample(NamedTuple):
    """One logged response and what it shows."""

    response: str
    record: AttackRecord


def robust_results(results_file: Path) -> list[RobustResult]:
    """The results of the robust tasks in a file, none where it holds none; ``BenchmarkError`` for a damaged file."""
    return read_tasks(results_file, ROBUST_TASKS.values(), _read)


def _read(of: TaskFile) -> RobustResult:
    measured = {} if of.provenance["withheld"] else of.provenance["slices"]
    values = {name: of.values.get(f"{name},none") for name in measured}
    known = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return RobustResult(of.checkpoint, of.task, of.version, known, of.provenance, of.results_file, of.samples_file)


def robust_samples(path: Path) -> list[AttackSample]:
    """The documents of a samples file of a robust task; ``BenchmarkError`` names the file and line of what is wrong."""
    return read_lines(path, _sample, "robust")


def _sample(said: Any) -> AttackSample:
    record = AttackRecord.from_json(said["provenance"])
    response = said["filtered_resps"]
    response = response[0] if isinstance(response, list) else response
    if not isinstance(response, str | None):
        raise TypeError(f"the response is {response!r}, not a text")
    return AttackSample(response or "", record)
