"""Train a method's terms on ``transformers.Trainer``: each is backpropagated before the next one is computed.

Weights, optimiser, schedule, mixed precision, several processes, checkpoints and logging are the Trainer's own; this
file adds what a method sees (``ModelAnswers``), the order of the data and the stop at a loss that is not finite.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset, Sampler
from transformers import (
    PreTrainedModel,
    ProcessorMixin,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState

from pebench_tasks.errors import BenchmarkError
from unlearn import balance, methods
from unlearn.answers import Hyperparameters, Method, trace
from unlearn.balance import Balanced
from unlearn.data.samples import Question, SampleSet
from unlearn.tensors import batches
from unlearn.tensors import encoding as labels
from unlearn.tensors.batches import Batch
from unlearn.tensors.forward import ModelAnswers, Normalisers, Reader, Reference, count_tokens
from unlearn.training import reference
from unlearn.training.reference import AdapterReference, Kinds, ReferenceCache, StoredReference

log = logging.getLogger("unlearn")
VERIFIED_SAMPLES = 3
# Options of TrainingArguments that would silently do nothing: their default, and why.
REFUSED_OPTIONS: dict[str, tuple[Any, str]] = {
    "train_sampling_strategy": ("random", "samples are drawn in a seeded order of our own"),
    "label_smoothing_factor": (0.0, "the loss is the method's formula"),
    "resume_from_checkpoint": (None, "the same command goes on by itself where it was interrupted"),
    "push_to_hub": (False, "upload the finished folder instead (hf upload)"),
    "auto_find_batch_size": (False, "the batch size decides which samples a step draws"),
    "torch_empty_cache_steps": (None, "a step here is not the Trainer's"),
}


class Positions(Dataset):
    """All sets drawn at one position; an epoch is a pass over the first. Positions count on from epoch to epoch.

    An epoch is rounded up to whole steps of ``step`` positions, so that every step is as large as the others.
    """

    def __init__(self, sets: Mapping[str, SampleSet], encoder: labels.Encoder, seed: int, step: int) -> None:
        self.sets, self.encoder, self.seed = sets, encoder, seed
        self.epoch = 0
        self._length = math.ceil(len(next(iter(sets.values()))) / step) * step
        self.cache: ReferenceCache | None = None
        self.wanted: dict[str, Kinds] = {}  # by set, the reference values that go into the batch
        self.end: int | None = None  # the loader reads ahead, beyond the run's last position, which has no values

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> dict[str, list[labels.Encoded]]:
        if self.end is not None:
            position = min(position, self.end - 1)
        return {name: [self._encode(name, question) for question in self.at(name, position)] for name in self.sets}

    def at(self, name: str, position: int) -> tuple[Question, ...]:
        """The questions of one set at a position."""
        return self.sets[name].at(position, f"{self.seed}/{name}")

    def _encode(self, name: str, question: Question) -> labels.Encoded:
        encoded = self.encoder(question)
        if self.cache is None or name not in self.wanted:
            return encoded
        return encoded._replace(sample={**encoded.sample, **self.cache.attach(question, self.wanted[name])})

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate, on the dataset or through the sampler, before each epoch."""
        self.epoch = epoch


class InOrder(Sampler[int]):
    """The positions of the dataset's current epoch; which samples they hold is shuffled there."""

    def __init__(self, dataset: Positions) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        start = self.dataset.epoch * len(self.dataset)
        return iter(range(start, start + len(self.dataset)))

    def set_epoch(self, epoch: int) -> None:
        self.dataset.set_epoch(epoch)


class History(TrainerCallback, ExportableState):
    """The loss terms of every step and the seconds spent, kept in the Trainer's checkpoints."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []
        self.seconds = 0.0
        self.notes: dict[str, float] = {}  # other figures of the current step
        self._now: dict[str, float] = {}
        self._logged = 0
        self._started = time.monotonic()

    def add(self, terms: Mapping[str, float]) -> None:
        """Add one micro-batch's share of the current step's terms."""
        for name, value in terms.items():
            self._now[name] = self._now.get(name, 0.0) + value

    def since_last_log(self) -> dict[str, float]:
        """The mean of each term over the steps since the last call."""
        rows, self._logged = self.losses[self._logged :], len(self.losses)
        names = dict.fromkeys(name for row in rows for name in row if name not in ("step", "loss"))
        return {name: math.fsum(row.get(name, 0.0) for row in rows) / len(rows) for name in names}

    def state(self) -> dict[str, Any]:
        spent = self.seconds + time.monotonic() - self._started
        return {"args": {}, "attributes": {"losses": self.losses, "seconds": spent}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        states: Any = state.stateful_callbacks  # by class name; the checkpoint's when resuming
        saved = states[type(self).__name__]["attributes"]
        self.losses, self.seconds = list(saved["losses"]), saved["seconds"]
        self._logged, self._started = len(self.losses), time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        loss = math.fsum(self._now.values())
        self.losses.append({"step": state.global_step, "loss": loss, **self._now, **self.notes})
        self._now = {}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.seconds += time.monotonic() - self._started


class MethodTrainer(Trainer):
    """A Trainer whose step backpropagates a method's terms one after the other.

    ``sets`` are those that the method asks something of; ``model`` may be wrapped by peft.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        processor: ProcessorMixin,
        sets: Mapping[str, SampleSet],
        method: Method,
        arguments: TrainingArguments,
        *,
        load_image: Callable[[str], Image.Image],
        hyperparameters: Hyperparameters,
        share_prefix: bool = True,
    ) -> None:
        for option, (default, reason) in REFUSED_OPTIONS.items():
            if getattr(arguments, option) != default:
                raise BenchmarkError(f"--{option} has no effect here: {reason}.")
        arguments = copy.copy(arguments)
        arguments.remove_unused_columns = False  # a batch is a dictionary of sets, not of the model's inputs
        self.core: Any = model
        # Several GPUs are several processes; nn.DataParallel is none of that.
        arguments._n_gpu = min(arguments.n_gpu, 1)
        configuration = vars(model.config).copy()
        optional = [name for name in methods.optional_sets(method) if name not in sets]
        self.asked = trace(method, hyperparameters, absent=optional)
        unasked = [name for name in methods.needed_sets(method) if name not in sets]
        self.formula = partial(method, **hyperparameters, **dict.fromkeys(unasked))
        self.balance = method if isinstance(method, Balanced) else None
        if self.balance and arguments.train_batch_size < balance.LEAST_BATCH:
            raise BenchmarkError(
                "--balance bgd shares out every device's batch: --per_device_train_batch_size must be at least "
                f"{balance.LEAST_BATCH}, not {arguments.train_batch_size}."
            )
        self.history = History()
        # A copy: the last call's padding stays in a tokenizer, and would be saved with it.
        encoder = labels.Encoder(copy.deepcopy(processor), load_image, context=labels.context_length(self.core))
        seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
        self.step_positions = arguments.train_batch_size * arguments.world_size * arguments.gradient_accumulation_steps
        self.positions = Positions(sets, encoder, seed, self.step_positions)
        several = any(len(self.positions.at(name, 0)) > 1 for name in sets)
        reason = batches.shares_prefix(self.core) if share_prefix else "switched off"
        self.share_prefix = several and not reason
        self.could_share = not reason
        if several:
            how = "read behind one copy of it" if not reason else f"read one by one: {reason}"
            log.info("several questions about an image: %s", how)
        self.reference: Reference | None = None
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=self.positions,
            data_collator=partial(batches.collate, padding=labels.pad_id(processor), share_prefix=self.share_prefix),
            processing_class=processor,
            callbacks=[self.history],
        )
        # The Trainer has written an option of its own into the configuration, which goes into the checkpoint: undo it.
        vars(model.config).pop("use_cache", None)
        vars(model.config).update(configuration)
        if self.is_fsdp_enabled:
            self._name_fsdp_units()
        self._verify()

    def _name_fsdp_units(self) -> None:
        """Shard layer by layer, unless the layers are named: accelerate stops at those that this model does not have.

        (``_no_split_modules`` of LLaVA names the text embeddings of CLIP, of which it uses the vision tower alone.)
        """
        plugin: Any = self.accelerator.state.fsdp_plugin
        if plugin.transformer_cls_names_to_wrap is None:
            present = {type(module).__name__ for module in self.core.modules()}
            units = set(getattr(self.core, "_no_split_modules", None) or []) & present
            plugin.transformer_cls_names_to_wrap = sorted(units)

    def _verify(self) -> None:
        """Decode the labels of the first samples of every set, and let the model read one of each."""
        for name in self.positions.sets:
            questions = [q for position in range(VERIFIED_SAMPLES) for q in self.positions.at(name, position)]
            self.positions.encoder.verify(questions)
            labels.check_model_reads(self.core, self.positions.encoder, questions[0])

    @property
    def total_positions(self) -> int:
        """How many positions the whole run draws."""
        steps = self.args.max_steps
        if steps <= 0:
            steps = math.ceil(self.args.num_train_epochs * len(self.positions) / self.step_positions)
        return steps * self.step_positions

    def prepare_reference(self, cache: Callable[[], ReferenceCache], top_k: int = 0) -> int:
        """Make the reference that the method asks for, before the first step; returns the values computed for it.

        ``cache`` opens the folder where the values of a reference that is no adapter switched off are kept.
        """
        kinds = {name: reference.kinds(questions, top_k) for name, questions in self.asked.sets.items()}
        kinds = {name: needed for name, needed in kinds.items() if needed}
        if top_k and (others := set().union(*kinds.values()) - {"top_values", "top_indices"}):
            raise BenchmarkError(
                f"--reference_top_k serves the method kl only; this one asks for reference_{min(others)}."
            )
        if not kinds:
            return 0
        reader = Reader(self.core, self.core)
        if isinstance(self.core, PeftModel):
            if top_k:
                raise BenchmarkError("--reference_top_k has no effect with --lora: its reference is exact and free.")
            self.reference = AdapterReference(reader)
            return 0
        # A head in pieces, on several GPUs, cannot be called outside the model.
        spread = self.is_fsdp_enabled or self.is_deepspeed_enabled
        head = reference.frozen_head(self.core, copied=spread)
        wanted: dict[Question, Kinds] = {}
        for name, needed in kinds.items():
            for position in range(self.total_positions):
                for question in self.positions.at(name, position):
                    wanted[question] = wanted.get(question, set()) | needed
        opened = cache()
        device = next(self.core.parameters()).device
        self.core.to(self.args.device)
        with self.accelerator.autocast():
            behind = self._behind_head(reader, next(iter(wanted))) if "hidden" in set().union(*kinds.values()) else None
            if behind and spread:  # nor can the model be asked, later on, what it does behind its head
                raise BenchmarkError(
                    f"{type(self.core).__name__} changes what its head says, which cannot be repeated for the "
                    "reference where the model is spread over GPUs. Use --lora true, or for kl --reference_top_k 100."
                )
            computed = reference.fill(
                opened, wanted, reader, self.positions.encoder, rows=self.args.train_batch_size, top_k=top_k,
                share_prefix=self.could_share, device=self.args.device,
                share=(self.args.process_index, self.args.world_size),
            )  # fmt: skip
        self.core.to(device)
        self.reference = StoredReference(head.to(self.args.device), self.accelerator.autocast, behind)
        self.accelerator.wait_for_everyone()
        opened.reload()
        self.positions.cache, self.positions.wanted = opened, kinds
        self.positions.end = self.total_positions
        return computed

    def _behind_head(self, reader: Reader, question: Question) -> Callable[[Tensor], Tensor] | None:
        encoder = self.positions.encoder
        batch = batches.collate_set([[encoder(question)]], labels.pad_id(encoder.processor), share_prefix=False)
        return reference.behind_head(reader, reference.on_device(batch, self.args.device))

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
        model.train()
        optimizer: Any = self.optimizer
        if callable(getattr(optimizer, "train", None)):  # schedule-free optimisers have two modes
            optimizer.train()
        on_device: Any = self._prepare_inputs(dict(inputs))
        reader = Reader(model, self.core)
        normalisers = num_items_in_batch or {}
        answers = {
            name: ModelAnswers(reader, batch, self.reference, normalisers=normalisers.get(name), split=self.split)
            for name, batch in on_device.items()
        }
        terms: dict[str, Tensor] = {}
        last = self.accelerator.sync_gradients
        with self.compute_loss_context_manager(), self._reduced_afterwards(model):
            for name, term in self.formula(**answers):
                loss = term / self.current_gradient_accumulation_steps
                # DeepSpeed reduces and steps inside the backward it is told is the last one.
                self.accelerator.gradient_state._set_sync_gradients(last and len(terms) + 1 == len(self.asked.terms))
                self.accelerator.backward(loss, **self._backward_options)
                terms[name] = loss.detach()
                del term, loss
                for asked in answers.values():
                    asked.release()
        self.accelerator.gradient_state._set_sync_gradients(last)
        if list(terms) != self.asked.terms:
            raise ValueError(f"the method yielded the terms {list(terms)}, after {self.asked.terms} on a trial")
        values = self.accelerator.reduce(torch.stack(list(terms.values())), "mean")  # (terms,)
        self._stop_if_not_finite("loss", dict(zip(terms, values.tolist(), strict=True)))
        if last and isinstance(model, DistributedDataParallel):
            self._reduce_gradients()
        self.history.add(dict(zip(terms, values.tolist(), strict=True)))
        return values.sum()

    @property
    def _backward_options(self) -> dict[str, Any]:
        """DeepSpeed would divide by the micro-batches of a step once more."""
        return {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}

    @property
    def split(self) -> bool:
        """Whether a batch may run as two: FSDP wants every process to run the same number of forward passes."""
        return self.accelerator.num_processes == 1 or isinstance(self.model_wrapped, DistributedDataParallel)

    @staticmethod
    def _reduced_afterwards(model: nn.Module) -> AbstractContextManager[None]:
        """Under DDP: no reduction during backward, which would want one forward for one backward, on all parameters."""
        ddp: Any = model
        return ddp.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def _reduce_gradients(self, elements: int = 1 << 25) -> None:
        """Average the gradients over the processes, once a step, some tens of millions of elements at a time."""
        trained = [p for p in self.core.parameters() if p.requires_grad]
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
        """The micro-batches of a step; with BGD the forget sets hold the share of their concept."""
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.balance:
            self.balance.follow(self.history.losses)
            for batch in samples:
                self._share_out(batch, self.balance)
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
