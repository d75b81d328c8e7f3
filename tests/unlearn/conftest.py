"""A real LLaVA for the small benchmark, and checkpoints of it, made once for all tests of ``unlearn``."""

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, LlavaProcessor, TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from unlearn import losses, methods
from unlearn.answers import Method, trace
from unlearn.arguments import UnlearnArguments
from unlearn.data.samples import Question, SampleSet, ask, singles
from unlearn.data.sets import SetOptions, build_sets, everything, lacks, replay
from unlearn.protocol import tiny_model
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoder, pad_id
from unlearn.tensors.forward import Reader, targets
from unlearn.tensors.parts import Lora
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.plan import make_plan
from unlearn.training.run import train, train_from_options

Options = Callable[..., TrainingArguments]
Tiny = tuple[LlavaForConditionalGeneration, LlavaProcessor]
# What fits an untrained model of three layers; its answers are so unlikely that simnpo's usual beta does nothing.
SMALL_SETTINGS: dict[str, dict[str, Any]] = {"rmu": {"layer": 1}, "simnpo": {"beta": 0.1}}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes reference values into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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
    rows = [sample for part in replay(benchmark) for sample in part]
    return train(
        model,
        processor,
        {"everything": SampleSet(singles(rows))},
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
    return train_from_options(arguments, options(foundation.parent / "finetuned", max_steps=20, learning_rate=3e-3))


class SecondModel:
    """The reference as a frozen copy of the model that runs at every step, which the engine does without."""

    def __init__(self, model: LlavaForConditionalGeneration) -> None:
        frozen = copy.deepcopy(model).requires_grad_(False).eval()
        self._reader = Reader(frozen, frozen)

    def logp(self, batch: Batch) -> Tensor:
        return losses.logp(self.logits(batch), *targets(batch), int(batch["count"]))

    def kl(self, batch: Batch, logits: Tensor) -> Tensor:
        return losses.kl(self.logits(batch), logits)

    def logits(self, batch: Batch) -> Tensor:
        return self._reader.logits(batch).detach()

    def activations(self, batch: Batch, layer: int) -> Tensor:
        return self._reader.activations(batch, layer).detach()


@pytest.fixture(scope="session")
def second_model() -> type[SecondModel]:
    return SecondModel


@pytest.fixture
def model(tiny: Tiny) -> LlavaForConditionalGeneration:
    """A copy of the untrained model that a test may change."""
    return copy.deepcopy(tiny[0])


@pytest.fixture(scope="session")
def questions(benchmark: Benchmark) -> list[Question]:
    """Every kind of question in every trained phrasing, of the benchmark and of the pre-training rows."""
    figures, world, _ = replay(benchmark)
    samples = [*everything(benchmark), *figures[:8], *world[:8]]
    return [
        ask(sample, phrasing)
        for sample in samples
        for phrasing in range(4 if sample.question != "world_question" else 1)
    ]


@pytest.fixture(scope="session")
def collated(encoder: Encoder) -> Callable[..., Batch]:
    """The batch of some units of questions: ``collated([[one, two], [three]], share_prefix=True)``."""

    def collated(units: Sequence[Sequence[Question]], share_prefix: bool = False) -> Batch:
        encoded = [[encoder(question) for question in unit] for unit in units]
        return collate_set(encoded, pad_id(encoder.processor), share_prefix)

    return collated


@pytest.fixture
def make(benchmark: Benchmark, tiny: Tiny, options: Options, tmp_path: Path) -> Callable[..., MethodTrainer]:
    """A trainer of an untrained model that is ready to train.

    ``make("kl", target="joint", max_steps=2)``; what is no option below is one of TrainingArguments.
    """

    def make(
        method: str | Method,
        *,
        target: str = "person",
        hyperparameters: dict[str, Any] | None = None,
        tune: Sequence[str] = parts.PARTS,
        lora: Lora | None = None,
        share_prefix: bool = True,
        questions_per_image: int = 1,
        top_k: int = 0,
        attention: str = "",
        start: LlavaForConditionalGeneration | None = None,
        **changes: Any,
    ) -> MethodTrainer:
        model = copy.deepcopy(start or tiny[0])
        if attention:
            model.set_attn_implementation(attention)
        settings = hyperparameters or (SMALL_SETTINGS.get(method, {}) if isinstance(method, str) else {})
        if isinstance(method, str):
            method = methods.METHODS[method]
            settings = methods.resolve_hyperparameters(method, settings)
        split = benchmark.split(target, 20)
        absent = [name for name in methods.optional_sets(method) if lacks(name, benchmark, split)]
        asked = trace(method, settings, absent).sets
        sets = build_sets(
            benchmark, list(asked), split=split, options=SetOptions(questions_per_image=questions_per_image)
        )
        tuned, training = parts.tune(model, tune, lora), options(tmp_path / "run", **changes)
        plan = make_plan(
            tuned, tiny[1], sets, method, training, load_image=benchmark.image, hyperparameters=settings,
            share_prefix=share_prefix,
        )  # fmt: skip
        made = MethodTrainer(tuned, plan)
        made.prepare_reference(top_k=top_k)
        return made

    return make
