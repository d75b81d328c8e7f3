"""Time and peak memory of a step of every method, against a plain implementation of the same loss.

    python benchmarks/unlearn_step.py --out runs/unlearn_step.md

The plain implementation is ``plain_step.py``. Both train the same LLaVA of about 50 million parameters with 576 image
tokens on the CPU, on the same questions, both build their batches and take an AdamW step inside the timed span, and
they take turns on one model; before that their losses and gradients are compared at weights that have moved away from
the reference. Time is the median step; CPU time, of all threads, is the steadier figure on a busy machine. Memory is
the peak resident size of a process of its own, Python and libraries included, in a step with the optimiser's state in
place. The pass that computes the reference's values for a whole run is timed apart.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import small_llava
import tables
import torch
from plain_step import LOSSES, PlainStep
from small_llava import OurStep, Sizes

from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from unlearn.training.method_trainer import MethodTrainer

# Plain over ours in time, ours over plain in memory: what a lean prototype reached. At 2,000 only time was measured.
TARGETS: dict[tuple[int, str], tuple[float, float | None]] = {
    (32000, "gd"): (1.5, 0.8), (32000, "kl"): (2.5, 0.53), (32000, "npo"): (2.1, 0.7), (32000, "dpo"): (2.5, 0.53),
    (2000, "gd"): (1.1, None), (2000, "kl"): (1.2, None), (2000, "npo"): (1.27, None), (2000, "dpo"): (1.2, None),
}  # fmt: skip
AGREEMENT = 1e-3


def main() -> None:
    """Measure, print one table a vocabulary, write everything to ``--out``."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    rows, shares = [], {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        benchmark = small_llava.benchmark(folder, tiny=options.tiny)
        for vocabulary in options.vocabulary:
            sizes = small_llava.sizes(vocabulary, options.tiny)
            model = small_llava.build(benchmark, sizes)[0]
            shares[vocabulary] = small_llava.head_share(model)
            parameters = sum(p.numel() for p in model.parameters())
            del model
            here = [_row(key, sizes, benchmark, folder, options) for key in options.method]
            title = f"Vocabulary {vocabulary:,}: {parameters / 1e6:.0f} M parameters, head {shares[vocabulary]:.0%}"
            tables.show(f"{title}; plain / ours in time, ours / plain in memory", here)
            rows += here
    facts = {
        "batch": options.batch_size, "repeats": options.repeats, "epochs": options.epochs, "optimiser": "AdamW",
        "threads": options.threads, "cores": os.cpu_count(), "torch": torch.__version__,
        "head's share of the multiply weights": ", ".join(f"{v}: {s:.0%}" for v, s in shares.items()),
    }  # fmt: skip
    for path in options.out:
        tables.write(path, "A step of each method against a plain implementation", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="+", choices=list(LOSSES), default=list(LOSSES))
    parser.add_argument("--vocabulary", nargs="+", type=int, default=[32000, 2000])
    parser.add_argument("--batch_size", type=int, default=1, help="positions of each set in a step")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps of each implementation")
    parser.add_argument("--epochs", type=int, default=5, help="of the run for which the reference is computed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tiny", action="store_true", help="a model of no size, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _row(key: str, sizes: Sizes, benchmark: Benchmark, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    timed = _time(key, sizes, benchmark, folder, options)
    print(f"{key}, vocabulary {sizes.vocabulary}:", *(f"{k} {tables.text(v)}" for k, v in timed.items()), flush=True)
    memory = {
        variant: _in_fresh_process(variant, key, sizes, benchmark.directory, options) for variant in ("ours", "plain")
    }
    print(f"{key}, vocabulary {sizes.vocabulary}:", *(f"{k} {v:.0f} MB" for k, v in memory.items()), flush=True)
    time_target, memory_target = TARGETS.get((sizes.vocabulary, key), (None, None))
    return {
        "method": key,
        "vocabulary": sizes.vocabulary,
        "time x": timed["plain"] / timed["ours"],
        "target": time_target,
        "CPU time x": timed["cpu"],
        "memory x": memory["ours"] / memory["plain"],
        "target (memory)": memory_target,
        "with pass x": timed["with pass"],
        "ours s": timed["ours"],
        "plain s": timed["plain"],
        "ours MB": memory["ours"],
        "plain MB": memory["plain"],
        "pass s": timed["pass"],
        "answers": timed["answers"],
        "pays after steps": timed["pays after"],
        "loss differs": timed["loss differs"],
        "gradient differs": timed["gradient differs"],
    }


def _trainer(
    key: str, sizes: Sizes, benchmark: Benchmark, folder: Path, options: argparse.Namespace, epochs: int
) -> MethodTrainer:
    model, processor = small_llava.build(benchmark, sizes)
    return small_llava.trainer(
        model, processor, benchmark, key, small_llava.settings(key, sizes), folder=folder,
        batch_size=options.batch_size, epochs=epochs,
    )  # fmt: skip


def _time(key: str, sizes: Sizes, benchmark: Benchmark, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    trainer = _trainer(key, sizes, benchmark, folder, options, options.epochs)
    started = time.perf_counter()
    answers = trainer.prepare_reference()
    spent = time.perf_counter() - started
    ours, plain = OurStep(trainer), PlainStep(trainer, key, small_llava.settings(key, sizes))
    away = small_llava.optimizer(trainer.core, 1e-3)
    ours(0)
    away.step()
    away.zero_grad()
    del away
    loss, gradient = _compare(key, trainer, ours, plain)
    optimizer = small_llava.optimizer(trainer.core)
    implementations: dict[str, OurStep | PlainStep] = {"ours": ours, "plain": plain}
    seconds: dict[str, list[float]] = {name: [] for name in implementations}
    cpu: dict[str, list[float]] = {name: [] for name in implementations}
    for repeat in range(options.repeats):
        for name, step in list(implementations.items())[:: -1 if repeat % 2 else 1]:
            begun, begun_cpu = time.perf_counter(), time.process_time()
            step(2 + repeat)
            optimizer.step()
            optimizer.zero_grad()
            seconds[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - begun_cpu)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    steps = trainer.plan.total_positions // trainer.plan.positions_a_step
    saved = medians["plain"] - medians["ours"]
    return {
        **medians,
        "cpu": statistics.median(cpu["plain"]) / statistics.median(cpu["ours"]),
        "pass": spent if answers else None,
        "answers": answers or None,
        "pays after": spent / saved if answers and saved > 0 else None,
        "with pass": steps * medians["plain"] / (steps * medians["ours"] + (spent if answers else 0.0)),
        "loss differs": loss,
        "gradient differs": gradient,
    }


def _compare(key: str, trainer: MethodTrainer, ours: OurStep, plain: PlainStep) -> tuple[float, float]:
    """The difference of the losses, and that of the gradients over their norm; stops where the losses disagree."""
    trained = [p for p in trainer.core.parameters() if p.requires_grad]
    found = ours(1)
    gradients = [None if p.grad is None else p.grad.clone() for p in trained]
    trainer.core.zero_grad()
    expected = plain(1)
    pairs = [
        (torch.zeros_like(p) if g is None else g, torch.zeros_like(p) if p.grad is None else p.grad)
        for g, p in zip(gradients, trained, strict=True)
    ]
    trainer.core.zero_grad()
    difference = abs(found - expected) / max(1.0, abs(expected))
    if difference > AGREEMENT:
        raise SystemExit(f"{key}: the losses disagree, {found} here and {expected} in the plain implementation.")
    norm = sum(float(b.square().sum()) for _, b in pairs) ** 0.5
    return difference, sum(float((a - b).square().sum()) for a, b in pairs) ** 0.5 / norm


def _in_fresh_process(variant: str, key: str, sizes: Sizes, data: Path, options: argparse.Namespace) -> float:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "unlearn.training.method_trainer"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak, variant, key, sizes, data, options).result()


def _peak(variant: str, key: str, sizes: Sizes, data: Path, options: argparse.Namespace) -> float:
    """The peak resident size of this process, in MB, after the reference pass and a step."""
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as name:
        trainer = _trainer(key, sizes, open_benchmark(data), Path(name), options, 1)
        step: OurStep | PlainStep
        if variant == "ours":
            trainer.prepare_reference()
            step = OurStep(trainer)
        else:
            step = PlainStep(trainer, key, small_llava.settings(key, sizes))
        optimizer = small_llava.optimizer(trainer.core)
        for parameter in trainer.core.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()  # its state is there from the second step on
        optimizer.zero_grad()
        step(0)
        optimizer.step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
