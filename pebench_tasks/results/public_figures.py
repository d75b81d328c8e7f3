"""The public figures whose names a scored base model gave: what a list of known figures is made from."""

import json
from pathlib import Path, PurePath
from typing import Any

from pebench_tasks.benchmark.known_figures import FORMAT, fingerprint
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.results.samples import read_logged

SLICES = {"pebench_people": "real", "pebench_joint": "person_real"}  # where public figures' names are asked


def find_known(results: Path | str) -> dict[str, Any]:
    """The content of a list: the Real images whose name question the logged model answered right.

    ``results`` is what ``samples.read_logged`` reads; the people's results are taken, else the joint target's. Every
    value comes from the results, so the same results give the same list. Raises ``BenchmarkError`` where no name of a
    public figure was asked, scores were withheld, or only the figures of another list were asked.
    """
    by_task = {logged.result.task: logged for logged in read_logged(results)}
    task = next((task for task in SLICES if task in by_task), None)
    if task is None:
        raise BenchmarkError(f"{results} holds no names of public figures. Score the model with --target person.")
    result, samples = by_task[task]
    if result.provenance.real_documents not in (None, "all"):
        raise BenchmarkError(f"{results} asked only the figures of a list. Score the model without --real-known.")
    asked = [s for s in samples if s.provenance.slice == SLICES[task] and s.key.endswith("/name")]
    if not asked:
        raise BenchmarkError(f"{results} holds no answer about a public figure. Build a benchmark with --real SOURCE.")
    if withheld := next((s.provenance.withheld for s in asked if s.provenance.withheld), ""):
        raise BenchmarkError(f"The scores in {results} are withheld: {withheld}")
    model = result.provenance.model
    if model.method not in (None, "pretrain", "finetune"):
        raise BenchmarkError(
            f"{results} is of a model made by {model.method}; the list says what was known before. Score the base "
            "model."
        )
    content = {
        "format": FORMAT,
        "data": asked[0].provenance.data,
        "template": asked[0].provenance.template,
        "base": model.base or "",
        "weights": model.weights or "",
        "model": PurePath(result.checkpoint).name,  # the same wherever the checkpoint lies
        "known": sorted(s.key.removesuffix("/name") for s in asked if s.metrics[SLICES[task]] == 100.0),
        "asked": len(asked),
    }
    return content | {"fingerprint": fingerprint(content)}


def write_known(content: dict[str, Any], path: Path) -> None:
    """Write a list, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
