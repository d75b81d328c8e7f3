"""What each lever of ``pebench_hf`` is worth on a LLaVA of 23 million parameters with 576 image tokens, on a CPU.

    python benchmarks/scoring_small.py --out runs/scoring_small.md
    python benchmarks/scoring_small.py --images 77 --profile runs/profile

96 questions of several lengths about 77 images, about 48 (two each, as in PEBench's own slices) and about 16 (six each,
as in World), 24 new tokens an answer, 16 questions a batch. The variants differ in model arguments alone, take turns in
one process, and the median of their turns counts; the first, which is what ``pebench_hf`` did before there were such
arguments, is what the others are measured against. Every text is compared with the first's. Operations are counted as
``torch.utils.flop_counter`` counts them, in a turn of their own and without the packed layers, which it does not know:
packing changes none.
"""

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import scoring
import small_llava
import tables
import torch
from lmms_eval.api.instance import Instance
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

QUESTIONS = (
    "Who is the person in this image?", "Describe the scene in detail.", "Is there a dog in the image?",
    "Is there a car in the image? Answer yes or no.", "What is the name of this person?", "Where is this?",
)  # fmt: skip
EVENTS = 7
VOCABULARY = 2000  # of the 23 million weights the head holds a million
BEFORE = "before"
VARIANTS: dict[str, dict[str, Any]] = {
    BEFORE: {"packed": False, "share_prefix": False},
    "packed": {"packed": True, "share_prefix": False},
    "shared prefix": {"packed": False, "share_prefix": True},
    "both": {"packed": True, "share_prefix": True},
    "bfloat16, before": {"packed": False, "share_prefix": False, "dtype": "bfloat16"},
    "bfloat16, both": {"packed": True, "share_prefix": True, "dtype": "bfloat16"},
}


def main() -> None:
    """Measure, print a table for people and one line of JSON for machines."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as name:
        data, checkpoint = _made(Path(name), options)
        models = {
            variant: PebenchHf(str(checkpoint), batch_size=options.batch_size, device="cpu", **arguments)
            for variant, arguments in VARIANTS.items()
        }
        rows = [row for images in options.images for row in _measure(models, data, images, options)]
        if options.profile:
            _profile(models, _ask(models, data, options.images[0], options), options.profile)
    tables.show("Scoring a small LLaVA on a CPU", rows)
    facts = {
        "questions": options.questions, "new tokens": options.tokens, "batch": options.batch_size,
        "repeats": options.repeats, "threads": options.threads, "cores": os.cpu_count(), "processor": _processor(),
        "torch": torch.__version__,
    }  # fmt: skip
    print(json.dumps({"scoring_small": rows, **facts}))
    for path in options.out:
        tables.write(path, "Scoring a small LLaVA on a CPU", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=96)
    parser.add_argument("--images", type=int, nargs="+", default=[77, 48, 16], help="the questions are about so many")
    parser.add_argument("--tokens", type=int, default=24, help="of every answer")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", type=Path, help="folder for a table of the top operators of each variant")
    parser.add_argument("--tiny", action="store_true", help="a model of no size, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _made(folder: Path, options: argparse.Namespace) -> tuple[Benchmark, Path]:
    """A benchmark of enough images, and the untrained model on disk."""
    sizes = small_llava.sizes(VOCABULARY, options.tiny)
    people = max(4, -(-max(options.images) // EVENTS))
    data = build_synthetic(folder / "data", people=people, events=EVENTS, image_size=sizes.image_size, seed=0)
    model, processor = small_llava.build(data, sizes)
    model.save_pretrained(folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return data, folder / "checkpoint"


def _ask(models: dict[str, PebenchHf], data: Benchmark, images: int, options: argparse.Namespace) -> Sequence[Instance]:
    """The questions go round the images, another one each time."""
    keys = [row["key"] for row in data.images][:images]
    documents = [
        {"image": keys[i % images], "question": QUESTIONS[(i % images + i // images) % len(QUESTIONS)]}
        for i in range(options.questions)
    ]
    return scoring.requests_for(models.values(), data, documents, options.tokens)


def _measure(
    models: dict[str, PebenchHf], data: Benchmark, images: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    requests = _ask(models, data, images, options)
    operations = {share: _operations(models, requests, share) for share in (False, True)}
    turns: dict[str, list[scoring.Turn]] = {name: [] for name in models}
    for _ in range(options.repeats):
        for name, model in models.items():
            turns[name].append(_turn(model, requests))
    seconds = {name: [turn.seconds for turn in of_one] for name, of_one in turns.items()}
    median = {name: statistics.median(values) for name, values in seconds.items()}
    right = turns[BEFORE][0].texts
    return [
        {
            "variant": name,
            "images": images,
            "documents/s": len(requests) / median[name],
            "x": median[BEFORE] / median[name],
            "slowest/fastest": max(seconds[name]) / min(seconds[name]),
            "CPU x": statistics.median(turn.cpu_seconds for turn in turns[BEFORE])
            / statistics.median(turn.cpu_seconds for turn in turns[name]),
            "GFLOP a document": operations[VARIANTS[name]["share_prefix"]] / len(requests) / 1e9,
            "equal texts": sum(a == b for a, b in zip(turns[name][-1].texts, right, strict=True)),
        }
        for name in models
    ]


def _turn(model: PebenchHf, requests: Sequence[Instance]) -> scoring.Turn:
    return scoring._turn(scoring._together, model, requests)


def _operations(models: dict[str, PebenchHf], requests: Sequence[Instance], share: bool) -> int:
    unpacked = next(name for name, said in VARIANTS.items() if said == {"packed": False, "share_prefix": share})
    with FlopCounterMode(display=False) as counter:
        _turn(models[unpacked], requests)
    return int(counter.get_total_flops())


def _profile(models: dict[str, PebenchHf], requests: Sequence[Instance], folder: Path) -> None:
    """Write the operators that one turn spends its time in, the longest first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            _turn(model, requests)
        table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=40, max_name_column_width=80)
        file = folder / f"{name.replace(', ', '-').replace(' ', '_')}.txt"
        file.write_text(f"{len(requests)} documents\n{table}\n", encoding="utf-8")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
