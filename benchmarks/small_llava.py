"""What the training benchmarks share: a LLaVA of about 50 million parameters, a small benchmark, a trainer on both.

At a vocabulary of 32,000 the language-model head holds 46 % of the weights that a token is multiplied with, at 2,000
it holds 5 %; at 7 billion parameters it is 2 %.
"""

import contextlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    TrainingArguments,
)

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from unlearn import methods
from unlearn.answers import Hyperparameters, trace
from unlearn.data.sets import SetOptions, build_sets, lacks
from unlearn.protocol import tiny_model
from unlearn.tensors import parts
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.plan import make_plan


class Sizes(NamedTuple):
    """The shape of the model; (image_size / patch_size) ** 2 image tokens."""

    vocabulary: int
    hidden: int = 512
    layers: int = 6
    image_size: int = 336
    patch_size: int = 14


def sizes(vocabulary: int, tiny: bool) -> Sizes:
    """The model that is measured, or one of no size, to try a program."""
    return Sizes(vocabulary, hidden=64, layers=2, image_size=32, patch_size=8) if tiny else Sizes(vocabulary)


def benchmark(folder: Path, *, tiny: bool = False, image_size: int = 128) -> Benchmark:
    """A few people in a few events; questions and answers as long as in any benchmark of this project."""
    people, events, pixels = (4, 3, 32) if tiny else (8, 6, image_size)
    return build_synthetic(folder / "data", people=people, events=events, image_size=pixels, seed=0)


def build(data_: Benchmark, sizes: Sizes) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """An untrained model, vision tower frozen, and its processor; the same weights at every call.

    The tokenizer knows as many tokens as the benchmark's texts give, at most ``sizes.vocabulary``; the model's
    vocabulary has exactly that many.
    """
    processor = processor_of(data_, sizes)
    config = configuration(
        processor,
        sizes,
        vision={"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 3, "num_attention_heads": 3},
        text={
            "intermediate_size": round(sizes.hidden * 2.7 / 32) * 32,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
        },
    )
    torch.manual_seed(0)
    model: LlavaForConditionalGeneration = parts.tune(LlavaForConditionalGeneration(config), ["lm", "projector"])
    return model, processor


def processor_of(data_: Benchmark, sizes: Sizes) -> LlavaProcessor:
    """A processor for images of ``sizes`` whose tokenizer is trained on the benchmark's texts."""
    with contextlib.redirect_stdout(io.StringIO()):  # the tokenizer trainer's warnings
        _, processor = tiny_model.build(
            data_, seed=0, image_size=sizes.image_size, patch_size=sizes.patch_size, vocabulary=sizes.vocabulary
        )
    processor.tokenizer.model_max_length = 4096
    return processor


def configuration(
    processor: LlavaProcessor,
    sizes: Sizes,
    *,
    vision: dict[str, Any],
    text: dict[str, Any],
    vision_feature_layer: int = -1,
) -> LlavaConfig:
    """A LLaVA that reads what ``processor`` makes; ``vision`` and ``text`` are what ``sizes`` leaves open."""
    tokenizer, side = processor.tokenizer, sizes.image_size // sizes.patch_size
    return LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=side * sizes.patch_size, patch_size=sizes.patch_size, **vision),
        text_config=LlamaConfig(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.hidden,
            num_hidden_layers=sizes.layers,
            max_position_embeddings=4096,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
            **text,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids(tiny_model.IMAGE),
        image_seq_length=side**2,
        vision_feature_layer=vision_feature_layer,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )


def head_share(model: LlavaForConditionalGeneration) -> float:
    """The head's share of the language model's weights that a token is multiplied with."""
    head = sum(p.numel() for p in model.get_output_embeddings().parameters())
    layers = sum(p.numel() for p in parts.decoder(model).layers.parameters())
    return head / (head + layers)


def settings(key: str, sizes: Sizes) -> Hyperparameters:
    """The method's defaults, RMU's layer a third of the way up."""
    defaults = methods.default_hyperparameters(methods.find(key))
    return {**defaults, **({"layer": sizes.layers // 3} if key == "rmu" else {})}


def trainer(
    model: LlavaForConditionalGeneration | PeftModel,
    processor: LlavaProcessor,
    benchmark: Benchmark,
    key: str,
    hyperparameters: Hyperparameters,
    *,
    folder: Path,
    batch_size: int,
    epochs: int,
    questions_per_image: int = 1,
    share_prefix: bool = True,
    **arguments: Any,
) -> MethodTrainer:
    """A method on the joint target (both kinds of questions), without replayed rows; on the CPU unless it is said.

    ``arguments`` are further ones of TrainingArguments.
    """
    method = methods.find(key)
    split = benchmark.split("joint", "20")
    absent = [name for name in methods.optional_sets(method) if lacks(name, benchmark, split)]
    asked = trace(method, hyperparameters, absent).sets
    options = SetOptions(replay=0.0, questions_per_image=questions_per_image)
    sets = build_sets(benchmark, list(asked), split=split, options=options)
    training = TrainingArguments(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=batch_size,
        num_train_epochs=epochs,
        disable_tqdm=True,
        seed=0,
        **{"use_cpu": True, **arguments},
    )
    plan = make_plan(
        model, processor, sets, method, training, load_image=benchmark.image, hyperparameters=hyperparameters,
        share_prefix=share_prefix,
    )  # fmt: skip
    return MethodTrainer(model, plan)


class OurStep:
    """Forward and backward of one step of a ``MethodTrainer``, batch building included."""

    def __init__(self, trainer: MethodTrainer) -> None:
        self.trainer = trainer
        trainer.current_gradient_accumulation_steps = 1  # set by its train(), which is not called

    def __call__(self, step: int) -> float:
        """The loss; the gradients are in the model."""
        trainer = self.trainer
        drawn = [trainer.positions[p] for p in positions_of(step, trainer)]
        batches, normalisers = trainer.get_batch_samples(iter([trainer.plan.collate(drawn)]), 1, trainer.args.device)
        return float(trainer.training_step(trainer.core, batches[0], normalisers))


def positions_of(step: int, trainer: MethodTrainer) -> range:
    """The positions of a step; the run's steps come round again."""
    size = trainer.plan.positions_a_step
    first = step * size % trainer.plan.total_positions
    return range(first, first + size)


def optimizer(model: torch.nn.Module, learning_rate: float = 1e-5) -> torch.optim.Optimizer:
    """AdamW as the Trainer has it by default."""
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=learning_rate, weight_decay=0.0, fused=True
    )
