"""Train a method's terms on ``transformers.Trainer``: each is backpropagated before the next one is computed.

Weights, optimiser, schedule, mixed precision, several processes, checkpoints and logging are the Trainer's own; this
file adds what a method sees (``ModelAnswers``), the order of the data and the stop at a loss that is not finite.
"""

import copy
import inspect
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
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
from unlearn import labels, losses
from unlearn.answers import Hyperparameters, Method
from unlearn.data import SampleSet

VERIFIED_SAMPLES = 3
# Options of TrainingArguments that would silently do nothing: their default, and why.
REFUSED_OPTIONS: dict[str, tuple[Any, str]] = {
    "train_sampling_strategy": ("random", "samples are drawn in a seeded order of our own"),
    "label_smoothing_factor": (0.0, "the loss is the method's formula"),
    "resume_from_checkpoint": (None, "the same command goes on by itself where it was interrupted"),
    "push_to_hub": (False, "upload the finished folder instead (hf upload)"),
}
Batch = dict[str, labels.Inputs]  # one dictionary of model inputs, with labels, per set


class ModelAnswers:
    """One set's share of a batch (see ``unlearn.answers``); the model runs at the first question asked of it.

    ``tokens`` is the number of answer tokens that ``nll`` divides by. Only answer positions reach the language-model
    head, where the model's ``forward`` takes ``logits_to_keep``. With ``split``, a batch of names and descriptions
    runs as two, so that the short samples are not padded to the length of the long ones; the loss is the same.
    """

    def __init__(
        self, model: nn.Module, inputs: labels.Inputs, *, keep: bool, tokens: float | None = None, split: bool = False
    ) -> None:
        self._model, self._inputs, self._keep, self._tokens, self._split = model, inputs, keep, tokens, split
        self._answers: list[tuple[Tensor, Tensor]] | None = None
        self._order: list[int] = []

    def nll(self) -> Tensor:
        parts = self._run()
        tokens = self._tokens or sum(int((targets != losses.IGNORED).sum()) for _, targets in parts)
        return torch.stack([losses.nll(logits, targets, tokens=tokens) for logits, targets in parts]).sum()

    def logp(self) -> Tensor:
        parts = torch.cat([losses.logp(logits, targets) for logits, targets in self._run()])  # (samples,)
        return parts[torch.tensor(self._order, device=parts.device).argsort()]

    def release(self) -> None:
        """Let go of the forward pass, whose graph a backward pass has used up."""
        self._answers = None

    def _run(self) -> list[tuple[Tensor, Tensor]]:
        """Of each part the logits ``(samples, positions, vocabulary)`` and their tokens ``(samples, positions)``."""
        if self._answers is None:
            parts = labels.split_by_length(self._inputs) if self._split else [list(range(len(self._inputs["labels"])))]
            self._order = [sample for part in parts for sample in part]
            whole = len(parts) == 1
            self._answers = [
                self._forward(self._inputs if whole else labels.take(self._inputs, part)) for part in parts
            ]
        return self._answers

    def _forward(self, batch: labels.Inputs) -> tuple[Tensor, Tensor]:
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        predicted = batch["labels"][:, 1:]  # (samples, tokens - 1); position t predicts token t + 1
        positions = (predicted != losses.IGNORED).any(0).nonzero()[:, 0]  # (positions,)
        if self._keep:
            logits = self._model(**inputs, logits_to_keep=positions, use_cache=False).logits
        else:
            logits = self._model(**inputs, use_cache=False).logits[:, positions]
        return logits, predicted[:, positions]


class Positions(Dataset):
    """All sets drawn at one position; an epoch is a pass over the first. Positions count on from epoch to epoch."""

    def __init__(self, sets: Mapping[str, SampleSet], encoder: labels.Encoder, seed: int) -> None:
        self.sets, self.encoder, self.seed = sets, encoder, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(next(iter(self.sets.values())))

    def __getitem__(self, position: int) -> dict[str, labels.Encoded]:
        return {name: self.encoder(chosen.at(position, f"{self.seed}/{name}")) for name, chosen in self.sets.items()}

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
        self.losses.append({"step": state.global_step, "loss": math.fsum(self._now.values()), **self._now})
        self._now = {}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.seconds += time.monotonic() - self._started


class MethodTrainer(Trainer):
    """A Trainer whose step backpropagates a method's terms one after the other."""

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        sets: Mapping[str, SampleSet],
        method: Method,
        arguments: TrainingArguments,
        *,
        load_image: Callable[[str], Image.Image],
        hyperparameters: Hyperparameters,
    ) -> None:
        for option, (default, reason) in REFUSED_OPTIONS.items():
            if getattr(arguments, option) != default:
                raise BenchmarkError(f"--{option} has no effect here: {reason}.")
        arguments = copy.copy(arguments)
        arguments.remove_unused_columns = False  # a batch is a dictionary of sets, not of the model's inputs
        configuration = vars(model.config).copy()
        self.formula = partial(method, **hyperparameters)
        self.history = History()
        encoder = labels.Encoder(processor, load_image, context=labels.context_length(model))
        seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
        self.positions = Positions(sets, encoder, seed)
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=self.positions,
            data_collator=partial(labels.collate, padding=labels.pad_id(processor)),
            processing_class=processor,
            callbacks=[self.history],
        )
        # The Trainer has written an option of its own into the configuration, which goes into the checkpoint: undo it.
        vars(model.config).pop("use_cache", None)
        vars(model.config).update(configuration)
        forward = inspect.signature(self.accelerator.unwrap_model(model).forward).parameters
        self.keep = "logits_to_keep" in forward
        if self.accelerator.distributed_type == "DEEPSPEED" and len(sets) > 1:
            # Its engine steps the optimiser inside every backward, so a second term would come too late.
            raise BenchmarkError("DeepSpeed cannot train a method of several terms yet. Use DDP or FSDP.")
        self.split = self.accelerator.num_processes == 1  # DDP wants one forward for one backward
        self._verify(model)

    def _verify(self, model: PreTrainedModel) -> None:
        """Decode the labels of the first samples of every set, and let the model read one of each."""
        data = self.positions
        for name, chosen in data.sets.items():
            questions = [chosen.at(position, f"{data.seed}/{name}") for position in range(VERIFIED_SAMPLES)]
            data.encoder.verify(questions)
            labels.check_model_reads(model, data.encoder, questions[0])

    def training_step(  # type: ignore[override]
        self, model: nn.Module, inputs: Batch, num_items_in_batch: Mapping[str, float] | None = None
    ) -> Tensor:
        """Forward and backward of one micro-batch, term by term; returns its share of the step's loss.

        Raises ``BenchmarkError`` at a loss that is not finite, before the weights change.
        """
        model.train()
        dtype = self.accelerator.unwrap_model(model).dtype
        on_device: Any = self._prepare_inputs(dict(inputs))
        tokens = num_items_in_batch or {}
        answers = {
            name: ModelAnswers(
                model, labels.as_dtype(batch, dtype), keep=self.keep, tokens=tokens.get(name), split=self.split
            )
            for name, batch in on_device.items()
        }
        terms: dict[str, Tensor] = {}
        with self.compute_loss_context_manager():
            for name, term in self.formula(**answers):
                loss = term / self.current_gradient_accumulation_steps
                self.accelerator.backward(loss)
                terms[name] = loss.detach()
                del term, loss
                for asked in answers.values():
                    asked.release()
        values = self.accelerator.reduce(torch.stack(list(terms.values())), "mean")  # (terms,)
        self._stop_if_not_finite("loss", dict(zip(terms, values.tolist(), strict=True)))
        self.history.add(dict(zip(terms, values.tolist(), strict=True)))
        return values.sum()

    def _get_num_items_in_batch(  # type: ignore[override]
        self, batch_samples: list[Batch], device: torch.device
    ) -> dict[str, float]:
        """Answer tokens per micro-batch and set, averaged over the step: so the mean runs over the whole batch."""
        if not batch_samples:
            return {}
        names = list(batch_samples[0])
        counts = torch.zeros(len(names), device=device)  # (sets,)
        for batch in batch_samples:
            counts += torch.stack([(batch[name]["labels"] != losses.IGNORED).sum() for name in names]).to(device)
        means = self.accelerator.reduce(counts, "mean") / len(batch_samples)
        return dict(zip(names, means.tolist(), strict=True))

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
