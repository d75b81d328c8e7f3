"""The environment of somebody who has lmms-eval already and adds this package: nothing is taken from it.

``ask`` makes it, with the newest of everything that lmms-eval allows, and compares it with the tested versions: the
answers, and the processor time that a document takes (``benchmarks/scoring.py --flat``), in turns.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from environments import ROOT, call, environment, equal, install, reference, versions

LMMS_EVAL = "0.7.3"
DOCUMENTS, TURNS = 1000, 5
LIBRARIES = ("transformers", "torch", "peft", "datasets", "accelerate")


def ask(out: Path) -> dict[str, Any]:
    """What such an environment has before and after, whether the bare command and the answers are right, its speed."""
    known = reference(out)
    with environment("3.11") as python:
        install(python, f"lmms-eval=={LMMS_EVAL}")
        before = versions(python, LIBRARIES)
        install(python, "--editable", str(ROOT))
        after = versions(python, LIBRARIES)
        with tempfile.TemporaryDirectory() as folder:
            bare = _bare_command(python, known, Path(folder))
            same = equal(python, known)
            tested, fresh = _speeds([sys.executable, python], known, Path(folder))
    return {
        "before": before,
        "after": after,
        "bare command": bare,
        "equal": same,
        "tested": versions(sys.executable, LIBRARIES),
        "milliseconds": {"tested": tested, "fresh": fresh},
    }


def _bare_command(python: str, known: Path, folder: Path) -> int:
    """How many answers lmms-eval's own command logged, run from a folder of its own."""
    words = ["--model", "pebench_hf", "--model_args", f"pretrained={known / 'checkpoint'}", "--tasks", "pebench_people"]
    words += ["--batch_size", "16", "--device", "cpu", "--limit", "8", "--log_samples", "--output_path", str(folder)]
    call(["env", f"PEBENCH_DATA={known / 'data'}", python, "-m", "lmms_eval", *words], folder)
    files = folder.rglob("*_samples_pebench_people.jsonl")
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def _speeds(pythons: Sequence[str], known: Path, folder: Path) -> list[list[float]]:
    """Processor milliseconds a document, of each environment and turn."""
    found: list[list[float]] = [[] for _ in pythons]
    words = ["--model", str(known / "checkpoint"), "--flat", str(DOCUMENTS), "--batch_size", "32"]
    for turn in range(TURNS):
        order = range(len(pythons)) if turn % 2 == 0 else reversed(range(len(pythons)))
        for number in order:
            printed = call([pythons[number], str(ROOT / "benchmarks" / "scoring.py"), *words], folder)
            found[number].append(json.loads(printed.splitlines()[0])["cpu_milliseconds"])
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of the page."""
    tested, fresh = found["milliseconds"]["tested"], found["milliseconds"]["fresh"]
    names = {where: f"transformers {found[where]['transformers']}" for where in ("tested", "after")}
    moved = [
        f"{name} {found['before'][name]} became {found['after'][name]}"
        for name in LIBRARIES
        if found["before"][name] != found["after"][name]
    ]
    kept = ", ".join(f"{name} {found['after'][name]}" for name in LIBRARIES)
    return [
        "## Added to an environment of lmms-eval",
        "",
        f"`uv pip install lmms-eval=={LMMS_EVAL}`, then this package. "
        + (f"It moved: {'; '.join(moved)}." if moved else f"Nothing that lmms-eval brought was moved: {kept}."),
        f"lmms-eval's own command logged {found['bare command']} answers of 8; answers equal to the tested set's: "
        f"{found['equal']}.",
        "",
        f"Processor milliseconds a document, `python benchmarks/scoring.py --model runs/compat/reference/checkpoint "
        f"--flat {DOCUMENTS} --batch_size 32`, {len(tested)} turns each, one after the other on one machine:",
        "",
        "| | least | median |",
        "|---|---:|---:|",
        f"| {names['tested']}, tested set | {min(tested):.2f} | {statistics.median(tested):.2f} |",
        f"| {names['after']}, newest of all | {min(fresh):.2f} | {statistics.median(fresh):.2f} |",
        f"| ratio | {min(fresh) / min(tested):.2f} | {statistics.median(fresh) / statistics.median(tested):.2f} |",
    ]
