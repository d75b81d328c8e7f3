"""Run records of real training runs of a few steps, on the tiny model."""

import json
from pathlib import Path

from golden_set import masks
from golden_set.commands import succeed
from pebench_tasks.benchmark import open_benchmark
from unlearn import tiny_model

FEW = "--use_cpu true --max_steps 3 --per_device_train_batch_size 4 --learning_rate 1e-3 --save_strategy no"
QUIET = "--disable_tqdm true --logging_strategy no"
RUNS = {  # in this order, since some start from others
    "finetuned": "--method finetune --model trained/base --questions_per_image 2",
    "goal": "--method goal --model trained/base --target event --forget 20",
    "gd": "--method gd --model trained/finetuned --target person --forget 20 --retain_weight 2",
    "kl": "--method kl --model trained/finetuned --target person --forget 20 --lora true --lora_r 4 --save adapter",
    "joint": "--method gd --model trained/finetuned --target joint --forget 20 --balance bgd --retain_scope true",
    "recipe": "--config tiny/npo_event --method npo --model trained/finetuned --target event --forget 20",
}


def goldens() -> dict[str, str]:
    """A run record a run, with what stands for fingerprints of weights that a processor decides."""
    base = [*f"--output_dir trained/base --config tiny/pretrain {FEW} {QUIET}".split(), "--seed", "0"]
    tiny_model.pretrain(open_benchmark(Path("data")), base)
    for name, options in RUNS.items():
        cache = "--reference_cache reference" if name == "kl" else ""
        succeed(f"python -m unlearn {options} --data data --output_dir trained/{name} {cache} {FEW} {QUIET}")
    records = {name: Path("trained", name, "pebench_run.json").read_text(encoding="utf-8") for name in ("base", *RUNS)}
    weights = {json.loads(text)["weights"]: f"weights of {name}" for name, text in records.items()}
    files = {}
    for name, text in records.items():
        for fingerprint, words in weights.items():
            text = text.replace(fingerprint, words)
        files[f"{name}.json"] = masks.dumped(json.loads(text))
    return files
