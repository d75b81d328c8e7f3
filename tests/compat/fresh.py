"""The environment of somebody who has lmms-eval already and adds this package: nothing is taken from it.

``ask`` makes it, with the newest of everything that lmms-eval allows, and compares it with the tested versions: the
answers, and the processor time that a document takes (``speed.py``), in turns.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from environments import ROOT, call, environment, equal, install, installed, reference

LMMS_EVAL = "0.7.3"
PROCESSES, TURNS = 4, 3  # of each environment, and of each process
LIBRARIES = ("transformers", "torch", "peft", "datasets", "accelerate")


def ask(out: Path) -> dict[str, Any]:
    """What such an environment has before and after, whether the bare command and the answers are right, its speed."""
    known = reference(out)
    with environment("3.11") as python:
        install(python, f"lmms-eval=={LMMS_EVAL}")
        before = installed(python)
        install(python, "--editable", str(ROOT))
        after = installed(python)
        with tempfile.TemporaryDirectory() as folder:
            bare = _bare_command(python, known, Path(folder))
            same = equal(python, known)
            tested, fresh = _speeds([sys.executable, python], known)
    return {
        "before": before,
        "after": after,
        "bare command": bare,
        "equal": same,
        "tested": installed(sys.executable),
        "milliseconds": {"tested": tested, "fresh": fresh},
    }


def _bare_command(python: str, known: Path, folder: Path) -> int:
    """How many answers lmms-eval's own command logged, run from a folder of its own."""
    words = ["--model", "pebench_hf", "--model_args", f"pretrained={known / 'checkpoint'}", "--tasks", "pebench_people"]
    words += ["--batch_size", "16", "--device", "cpu", "--limit", "8", "--log_samples", "--output_path", str(folder)]
    call(["env", f"PEBENCH_DATA={known / 'data'}", python, "-m", "lmms_eval", *words], folder)
    files = folder.rglob("*_samples_pebench_people.jsonl")
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def _speeds(pythons: Sequence[str], known: Path) -> list[list[float]]:
    """Processor milliseconds an answer, of each environment and turn; the environments' processes take turns."""
    found: list[list[float]] = [[] for _ in pythons]
    for process in range(PROCESSES):
        for number in range(len(pythons)) if process % 2 == 0 else reversed(range(len(pythons))):
            words = [str(Path(__file__).with_name("speed.py")), str(known), str(TURNS)]
            found[number] += json.loads(call([pythons[number], *words]).splitlines()[-1])
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of the page."""
    tested, fresh = found["milliseconds"]["tested"], found["milliseconds"]["fresh"]
    names = {where: f"transformers {found[where]['transformers']}" for where in ("tested", "after")}
    moved = [
        f"{name} {version} became {found['after'].get(name, 'nothing')}"
        for name, version in found["before"].items()
        if found["after"].get(name) != version
    ]
    kept = ", ".join(f"{name} {found['after'][name]}" for name in LIBRARIES)
    return [
        "## Added to an environment of lmms-eval",
        "",
        f"`uv pip install lmms-eval=={LMMS_EVAL}`, then this package: {kept}.",
        f"Of what lmms-eval had brought {'; '.join(moved) if moved else 'nothing was changed'}.",
        f"lmms-eval's own command logged {found['bare command']} answers of 8; answers equal to the tested set's: "
        f"{found['equal']}.",
        "",
        f"Processor milliseconds an answer, `tests/compat/speed.py`, {len(tested)} turns each, in processes that took",
        "turns on one machine:",
        "",
        "| | least | median |",
        "|---|---:|---:|",
        f"| {names['tested']}, tested set | {min(tested):.2f} | {statistics.median(tested):.2f} |",
        f"| {names['after']}, newest of all | {min(fresh):.2f} | {statistics.median(fresh):.2f} |",
        f"| ratio | {min(fresh) / min(tested):.2f} | {statistics.median(fresh) / statistics.median(tested):.2f} |",
    ]
