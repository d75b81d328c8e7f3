"""From a start model to a finished checkpoint folder, all or nothing.

``run`` is the command; ``train`` takes any model, processor and samples (the tiny model is pre-trained by it).
While a run lasts, everything is in ``<output_dir>.partial``; ``<output_dir>`` appears, complete, at the end. The same
command goes on from the newest checkpoint in the partial folder, and returns at once if the run has finished.
"""

import copy
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pebench_templates
import torch
from huggingface_hub import snapshot_download
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel, ProcessorMixin, TrainingArguments

from pebench_tasks.benchmark import open_benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import data, methods, record
from unlearn.answers import Hyperparameters, Method
from unlearn.arguments import UnlearnArguments
from unlearn.method_trainer import MethodTrainer

log = logging.getLogger("unlearn")
FROM_FOUNDATION = ("finetune", "goal")  # a Goal that began as a Finetuned model would have seen the forget set
SETTINGS_FILE = "settings.json"
# Options that decide where, how fast and how audibly a run goes, but not what it computes: free to change on resuming.
# (The data and a local start model are compared by their fingerprints, not by where they lie.)
FREE_OPTIONS = {
    "model", "data", "output_dir", "disable_tqdm", "report_to", "run_name", "log_level", "log_level_replica",
    "log_on_each_node", "logging_strategy", "logging_steps", "logging_first_step", "save_strategy", "save_steps",
    "save_total_limit", "dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor",
    "dataloader_persistent_workers", "local_rank", "ddp_timeout", "skip_memory_metrics",
}  # fmt: skip


def run(arguments: UnlearnArguments, training_arguments: TrainingArguments) -> Path:
    """Train as the options say; returns the checkpoint folder. Raises ``BenchmarkError`` for what cannot be done."""
    method = methods.find(arguments.method)
    benchmark = open_benchmark(Path(arguments.data))
    split = benchmark.split(arguments.target, arguments.forget) if arguments.target else None
    folder = _model_folder(arguments.model)
    parent = record.read_record(folder) if folder else None
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
    sets = data.build_sets(
        benchmark,
        methods.needed_sets(method),
        split=split,
        retain_overlap=arguments.retain_overlap,
        replay_share=arguments.replay,
    )
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
    model, processor = load(arguments.model, dtype, trust_remote_code=arguments.trust_remote_code)
    if folder is None:
        weights = record.weights_fingerprint(Path(snapshot_download(arguments.model, local_files_only=True)))
    facts = {
        "method": arguments.method,
        "target": arguments.target,
        "forget": arguments.forget,
        "data": benchmark.fingerprint,
        "split": settings["split"],
        "base": parent["base"] if parent else weights,
        "parent": record.lineage(parent) or {"model": arguments.model, "weights": weights},
    }
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
    )


def train(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    sets: Mapping[str, data.SampleSet],
    method: Method,
    training_arguments: TrainingArguments,
    *,
    load_image: Callable[[str], Image.Image],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    hyperparameters: Hyperparameters | None = None,
) -> Path:
    """Train ``model`` in place on the sets that ``method`` names and write it to ``training_arguments.output_dir``.

    ``settings`` is whatever else decides the result: compared when a run is resumed, and recorded. ``facts`` are
    fields of the run record that only the caller knows (method, target, forget, data, split, base, parent); a run
    without ``base`` starts a lineage, and is its own base. Returns the folder; a finished one is not trained again.
    """
    chosen = {name: sets[name] for name in methods.needed_sets(method)}
    options = methods.resolve_hyperparameters(method, hyperparameters or {})
    if finished(training_arguments, settings):
        return Path(training_arguments.output_dir or "")
    output_dir, work = _folders(training_arguments)
    recorded = _recorded(settings, training_arguments)
    with training_arguments.main_process_first(local=False, desc="preparing the folder"):
        _begin(work, recorded)
    inner = copy.copy(training_arguments)
    inner.output_dir = str(work)
    inner.dataloader_pin_memory &= inner.device.type != "cpu"  # torch warns where there is nothing to pin for
    for name, count in data.counts(chosen).items():
        log.info("%s: %s", name, ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in count.items()))
    try:
        trainer = MethodTrainer(model, processor, chosen, method, inner, load_image=load_image, hyperparameters=options)
    except ValueError as error:
        raise BenchmarkError(f"transformers refuses the training options: {' '.join(str(error).split())}") from error
    resume = None if inner.save_only_model else _newest_checkpoint(work)
    if resume:
        log.info("going on from %s", resume)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    trainer.save_model(str(work / "final"), _internal_call=True)
    if trainer.is_world_process_zero():
        _finish(trainer, work / "final", {**facts, "arguments": recorded})
        os.replace(work / "final", output_dir)
        shutil.rmtree(work)
    trainer.accelerator.wait_for_everyone()
    return output_dir


def _finish(trainer: MethodTrainer, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the run record into the folder of the final weights."""
    (folder / "training_args.bin").unlink()  # a pickle of paths; the record says what it says
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
    existing = record.read_record(output_dir) if output_dir.is_dir() else None
    if existing is None:
        raise BenchmarkError(f"{output_dir} exists and is no checkpoint of this program. Choose another --output_dir.")
    if differs := _difference(existing["arguments"], _recorded(settings, training_arguments)):
        raise BenchmarkError(
            f"{output_dir} holds a finished run with other settings ({differs}). "
            "Choose another --output_dir or delete it."
        )
    shutil.rmtree(work, ignore_errors=True)  # left over if the process was killed after the last step of all
    return True


def load(name: str, dtype: torch.dtype, *, trust_remote_code: bool = False) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A checkpoint's model and processor, from a folder or the hub; raises ``BenchmarkError`` if it is not whole."""
    try:
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            name, dtype=dtype, trust_remote_code=trust_remote_code, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{name} cannot be loaded: {' '.join(str(error).split())}") from error
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):
        raise BenchmarkError(f"{name} lacks {len(missing)} of its weights ({missing[0]}, ...): it is no whole model.")
    return model, processor


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
