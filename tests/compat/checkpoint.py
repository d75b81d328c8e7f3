"""A small benchmark, and an untrained checkpoint for it: ``python tests/compat/checkpoint.py FOLDER``."""

import sys
from pathlib import Path

import torch

from pebench_tasks.benchmark.synthetic.build import build_synthetic
from unlearn.protocol import tiny_model

ROOT = Path(__file__).parents[2]


def main(folder: Path) -> None:
    """Write ``FOLDER/data`` and ``FOLDER/checkpoint``."""
    benchmark = build_synthetic(folder / "data", people=4, events=3, image_size=32, seed=0)
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    with torch.no_grad():  # so that no two words are as likely as each other to the last digit
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(3)
    model.save_pretrained(folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
