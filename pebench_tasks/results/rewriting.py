"""Results written again, in the form of the harness's own files: by another judge, or from an earlier task version."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.marking.scoring import Score
from pebench_tasks.results.files import TARGETS, samples_file
from pebench_tasks.results.rescore import Rescored, add_up, context, rescore, rescore_all
from pebench_tasks.results.samples import Sample, read_logged
from pebench_tasks.versions import task_version


def put_figures(content: dict[str, Any], task: str, scores: Sequence[Score], provenance: Mapping[str, Any]) -> None:
    """Put the figures of these scores into the content of a results file, and what they rest on.

    The harness's standard errors of changed figures are not known any more.
    """
    figures = add_up(scores)
    values = dict(content["results"][task])
    marked = {"provenance", *(name for score in scores for name in score.metrics)}
    # What no document has a score for any more (Goals that say the truth itself, another judge) has no figure.
    values = {name: value for name, value in values.items() if "," not in name or _metric(name) in marked}
    for metric in {name for score in scores for name in score.metrics}:
        if values.get(f"{metric},none") != figures.get(metric):
            values |= {name: "N/A" for name in values if name.startswith(f"{metric}_stderr")}
            values[f"{metric},none"] = figures.get(metric)
    content["results"][task] = {**values, "provenance,none": provenance}


def _metric(name: str) -> str:
    """Of ``efficacy,none`` and ``efficacy_stderr_clt,none``: efficacy."""
    return name.partition(",")[0].partition("_stderr")[0]


def remarked(file: Path, samples: Sequence[Sample], scores: Sequence[Score]) -> str:
    """The lines of a samples file with other marks."""
    lines = []
    with file.open(encoding="utf-8") as old:
        for line, sample, score in zip(old, samples, scores, strict=True):
            row = json.loads(line)
            row = {name: value for name, value in row.items() if name not in sample.metrics} | score.logged()
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def convert(
    paths: Sequence[Path], out: Path, *, data: Path | str | None = None, goal: Path | str | None = None
) -> list[Rescored]:
    """Results of an earlier task version as results of this one, in a new folder ``out``.

    ``paths`` are results files, or folders in which they lie at any depth; the Goals that events were marked with must
    be among them, or below ``goal`` as results of this version. Nothing is written unless all of them can be marked.
    """
    homes = list(_homes(paths))
    if not homes:
        raise BenchmarkError(f"There are no results of our tasks in {', '.join(map(str, paths))}.")
    if out.exists():
        raise BenchmarkError(f"{out} is there already. Name a new folder:  --convert DIR")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.partial-") as temporary:
        folder = Path(temporary, "results")
        files = [_upgraded(file, folder / place) for file, place in homes]
        logged = [one for file in files for one in read_logged(file)]
        rescored = [rescore(one, context(one, data, goal, files)) for one in logged]
        for one, now in zip(logged, rescored, strict=True):
            content = json.loads(one.result.results_file.read_text(encoding="utf-8"))
            put_figures(content, one.result.task, now.scores, now.result.provenance.json)
            write_whole(one.result.samples_file, remarked(one.result.samples_file, one.samples, now.scores))
            write_whole(one.result.results_file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        folder.rename(out)
    return [one for _, place in homes for one in rescore_all(out / place)]


def _homes(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Every results file of ours, and where it goes in the new folder."""
    for path in paths:
        if path.is_dir():
            root = path if any(path.glob("*/*_results.json")) else path.parent
            found = {file: file.relative_to(root) for file in sorted(path.rglob("*_results.json"))}
        elif path.is_file():
            found = {path: Path(path.parent.name, path.name)}
        else:
            raise BenchmarkError(f"There is no file or folder {path} with results.")
        for file, place in found.items():
            content = json.loads(file.read_text(encoding="utf-8"))
            if set(content.get("results", ())) & set(TARGETS):
                yield file, place


def _upgraded(file: Path, place: Path) -> Path:
    """A copy of results in the form of this version, with the marks that they had; the copied results file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(file.read_text(encoding="utf-8"))
    for task in set(content["results"]) & set(TARGETS):
        said = content["results"][task]["provenance,none"]
        before = str(content["versions"][task])
        old, new = samples_file(file, task), samples_file(place, task)
        if not old.is_file():
            raise BenchmarkError(f"{old} is missing: the logged responses. Score with --log_samples.")
        if before == task_version():
            shutil.copyfile(old, new)
            continue
        most = (said.get("generation") or {}).get("max_new_tokens")
        lines = old.read_text(encoding="utf-8").splitlines()
        rows = [json.dumps(_row(json.loads(line), most), ensure_ascii=False) for line in lines]
        new.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        content["versions"][task] = float(task_version())
        content["results"][task]["provenance,none"] = {**said, "converted_from": before}
    place.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return place


def _row(row: dict[str, Any], most: int | None) -> dict[str, Any]:
    """A logged document with its whole response, thoughts included, and whether that was cut."""
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
