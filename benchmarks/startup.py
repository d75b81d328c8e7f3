"""Seconds from the command to the first document, by part: ``pebench score``, and the harness's own command beside it.

    python benchmarks/startup.py --model runs/demo/finetuned --data runs/demo/data

The first document is the model's first forward pass. The commands take turns, and of each the best turn counts: other
programs can only slow it. ``llava_hf`` is the stock backend, for a LLaVA checkpoint only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tables import show

PARTS = Path(__file__).with_name("startup_parts.py")
TASKS = "pebench_people,pebench_events"
TARGET = 6.0  # seconds of ``pebench score``, on two CPU cores that have nothing else to do


def main() -> None:
    """Measure, print a table for people and one line of JSON for machines."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(options.model, options.data, options.forget, Path(folder), stock=options.stock)
        os.environ |= {"PEBENCH_DATA": str(options.data.resolve()), "PEBENCH_FORGET": options.forget}
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, command in commands.items():
                turns[name].append(_turn(command, Path(folder)))
    best: dict[str, dict[str, float]] = {
        name: min((turn["parts"] for turn in found), key=lambda parts: sum(parts.values()))
        for name, found in turns.items()
    }
    names = list(dict.fromkeys(part for parts in best.values() for part in parts))
    names.sort(key=lambda part: -max(parts.get(part, 0.0) for parts in best.values()))
    rows: list[dict[str, str | float]] = [
        {"seconds": part, **{name: round(best[name].get(part, 0.0), 2) for name in best}} for part in names
    ]
    totals = {name: round(sum(parts.values()), 2) for name, parts in best.items()}
    cpu = {name: round(min(turn["cpu"] for turn in found), 2) for name, found in turns.items()}
    together = [{"seconds": "together", **totals}, {"seconds": "of them on the processor, at least", **cpu}]
    show("Seconds to the first document, by part", [*rows, *together])
    settings = {"repeats": options.repeats, "cores": os.cpu_count(), "target_of_pebench_score": TARGET}
    print(json.dumps({"startup": totals, "cpu": cpu, "parts": best, **settings}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/demo/finetuned"), help="a checkpoint")
    parser.add_argument("--data", type=Path, default=Path("runs/demo/data"), help="a benchmark folder")
    parser.add_argument("--forget", default="20")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stock", action=argparse.BooleanOptionalAction, default=True, help="lmms-eval's command too")
    return parser.parse_args()


def _commands(model: Path, data: Path, forget: str, folder: Path, *, stock: bool) -> dict[str, list[str]]:
    model, data = model.resolve(), data.resolve()
    words = ["--data", str(data), "--forget", forget, "--output_path", str(folder / "scores")]
    commands = {"pebench score": ["pebench", "score", str(model), *words]}
    if stock:
        common = ["lmms-eval", "--tasks", TASKS, "--output_path", str(folder / "stock"), "--model_args"]
        device = "device_map=cpu,device=cpu"  # its default is a GPU
        commands |= {
            "lmms-eval pebench_hf": [*common, f"pretrained={model}", "--model", "pebench_hf", "--batch_size", "32"],
            "lmms-eval llava_hf": [*common, f"pretrained={model},{device}", "--model", "llava_hf", "--batch_size", "1"],
        }
    return commands


def _turn(command: list[str], folder: Path) -> dict[str, Any]:
    file = folder / "parts.json"
    file.unlink(missing_ok=True)
    started = time.perf_counter()  # one clock for all processes of a machine
    done = subprocess.run(
        [sys.executable, str(PARTS), str(started), str(file), *command], cwd=folder, capture_output=True, text=True
    )
    if not file.is_file():
        raise SystemExit(f"{' '.join(command)} did not come to its first document:\n{done.stderr[-3000:]}")
    return dict(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
