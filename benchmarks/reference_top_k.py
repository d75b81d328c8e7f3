"""What ``--reference_top_k K`` costs ``kl`` in exactness, for a model a few steps of ``gd`` away from the reference.

    python benchmarks/reference_top_k.py --out runs/reference_top_k.md

The model of ``small_llava.py`` first learns the benchmark, because an untrained model's predictions are flat and any K
is too small for them. Pictures are cut into few patches: the error does not depend on the number of image tokens.
Compared are answer tokens of the retain set: the divergence of each, and its mean, which is the loss term.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import small_llava
import tables
import torch
from small_llava import OurStep
from torch import Tensor

from unlearn import losses
from unlearn.tensors.forward import Reader
from unlearn.training.method_trainer import MethodTrainer


def main() -> None:
    """Train, compare, print a table, write it to ``--out``."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    sizes = small_llava.sizes(options.vocabulary, options.tiny)._replace(image_size=64, patch_size=16)
    with TemporaryDirectory() as name:
        folder = Path(name)
        benchmark = small_llava.benchmark(folder, tiny=options.tiny)
        model, processor = small_llava.build(benchmark, sizes)

        def train(key: str, batch_size: int, steps: int, learning_rate: float) -> MethodTrainer:
            hyperparameters = small_llava.settings(key, sizes)
            trainer = small_llava.trainer(
                model, processor, benchmark, key, hyperparameters, folder=folder, batch_size=batch_size, epochs=100
            )
            step, optimizer = OurStep(trainer), small_llava.optimizer(model, learning_rate)
            for number in range(steps):
                loss = step(number)
                optimizer.step()
                optimizer.zero_grad()
            print(f"{key}: loss {loss:.3f} after {steps} steps")
            return trainer

        train("finetune", 16, options.finetune_steps, 1e-3)
        retain = small_llava.trainer(
            model, processor, benchmark, "gd", small_llava.settings("gd", sizes), folder=folder, batch_size=32, epochs=1
        )
        before = _retain_logits(retain)
        rows: list[dict[str, Any]] = []
        for steps in options.steps:
            train("gd", 4, steps - (rows[-1]["gd steps"] if rows else 0), 3e-5)
            rows += _compare(before, _retain_logits(retain), steps, options.k, sizes.hidden)
    tables.show("kl with the reference's K likeliest tokens against exact kl", rows)
    facts = {
        "vocabulary": options.vocabulary, "finetune steps": options.finetune_steps, "answer tokens": len(before),
        "torch": torch.__version__,
    }  # fmt: skip
    for path in options.out:
        tables.write(path, "The error of --reference_top_k", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", nargs="+", type=int, default=[10, 50, 100, 500])
    parser.add_argument("--steps", nargs="+", type=int, default=[2, 8], help="of gd, counted from the reference")
    parser.add_argument("--finetune_steps", type=int, default=80)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tiny", action="store_true", help="a model of no size, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _retain_logits(trainer: MethodTrainer) -> Tensor:
    """What the model predicts for the answer tokens of some retained samples, ``(N, vocabulary)``."""
    batch = trainer.plan.collate([trainer.positions[p] for p in small_llava.positions_of(0, trainer)])["retain"]
    trainer.core.eval()
    with torch.no_grad():
        return Reader(trainer.core, trainer.core).logits(batch)


def _compare(reference: Tensor, logits: Tensor, steps: int, ks: list[int], hidden: int) -> list[dict[str, Any]]:
    exact = losses.kl(reference, logits)  # (N,)
    rows = [_row(steps, "exact", exact, exact, 4 * hidden, 1.0)]
    known = reference.float().log_softmax(-1)
    for k in ks:
        values, indices = known.topk(min(k, known.shape[1]))
        found = losses.kl_top_k(values, indices, logits)
        mass = float(values.exp().sum(-1).mean())
        rows.append(_row(steps, str(k), exact, found, k * (values.element_size() + indices.element_size()), mass))
    return rows


def _row(steps: int, k: str, exact: Tensor, found: Tensor, size: int, mass: float) -> dict[str, Any]:
    return {
        "K": k,
        "gd steps": steps,
        "kl": float(found.mean()),
        "error of the mean %": 100 * float((found.mean() - exact.mean()) / exact.mean()),
        "error of the tokens %": 100 * float((found - exact).abs().sum() / exact.sum()),
        "mass of the K": mass,
        "bytes an answer token": size,
    }


if __name__ == "__main__":
    main()
