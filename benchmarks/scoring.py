"""Documents per second of ``pebench_hf`` against the stock ``llava_hf`` backend, on the same LLaVA checkpoint.

    python benchmarks/scoring.py --model runs/demo/finetuned --data runs/demo/data

Names alone, scenes alone, and the mix of both; model loading and start-up are left out. The two backends take turns,
and the best turn of each counts: other programs can only slow it. Every text is compared.
"""

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.tasks import TaskManager, get_task_dict
from rich.console import Console
from rich.table import Table

from pebench_tasks.pebench_hf import PebenchHf

TASKS = {"names": ("pebench_people", "name"), "scenes": ("pebench_events", "scene")}
TARGET = 5.0  # on the mix, on two CPU cores


def main() -> None:
    """Measure, print a table for people and one line of JSON for machines."""
    options = _arguments()
    os.environ |= {"PEBENCH_DATA": str(options.data), "PEBENCH_FORGET": options.forget, "PEBENCH_GOAL": ""}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = PebenchHf(str(options.model), batch_size=options.batch_size, device=device, dtype=options.dtype)
    stock = LlavaHf(str(options.model), device=device, device_map=device, dtype=options.dtype, batch_size=1)
    tasks = get_task_dict(
        [task for task, _ in TASKS.values()], TaskManager(include_defaults=False, model_name="pebench_hf"), "chat"
    )
    for model in (ours, stock):
        model.task_dict = {name: task.dataset for name, task in tasks.items()}
    sets = {name: _requests(tasks[task], kind, options.documents) for name, (task, kind) in TASKS.items()}
    sets["mix"] = [request for pair in zip(*sets.values(), strict=False) for request in pair]
    found = {name: _compare(ours, stock, requests, options.repeats) for name, requests in sets.items()}
    _print(found, options.batch_size, device)
    settings = {"batch_size": options.batch_size, "dtype": options.dtype, "device": device, "cores": os.cpu_count()}
    print(json.dumps({"scoring": found, **settings, "target_ratio_on_mix": TARGET}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/demo/finetuned"), help="a LLaVA checkpoint")
    parser.add_argument("--data", type=Path, default=Path("runs/demo/data"), help="a benchmark folder")
    parser.add_argument("--forget", default="20")
    parser.add_argument("--documents", type=int, default=100, help="at most so many names and so many scenes")
    parser.add_argument("--batch_size", type=int, default=32, help="of pebench_hf; the stock backend takes only 1")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="float32", help="float32 makes equal texts a fair demand")
    return parser.parse_args()


def _requests(task: Any, kind: str, documents: int) -> list[Instance]:
    task.build_all_requests()
    rows = task.dataset["test"]
    return [request for request in task.instances if rows[request.doc_id]["kind"] == kind][:documents]


def _compare(ours: Any, stock: Any, requests: Sequence[Instance], repeats: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"pebench_hf": [], "llava_hf": []}
    texts: dict[str, list[str]] = {}
    for _ in range(repeats):
        for name, model in (("pebench_hf", ours), ("llava_hf", stock)):
            fresh = [copy.copy(request) for request in requests]
            for request in fresh:  # the stock backend writes into the settings
                request.arguments = (*request.args[:2], dict(request.args[2]), *request.args[3:])
            started = time.perf_counter()
            texts[name] = [result.text for result in model.generate_until(fresh)]
            seconds[name].append(time.perf_counter() - started)
    rates = {name: len(requests) / min(times) for name, times in seconds.items()}
    equal = sum(a == b for a, b in zip(texts["pebench_hf"], texts["llava_hf"], strict=True))
    ratio = rates["pebench_hf"] / rates["llava_hf"]
    return {"documents": len(requests), **rates, "ratio": ratio, "equal_texts": equal}


def _print(found: dict[str, dict[str, float]], batch_size: int, device: str) -> None:
    table = Table(title=f"Documents per second on {device}, batch {batch_size} against batch 1")
    for column in ("set", "documents", "pebench_hf", "llava_hf", "ratio", "equal texts"):
        table.add_column(column, justify="left" if column == "set" else "right")
    for name, row in found.items():
        table.add_row(
            name, f"{row['documents']}", f"{row['pebench_hf']:.1f}", f"{row['llava_hf']:.1f}", f"{row['ratio']:.1f}",
            f"{row['equal_texts']}/{row['documents']}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
