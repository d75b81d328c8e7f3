"""From a start model to a finished checkpoint folder, all or nothing.

``run`` is the command; ``train`` takes any model, processor and samples (the tiny model is pre-trained by it).
While a run lasts, everything is in ``<output_dir>.partial``; ``<output_dir>`` appears, complete, at the end. The same
command goes on from the newest checkpoint in the partial folder, and returns at once if the run has finished.
"""

import copy
import errno
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pebench_templates
import platformdirs
import torch
from huggingface_hub import snapshot_download
from PIL import Image
from safetensors import SafetensorError
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
from pebench_tasks.backend.adapters import adapter_base
from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn import methods
from unlearn.answers import Hyperparameters, Method, trace
from unlearn.arguments import UnlearnArguments
from unlearn.data import sets as data
from unlearn.data.samples import SampleSet
from unlearn.tensors import parts
from unlearn.tensors.parts import PARTS, Lora
from unlearn.training import record
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.reference import ReferenceCache

log = logging.getLogger("unlearn")
FROM_FOUNDATION = ("finetune", "goal")  # a Goal that began as a Finetuned model would have seen the forget set
SETTINGS_FILE = "settings.json"
TORCH_WRITING = ("PytorchStreamWriter", "inline_container", "iostream error")  # torch.save says it in these words
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
# Options that decide where, how fast and how audibly a run goes, but not what it computes: free to change on resuming.
# (The data and a local start model are compared by their fingerprints, not by where they lie.)
FREE_OPTIONS = {
    "model", "data", "output_dir", "reference_cache", "disable_tqdm", "report_to", "run_name", "log_level",
    "log_level_replica", "log_on_each_node", "logging_strategy", "logging_steps", "logging_first_step",
    "save_strategy", "save_steps",
    "save_total_limit", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
    "dataloader_persistent_workers", "local_rank", "ddp_timeout", "skip_memory_metrics",
}  # fmt: skip


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


def run(
    arguments: UnlearnArguments,
    training_arguments: TrainingArguments,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train as the options say; returns the checkpoint folder. Raises ``BenchmarkError`` for what cannot be done.

    ``on_step`` is told after each step how many are done, and how many there are.
    """
    method = arguments.formula()
    benchmark = open_benchmark(Path(arguments.data))
    split = benchmark.split(arguments.target, arguments.forget) if arguments.target else None
    folder = _model_folder(arguments.model)
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
    if folder and arguments.lora and adapter_base(folder) and not _merges_in_memory(arguments):
        raise BenchmarkError(
            f"{arguments.model} holds adapters alone, and new adapters would be saved without them. "
            "Train it with --save merged, without --load_in_4bit and without FSDP or DeepSpeed."
        )
    sets = sets_of(arguments, benchmark, split)
    weights = record.weights_fingerprint(folder) if folder else arguments.model
    dtype = _dtype(arguments.dtype, training_arguments.device)
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
    model, processor = load(
        arguments.model, dtype, trust_remote_code=arguments.trust_remote_code, four_bit=arguments.load_in_4bit
    )
    if folder is None:
        folder = Path(snapshot_download(arguments.model, local_files_only=True))
        weights = record.weights_fingerprint(folder)
    facts = {
        "method": arguments.method,
        "target": arguments.target,
        "forget": arguments.forget,
        "data": benchmark.fingerprint,
        "split": settings["split"],
        "base": parent["base"] if parent else weights,
        "parent": record.lineage(parent) or {"model": arguments.model, "weights": weights},
    }
    known_by = {
        "weights": weights,
        "surroundings": record.surroundings_fingerprint(folder),
        "data": benchmark.fingerprint,
        "template": pebench_templates.fingerprint(),
        "precision": f"{settings['dtype']}, {_mixed_precision(training_arguments)}",
        "top_k": arguments.reference_top_k,
        "versions": " ".join(record.versions()[name] for name in ("torch", "transformers")),
    }
    digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()[:24]
    cache = arguments.reference_cache or str(platformdirs.user_cache_path("pebench") / "reference" / digest)
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
        reference_cache=lambda: ReferenceCache(Path(cache).expanduser(), known_by),
        reference_top_k=arguments.reference_top_k,
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
    absent = [name for name in methods.optional_sets(method) if split and data.lacks(name, benchmark, split)]
    asked = trace(method, arguments.settings, absent).sets
    return data.build_sets(benchmark, list(asked), split=split, options=arguments.set_options())


@contextmanager
def _disk_errors() -> Iterator[None]:
    """A failed write - a full disk, a quota, no permission - as one clear error, whoever was writing."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        failed_write = isinstance(error, SafetensorError) or any(word in str(error) for word in TORCH_WRITING)
        if not failed_write and getattr(error, "errno", None) not in DISK_ERRORS:
            raise
        raise BenchmarkError(
            f"Writing failed ({' '.join(str(error).splitlines()[0].split())}). Free space or choose another place, and "
            "run the same command again: it goes on from the newest complete checkpoint."
        ) from error


@contextmanager
def _begun(work: Path) -> Iterator[None]:
    """The preparations of a run: one that is refused in them leaves no folder that would hold up the next attempt."""
    try:
        yield
    except BenchmarkError:
        if _newest_checkpoint(work) is None:
            shutil.rmtree(work, ignore_errors=True)
        raise


@_disk_errors()
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
    reference_cache: Callable[[], ReferenceCache] | None = None,
    reference_top_k: int = 0,
    share_prefix: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train ``model`` in place on the sets that ``method`` asks and write it to ``training_arguments.output_dir``.

    ``settings`` is whatever else decides the result: compared when a run is resumed, and recorded. ``facts`` are
    fields of the run record that only the caller knows (method, target, forget, data, split, base, parent); a run
    without ``base`` starts a lineage, and is its own base. ``reference_cache`` opens the folder of reference values,
    for methods that need them. ``on_step``: see ``run``. Returns the folder; a finished one is not trained again.
    """
    options = methods.resolve_hyperparameters(method, hyperparameters or {})
    if finished(training_arguments, settings):
        return Path(training_arguments.output_dir or "")
    output_dir, work = _folders(training_arguments)
    recorded = _recorded(settings, training_arguments)
    with training_arguments.main_process_first(local=False, desc="preparing the folder"):
        _begin(work, {**recorded, "processes": training_arguments.world_size})  # decides which samples a step draws
    inner = copy.copy(training_arguments)
    inner.output_dir = str(work)
    inner.dataloader_pin_memory &= inner.device.type != "cpu"  # torch warns where there is nothing to pin for
    for name, count in data.counts(sets).items():
        replayed = f"; {count['replay_share']:.0%} of each batch from {count['replay_rows']:,} replayed rows"
        log.info("%s: %d samples%s", name, count["samples"], replayed if count["replay_rows"] else "")
    with _begun(work):
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
            trainer = MethodTrainer(
                tuned, processor, sets, method, inner, load_image=load_image, hyperparameters=options,
                share_prefix=share_prefix,
            )  # fmt: skip
        except ValueError as error:
            raise BenchmarkError(
                f"transformers refuses the training options: {' '.join(str(error).split())}"
            ) from error
        started = time.perf_counter()
        computed = trainer.prepare_reference(reference_cache, reference_top_k) if reference_cache else 0
        seconds = time.perf_counter() - started
    if trainer.reference_kind == "stored":
        where = trainer.positions.cache.directory if trainer.positions.cache else ""
        log.info("the reference: %d answers computed in %.1f s, any others read from %s", computed, seconds, where)
    elif trainer.reference_kind != "none":
        log.info("the reference: the model with its adapters off")
    if on_step:
        trainer.add_callback(_Steps(on_step))
    resume = None if inner.save_only_model else _newest_checkpoint(work)
    if resume:
        log.info("going on from %s", resume)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    _save(trainer, tuning, work / "final")
    if trainer.is_world_process_zero():
        reference = {"computed": computed, "seconds": seconds, "kind": trainer.reference_kind}
        _finish(
            trainer,
            work / "final",
            {**facts, "arguments": recorded, "reference": reference, "trained_parameters": trained},
        )
        os.replace(work / "final", output_dir)
        shutil.rmtree(work)
    trainer.accelerator.wait_for_everyone()
    return output_dir


def _merges_in_memory(arguments: UnlearnArguments) -> bool:
    """Whether adapters end up in the very weights that were loaded, which may be a base with others merged into it."""
    spread = any(os.environ.get(f"ACCELERATE_USE_{name}", "false") == "true" for name in ("FSDP", "DEEPSPEED"))
    return arguments.save == "merged" and not arguments.load_in_4bit and not spread


def _save(trainer: MethodTrainer, tuning: Tuning, folder: Path) -> None:
    """Write the trained weights and the processor: a whole model, or the adapters alone."""
    model: Any = trainer.core
    if tuning.lora is None or not tuning.merge:
        trainer.save_model(str(folder), _internal_call=True)
        return
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled or getattr(model, "is_loaded_in_4bit", False):
        # The base is in pieces, or rounded: the adapters are merged into a base that is neither.
        adapters = folder.with_name("adapters")
        trainer.save_model(str(adapters), _internal_call=True)
        if trainer.is_world_process_zero():
            load(str(adapters), model.dtype)[0].save_pretrained(folder)
    elif trainer.is_world_process_zero():
        model.merge_and_unload().save_pretrained(folder)
    if trainer.is_world_process_zero():
        processor: Any = trainer.processing_class
        processor.save_pretrained(folder)


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
        "sets": data.counts(trainer.positions.sets),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "processes": trainer.args.world_size,
        "versions": record.versions(),
        "steps": trainer.state.global_step,
        "seconds": trainer.history.seconds,
        "peak_memory_bytes": record.peak_memory_bytes(),
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if cuda else 0,
        "losses": trainer.history.losses,
    }
    record.write_record(folder, fields)


def finished(training_arguments: TrainingArguments, settings: Mapping[str, Any]) -> bool:
    """Whether the output folder holds this very run, complete; raises ``BenchmarkError`` if it holds something else."""
    output_dir, work = _folders(training_arguments)
    if not output_dir.exists() or (output_dir.is_dir() and not any(output_dir.iterdir())):
        return False
    existing = read_record(output_dir) if output_dir.is_dir() else None
    if existing is None:
        raise BenchmarkError(f"{output_dir} exists and is no checkpoint of this program. Choose another --output_dir.")
    if differs := _difference(existing["arguments"], _recorded(settings, training_arguments)):
        raise BenchmarkError(
            f"{output_dir} holds a finished run with other settings ({differs}). "
            "Choose another --output_dir or delete it."
        )
    shutil.rmtree(work, ignore_errors=True)  # left over if the process was killed after the last step of all
    return True


def load(
    name: str, dtype: torch.dtype, *, trust_remote_code: bool = False, four_bit: bool = False
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A checkpoint's model and processor, from a folder or the hub; a folder of adapters is merged into its base.

    Raises ``BenchmarkError`` if it cannot be loaded or is not whole.
    """
    quantization = _four_bit(dtype) if four_bit else None
    processor = families.load_processor(name, trust_remote_code)
    model = families.load_model(name, dtype, trust_remote_code=trust_remote_code, quantization_config=quantization)
    return (model.merge_and_unload() if adapter_base(name) else model), processor


def _four_bit(dtype: torch.dtype) -> Any:
    """QLoRA's settings (arXiv 2305.14314): weights in four bits, computation in ``dtype``."""
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise BenchmarkError("--load_in_4bit needs a GPU and bitsandbytes (pip install '.[qlora]').")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
    )


def _model_folder(name: str) -> Path | None:
    """The local folder behind ``--model``, or None for a hub id; raises ``BenchmarkError`` for a missing folder."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if Path(f"{folder}.partial").is_dir():
        raise BenchmarkError(f"{name} is not finished: its training was interrupted. Run that command again first.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BenchmarkError(f"There is no model folder {name}.")
    return None


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _folders(training_arguments: TrainingArguments) -> tuple[Path, Path]:
    """The output folder and the one in which it grows."""
    output_dir = Path(training_arguments.output_dir or "")
    return output_dir, output_dir.with_name(f"{output_dir.name}.partial")


def _recorded(settings: Mapping[str, Any], training_arguments: TrainingArguments) -> dict[str, Any]:
    """The wording, the settings and every training option that is not at its default, as JSON gives them back."""
    template = pebench_templates.fingerprint()
    default = TrainingArguments(output_dir="", use_cpu=training_arguments.use_cpu).to_dict()
    options = training_arguments.to_dict()
    changed = {k: v for k, v in options.items() if k != "output_dir" and v != default.get(k)}
    loaded: dict[str, Any] = json.loads(json.dumps({"template": template, **settings, **changed}, default=str))
    return loaded


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = [name for name in {**before, **now} if name not in FREE_OPTIONS and before.get(name) != now.get(name)]
    return ", ".join(f"{n}: {before.get(n, 'default')} there, {now.get(n, 'default')} asked" for n in names)


def _begin(work: Path, recorded: dict[str, Any]) -> None:
    """Open the working folder of a run, or check that the one that is there belongs to the same run."""
    path = work / SETTINGS_FILE
    if not path.is_file():
        temporary = path.with_suffix(".tmp")
        if work.exists() and set(work.iterdir()) - {temporary}:
            raise BenchmarkError(f"{work} is in the way and is not this program's. Choose another --output_dir.")
        work.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(recorded, indent=1), encoding="utf-8")
        os.replace(temporary, path)
    elif differs := _difference(json.loads(path.read_text(encoding="utf-8")), recorded):
        raise BenchmarkError(
            f"{work} holds an unfinished run with other settings ({differs}). Give those settings to go on with it, "
            f"or delete {work} to start over."
        )
    shutil.rmtree(work / "final", ignore_errors=True)


def _newest_checkpoint(work: Path) -> Path | None:
    """The newest of the Trainer's checkpoints that is complete: its state is written last, and is readable JSON."""
    checkpoints = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in checkpoints:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return checkpoint
    return None
