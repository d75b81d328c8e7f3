"""Documents per second of ``pebench_hf`` against stock backends of the harness, on the same LLaVA checkpoint.

    python benchmarks/scoring.py --model runs/demo/finetuned --data runs/demo/data
    python benchmarks/scoring.py --flat 400 4000 40000

The stock backends are ``llava_hf``, which takes one document at a time, and ``lfm2_5_vl``, which is in effect generic
and the fastest of those that answer rightly; it mixes the documents of several tasks, so it gets one task after the
other. Names alone, scenes alone, and the mix of both; model loading and start-up are left out. The backends take turns,
and the best turn of each counts: other programs can only slow it. Every text is compared with ``llava_hf``'s.

``--flat`` asks one, ten and a hundred times as many distinct questions of a benchmark of 200 people in 40 events drawn
for it, and shows what a document costs, and the memory in use at the end.
"""

import argparse
import copy
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import datasets
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models.chat.lfm2_5_vl import LFM2_5_VL
from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger
from rich.console import Console
from rich.table import Table

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

TASKS = {"names": ("pebench_people", "name"), "scenes": ("pebench_events", "scene")}
TARGETS = {"llava_hf, batch 1": 8.0, "lfm2_5_vl, batch 32": 1.5}  # on the mix, on two CPU cores
BATCHES = (8, 32)  # of lfm2_5_vl
PEOPLE, EVENTS, PIXELS = 200, 40, 64  # of the benchmark for --flat
QUESTIONS = (
    "Who is the person in this image?", "What is the name of this person?", "Is there a dog in the image?",
    "Is there a car in the image?", "Who is this?",
)  # fmt: skip


class Turn(NamedTuple):
    """One pass over the documents."""

    seconds: float
    cpu_seconds: float
    texts: list[str]


def main() -> None:
    """Measure, print a table for people and one line of JSON for machines."""
    options = _arguments()
    logger.remove()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = PebenchHf(str(options.model), batch_size=options.batch_size, device=device, dtype=options.dtype)
    settings = {"batch_size": options.batch_size, "dtype": options.dtype, "device": device, "cores": os.cpu_count()}
    if options.flat:
        print(json.dumps({"flat": _flat(ours, options.flat), **settings}))
        return
    os.environ |= {"PEBENCH_DATA": str(options.data), "PEBENCH_FORGET": options.forget, "PEBENCH_GOAL": ""}
    found = _compare_all(ours, options, device)
    _print(found, options.batch_size, device)
    print(json.dumps({"scoring": found, **settings, "target_ratios_on_mix": TARGETS}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/demo/finetuned"), help="a LLaVA checkpoint")
    parser.add_argument("--data", type=Path, default=Path("runs/demo/data"), help="a benchmark folder")
    parser.add_argument("--forget", default="20")
    parser.add_argument("--documents", type=int, default=160, help="at most so many names and so many scenes")
    parser.add_argument("--batch_size", default="auto", help="of pebench_hf")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="float32", help="float32 makes equal texts a fair demand")
    parser.add_argument("--flat", type=int, nargs="+", metavar="N", help="so many documents, cost and memory of each")
    return parser.parse_args()


# Against the stock backends


def _compare_all(ours: PebenchHf, options: argparse.Namespace, device: str) -> dict[str, Any]:
    tasks = get_task_dict(
        [task for task, _ in TASKS.values()], TaskManager(include_defaults=False, model_name="pebench_hf"), "chat"
    )
    single = LlavaHf(str(options.model), device=device, device_map=device, dtype=options.dtype, batch_size=1)
    backends: dict[str, tuple[Any, Callable[[Any, list[Instance]], list[Any]]]] = {
        "pebench_hf": (ours, _together),
        "llava_hf, batch 1": (single, _together),
    }
    for batch in BATCHES:
        stock = LFM2_5_VL(str(options.model), device=device, dtype=options.dtype, batch_size=batch)
        backends[f"lfm2_5_vl, batch {batch}"] = (stock, _task_by_task)
    for model, _ in backends.values():
        model.task_dict = {name: task.dataset for name, task in tasks.items()}
    sets = {name: _requests(tasks[task], kind, options.documents) for name, (task, kind) in TASKS.items()}
    sets["mix"] = [request for pair in zip(*sets.values(), strict=False) for request in pair]
    return {name: _compare(backends, requests, options.repeats) for name, requests in sets.items()}


def _requests(task: Any, kind: str, documents: int) -> list[Instance]:
    task.build_all_requests()
    rows = task.dataset["test"]
    return [request for request in task.instances if rows[request.doc_id]["kind"] == kind][:documents]


def _together(model: Any, requests: list[Instance]) -> list[Any]:
    return list(model.generate_until(requests))


def _task_by_task(model: Any, requests: list[Instance]) -> list[Any]:
    answers: dict[int, Any] = {}
    for task in {request.args[4] for request in requests}:
        places = [i for i, request in enumerate(requests) if request.args[4] == task]
        answers |= dict(zip(places, model.generate_until([requests[i] for i in places]), strict=True))
    return [answers[i] for i in range(len(requests))]


def _turn(answer: Callable[[Any, list[Instance]], list[Any]], model: Any, requests: Sequence[Instance]) -> Turn:
    fresh = [copy.copy(request) for request in requests]
    for request in fresh:  # the stock backends write into the settings
        request.arguments = (*request.args[:2], dict(request.args[2]), *request.args[3:])
    if isinstance(model, PebenchHf):  # starts without the images of the turn before
        model.features.clear()
        model.processed.clear()
    started, cpu_started = time.perf_counter(), time.process_time()
    texts = [result.text for result in answer(model, fresh)]
    return Turn(time.perf_counter() - started, time.process_time() - cpu_started, texts)


def _compare(backends: dict[str, Any], requests: Sequence[Instance], repeats: int) -> dict[str, Any]:
    turns: dict[str, list[Turn]] = {name: [] for name in backends}
    for _ in range(repeats):
        for name, (model, answer) in backends.items():
            turns[name].append(_turn(answer, model, requests))
    best = {name: min(turn.seconds for turn in of_one) for name, of_one in turns.items()}
    cpu = {name: min(turn.cpu_seconds for turn in of_one) for name, of_one in turns.items()}
    right = turns["llava_hf, batch 1"][-1].texts
    return {
        "documents": len(requests),
        "documents_per_second": {name: len(requests) / seconds for name, seconds in best.items()},
        "ratio": {name: seconds / best["pebench_hf"] for name, seconds in best.items()},
        "cpu_ratio": {name: seconds / cpu["pebench_hf"] for name, seconds in cpu.items()},
        "equal_texts": {
            name: sum(a == b for a, b in zip(of_one[-1].texts, right, strict=True)) for name, of_one in turns.items()
        },
    }


def _print(found: dict[str, Any], batch_size: str, device: str) -> None:
    table = Table(title=f"Documents per second on {device}; pebench_hf: batch {batch_size}")
    columns = ("set", "backend", "documents per second", "pebench_hf is faster by", "in CPU time", "equal texts")
    for column in columns:
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    for name, row in found.items():
        for backend, rate in row["documents_per_second"].items():
            table.add_row(
                name, backend, f"{rate:.1f}", f"{row['ratio'][backend]:.2f}", f"{row['cpu_ratio'][backend]:.2f}",
                f"{row['equal_texts'][backend]}/{row['documents']}",
            )  # fmt: skip
    Console().print(table)


# Cost per document


def requests_for(
    models: Iterable[PebenchHf], benchmark: Benchmark, documents: Sequence[dict[str, str]], new_tokens: int
) -> list[Instance]:
    """Requests for documents of an ``image`` and a ``question``, which the models are told of."""

    def messages(doc: dict[str, str]) -> list[dict[str, Any]]:
        content = [{"type": "image", "url": benchmark.image(doc["image"])}, {"type": "text", "text": doc["question"]}]
        return [{"role": "user", "content": content}]

    for model in models:
        model.task_dict = {"own": {"test": datasets.Dataset.from_list(list(documents))}}
    settings = {"max_new_tokens": new_tokens, "until": []}
    return [
        Instance(
            request_type="generate_until",
            arguments=(doc["question"], messages, settings, i, "own", "test"),
            idx=0,
            metadata={"task": "own", "doc_id": i, "repeats": 1},
        )
        for i, doc in enumerate(documents)
    ]


def _flat(ours: PebenchHf, counts: Sequence[int]) -> list[dict[str, float]]:
    """Distinct questions, several an image: none is answered without asking the model."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        benchmark = build_synthetic(Path(folder) / "data", people=PEOPLE, events=EVENTS, image_size=PIXELS, seed=0)
        images = [row["key"] for row in benchmark.images]
        documents = [{"image": image, "question": question} for image in images for question in QUESTIONS]

        for count in counts:
            if count > len(documents):
                raise SystemExit(f"error: there are only {len(documents)} distinct questions")
            asked = Random(0).sample(documents[:count], count)
            requests = requests_for([ours], benchmark, asked, new_tokens=16)
            turn = _turn(_together, ours, requests)
            rows.append(
                {
                    "documents": count,
                    "milliseconds": 1000 * turn.seconds / count,
                    "cpu_milliseconds": 1000 * turn.cpu_seconds / count,
                    "resident_mib": _resident_bytes() / 2**20,
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
