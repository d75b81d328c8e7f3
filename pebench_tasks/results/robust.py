"""The results of the robust tasks, read back: what every attack by questions shows that a model knows."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.attack_record import AttackRecord
from pebench_tasks.results.files import samples_file, unreadable

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
    try:
        file = json.loads(results_file.read_text(encoding="utf-8"))
        ours = [task for task in ROBUST_TASKS.values() if "provenance,none" in file["results"].get(task, {})]
        return [_read(file, results_file, task) for task in ours]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(results_file, error) from None


def _read(file: dict[str, Any], results_file: Path, task: str) -> RobustResult:
    values = file["results"][task]
    said = values["provenance,none"]
    measured = {} if said["withheld"] else said["slices"]
    known = {name: values[f"{name},none"] for name in measured if isinstance(values.get(f"{name},none"), int | float)}
    checkpoint = said["model"].get("pretrained") or results_file.parent.name
    version = str(file["versions"][task])
    return RobustResult(checkpoint, task, version, known, said, results_file, samples_file(results_file, task))


def robust_samples(path: Path) -> list[AttackSample]:
    """The documents of a samples file of a robust task; ``BenchmarkError`` names the file and line of what is wrong."""
    samples = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                said = json.loads(line)
                record = AttackRecord.from_json(said["provenance"])
                response = said["filtered_resps"]
                response = response[0] if isinstance(response, list) else response
                if not isinstance(response, str | None):
                    raise TypeError(f"the response is {response!r}, not a text")
                samples.append(AttackSample(response or "", record))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise BenchmarkError(f"{path}, line {number} is no sample of a robust task ({error!r}).") from None
    return samples
