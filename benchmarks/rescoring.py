"""How long ``pebench rescore`` takes, and how much memory: 8,000 images, all retained ones asked, 9,000 POPE questions.

    python benchmarks/rescoring.py --work DIR

Writes into DIR (kept for another run) a copy of the published layout, a replica of POPE's files, the benchmark of both,
and logged responses of a made-up model and Goal: names, descriptions with words left out or of another scene, yes and
no. Then it rescores both tasks in a process of its own and prints seconds and peak memory. The responses are drawn at
random, not a model's.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from published_build import PEBENCH, write_copy

from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import Score, forgotten_scene, score
from pebench_tasks.results.files import TASKS
from pebench_tasks.results.rescore import add_up
from pebench_tasks.results.summary import describe
from pebench_tasks.versions import __version__, task_version

FORGET, GOAL_WEIGHTS = "forget05", "g" * 16


def main() -> None:
    """Write what is missing, rescore, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for everything that is made")
    parser.add_argument("--people", type=int, default=200)
    options = parser.parse_args()
    copy, pope, data = (options.work / f"{name}{options.people}" for name in ("copy", "pope", "data"))
    if not (copy / "PEBench.csv").exists():
        write_copy(copy, options.people)
    if not pope.exists():
        write_pope(pope)
    words = ["data", "build", "--source", "folder", "--path", str(copy), "--world", str(pope), "--out", str(data)]
    subprocess.run([sys.executable, "-c", PEBENCH, *words], stdout=subprocess.DEVNULL, check=True)
    benchmark = open_benchmark(data)
    goals, model = options.work / "goals", options.work / "model"
    answers = write_result(goals, benchmark, "event", {}, method="goal")
    asked = sum(len(write_result(model, benchmark, target, answers, goals=goals)) for target in ("person", "event"))
    started = time.perf_counter()
    command = [sys.executable, "-c", PEBENCH, "rescore", str(model)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status or printed.count("to the last digit") != 2:
        raise SystemExit(printed)
    figures = {"images": len(benchmark.images), "documents": asked, "seconds": round(seconds, 1)}
    print(json.dumps({"rescoring": figures | {"MiB": round(usage.ru_maxrss / 1024), "cores": os.cpu_count()}}))


def write_pope(folder: Path) -> None:
    """A replica of POPE's files: 500 images, six questions of each split about every one."""
    (folder / "data").mkdir(parents=True)
    rows = []
    for number in range(500):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number % 256, number // 2, 90)).save(buffer, "PNG")
        for split in ("random", "popular", "adversarial"):
            for position in range(6):
                rows.append({
                    "question": f"Is there a {split} thing {position} in the image?",
                    "answer": ("yes", "no")[position % 2],
                    "category": split,
                    "image": {"bytes": buffer.getvalue(), "path": f"{number}.png"},
                })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "test-00000-of-00001.parquet")


def response(document: Document, benchmark: Benchmark, rng: Random) -> str:
    """What a model might say: often right, sometimes partly, sometimes of somebody or something else."""
    if document["kind"] == "yesno":
        return rng.choice((document["answer"], document["answer"], "Yes, there is.", "no", "perhaps"))
    if document["kind"] == "name":
        name = rng.choice((document["answer"], document["answer"], rng.choice(benchmark.people)["name"]))
        return rng.choice((f"This is {name}.", "I'm sorry, I can't tell.", name.split()[0]))
    text = rng.choice((document["answer"], rng.choice(benchmark.events)["description"]))
    return " ".join(word for word in text.split() if rng.random() < 0.9)


def write_result(
    folder: Path,
    benchmark: Benchmark,
    target: str,
    answers: Mapping[str, str],
    *,
    goals: Path | None = None,
    method: str = "gd",
) -> dict[str, str]:
    """Log made-up responses as the harness logs a model's; returns them by document."""
    rng, names, task = Random(f"{method}/{target}"), NameIndex(benchmark.names), TASKS[target]
    asked = documents(benchmark, target, FORGET, retain_all=True, world_all=True)
    said = {document["key"]: response(document, benchmark, rng) for document in asked}
    scores = [
        score(document, said[document["key"]], names, goals_of(document, answers))
        for document in asked
    ]  # fmt: skip
    split = benchmark.split(target, FORGET).split_id
    model = {"method": method, "target": target, "split": split, "base": "b" * 16, "weights": method[0] * 16}
    provenance = {
        "task": task,
        "target": target,
        **describe([one.provenance for one in scores], benchmark),
        "generation": None,
        "prompts": None,
        "other_split": "",
        "goal": {"directory": str(goals), "runs": [{"weights": GOAL_WEIGHTS}]}
        if answers and target == "event"
        else None,
        "model": {"pretrained": folder.name, "data": benchmark.fingerprint, **model},
        "benchmark": {"name": benchmark.name, "directory": str(benchmark.directory)},
        "versions": {"pebench": __version__},
    }
    figures = {f"{name},none": value for name, value in add_up(scores).items()}
    write(folder, task, {**figures, "provenance,none": provenance}, scores, list(said.values()))
    return said


def goals_of(document: Document, answers: Mapping[str, str]) -> list[Goal]:
    """The Goal's answer to a document, where its score needs one."""
    needed = answers and forgotten_scene(document["kind"], document["slice"])
    return [Goal(GOAL_WEIGHTS, answers[document["key"]])] if needed else []


def write(folder: Path, task: str, values: dict[str, Any], scores: Sequence[Score], said: Sequence[str]) -> None:
    """The two files of one task, in a folder that several tasks share."""
    folder.mkdir(parents=True, exist_ok=True)
    date = f"2026010{list(TASKS.values()).index(task) + 1}_000000"
    with (folder / f"{date}_samples_{task}.jsonl").open("w", encoding="utf-8") as file:
        for one, text in zip(scores, said, strict=True):
            file.write(json.dumps({"filtered_resps": text, **one.logged()}) + "\n")
    content = {"results": {task: values}, "versions": {task: float(task_version())}}
    (folder / f"{date}_results.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
