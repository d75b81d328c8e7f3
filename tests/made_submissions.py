"""Submissions made by hand: three runs whose answers follow from the benchmark, so that no model is needed."""

import copy
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pebench_templates

from pebench_tasks.benchmark.documents import Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check.conditions import task_settings
from pebench_tasks.leaderboard.entry.context import asked, claims, run_of
from pebench_tasks.leaderboard.entry.loader import SampleLine
from pebench_tasks.leaderboard.entry.recompute import recompute
from pebench_tasks.marking.scoring import FORGETTING, measured
from pebench_tasks.results.files import TASKS
from pebench_tasks.versions import task_version

BASE, FINETUNED, GOAL, MODEL = "b" * 16, "f" * 16, "9" * 16, "a" * 16  # weights' fingerprints
FIELD = "A wide field under a grey sky, and nobody in sight."
LAKE = "A still lake between hills at dusk."


class Made:
    """A submission and its samples, to be tampered with and written."""

    def __init__(self, submission: dict[str, Any], lines: list[dict[str, Any]], benchmark: Benchmark) -> None:
        self.submission, self.lines, self.benchmark = submission, lines, benchmark

    def copy(self) -> "Made":
        return Made(copy.deepcopy(self.submission), copy.deepcopy(self.lines), self.benchmark)

    def run(self, name: str = "model") -> dict[str, Any]:
        return run_of(self.submission, name)

    def line(self, slice_name: str, run: str = "model", index: int = 0) -> dict[str, Any]:
        """A sample of a slice."""
        wanted = asked(self.submission, self.benchmark)
        keys = [key for key, document in wanted.items() if document["slice"] == slice_name]
        return next(line for line in self.lines if line["run"] == run and line["key"] == keys[index])

    def claim(self) -> "Made":
        """Claim what the samples give, as an honest submitter does."""
        rows = [SampleLine(**{"judgement": None, **line}) for line in self.lines]
        for name, rescored in recompute(self.submission, rows, self.benchmark, Path("made.json")).rescored.items():
            self.run(name).update(claims(rescored))
        return self

    def seal(self) -> "Made":
        """Name the samples as they are now: their hash, size and number."""
        content = self.packed()
        self.submission["samples"] |= {
            "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "documents": len(self.lines),
        }  # fmt: skip
        return self

    def packed(self) -> bytes:
        rows = sorted(self.lines, key=lambda line: (line["key"], line["run"]))
        return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)

    def write(self, folder: Path, name: str | None = None) -> Path:
        """Write both files, sealed, and return NAME.json."""
        if name is not None:
            self.submission["name"], self.submission["samples"]["file"] = name, f"{name}.samples.jsonl.gz"
        self.seal()
        folder.mkdir(parents=True, exist_ok=True)
        path: Path = folder / f"{self.submission['name']}.json"
        path.write_text(json.dumps(self.submission), encoding="utf-8")
        path.with_name(self.submission["samples"]["file"]).write_bytes(self.packed())
        return path


def make(
    benchmark: Benchmark,
    target: str,
    *,
    forget: str = "forget20",
    answer: Callable[[str, Document], str] | None = None,
    judge: str | None = None,
    known: dict[str, Any] | None = None,
) -> Made:
    """A valid submission of one Goal; ``answer``: run and document to response."""
    judge = judge or (None if target == "person" else "lexical")
    split = benchmark.split(target, forget)
    facts = {"target": target, "forget": forget, "split": split.split_id}
    base = record(benchmark, "pretrain", BASE, None)
    finetuned = record(benchmark, "finetune", FINETUNED, base)
    goal = record(benchmark, "goal", GOAL, base, **facts)
    model = record(benchmark, "ga", MODEL, finetuned, **facts) | {"arguments": {"learning_rate": 1e-4}}
    submission: dict[str, Any] = {
        "format": "pebench-submission/2", "name": "made", "description": "", "link": "https://example.org/made",
        "target": target, "task": TASKS[target], "task_version": task_version(),
        "benchmark": {
            "name": benchmark.name, "fingerprint": benchmark.fingerprint, "split": split.split_id, "forget": forget,
        },
        "template": pebench_templates.fingerprint(), "judge": judge, "judge_settings": None, **task_settings(),
        "retain_documents": "the fixed subset", "world_documents": "the fixed subset", "real_documents": "all",
        "real_known": known, "versions": {"pebench": "0.1.0", "lmms-eval": "0.7.3"},
        "base": {"weights": BASE, "name": "base"},
        "runs": {"model": scored("ga", model), "finetuned": scored("finetuned", finetuned),
                 "goals": [scored("goal", goal)]},
        "samples": {"file": "made.samples.jsonl.gz", "sha256": "0" * 64, "bytes": 1, "documents": 1},
    }  # fmt: skip
    if judge not in (None, "lexical"):
        submission["judge_settings"] = {
            "fingerprint": judge, "model": "m", "settings": {}, "not_taken": [], "probabilities": False,
        }  # fmt: skip
    if known is not None:
        submission["real_documents"] = {
            "list": known["fingerprint"], "known": len(known["known"]), "asked": known["asked"], "base": known["base"],
        }  # fmt: skip
    submission = json.loads(json.dumps(submission))  # records no longer share their parents
    return Made(submission, samples(submission, benchmark, answer or usual), benchmark).claim().seal()


def samples(
    submission: dict[str, Any], benchmark: Benchmark, answer: Callable[[str, Document], str]
) -> list[dict[str, Any]]:
    """All lines; where there is a judge, it was of two minds about everything."""
    lines = []
    for run in ("finetuned", "goal-0", "model"):
        for key, document in asked(submission, benchmark).items():
            line: dict[str, Any] = {"run": run, "key": key, "response": answer(run, document)}
            judged = document["kind"] == "scene" and measured(document["slice"]) not in ("scope", "real")
            if submission["judge_settings"] and judged:
                line["judgement"] = {"weights": {"2": 0.5, "4": 0.5}, "source": "logprobs"}
            lines.append(line)
    return lines


def usual(run: str, document: Document) -> str:
    """Finetuned knows everything; Goal all but what is forgotten; the model forgot some, and damaged a little."""
    forgotten = measured(document["slice"]) in FORGETTING
    if run == "finetuned" or (not forgotten and not (run == "model" and document["key"].startswith("p001/e01"))):
        return f"{document['answer']}."
    if document["kind"] == "name":
        return "Somebody else." if run == "goal-0" else f"Maybe {document['answer'].split()[0]}?"
    return LAKE if run == "goal-0" else FIELD


def scored(name: str, record: dict[str, Any]) -> dict[str, Any]:
    versions = {"transformers": "5.23.0", "torch": "2.15.0"}
    claimed = {"n": 1, "figures": {}, "intervals": {}, "counts": {}}
    return {"name": name, "weights": record["weights"], "method": record["method"], "record": record,
            "dtype": "float32", "backend": "pebench_hf", "versions": versions, **claimed}  # fmt: skip


def record(
    benchmark: Benchmark, method: str, weights: str, parent: dict[str, Any] | None, **facts: str
) -> dict[str, Any]:
    return {
        "format": "pebench-run/1", "method": method, "target": "", "forget": "", "seed": 0, "base": BASE,
        "weights": weights, "data": benchmark.fingerprint, "split": "", "template": pebench_templates.fingerprint(),
        "parent": parent, **facts,
    }  # fmt: skip
