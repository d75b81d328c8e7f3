"""``pebench submit``: one unlearned checkpoint on one target, as a leaderboard takes it.

Every figure is computed again from the responses that are submitted, with the answers of the Goals among them; nothing
is taken from a results file. What is written has passed the check that a board applies.
"""

import gzip
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.known_figures import load_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_submission import check_submission
from pebench_tasks.leaderboard.check.conditions import check_length
from pebench_tasks.leaderboard.entry.context import claims, run_of
from pebench_tasks.leaderboard.entry.loader import (
    FORMAT,
    SampleLine,
    check_link,
    check_name,
    read_submission,
    samples_name,
    validate,
)
from pebench_tasks.leaderboard.entry.recompute import recompute
from pebench_tasks.leaderboard.entry.records import flat, public, without_paths
from pebench_tasks.leaderboard.submit.lineup import Lineup, Run, line_up, weights_of
from pebench_tasks.marking.similarity import LEXICAL, similarities
from pebench_tasks.results.rescore import benchmark_of
from pebench_tasks.results.samples import Sample


class Submitted(NamedTuple):
    """What was written, and the folder of the benchmark that it was checked with."""

    file: Path  # NAME.json; its samples lie beside it
    data: Path


def submit(
    results: Path | str,
    *,
    name: str,
    link: str,
    description: str = "",
    target: str | None = None,
    finetuned: Path | str | None = None,
    goals: Sequence[Path | str] = (),
    real_known: Path | str | None = None,
    checkpoint: Path | str | None = None,
    data: Path | str | None = None,
    out: Path | str = ".",
) -> Submitted:
    """Write NAME.json and NAME.samples.jsonl.gz into ``out``: the same for the same input.

    ``results`` is what ``samples.read_logged`` takes. ``finetuned`` and ``goals`` name the results of the bounds, else
    they are looked for beside it (see ``lineup``). ``real_known`` is the list of public figures that the results were
    asked about; ``data`` the benchmark (else the one that the results name, else the chosen one). Raises
    ``BenchmarkError`` for everything that a board would refuse, with what to do.
    """
    out = Path(out)
    check_name(name)
    check_link(link, "--link")
    chosen = line_up(
        Path(results),
        target=target,
        finetuned=None if finetuned is None else Path(finetuned),
        goals=[Path(goal) for goal in goals],
        checkpoint=None if checkpoint is None else Path(checkpoint),
    )
    _refuse_other(out / f"{name}.json", chosen)
    benchmark = benchmark_of(chosen.model.logged, data)
    submission = {
        "format": FORMAT,
        "name": name,
        "description": description,
        "link": link,
        **_facts(chosen, benchmark),
        "real_known": _known(chosen, None if real_known is None else Path(real_known), benchmark),
        "runs": {
            "model": _run(chosen.model),
            "finetuned": _run(chosen.finetuned),
            "goals": [_run(goal) for goal in chosen.goals],
        },
    }
    lines = sorted(_lines(chosen), key=lambda line: (line.key, line.run))
    for run, marked in recompute(submission, check_length(lines), benchmark, Path(name)).rescored.items():
        run_of(submission, run).update(claims(marked))
    packed = pack(lines)
    submission["samples"] = {
        "file": samples_name(name),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "bytes": len(packed),
        "documents": len(lines),
    }
    validate(submission, "What would be submitted")
    return Submitted(_write(submission, packed, out, benchmark), benchmark.directory)


def pack(lines: Sequence[SampleLine]) -> bytes:
    """The samples file of these lines: the same bytes for the same lines."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        for line in lines:
            row = {field: value for field, value in line._asdict().items() if value is not None}
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return buffer.getvalue()


def _facts(chosen: Lineup, benchmark: Benchmark) -> dict[str, Any]:
    """What was asked, of whom, and how it was marked: the same for all runs."""
    result = chosen.model.logged.result
    provenance, versions = result.provenance, result.provenance.versions
    bases = {run.record["base"] for run in (chosen.model, chosen.finetuned, *chosen.goals)}
    if len(bases) > 1:
        raise BenchmarkError(f"The runs come from different foundation models: {', '.join(sorted(bases))}.")
    generation = dict(provenance.generation or {})
    until = {"until": generation.pop("until")} if "until" in generation else {}
    settings = provenance.judge_settings
    return {
        "target": provenance.target,
        "task": result.task,
        "task_version": result.version,
        "benchmark": {
            "name": benchmark.name,
            "fingerprint": benchmark.fingerprint,
            "split": provenance.split,
            "forget": provenance.forget,
        },
        "template": provenance.template,
        "judge": provenance.judge,
        "judge_settings": settings and _of_judge(settings),
        "generation": until | flat(generation),
        "prompts": provenance.prompts,
        "retain_documents": provenance.retain_documents,
        "world_documents": provenance.world_documents,
        "real_documents": provenance.real_documents,
        "versions": {package: versions[package] for package in ("pebench", "lmms-eval")},
        "base": {"weights": bases.pop(), "name": _base_name(chosen.finetuned)},
    }


def _of_judge(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A judge's settings without paths: many servers call a model by the folder of its weights."""
    served = {"served": without_paths(settings["served"])} if "served" in settings else {}
    return {**settings, **served, "settings": flat(settings["settings"])}


def _base_name(finetuned: Run) -> str:
    """What the foundation model is called, as far as the Finetuned model's record says."""
    record = finetuned.record
    parent, arguments = record.get("parent") or {}, record.get("arguments") or {}
    said = parent.get("model") or arguments.get("model") or record["base"]
    return without_paths(str(said))


def _run(run: Run) -> dict[str, Any]:
    """A run without its figures."""
    result = run.logged.result
    model = result.provenance.model
    return {
        "name": without_paths(Path(result.checkpoint).name),
        "weights": weights_of(result),
        "method": run.record["method"],
        "record": public(run.record),
        **{
            field: re.sub(r"[^A-Za-z0-9_.:+-]", "_", without_paths(said or ""))[:60]
            for field, said in (("dtype", model.dtype), ("backend", model.backend))
        },
        "versions": dict(result.provenance.versions),
    }


def _known(chosen: Lineup, path: Path | None, benchmark: Benchmark) -> dict[str, Any] | None:
    """The content of the list of public figures that the results were asked about; None for all figures."""
    asked = chosen.model.logged.result.provenance.real_documents
    if asked is None or isinstance(asked, str):
        if path is not None:
            raise BenchmarkError("The results asked about all public figures. Leave --real-known out.")
        return None
    if path is None:
        raise BenchmarkError(
            f"Real was asked about {asked['known']} of {asked['asked']} public figures. Name the list:  "
            "--real-known FILE  (what  pebench real filter  wrote)"
        )
    known = load_known(path, benchmark)
    if known.fingerprint != asked["list"]:
        raise BenchmarkError(
            f"{path} is the list {known.fingerprint}; the results were asked about {asked['list']}. Name that one."
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _lines(chosen: Lineup) -> Iterator[SampleLine]:
    goals = [(f"goal-{i}", goal) for i, goal in enumerate(chosen.goals)]
    for name, run in [("model", chosen.model), ("finetuned", chosen.finetuned), *goals]:
        for sample in run.logged.samples:
            yield _line(name, sample)


def _line(run: str, sample: Sample) -> SampleLine:
    """A logged document; what no JSON reader takes (half surrogate pairs, NUL) is replaced before it is marked."""
    response = sample.response.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    record = sample.provenance.judgement
    if record and "failed" in record:
        record = {"failed": without_paths(str(record["failed"]))}
    elif record:
        said = ("similarities",) if similarities(record) is not None else ("weights", "source")
        record = {name: record[name] for name in said}
    return SampleLine(run, sample.key, response, record or None, sample.provenance.cut or None)


def _refuse_other(path: Path, chosen: Lineup) -> None:
    """Raise ``BenchmarkError`` where another submission already has this name."""
    if not path.exists():
        return
    there, result = read_submission(path), chosen.model.logged.result
    if (there["runs"]["model"]["weights"], there["target"]) != (weights_of(result), result.provenance.target):
        raise BenchmarkError(f"{path} is another model's submission. Choose another --name.")


def _write(submission: dict[str, Any], packed: bytes, out: Path, benchmark: Benchmark) -> Path:
    """Write both files, once they passed the check of a board that takes this judge and this benchmark."""
    out.mkdir(parents=True, exist_ok=True)
    name, samples = f"{submission['name']}.json", submission["samples"]["file"]
    with tempfile.TemporaryDirectory(dir=out, prefix=".partial-") as folder:
        fresh = Path(folder)
        (fresh / samples).write_bytes(packed)
        (fresh / name).write_text(json.dumps(submission, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        check_submission(
            fresh / name, Board(judges=(submission["judge"] or LEXICAL,)), {benchmark.fingerprint: benchmark}
        )
        for file in (samples, name):  # the submission last: without it samples are nothing
            (fresh / file).replace(out / file)
    return out / name
