"""What a run will do, settled before there is a Trainer: what the method asks, of which questions, in which batches."""

import copy
import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from peft import PeftModel
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin, TrainingArguments

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.machine import usable_cores
from pebench_tasks.versions import training_option
from unlearn import balance, methods
from unlearn.answers import Asked, Hyperparameters, Method, Terms, trace
from unlearn.balance import Balanced
from unlearn.data.samples import SampleSet
from unlearn.tensors import batches, encoding, packing
from unlearn.tensors.cache import Cache
from unlearn.training.positions import Positions, batch_or_refusal

log = logging.getLogger("unlearn")
# Options of TrainingArguments that would silently do nothing: their default, and why.
REFUSED_OPTIONS: dict[str, tuple[Any, str]] = {
    "train_sampling_strategy": ("random", "samples are drawn in a seeded order of our own"),
    "label_smoothing_factor": (0.0, "the loss is the method's formula"),
    "resume_from_checkpoint": (None, "the same command goes on by itself where it was interrupted"),
    "push_to_hub": (False, "upload the finished folder instead (hf upload)"),
    "auto_find_batch_size": (False, "the batch size decides which samples a step draws"),
    "torch_empty_cache_steps": (None, "a step here is not the Trainer's"),
    "torch_compile": (False, "hooks let the head read the answers alone, and a compiled model passes over them"),
}


@dataclass(frozen=True)
class Plan:
    """A method on the sets that it asks something of, and how they reach the model; made for one Trainer."""

    asked: Asked
    formula: Callable[..., Terms]  # the method with its hyperparameters; what is left are its sets
    balance: Balanced | None
    positions: Positions
    positions_a_step: int  # of all processes together
    shares_prefix: bool  # whether questions about one image are read behind one copy of it
    could_share_prefix: bool  # whether this model can read them so
    processor: ProcessorMixin
    arguments: TrainingArguments

    @property
    def total_positions(self) -> int:
        """How many positions the whole run draws."""
        steps = self.arguments.max_steps
        if steps <= 0:
            steps = math.ceil(self.arguments.num_train_epochs * (len(self.positions) // self.positions_a_step))
        return steps * self.positions_a_step

    @property
    def own_positions(self) -> list[int]:
        """The positions of the whole run that this process draws: batches go round the processes."""
        batch, processes = self.arguments.train_batch_size, self.arguments.world_size
        mine = self.arguments.process_index
        return [position for position in range(self.total_positions) if position // batch % processes == mine]

    @property
    def collate(self) -> Callable[..., Any]:
        """What makes batches of positions."""
        whole = partial(batches.collate, padding=encoding.pad_id(self.processor), share_prefix=self.shares_prefix)
        return partial(batch_or_refusal, whole)


def positions_a_step(arguments: TrainingArguments) -> int:
    """How many positions a step draws, of all processes together."""
    each = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return each * arguments.world_size


def with_draws(arguments: TrainingArguments, draws: int, concepts: int) -> TrainingArguments:
    """The same options with the number of steps that draw each of so many concepts ``draws`` times.

    Where that is no whole number of steps, some concepts are drawn once more.
    """
    counted = copy.copy(arguments)
    counted.max_steps = math.ceil(draws * concepts / positions_a_step(arguments))
    return counted


def make_plan(
    model: PreTrainedModel | PeftModel,
    processor: ProcessorMixin,
    sets: Mapping[str, SampleSet],
    method: Method,
    arguments: TrainingArguments,
    *,
    load_image: Callable[[str], Image.Image],
    hyperparameters: Hyperparameters,
    share_prefix: bool = True,
    cache: Cache | None = None,
) -> Plan:
    """The plan of a run; ``sets`` are those that the method asks something of, ``model`` may be wrapped by peft.

    ``cache`` keeps what was processed; without one it is kept in the memory of each process and worker.
    Raises ``BenchmarkError`` for options that cannot be kept.
    """
    for option, (default, reason) in REFUSED_OPTIONS.items():
        if getattr(arguments, option) != default:
            raise BenchmarkError(f"--{option} has no effect here: {reason}.")
    loading: Any = arguments.accelerator_config
    if loading.split_batches or loading.dispatch_batches:
        raise BenchmarkError(
            "--accelerator_config: no split_batches and no dispatch_batches; batches go round processes."
        )
    arguments = copy.copy(arguments)
    _fit_workers(arguments)
    arguments.remove_unused_columns = False  # a batch is a dictionary of sets, not of the model's inputs
    if arguments.n_gpu > 1:
        log.warning(
            "one of %d GPUs is used: each needs a process of its own (torchrun --nproc_per_node %d -m unlearn ..., or "
            "accelerate launch)", arguments.n_gpu, arguments.n_gpu,
        )  # fmt: skip
    arguments._n_gpu = min(arguments.n_gpu, 1)  # nn.DataParallel is not for steps of several passes
    checkpoints = training_option("activation_checkpointing_kwargs", vars(arguments))
    setattr(arguments, checkpoints, {"use_reentrant": False, **(getattr(arguments, checkpoints) or {})})
    absent = [name for name in methods.optional_sets(method) if name not in sets]
    asked = trace(method, hyperparameters, absent=absent)
    balanced = method if isinstance(method, Balanced) else None
    if balanced and arguments.train_batch_size < balance.LEAST_BATCH:
        raise BenchmarkError(
            f"--balance bgd shares out every device's batch: {balance.LEAST_BATCH} samples at least, not "
            f"{arguments.train_batch_size}. Give --per_device_train_batch_size {balance.LEAST_BATCH} or more and a "
            f"--global_batch_size of {balance.LEAST_BATCH * arguments.world_size} or more."
        )
    unasked = [name for name in methods.needed_sets(method) if name not in sets]
    # A copy: the last call's padding stays in a tokenizer, and would be saved with it.
    context = encoding.context_length(model)
    encoder = encoding.Encoder(copy.deepcopy(processor), load_image, context=context, cache=cache)
    seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
    step = positions_a_step(arguments)
    # Balanced, a position draws of both forget sets and keeps a share of each: as many samples an epoch as in one set.
    drawn = methods.needed_sets(balanced)[: len(balance.CONCEPTS)] if balanced else list(sets)[:1]
    positions = Positions(sets, encoder, seed, step, epoch=sum(len(sets[name]) for name in drawn))
    several = any(len(positions.at(name, 0)) > 1 for name in sets)
    reason = packing.shares_prefix(model) if share_prefix else "switched off"
    if several:
        how = "read behind one copy of it" if not reason else f"read one by one: {reason}"
        log.info("several questions about an image: %s", how)
    return Plan(
        asked=asked,
        formula=partial(method, **hyperparameters, **dict.fromkeys(unasked)),
        balance=balanced,
        positions=positions,
        positions_a_step=step,
        shares_prefix=several and not reason,
        could_share_prefix=not reason,
        processor=processor,
        arguments=arguments,
    )


def _fit_workers(arguments: TrainingArguments) -> None:
    """No more loader workers than a process has cores; torch lets none of no workers be persistent."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", arguments.world_size))
    cores = max(1, usable_cores() // processes)
    if arguments.dataloader_num_workers > cores:
        log.info(
            "loader workers: %d in place of %d, as many as a process has cores", cores, arguments.dataloader_num_workers
        )
        arguments.dataloader_num_workers = cores
    arguments.dataloader_persistent_workers &= arguments.dataloader_num_workers > 0
