"""A real LLaVA for the small benchmark, and checkpoints of it, made once for all tests of ``unlearn``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor, TrainingArguments

from pebench_tasks.benchmark import Benchmark
from unlearn import data, methods, tiny_model, trainer
from unlearn.arguments import UnlearnArguments
from unlearn.labels import Encoder

Options = Callable[..., TrainingArguments]
Tiny = tuple[LlavaForConditionalGeneration, LlavaProcessor]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def untrained(benchmark: Benchmark) -> Callable[[], Tiny]:
    """Builds the same untrained model and processor at every call."""
    return lambda: tiny_model.build(benchmark, seed=0, image_size=32)


@pytest.fixture(scope="session")
def tiny(untrained: Callable[[], Tiny]) -> Tiny:
    """An untrained model with its processor, not to be trained by a test."""
    return untrained()


@pytest.fixture(scope="session")
def encoder(benchmark: Benchmark, tiny: Tiny) -> Encoder:
    return Encoder(tiny[1], benchmark.image, context=512)


@pytest.fixture(scope="session")
def options() -> Options:
    """Training options for a few fast steps: ``options(output_dir, max_steps=5)``."""
    defaults: dict[str, Any] = {
        "use_cpu": True,
        "max_steps": 3,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "logging_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": 0,
    }
    return lambda output_dir, **changes: TrainingArguments(output_dir=str(output_dir), **{**defaults, **changes})


@pytest.fixture(scope="session")
def foundation(
    benchmark: Benchmark, untrained: Callable[[], Tiny], options: Options, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A checkpoint that has seen a few steps of the pre-training rows."""
    model, processor = untrained()
    rows = [sample for part in data.replay(benchmark) for sample in part]
    return trainer.train(
        model,
        processor,
        {"everything": data.SampleSet(rows)},
        methods.METHODS["finetune"],
        options(tmp_path_factory.mktemp("models") / "foundation"),
        load_image=benchmark.image,
        settings={"tiny": True},
        facts={"method": "pretrain", "target": "", "forget": "", "data": benchmark.fingerprint, "split": ""},
    )


@pytest.fixture(scope="session")
def finetuned(benchmark: Benchmark, foundation: Path, options: Options) -> Path:
    """The foundation checkpoint after some steps on the whole benchmark."""
    arguments = UnlearnArguments(method="finetune", model=str(foundation), data=str(benchmark.directory))
    return trainer.run(arguments, options(foundation.parent / "finetuned", max_steps=20, learning_rate=3e-3))
