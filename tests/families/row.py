"""One family's row of the matrix: a tiny model, finetuned until it knows 16 images, and questions to it."""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from family import Family
from lmms_eval.api.instance import Instance
from torch import Tensor
from transformers import TrainingArguments

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.reading import Benchmark
from unlearn import losses, methods
from unlearn.answers import Method, trace
from unlearn.balance import Balanced
from unlearn.data import forget_texts
from unlearn.data.samples import Question, Sample, SampleSet, ask, singles
from unlearn.data.sets import SetOptions, build_sets, everything, replay
from unlearn.protocol import tiny_model
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoder, as_dtype, context_length, pad_id
from unlearn.training.loading import load
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.plan import make_plan
from unlearn.training.run import train

LORA = parts.Lora(r=8, alpha=32, dropout=0.0)
# What fits a decoder of two or three layers, and answers that are known by heart.
SMALL_SETTINGS: dict[str, dict[str, Any]] = {"rmu": {"layer": 1}}
ANSWER = {"until": [], "max_new_tokens": 80, "temperature": 0.0, "do_sample": False, "num_beams": 1}


class Trained(NamedTuple):
    """A method's run: the trainer, and the model (with adapters, where it has any) in evaluation mode."""

    trainer: MethodTrainer
    model: Any


class Row:
    """What the checks of one family share."""

    def __init__(self, family: Family, benchmark: Benchmark, folder: Path) -> None:
        self.family, self.benchmark, self.folder = family, benchmark, folder
        self.split = benchmark.split("joint", 20)
        self.everything = everything(benchmark)
        self.texts = list(tiny_model._texts(benchmark))

    @cached_property
    def built(self) -> tuple[Any, Any]:
        """The untrained model and its processor; finetuning trains this very model."""
        return self.family.build(self.texts)

    @cached_property
    def checkpoint(self) -> Path:
        """The finetuned model on disk, which is also ``built`` from now on."""
        model, processor = self.built
        return train(
            model,
            processor,
            {"everything": SampleSet(singles(self.everything))},
            methods.METHODS["finetune"],
            self.options(
                self.folder / "finetuned",
                max_steps=self.family.steps,
                per_device_train_batch_size=self.family.batch_size,
                learning_rate=self.family.learning_rate,
                lr_scheduler_type="cosine",
                warmup_steps=10,
            ),
            load_image=self.benchmark.image,
            settings={"family": self.family.key},
            facts=self._facts("finetune"),
        )

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """The finetuned model and its processor, read from disk; not to be trained."""
        model, processor, _ = load(str(self.checkpoint), torch.float32)
        return model.eval(), processor

    @cached_property
    def encoder(self) -> Encoder:
        """Turns questions into tensors with the processor on disk."""
        return self.encoder_of(*self.loaded)

    def encoder_of(self, model: Any, processor: Any) -> Encoder:
        return Encoder(processor, self.benchmark.image, context=context_length(model))

    def _facts(self, method: str) -> dict[str, Any]:
        known = {"data": self.benchmark.fingerprint, "split": self.split.split_id}
        return {"method": method, "target": "joint", "forget": "20", **known}

    def options(self, folder: Path, **changes: Any) -> TrainingArguments:
        """Training options for a few steps on a CPU."""
        defaults: dict[str, Any] = {
            "use_cpu": True,
            "per_device_train_batch_size": 4,
            "lr_scheduler_type": "constant",
            "logging_strategy": "no",
            "save_strategy": "no",
            "disable_tqdm": True,
            "seed": 0,
        }
        return TrainingArguments(output_dir=str(folder), **{**defaults, **changes})

    # Questions

    @property
    def names(self) -> list[Sample]:
        """The name question on every image."""
        return [sample for sample in self.everything if sample.question == "person_question"]

    @property
    def scenes(self) -> list[Sample]:
        """The scene question on every image."""
        return [sample for sample in self.everything if sample.question == "scene_question"]

    @property
    def yes_or_no(self) -> list[Sample]:
        """Some yes/no questions about drawn objects, which no training here has seen."""
        return replay(self.benchmark)[1][:6]

    @property
    def text_only(self) -> list[Sample]:
        """The questions without an image that SIU asks."""
        return [
            *forget_texts.facts(self.benchmark, self.split), *forget_texts.invented(self.benchmark, self.split)
        ]  # fmt: skip

    # What a model says and how likely it finds an answer

    def answers(self, checkpoint: Path, samples: Sequence[Sample], batch_size: int = 8) -> list[str]:
        """What ``pebench_hf`` generates for the samples' questions, in their order."""
        model = PebenchHf(str(checkpoint), batch_size=batch_size, device="cpu", dtype="float32")
        questions = [ask(sample, 0) for sample in samples]
        model.task_dict["task"] = {"test": questions}
        requests = [
            Instance(
                request_type="generate_until",
                arguments=(question.question, self._messages, dict(ANSWER), number, "task", "test"),
                idx=0,
                metadata={"task": "task", "doc_id": number, "repeats": 1},
            )
            for number, question in enumerate(questions)
        ]
        return [result.text.strip() for result in model.generate_until(requests)]

    def _messages(self, question: Question) -> list[dict[str, Any]]:
        images = [{"type": "image", "url": self.benchmark.image(question.image)}] if question.image else []
        return [{"role": "user", "content": [*images, {"type": "text", "text": question.question}]}]

    def nll(self, model: Any, samples: Sequence[Sample]) -> float:
        """The mean negative log-likelihood of the answers' tokens, from the model's own logits, one by one."""
        total = count = 0.0
        for sample in samples:
            batch = self._batch(sample)
            wanted = batch["labels"][0, 1:]
            total += torch.nn.functional.cross_entropy(
                self.logits(model, sample), wanted, ignore_index=losses.IGNORED, reduction="sum"
            ).item()
            count += int((wanted != losses.IGNORED).sum())
        return total / count

    def logits(self, model: Any, sample: Sample) -> Tensor:
        """What a model predicts for each token of a sample behind the first, ``(tokens - 1, vocabulary)``."""
        with torch.no_grad():
            logits: Tensor = model(**as_dtype(self._batch(sample)["inputs"], model.dtype)).logits[0, :-1]
        return logits

    def _batch(self, sample: Sample) -> Batch:
        return collate_set([[self.encoder(ask(sample, 0))]], pad_id(self.encoder.processor), share_prefix=False)

    # Methods

    def trained(
        self, method: str, *, lora: bool, sets: Mapping[str, SampleSet] | None = None, balance: bool = False,
        steps: int = 3, learning_rate: float | None = None,
    ) -> Trained:  # fmt: skip
        """Some steps of a method from the finetuned model, whose language model alone is trained."""
        settings = methods.resolve_hyperparameters(methods.METHODS[method], SMALL_SETTINGS.get(method, {}))
        formula: Method = methods.METHODS[method]
        if balance:
            formula = Balanced(formula, settings)
        if sets is None:
            asked = trace(formula, settings).sets
            sets = build_sets(self.benchmark, list(asked), split=self.split, options=SetOptions(replay=0))
        tuned, processor = parts.tune(copy.deepcopy(self.loaded[0]), ["lm"], LORA if lora else None), self.loaded[1]
        training = self.options(
            self.folder / "run", max_steps=steps, learning_rate=learning_rate or (5e-3 if lora else 5e-4)
        )
        plan = make_plan(
            tuned, processor, sets, formula, training, load_image=self.benchmark.image, hyperparameters=settings
        )
        made = MethodTrainer(tuned, plan)
        made.prepare_reference()
        made.train()
        return Trained(made, made.core.eval())
