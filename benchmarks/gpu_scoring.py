"""Documents per second and peak memory of ``pebench_hf`` against stock ``llava_hf`` on a GPU, for LLaVA-1.5-7B's shape.

    python benchmarks/gpu_scoring.py --out runs/gpu_scoring.md
    python benchmarks/gpu_scoring.py --profile runs/profile

Its figures have not been measured yet: it has run on the CPU alone, with ``--tiny``.

The checkpoint is built from its configuration with random weights, in bfloat16, and saved (14 GB) as transformers saves
any: no download. Each backend loads it alone: ``pebench_hf`` with an automatic batch size, then ``llava_hf``,
which takes one document at a time. Asked are distinct names and scenes of drawn images, 576 image tokens each; loading
is left out, the first pass warms up, and of those that follow the fastest counts.

Random weights know no end of an answer, so its length is fixed: ``--name_tokens`` and ``--scene_tokens`` are about what
a trained model writes. Their answers also recur more than a trained model's do, or less, which decides how much the
drafts of ``pebench_hf`` save: ``--no_drafts`` leaves these out, for what batches alone are worth.
"""

import argparse
import gc
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import gpu_step
import scoring
import small_llava
import tables
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger
from torch.profiler import ProfilerActivity, profile
from transformers import LlavaForConditionalGeneration

from pebench_tasks.backend import pebench_hf
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

PEOPLE, EVENTS = 100, 10  # 1,000 images
PROFILED = 32  # documents of the mix

Sets = dict[str, list[Instance]]


class NoDrafts(Drafts):
    """Remembers no answer, so there is nothing to guess from."""

    def learn(self, answer: Sequence[int]) -> None:
        """Forget it."""


def main() -> None:
    """Measure, print a table for people and one line of JSON for machines; exits with one line without a GPU."""
    options = _arguments()
    if not options.tiny and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA device here, and a model of 7 billion parameters is measured on one. "
            "--tiny tries the program on the CPU."
        )
    logger.remove()
    device = "cpu" if options.tiny else "cuda"
    drafts = nullcontext() if options.drafts else mock.patch.object(pebench_hf, "Drafts", NoDrafts)
    with TemporaryDirectory() as name, drafts:
        rows = _measure_all(Path(name), device, options)
    card = device if options.tiny else torch.cuda.get_device_name()
    tables.show(f"Scoring on {card}", rows)
    facts = {
        "device": card, "weights": "random, bfloat16", "tokens of a name": options.name_tokens,
        "tokens of a scene": options.scene_tokens, "drafts": options.drafts, "torch": torch.__version__,
    }  # fmt: skip
    print(json.dumps({"gpu_scoring": rows, **facts}))
    for path in options.out:
        tables.write(path, "Scoring on a GPU", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=512, help="at most so many names and so many scenes")
    parser.add_argument("--name_tokens", type=int, default=8, help="of every answer to a name")
    parser.add_argument("--scene_tokens", type=int, default=60, help="of every answer to a scene")
    parser.add_argument("--repeats", type=int, default=2, help="timed passes")
    parser.add_argument("--no_drafts", dest="drafts", action="store_false", help="pebench_hf guesses no answers")
    parser.add_argument("--profile", type=Path, help="folder for a table of the top operators of each backend")
    parser.add_argument("--tiny", action="store_true", help="a model of no size on the CPU, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _measure_all(folder: Path, device: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    data = _benchmark(folder, tiny=options.tiny)
    checkpoint = str(save_checkpoint(folder / "checkpoint", data, device, tiny=options.tiny))
    os.environ |= {
        "PEBENCH_DATA": str(data.directory),
        "PEBENCH_FORGET": "20",
        "PEBENCH_GOAL": "",
        "PEBENCH_RETAIN": "all",
    }
    backends: dict[str, Callable[[], Any]] = {
        "pebench_hf, batch auto": lambda: pebench_hf.PebenchHf(checkpoint, device=device, dtype="bfloat16"),
        "llava_hf, batch 1": lambda: LlavaHf(
            checkpoint, device=device, device_map=device, dtype="bfloat16", batch_size=1
        ),
    }
    tasks = get_task_dict(
        [task for task, _ in scoring.TASKS.values()],
        TaskManager(include_defaults=False, model_name="pebench_hf"),
        "chat",
    )
    sets = _sets(tasks, options)
    rows = []
    for name, load in backends.items():
        model = load()
        model.task_dict = {task: found.dataset for task, found in tasks.items()}
        rows += [_measure(name, which, model, requests, options) for which, requests in sets.items()]
        if options.profile:
            _profile(model, sets["mix"][:PROFILED], options.profile / f"{name.partition(',')[0]}.txt", device)
        del model
        gc.collect()
        torch.cuda.empty_cache()
    stock = {row["set"]: row["documents/s"] for row in rows if row["backend"] == "llava_hf, batch 1"}
    rows = [{**row, "times llava_hf": row["documents/s"] / stock[row["set"]]} for row in rows]
    return sorted(rows, key=lambda row: list(sets).index(row["set"]))


def _benchmark(folder: Path, *, tiny: bool) -> Benchmark:
    if tiny:
        return small_llava.benchmark(folder, tiny=True)
    return build_synthetic(folder / "data", people=PEOPLE, events=EVENTS, image_size=gpu_step.SHAPE.image_size, seed=0)


def save_checkpoint(folder: Path, data: Benchmark, device: str, *, tiny: bool) -> Path:
    """An untrained model in bfloat16 and its processor, as transformers saves them."""
    sizes = small_llava.sizes(gpu_step.WORDS, tiny=True) if tiny else gpu_step.SHAPE
    text, tower = (gpu_step.TINY_TEXT, gpu_step.TINY_TOWER) if tiny else (gpu_step.TEXT, gpu_step.TOWER)
    processor = small_llava.processor_of(data, sizes._replace(vocabulary=gpu_step.WORDS))
    config = small_llava.configuration(
        processor, sizes, vision=tower, text=text, vision_feature_layer=gpu_step.FEATURE_LAYER
    )
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = LlavaForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _sets(tasks: dict[str, Any], options: argparse.Namespace) -> Sets:
    """Names, scenes and the mix of both, every answer of its kind's length."""
    lengths = {"names": options.name_tokens, "scenes": options.scene_tokens}
    sets: Sets = {}
    for name, (task, kind) in scoring.TASKS.items():
        sets[name] = scoring._requests(tasks[task], kind, options.documents)
        for request in sets[name]:
            settings = {**request.args[2], "max_new_tokens": lengths[name]}
            request.arguments = (*request.args[:2], settings, *request.args[3:])
    sets["mix"] = [request for pair in zip(*sets.values(), strict=False) for request in pair]
    return sets


def _measure(
    name: str, which: str, model: Any, requests: Sequence[Instance], options: argparse.Namespace
) -> dict[str, Any]:
    """The fastest pass; memory is the most that all passes took, the weights included."""
    if not options.tiny:
        torch.cuda.reset_peak_memory_stats()
    turns = [scoring._turn(scoring._together, model, requests) for _ in range(1 + options.repeats)][1:]
    return {
        "set": which,
        "backend": name,
        "documents": len(requests),
        "documents/s": len(requests) / min(turn.seconds for turn in turns),
        "peak GiB": None if options.tiny else torch.cuda.max_memory_allocated() / gpu_step.GIB,
    }


def _profile(model: Any, requests: Sequence[Instance], table: Path, device: str) -> None:
    """Write the operators that one pass spends its time in, the longest first."""
    cuda = device == "cuda"
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda) as profiler:
        scoring._turn(scoring._together, model, requests)
    text = profiler.key_averages().table(sort_by=f"self_{device}_time_total", row_limit=40, max_name_column_width=80)
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(f"{len(requests)} documents\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
