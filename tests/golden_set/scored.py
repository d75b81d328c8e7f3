"""A small benchmark and the models of ``scripted_model``, scored by the harness: ``data``, ``models``, ``scores``.

``goals`` holds the results of the Goal model of each target, with which the others' are scored.
"""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from lmms_eval.evaluator import simple_evaluate
from lmms_eval.loggers import EvaluationTracker
from lmms_eval.tasks import TaskManager

from golden_set import masks
from golden_set.commands import succeed
from golden_set.scripted_model import ScriptedModel

TASKS = {"person": "pebench_people", "event": "pebench_events", "joint": "pebench_joint"}
FORGET = "forget20"
BUILD = "pebench data build --source synthetic --people 10 --events 5 --image-size 32 --seed 0 --out data"
DATES = {task: f"20260101_00000{number}" for number, task in enumerate(TASKS.values())}
# Fields that say nothing to a user: hashes that lmms-eval makes of a document and of what it asked.
UNSHOWN = ("doc_hash", "prompt_hash", "target_hash")


def build() -> None:
    """Draw the benchmark and score everybody, Goals first."""
    succeed(BUILD)
    for target in ("event", "joint"):
        score("goal", target, Path("goals", target), method="goal")
    for name, method in (("finetuned", "finetune"), ("ga", "ga"), ("gd", "gd"), ("goal", "goal")):
        for target in TASKS:
            score(name, target, Path("scores"), method=method, goal=Path("goals", target))
    score("api", "person", Path("others"))
    score("api", "event", Path("others"))


def score(name: str, target: str, out: Path, *, method: str = "", goal: Path | None = None) -> None:
    """What ``lmms-eval --log_samples --output_path OUT`` does for one model; ``method``: of its run record."""
    before = dict(os.environ)
    os.environ |= {"PEBENCH_DATA": "data", "PEBENCH_FORGET": FORGET}
    if method:
        os.environ["PEBENCH_CHECKPOINT"] = str(train(name, method, target))
    if goal and target != "person":
        os.environ["PEBENCH_GOAL"] = str(goal)
    task = TASKS[target]
    tracker = EvaluationTracker(output_path=str(out))
    results = simple_evaluate(
        model=ScriptedModel(name),
        model_args=f"pretrained=models/{name}",
        tasks=[task],
        log_samples=True,
        evaluation_tracker=tracker,
        task_manager=TaskManager("WARNING", include_defaults=False, model_name="scripted"),
        verbosity="WARNING",
    )
    samples = results.pop("samples")
    tracker.general_config_tracker.model_name_sanitized = name
    tracker.save_results_aggregated(results=results, samples=samples, datetime_str=DATES[task])
    tracker.save_results_samples(task_name=task, samples=samples[task])
    os.environ.clear()
    os.environ.update(before)


def train(name: str, method: str, target: str) -> Path:
    """The folder of a checkpoint that nobody trained: the run record alone."""
    manifest = json.loads(Path("data/manifest.json").read_text(encoding="utf-8"))
    split = manifest["splits"][target][FORGET]["split_id"]
    forgotten = {"target": target, "forget": FORGET, "split": split}
    nothing = dict.fromkeys(forgotten, "")
    common = {"format": "pebench-run/1", "seed": 0, "base": fingerprint("base"), "data": manifest["fingerprint"],
              "template": ""}  # fmt: skip
    base = {"model": "/models/base", "weights": fingerprint("base")}
    finetuned = {**common, **nothing, "method": "finetune", "weights": fingerprint("finetuned"), "parent": base}
    record = {
        **common, **forgotten, "method": method, "weights": fingerprint(f"{name} {target}"),
        "parent": base if method == "goal" else finetuned, "losses": [{"step": 1, "loss": 1.0}],
        "arguments": {"model": str(Path.cwd() / "models/finetuned"), "learning_rate": 1e-4},
    }  # fmt: skip
    folder = Path("models", name if name == "finetuned" else f"{name}-{target}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pebench_run.json").write_text(json.dumps(finetuned if method == "finetune" else record))
    return folder


def fingerprint(name: str) -> str:
    """What stands for the fingerprint of weights."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def goldens() -> dict[str, str]:
    """Of every results file what is ours (its intervals are in ``rescored``), and the samples of every scored model.

    All models answer the same World questions: their samples are kept of the one whose answers are of every kind.
    """
    files = {}
    for path in sorted(
        path for folder in ("goals", "others", "scores") for path in Path(folder).rglob("*_results.json")
    ):
        files[str(path)] = results(path)
    for path in sorted(path for folder in ("others", "scores") for path in Path(folder).rglob("*_samples_*.jsonl")):
        lines = [json.loads(line) for line in path.open(encoding="utf-8")]
        world = path.match("others/*/*people.jsonl")
        files[str(path)] = samples([line for line in lines if world or line["provenance"]["slice"] != "world"])
    return files


def results(path: Path) -> str:
    """Of a results file what is ours, without the statistics."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: content[name] for name in ("results", "versions", "n-shot", "higher_is_better", "n-samples")}
    for figures in kept["results"].values():
        figures["provenance,none"].pop("statistics")
        for name in [name for name in figures if "_stderr" in name]:  # the harness's own
            del figures[name]
    return masks.dumped(kept)


def samples(lines: list[dict[str, Any]]) -> str:
    """A samples file as a first line with the usual value of fields, and of each sample what is not usual."""
    flat = [_flat({name: one for name, one in line.items() if name not in UNSHOWN}) for line in lines]
    shared = sorted(set.intersection(*({*line} for line in flat)))
    usual = {name: json.loads(Counter(json.dumps(line[name]) for line in flat).most_common(1)[0][0]) for name in shared}
    rows = [
        {"usual": usual},
        *({n: one for n, one in line.items() if n not in usual or one != usual[n]} for line in flat),
    ]
    return "".join(json.dumps(masks.value(row), ensure_ascii=False) + "\n" for row in rows)


def _flat(sample: dict[str, Any]) -> dict[str, Any]:
    provenance = {f"provenance.{name}": one for name, one in sample.pop("provenance").items()}
    return {**sample, **provenance}
