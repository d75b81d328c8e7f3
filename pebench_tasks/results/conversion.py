"""``pebench rescore --convert``: results of an earlier task version turned into results of this one.

The responses are what was logged, and are marked as a run of this version marks them. What a results file says of
asking (settings, prompts, model, versions) stays as it was, and ``converted_from`` is added.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.results.beside import home
from pebench_tasks.results.files import (
    PREDICTED,
    TASKS,
    OtherVersion,
    Result,
    newer_than_ours,
    other_version,
    predicted_only,
    read_results_file,
    samples_file,
    unreadable,
)
from pebench_tasks.results.goals import GoalRun, goal_runs
from pebench_tasks.results.rescore import Context, NoGoals, context, rescore
from pebench_tasks.results.rewriting import put_figures, remarked
from pebench_tasks.results.samples import UNREADABLE, Logged, read_logged, unlike_ours
from pebench_tasks.versions import task_version

GOALS_TOO = "Goals that an earlier task version scored belong among RESULTS."


class Copied(NamedTuple):
    """A results file of ours, its copy in the form of this version, and where that will lie."""

    file: Path
    copy: Path
    new: Path


def convert(
    paths: Sequence[Path], out: Path, *, data: Path | str | None = None, goal: Path | str | None = None
) -> list[Result]:
    """Results of an earlier task version as results of this one, in a new folder ``out``.

    ``paths`` are results or samples files, or folders in which results lie at any depth; in ``out`` they lie beside
    and below one another as before. Goals that scenes were marked with are among them, or results of this version
    where ``rescore.context`` finds them. Nothing is written unless all can be marked: ``BenchmarkError`` says what
    cannot, and why.
    """
    if os.path.lexists(out):
        raise BenchmarkError(f"{out} is there already. Name a new folder:  --convert DIR")
    places = _ours(paths)
    above = next(folder for folder in out.absolute().parents if os.path.lexists(folder))
    with tempfile.TemporaryDirectory(dir=above, prefix=f".{out.name}.partial-") as temporary:
        folder = Path(temporary, "results")
        copied = [Copied(file, folder / place, out / place) for file, place in places.items()]
        try:
            _convert(copied, data, goal)
        except BenchmarkError as error:
            raise BenchmarkError(_of_the_original(str(error), copied)) from None
        out.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(out)
    return [result for one in copied for result in read_results_file(one.new)]


def _of_the_original(message: str, copied: Sequence[Copied]) -> str:
    """What is wrong with a copy is wrong with what was copied."""
    for one in sorted(copied, key=lambda one: -len(str(one.copy))):
        message = message.replace(str(one.copy.parent), str(one.file.parent))
    return message


# What is given


def _ours(paths: Sequence[Path]) -> dict[Path, Path]:
    """Every results file of ours behind the paths, and its place in the new folder: where it lies below them all."""
    roots: list[str] = []
    found: dict[str, Path] = {}
    for path in paths:
        files = list(_results_files(path))
        for file in files:
            if not set(TASKS.values()) & set(_content(file)["results"]):
                if path.is_file():
                    raise BenchmarkError(f"{file} holds no results of our tasks ({', '.join(TASKS.values())}).")
                print(f"left out: {file}: it holds no results of our tasks", file=sys.stderr)
                continue
            found[os.path.abspath(file)] = file
        direct = not path.is_dir() or any(file.parent == path for file in files)
        roots.append(os.path.abspath(home(files[0]) if direct and files else path))
    if not found:
        raise BenchmarkError(f"There are no results of our tasks in {', '.join(map(str, paths))}.")
    common = os.path.commonpath(roots)
    return {file: Path(os.path.relpath(place, common)) for place, file in found.items()}


def _results_files(path: Path) -> Iterator[Path]:
    """The results files that a path names; of a folder those at any depth, hidden folders left out."""
    if path.is_dir():
        files = sorted(path.rglob("*_results.json"), key=lambda file: (len(file.parts), file))
        yield from (file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts))
        return
    date, among, _ = path.name.partition("_samples_")
    file = path.with_name(f"{date}_results.json") if among else path
    if not path.is_file():
        raise BenchmarkError(f"There is no file or folder {path} with results.")
    if not file.is_file():
        raise BenchmarkError(f"{file} is missing: it says how {path.name} was scored. Without it nothing is converted.")
    yield file


def _content(file: Path) -> dict[str, Any]:
    try:
        content = dict(json.loads(file.read_text(encoding="utf-8")))
        for part in ("results", "versions"):
            content[part] = dict(content[part])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(file, error) from None
    return content


# The form of this version


def _convert(copied: Sequence[Copied], data: Path | str | None, goal: Path | str | None) -> None:
    """Make the copies, each as if it had been scored with this version."""
    for one in copied:
        _copy(one)
    found = {one: [_mark(one, its, data, goal, copied) for its in read_logged(one.copy)] for one in copied}
    for one, used in found.items():  # once all are marked: what is wrong with a Goal is told from its own marks
        content = _content(one.copy)
        for task, runs in used:
            provenance = content["results"][task]["provenance,none"]
            if runs and provenance.get("goal"):
                provenance["goal"] = _goal(provenance["goal"], _read_again(runs, provenance["target"]), copied)
        _write(one.copy, content)
        os.utime(one.copy, ns=(one.file.stat().st_atime_ns, one.file.stat().st_mtime_ns))  # the newest stays it


def _copy(one: Copied) -> None:
    """Copy a results file with its samples, in the form of this version, with the marks that they had."""
    content = _content(one.file)
    one.copy.parent.mkdir(parents=True, exist_ok=True)
    for task in [task for task in TASKS.values() if task in content["results"]]:
        try:
            values, version = content["results"][task], str(content["versions"][task])
            said = None if predicted_only(values) else dict(values["provenance,none"])
            most = None if said is None else (said.get("generation") or {}).get("max_new_tokens")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(one.file, error) from None
        if newer_than_ours(version):
            raise OtherVersion(f"{one.file} {other_version(version)}")
        if said is None:
            raise BenchmarkError(f"{one.file}: {task} {PREDICTED}")
        old, new = samples_file(one.file, task), samples_file(one.copy, task)
        if not old.is_file():
            raise BenchmarkError(
                f"{one.file}: {task} was scored without --log_samples, so there are no responses to mark again. Score "
                "it with them, or leave that file out."
            )
        if version == task_version():
            shutil.copyfile(old, new)
            continue
        new.write_text("".join(_lines(old, most)), encoding="utf-8")
        content["versions"][task] = float(task_version())
        if metadata := (content.get("configs", {}).get(task) or {}).get("metadata"):
            metadata["version"] = float(task_version())
        content["results"][task]["provenance,none"] = {**said, "converted_from": version}
    _write(one.copy, content)


def _lines(file: Path, most: int | None) -> Iterator[str]:
    """The lines of a samples file in the form of this version; ``most`` tokens were allowed."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = _row(json.loads(line), most)
            except UNREADABLE as error:
                raise unlike_ours(file, number, error) from None
            yield json.dumps(row, ensure_ascii=False) + "\n"


def _row(row: dict[str, Any], most: int | None) -> dict[str, Any]:
    """A logged document with its whole response, thoughts included, and whether that was cut."""
    if "bypass" in row:
        raise ValueError(PREDICTED)
    response = row.get("resps", row["filtered_resps"])
    while isinstance(response, list):
        response = response[0] if response else ""
    counts = row.get("token_counts") or [None]
    tokens = (counts[0] or {}).get("output_tokens") if isinstance(counts, list) else None
    cut = most is not None and tokens is not None and tokens >= most
    said = row["provenance"]
    if "value" not in said:  # the first version had it only among the metrics
        name = said["slice"]
        said = {**said, "value": row.get(name, row.get(f"{name}_truth_only"))}
    return {**row, "filtered_resps": [response], "provenance": {**said, "cut": cut}}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    write_whole(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


# Its marks


def _mark(
    one: Copied, logged: Logged, data: Path | str | None, goal: Path | str | None, copied: Sequence[Copied]
) -> tuple[str, Sequence[GoalRun]]:
    """Mark a task's result in its copy anew; the task, and the Goals that it was marked with."""
    found = _context(one, logged, data, goal, copied)
    now = rescore(logged, found)
    content = _content(one.copy)
    put_figures(content, logged.result.task, now.scores, now.result.provenance.json)
    write_whole(logged.result.samples_file, remarked(logged.result.samples_file, logged.samples, now.scores))
    _write(one.copy, content)
    return logged.result.task, found.goals.runs if found.goals else ()


def _context(
    one: Copied, logged: Logged, data: Path | str | None, goal: Path | str | None, copied: Sequence[Copied]
) -> Context:
    """What a result is marked with, as seen from where it lay."""
    samples = samples_file(one.file, logged.result.task)
    before = logged._replace(result=logged.result._replace(results_file=one.file, samples_file=samples))
    try:
        return context(before, data, goal, [other.copy for other in copied])
    except (NoGoals, OtherVersion) as error:
        raise BenchmarkError(f"{error} {GOALS_TOO}") from None


def _read_again(runs: Sequence[GoalRun], target: str) -> dict[str, GoalRun]:
    return {run.fingerprint: run for run in goal_runs([run.results_file for run in runs], target)}


def _goal(said: Mapping[str, Any], runs: Mapping[str, GoalRun], copied: Sequence[Copied]) -> dict[str, Any]:
    """What a results file says of its Goals: where they lie now, and what is wrong with them."""
    new = {one.copy: one.new for one in copied}
    used = [runs[run["weights"]] for run in said["runs"]]
    files = [new.get(run.results_file, run.results_file.absolute()) for run in used]
    records = [{**run.record(), "results": str(file)} for run, file in zip(used, files, strict=True)]
    return {**said, "directory": str(files[0].parent.parent), "runs": records}
