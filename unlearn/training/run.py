"""From a start model to a finished checkpoint folder, all or nothing.

``train_from_options`` is the command; ``train`` takes any model, processor and samples (the tiny model is
pre-trained by it).
"""

import copy
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pebench_templates
import torch
from huggingface_hub import snapshot_download
from PIL import Image
from transformers import (
    PreTrainedModel,
    ProcessorMixin,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from pebench_tasks.backend import families
from pebench_tasks.backend.threads import ONE_THREAD, fitting_threads, one_is_enough
from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn import methods
from unlearn.answers import Hyperparameters, Method, trace
from unlearn.arguments import UnlearnArguments
from unlearn.data.samples import SampleSet
from unlearn.data.sets import build_sets, counts, lacks
from unlearn.tensors import parts
from unlearn.tensors.parts import PARTS, Lora
from unlearn.training import adapters, record
from unlearn.training.folder import (
    disk_errors,
    finished,
    folders,
    newest_checkpoint,
    open_work,
    processed_samples,
    recorded_settings,
    removed_if_refused,
)
from unlearn.training.loading import load, model_folder
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.plan import make_plan, with_draws
from unlearn.training.reference_store import ReferenceFolder

log = logging.getLogger("unlearn")
FROM_FOUNDATION = ("finetune", "goal")  # a Goal that began as a Finetuned model would have seen the forget set


class Tuning(NamedTuple):
    """What of the model is trained, and what is saved of it."""

    tune: Sequence[str] = PARTS
    lora: Lora | None = None
    merge: bool = True  # adapters into the weights; else the adapters alone are saved


ALL_WEIGHTS = Tuning()


class _Steps(TrainerCallback):
    """Tells somebody how far the training is."""

    def __init__(self, told: Callable[[int, int], None]) -> None:
        self._told = told

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._told(state.global_step, state.max_steps)


def train_from_options(
    arguments: UnlearnArguments,
    training_arguments: TrainingArguments,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train as the options say; returns the checkpoint folder. Raises ``BenchmarkError`` for what cannot be done.

    ``on_step`` is told after each step how many are done, and how many there are.
    """
    method = arguments.formula()
    benchmark = open_benchmark(Path(arguments.data))
    split = benchmark.split(arguments.target, arguments.forget_set) if arguments.target else None
    folder = model_folder(arguments.model)
    parent = read_record(folder) if folder else None
    if parent and parent["data"] != benchmark.fingerprint:
        raise BenchmarkError(
            f"{arguments.model} was trained on the benchmark {parent['data']}, but {arguments.data} is "
            f"{benchmark.fingerprint}. Give the --data it was trained on, or train a model on this one."
        )
    if arguments.method in FROM_FOUNDATION and parent and parent["method"] != "pretrain":
        raise BenchmarkError(
            f"{arguments.model} has learned the benchmark already (method {parent['method']}); "
            f"{arguments.method} starts from the foundation model."
        )
    sets = sets_of(arguments, benchmark, split)
    if arguments.draws_per_concept and split:
        training_arguments = with_draws(training_arguments, arguments.draws_per_concept, len(split.forget_ids))
    dtype = arguments.precision(training_arguments.device)
    noted = record.noted_fingerprint(folder) if folder else arguments.model
    weights = noted if noted or folder is None else record.weights_fingerprint(folder)
    settings = {
        **arguments.as_dict(),
        "dtype": str(dtype).removeprefix("torch."),
        "replay": max(chosen.replay_share for chosen in sets.values()),
        "start": weights,
        "data_fingerprint": benchmark.fingerprint,
        "split": split.split_id if split else "",
    }
    if finished(training_arguments, settings):
        log.info("%s is finished already", training_arguments.output_dir)
        return Path(training_arguments.output_dir or "")
    model, processor, kept = load(
        arguments.model, dtype, trust_remote_code=arguments.trust_remote_code, four_bit=arguments.load_in_4bit,
        beside=arguments.lora, attention=arguments.attn_implementation,
    )  # fmt: skip
    start = folder or Path(snapshot_download(arguments.model, local_files_only=True))
    if noted:  # what is trained is known by what was read, not by a note of it
        weights = record.weights_fingerprint(start)
    if folder:
        settings["start"] = weights
    facts = {
        "method": arguments.method,
        "target": arguments.target,
        "forget": arguments.forget_set,
        "data": benchmark.fingerprint,
        "split": settings["split"],
        "base": parent["base"] if parent else weights,
        "parent": record.lineage(parent) or {"model": arguments.model, "weights": weights},
        **({} if kept is None else {"start_merge_kept": round(kept, 4)}),
    }

    def reference_folder() -> ReferenceFolder:
        precision = (settings["dtype"], _mixed_precision(training_arguments), arguments.attn_implementation)
        known_by = {
            "weights": weights,
            "surroundings": record.surroundings_fingerprint(start),
            "data": benchmark.fingerprint,
            "template": pebench_templates.fingerprint(),
            "precision": ", ".join(filter(None, precision)),
            "top_k": arguments.reference_top_k,
            "versions": " ".join(record.versions()[name] for name in ("torch", "transformers")),
        }
        return ReferenceFolder(Path(arguments.reference_cache).expanduser(), known_by)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    if one_is_enough(parameters, training_arguments.device):
        log.info(ONE_THREAD)
    with fitting_threads(parameters, training_arguments.device):
        return train(
            model,
            processor,
            sets,
            method,
            training_arguments,
            load_image=benchmark.image,
            hyperparameters=arguments.settings,
            settings=settings,
            facts=facts,
            tuning=Tuning(arguments.tune, arguments.lora_settings(), arguments.save == "merged"),
            reference_folder=reference_folder if arguments.reference_cache else None,
            reference_top_k=arguments.reference_top_k,
            feature_cache=Path(arguments.feature_cache).expanduser() if arguments.feature_cache else None,
            share_prefix=arguments.shared_prefix,
            on_step=on_step,
        )


def _mixed_precision(training_arguments: TrainingArguments) -> str:
    """The autocast precision: an option's, or the launcher's configuration."""
    chosen = [name for name in ("bf16", "fp16") if getattr(training_arguments, name)]
    return chosen[0] if chosen else os.environ.get("ACCELERATE_MIXED_PRECISION", "no")


def sets_of(arguments: UnlearnArguments, benchmark: Benchmark, split: Split | None) -> dict[str, SampleSet]:
    """The sets that the method asks something of; those it can do without are absent where they would be empty."""
    method = arguments.formula()
    absent = [name for name in methods.optional_sets(method) if split and lacks(name, benchmark, split)]
    asked = trace(method, arguments.settings, absent).sets
    return build_sets(benchmark, list(asked), split=split, options=arguments.set_options())


@disk_errors()
def train(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    sets: Mapping[str, SampleSet],
    method: Method,
    training_arguments: TrainingArguments,
    *,
    load_image: Callable[[str], Image.Image],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    hyperparameters: Hyperparameters | None = None,
    tuning: Tuning = ALL_WEIGHTS,
    reference_folder: Callable[[], ReferenceFolder] | None = None,
    reference_top_k: int = 0,
    feature_cache: Path | None = None,
    share_prefix: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train ``model`` in place on the sets that ``method`` asks and write it to ``training_arguments.output_dir``.

    ``settings`` is whatever else decides the result: compared when a run is resumed, and recorded. ``facts`` are
    fields of the run record that only the caller knows (method, target, forget, data, split, base, parent); a run
    without ``base`` starts a lineage, and is its own base. ``reference_folder`` opens the folder in which
    reference values are kept, for methods that need them; ``feature_cache`` is one for what a frozen vision tower makes
    of images. ``on_step``: see ``train_from_options``. Returns the folder;
    a finished one is not trained again.
    """
    options = methods.resolve_hyperparameters(method, hyperparameters or {})
    if finished(training_arguments, settings):
        return Path(training_arguments.output_dir or "")
    output_dir, work = folders(training_arguments)
    recorded = recorded_settings(settings, training_arguments)
    with training_arguments.main_process_first(local=False, desc="preparing the folder"):
        open_work(work, {**recorded, "processes": training_arguments.world_size})  # decides which samples a step draws
    inner = copy.copy(training_arguments)
    inner.output_dir = str(work)
    inner.dataloader_pin_memory &= inner.device.type != "cpu"  # torch warns where there is nothing to pin for
    for name, count in counts(sets).items():
        replayed = f"; {count['replay_share']:.0%} of each batch from {count['replay_rows']:,} replayed rows"
        log.info("%s: %d samples%s", name, count["samples"], replayed if count["replay_rows"] else "")
    with processed_samples(work, inner) as cache:
        with removed_if_refused(work):
            set_seed(training_arguments.seed)  # adapters begin at random: the same in every process and in every run
            tuned = parts.tune(model, tuning.tune, tuning.lora)
            log.info(parts.describe(tuned))
            if any(p.requires_grad and p.dtype in (torch.bfloat16, torch.float16) for p in tuned.parameters()):
                log.warning(
                    "The trained weights have 16 bits: steps below about 1/256 of a weight are rounded away. "
                    "Use --lora true, or --dtype float32 --bf16 true."
                )
            trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
            try:
                plan = make_plan(
                    tuned, processor, sets, method, inner, load_image=load_image, hyperparameters=options,
                    share_prefix=share_prefix, cache=cache,
                )  # fmt: skip
                trainer = MethodTrainer(tuned, plan, feature_cache)
            except ValueError as error:
                raise BenchmarkError(
                    f"transformers refuses the training options: {' '.join(str(error).split())}"
                ) from error
            started = time.perf_counter()
            computed = trainer.prepare_reference(reference_folder, reference_top_k)
            seconds = time.perf_counter() - started
        if trainer.reference_kind == "stored":
            log.info("the reference: %d answers computed in %.1f s", computed, seconds)
        elif trainer.reference_kind != "none":
            log.info("the reference: the model with its adapters off")
        if on_step:
            trainer.add_callback(_Steps(on_step))
        # Without the optimiser's state there is nothing to go on from.
        resume = None if inner.save_only_model else newest_checkpoint(work)
        if resume:
            log.info("going on from %s", resume)
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    kept = _save(trainer, tuning, work / "final")
    if trainer.is_world_process_zero():
        reference = {"computed": computed, "seconds": seconds, "kind": trainer.reference_kind}
        merged = {} if kept is None else {"merge_kept": round(kept, 4)}
        _finish(
            trainer,
            work / "final",
            {**facts, "arguments": recorded, "reference": reference, "trained_parameters": trained, **merged},
        )
        os.replace(work / "final", output_dir)  # onto nothing, or an empty folder: see ``finished``
        shutil.rmtree(work, ignore_errors=True)  # some file systems keep what a loader worker still maps
    trainer.accelerator.wait_for_everyone()
    return output_dir


def _save(trainer: MethodTrainer, tuning: Tuning, folder: Path) -> float | None:
    """Write the trained weights and the processor: a whole model, or the adapters alone.

    Returns the share of the adapters' change that merging kept, in the process that merged them.
    """
    model: Any = trainer.core
    if tuning.lora is None:
        trainer.save_model(str(folder), _internal_call=True)  # nothing is pushed to the hub on the way
        return None
    if not tuning.merge:
        _save_adapters(trainer, folder)
        return None
    # Where the base is in pieces, or rounded, the adapters are merged into one that is neither.
    apart = trainer.spread or getattr(model, "is_loaded_in_4bit", False)
    if apart:
        _save_adapters(trainer, folder.with_name("adapters"))
    if not trainer.is_world_process_zero():
        return None
    adapted = families.load_model(str(folder.with_name("adapters")), model.dtype) if apart else model
    merged, kept = adapters.merge(adapted)
    adapters.say_kept(kept, model.dtype, "Train with --save adapter, which keeps all of it, or with --dtype float32.")
    merged.generation_config = model.generation_config
    merged.save_pretrained(folder)
    processor: Any = trainer.processing_class
    processor.save_pretrained(folder)
    return kept


def _save_adapters(trainer: MethodTrainer, folder: Path) -> None:
    """Write the new adapters, and those that the start model came with, as one."""
    trainer.save_model(str(folder), _internal_call=True)
    if trainer.is_world_process_zero():
        adapters.save_together(trainer.core, folder)


def _finish(trainer: MethodTrainer, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the run record into the folder of the final weights."""
    for name in ("training_args.bin", "README.md"):  # a pickle of paths and an empty form; the record says more
        (folder / name).unlink(missing_ok=True)
    weights = record.weights_fingerprint(folder)
    cuda = trainer.args.device.type == "cuda"
    fields = {
        "seed": trainer.args.seed,
        "base": weights,
        "weights": weights,
        "template": pebench_templates.fingerprint(),
        "parent": None,
        **facts,
        "sets": counts(trainer.positions.sets),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "processes": trainer.args.world_size,
        "versions": record.versions(),
        "steps": trainer.state.global_step,
        "seconds": trainer.history.seconds,
        **({"image_features": trainer.features.counts} if trainer.features else {}),
        "peak_memory_bytes": record.peak_memory_bytes(),
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if cuda else 0,
        "losses": trainer.history.losses,
    }
    record.write_record(folder, fields)
