"""Train a method's terms on ``transformers.Trainer``: each is backpropagated before the next one is computed.

Weights, optimiser, schedule, mixed precision, several processes, checkpoints and logging are the Trainer's own; this
file adds what a method sees (``ModelAnswers``) and the stop at a loss that is not finite.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import balance
from unlearn.balance import Balanced
from unlearn.data.samples import Question
from unlearn.tensors import batches, parts
from unlearn.tensors.batches import Batch
from unlearn.tensors.encoding import check_model_reads, pad_id
from unlearn.tensors.forward import ModelAnswers, Normalisers, Reader, Reference, count_tokens
from unlearn.tensors.tower_features import KEPT_BYTES, TowerFeatures
from unlearn.training import reference
from unlearn.training.history import History
from unlearn.training.plan import Plan
from unlearn.training.positions import InOrder
from unlearn.training.reference import AdapterReference, StoredReference
from unlearn.training.reference_store import Kinds, ReferenceFolder, ReferenceValues

VERIFIED_SAMPLES = 3
log = logging.getLogger("unlearn")


class NoInputGradients(TrainerCallback):
    """Takes back what transformers does for activation checkpointing: every embedding, of patches too, gets a gradient.

    Checkpoints that are reentrant need it. With the others it is but a backward pass through parts that are frozen.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        checkpoints = getattr(args, training_option("activation_checkpointing_kwargs", vars(args)))
        if not checkpoints["use_reentrant"]:
            model.disable_input_require_grads()


class MethodTrainer(Trainer):
    """A Trainer whose step backpropagates a method's terms one after the other.

    ``model``, for which ``plan`` was made, may be wrapped by peft. ``feature_cache`` is a folder for what a frozen
    vision tower makes of images.
    """

    def __init__(self, model: PreTrainedModel | PeftModel, plan: Plan, feature_cache: Path | None = None) -> None:
        self.core: Any = model
        self.plan, self.positions = plan, plan.positions
        self.history = History()
        self.reference: Reference | None = None
        configuration = vars(model.config).copy()
        super().__init__(
            model=model,
            args=plan.arguments,
            train_dataset=plan.positions,
            data_collator=plan.collate,
            processing_class=plan.processor,
            callbacks=[self.history, NoInputGradients()],
        )
        # The Trainer has written an option of its own into the configuration, which goes into the checkpoint: undo it.
        vars(model.config).pop("use_cache", None)
        vars(model.config).update(configuration)
        if self.is_fsdp_enabled:
            self._name_fsdp_units()
        if self.spread:
            self._refuse_two_kinds()
        self._verify()
        self.features = self._tower_features(feature_cache)

    def create_accelerator_and_postprocess(self) -> None:
        """No DDP, whose buckets are as large as all gradients: ``_reduce_gradients`` averages them once a step."""
        super().create_accelerator_and_postprocess()
        if not self.spread:
            accelerator: Any = self.accelerator
            accelerator.prepare_model = partial(self._prepare_model, accelerator.prepare_model)

    def _prepare_model(self, prepare: Callable[..., nn.Module], model: nn.Module, **options: Any) -> nn.Module:
        """What accelerate does to a model but wrapping it; what is trained begins as it is in the first process."""
        prepared = prepare(model, **options, evaluation_mode=True)
        if self.several:
            for parameter in self.trained:
                torch.distributed.broadcast(parameter.data, 0)
        return prepared

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [parameter for parameter in self.core.parameters() if parameter.requires_grad]

    @property
    def several(self) -> bool:
        """Whether there are several processes, of which each holds the whole model."""
        return self.accelerator.num_processes > 1 and not self.spread

    @property
    def spread(self) -> bool:
        """Whether the model lies in pieces on several devices, of which each process runs the same passes."""
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _name_fsdp_units(self) -> None:
        """Shard layer by layer, unless the layers are named: accelerate stops at those that this model does not have.

        (``_no_split_modules`` of LLaVA names the text embeddings of CLIP, of which it uses the vision tower alone.)
        """
        plugin: Any = self.accelerator.state.fsdp_plugin
        if plugin.transformer_cls_names_to_wrap is None:
            present = {type(module).__name__ for module in self.core.modules()}
            units = set(getattr(self.core, "_no_split_modules", None) or []) & present
            plugin.transformer_cls_names_to_wrap = sorted(units)

    def _refuse_two_kinds(self) -> None:
        """Refuse sets that ask with an image and without: a process whose batch shows none runs no vision tower.

        The others would wait for ever for its part of the tower's weights, or of the projector's gradients.
        """
        if mixed := [name for name, chosen in self.positions.sets.items() if len(chosen.kinds()) > 1]:
            raise BenchmarkError(
                f"The set {mixed[0]} asks with an image and without, which neither FSDP nor DeepSpeed can train. "
                "Use unlearn/launch/ddp.yaml, or leave --facts out."
            )

    def _verify(self) -> None:
        """Decode the labels of the first samples of every set, and let the model read one of each kind."""
        for name, chosen in self.positions.sets.items():
            drawn = [q for position in range(VERIFIED_SAMPLES) for q in self.positions.at(name, position)]
            other = [question for question in chosen.kinds() if bool(question.image) != bool(drawn[0].image)]
            self.positions.encoder.verify([*drawn, *other])
            for question in (drawn[0], *other):
                check_model_reads(self.core, self.positions.encoder, question)

    def _tower_features(self, cache: Path | None) -> TowerFeatures | None:
        """What the frozen tower makes of images, kept for the run; None where it is to read every image anew.

        So where the tower is spread over GPUs: a process that asks nothing of it would let the others wait for ever.
        """
        if self.spread:
            if cache:
                raise BenchmarkError("--feature_cache has no effect under FSDP and DeepSpeed. Leave it out.")
            return None
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # of this machine, as launchers say
        features = TowerFeatures(self.core, Reader(self.core, self.core).logits, KEPT_BYTES, processes)
        questions = self._about_several_images()
        if not features.towers or not questions:
            return None
        with self.accelerator.autocast(), parts.evaluation_mode(self.core):
            if len(questions) < 2 or not features.prove(self._on_device(questions)):
                why = (
                    "a batch is not its images one behind another" if len(questions) > 1 else "of one size is only one"
                )
                log.info("the vision tower reads every image anew, and no --feature_cache is filled: %s", why)
                return None
        if cache:
            features.keep_in(cache, f"{self.core.dtype}, {self.accelerator.mixed_precision}")
        return features

    def _about_several_images(self) -> list[Question]:
        """Some first samples about different images that fit in one batch; none where there are no images."""
        drawn = [
            question._replace(contradicts="", erased=())
            for name in self.positions.sets
            for position in range(VERIFIED_SAMPLES)
            for question in self.positions.at(name, position)
        ]
        pictured = list({question.image: question for question in drawn if question.image}.values())
        shapes = [
            {key: value.shape for key, value in self.positions.encoder(question).image.items()} for question in pictured
        ]
        usual = max(shapes, key=shapes.count, default={})
        alike = [question for question, shape in zip(pictured, shapes, strict=True) if shape == usual]
        return alike[:VERIFIED_SAMPLES]

    def _on_device(self, questions: Sequence[Question]) -> Batch:
        encoder = self.positions.encoder
        batch = batches.collate_set(
            [[encoder(question)] for question in questions], pad_id(encoder.processor), share_prefix=False
        )
        return reference.on_device(batch, self.args.device)

    def prepare_reference(self, folder: Callable[[], ReferenceFolder] | None = None, top_k: int = 0) -> int:
        """Make the reference that the method asks for, before the first step.

        Returns the number of answers computed, by all processes together. ``folder`` opens the one where the values of
        a reference that is no adapter switched off are to be kept.
        """
        kinds = {name: reference.kinds(questions, top_k) for name, questions in self.plan.asked.sets.items()}
        kinds = {name: needed for name, needed in kinds.items() if needed}
        if top_k and (others := set().union(*kinds.values()) - {"top_values", "top_indices"}):
            raise BenchmarkError(
                f"--reference_top_k serves the method kl only; this one asks for reference_{min(others)}."
            )
        if not kinds:
            return 0
        reader = Reader(self.core, self.core, self.features)
        if isinstance(self.core, PeftModel):
            if top_k:
                raise BenchmarkError("--reference_top_k has no effect with --lora: its reference is exact and free.")
            self.reference = AdapterReference(reader)
            return 0
        # A head in pieces, on several GPUs, cannot be called outside the model.
        head = reference.frozen_head(self.core, copied=self.spread)
        wanted: dict[Question, Kinds] = {}
        own = self.plan.own_positions
        for name, needed in kinds.items():
            for position in own:
                for question in self.positions.at(name, position):
                    wanted[question] = wanted.get(question, set()) | needed
        opened = folder() if folder else None
        values = opened.read(wanted) if opened else ReferenceValues()
        device = next(self.core.parameters()).device
        self.core.to(self.args.device)
        with self.accelerator.autocast():
            behind = self._behind_head(reader, next(iter(wanted))) if "hidden" in set().union(*kinds.values()) else None
            if behind and self.spread:  # nor can the model be asked, later on, what it does behind its head
                raise BenchmarkError(
                    f"{type(self.core).__name__} changes what its head says, which cannot be repeated for the "
                    "reference where the model is spread over GPUs. Use --lora true, or for kl --reference_top_k 100."
                )
            lacking = {q: {kind for kind in needed if values.lacks(kind, q)} for q, needed in wanted.items()}
            lacking = {question: needed for question, needed in lacking.items() if needed}
            computed = reference.compute(
                lacking, reader, self.positions.encoder, rows=self.args.train_batch_size, top_k=top_k,
                share_prefix=self.plan.could_share_prefix, device=self.args.device,
                quiet=not self.is_local_process_zero(),
            )  # fmt: skip
        self.core.to(device)
        if opened and lacking:
            opened.write(computed)
        for kind, found in computed.rows.items():
            values.add(kind, found, computed.places[kind])
        self.reference = StoredReference(head.to(self.args.device), self.accelerator.autocast, behind)
        self.positions.values, self.positions.wanted = values, kinds
        self.positions.last = own[-1]
        return int(self.accelerator.reduce(torch.tensor(len(lacking), device=self.args.device), "sum"))

    def _behind_head(self, reader: Reader, question: Question) -> Callable[[Tensor], Tensor] | None:
        return reference.behind_head(reader, self._on_device([question]))

    @property
    def reference_kind(self) -> str:
        """Where the reference comes from: "none", "adapters off" or "stored"."""
        names = {type(None): "none", AdapterReference: "adapters off", StoredReference: "stored"}
        return names[type(self.reference)]

    def training_step(  # type: ignore[override]
        self, model: nn.Module, inputs: dict[str, Batch], num_items_in_batch: Mapping[str, Normalisers] | None = None
    ) -> Tensor:
        """Forward and backward of one micro-batch, term by term; returns its share of the step's loss.

        Raises ``BenchmarkError`` at a loss that is not finite, before the weights change.
        """
        parts.train_mode(model)
        optimizer: Any = self.optimizer
        if callable(getattr(optimizer, "train", None)):  # schedule-free optimisers have two modes
            optimizer.train()
        on_device: Any = self._prepare_inputs(dict(inputs))
        reader = Reader(model, self.core, self.features)
        normalisers = num_items_in_batch or {}
        answers = {
            name: ModelAnswers(reader, batch, self.reference, normalisers=normalisers.get(name), split=self.split)
            for name, batch in on_device.items()
        }
        terms: dict[str, Tensor] = {}
        last = self.accelerator.sync_gradients
        with self.compute_loss_context_manager():
            for name, term in self.plan.formula(**answers):
                loss = term / self.current_gradient_accumulation_steps
                # DeepSpeed reduces and steps inside the backward it is told is the last one.
                self.accelerator.gradient_state._set_sync_gradients(
                    last and len(terms) + 1 == len(self.plan.asked.terms)
                )
                self.accelerator.backward(loss, **self._backward_options)
                terms[name] = loss.detach()
                del term, loss
                for asked in answers.values():
                    asked.release()
        self.accelerator.gradient_state._set_sync_gradients(last)
        if list(terms) != self.plan.asked.terms:
            raise ValueError(f"the method yielded the terms {list(terms)}, after {self.plan.asked.terms} on a trial")
        values = self.accelerator.reduce(torch.stack(list(terms.values())), "mean")  # (terms,)
        self._stop_if_not_finite("loss", dict(zip(terms, values.tolist(), strict=True)))
        if last and self.several:
            self._reduce_gradients()
        self.history.add(dict(zip(terms, values.tolist(), strict=True)))
        return values.sum()

    def compute_loss_context_manager(self) -> ExitStack:
        """Autocast, under which adapters need no copy of their input in their own precision: it would cast it back."""
        stack = super().compute_loss_context_manager()
        stack.enter_context(disable_input_dtype_casting(self.core, active=bool(self.accelerator.native_amp)))
        return stack

    @property
    def split(self) -> float | None:
        """How many tokens of padding are worth reading a batch in two parts; None: it never is.

        Not where every process must run the same passes. Both parts have one backward pass, which holds what the first
        of them adds to the gradients until the other is done: where weights are trained that is a copy of them, so only
        a large share of a batch is worth it.
        """
        if self.spread:
            return None
        return batches.WORTH_A_PASS if isinstance(self.core, PeftModel) else math.inf

    @property
    def _backward_options(self) -> dict[str, Any]:
        """DeepSpeed would divide by the micro-batches of a step once more."""
        return {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}

    def _reduce_gradients(self, elements: int = 1 << 25) -> None:
        """Average the gradients over the processes, once a step, some tens of millions of elements at a time."""
        trained = self.trained
        some = torch.tensor([float(p.grad is not None) for p in trained], device=self.args.device)
        torch.distributed.all_reduce(some)
        present = some.tolist()
        bucket: list[Tensor] = []
        for number, parameter in enumerate(trained):
            if present[number]:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                bucket.append(parameter.grad)
            if bucket and (number + 1 == len(trained) or sum(g.numel() for g in bucket) >= elements):
                flat = torch.cat([gradient.flatten() for gradient in bucket]) / self.args.world_size
                torch.distributed.all_reduce(flat)
                for gradient, mean in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                    gradient.copy_(mean.view_as(gradient))
                bucket = []

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Batch]], Any]:
        """The micro-batches of a step; with BGD the forget sets hold the share of their concept.

        Raises ``BenchmarkError`` where a sample cannot be read.
        """
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        for batch in samples:
            if isinstance(batch, BenchmarkError):
                raise batch
        if self.plan.balance:
            self.plan.balance.follow(self.history.losses)
            for batch in samples:
                self._share_out(batch, self.plan.balance)
        return samples, self._normalisers(samples, device)

    def _share_out(self, batch: dict[str, Batch], balanced: Balanced) -> None:
        drawn = self.args.train_batch_size
        people = min(max(round(drawn * balanced.share), 1), drawn - 1)
        self.history.notes[balance.SHARE] = people / drawn
        for concept, units in zip(balance.CONCEPTS, (people, drawn - people), strict=True):
            name = f"{balanced.forget_set}_{concept}"
            batch[name] = batches.first(batch[name], units, drawn)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> None:
        """Nothing: what a step divides by is counted once its batches are what they will be."""

    def _normalisers(self, batch_samples: list[dict[str, Batch]], device: torch.device) -> dict[str, Normalisers]:
        """What each set's means divide by, averaged over the micro-batches and processes of the step."""
        if not batch_samples:
            return {}
        names = list(batch_samples[0])
        counts = torch.stack(
            [torch.tensor([count_tokens(batch[name]) for name in names]) for batch in batch_samples]
        ).mean(0)  # (sets, 2)
        means = self.accelerator.reduce(counts.to(device), "mean")
        return {name: Normalisers(*row) for name, row in zip(names, means.tolist(), strict=True)}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Load the weights of a checkpoint to resume from, as ``from_pretrained`` would.

        ``save_pretrained`` renames the weights of LLaVA and other families, and the Trainer's own method does not
        rename them back: it warns, loads none of them, and goes on from the start model
        (huggingface/transformers#43701).
        """
        if model is not None or not isinstance(self.model, PreTrainedModel):
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
        self.model.load_state_dict(saved.state_dict())
        return None

    def get_train_dataloader(self) -> DataLoader:
        """The Trainer's, with a generator of its own: torch draws a seed from it each time that workers begin.

        Workers that persist begin once a run and others once an epoch; from the common generator dropout would differ.
        """
        loader: Any = super().get_train_dataloader()
        loader.base_dataloader.generator = torch.Generator()
        return loader

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return InOrder(self.positions)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        if self.accelerator.scaler is None:  # with fp16 the scaler meets infinite gradients and skips the step
            self._stop_if_not_finite("gradient norm", {"all": float(norm)})
        return norm

    def _stop_if_not_finite(self, what: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                saved = sorted(Path(self.args.output_dir or "").glob("checkpoint-*"), key=lambda p: p.stat().st_mtime)
                kept = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint was saved before it"
                raise BenchmarkError(
                    f"Step {self.state.global_step + 1}: the {what} ({name}) is {value}, and training stopped; {kept}. "
                    "With a new --output_dir, lower --learning_rate, stop earlier (--max_steps) or use --dtype float32."
                )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The Trainer's log, with the mean of every term since the last one."""
        super().log({**logs, **self.history.since_last_log()} if "loss" in logs else logs, start_time)
