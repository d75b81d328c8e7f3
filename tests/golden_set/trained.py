"""Run records of real training runs of a few steps, on the tiny model."""

import json
from pathlib import Path

from golden_set import masks
from golden_set.commands import succeed
from pebench_tasks.benchmark.reading import open_benchmark
from unlearn.protocol import tiny_model

FEW = "--use_cpu true --max_steps 3 --per_device_train_batch_size 4 --learning_rate 1e-3 --save_strategy no"
QUIET = "--disable_tqdm true --logging_strategy no"
RUNS = {  # in this order, since some start from others
    "finetuned": "--method finetune --model trained/base --questions_per_image 2",
    "goal": "--method goal --model trained/base --target event --forget 20",
    "gd": "--method gd --model trained/finetuned --target person --forget 20 --retain_weight 2",
    "kl": "--method kl --model trained/finetuned --target person --forget 20 --lora true --lora_r 4 --save adapter",
    "joint": "--method gd --model trained/finetuned --target joint --forget 20 --balance bgd --retain_scope true",
    "recipe": "--config tiny/npo_event --method npo --model trained/finetuned --target event --forget 20 "
    "--reference_cache reference",
}


def goldens() -> dict[str, str]:
    """A run record a run."""
    base = [*f"--output_dir trained/base --config tiny/pretrain {FEW} {QUIET}".split(), "--seed", "0"]
    tiny_model.pretrain(open_benchmark(Path("data")), base)
    for name, options in RUNS.items():
        succeed(f"python -m unlearn {options} --data data --output_dir trained/{name} {FEW} {QUIET}")
    return {f"{name}.json": masks.dumped(json.loads(named(_record(name)))) for name in ("base", *RUNS)}


def named(text: str) -> str:
    """A text with names instead of the fingerprints of the trained weights, which a processor decides."""
    for name in ("base", *RUNS):
        text = text.replace(json.loads(_record(name))["weights"], f"weights of {name}")
    return text


def _record(name: str) -> str:
    return Path("trained", name, "pebench_run.json").read_text(encoding="utf-8")
