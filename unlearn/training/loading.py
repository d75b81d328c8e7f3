"""A start model and its processor, from a folder or the hub."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, GenerationConfig, PretrainedConfig, PreTrainedModel, ProcessorMixin

from pebench_tasks.backend import families
from pebench_tasks.backend.blame import raised_by_libraries
from pebench_tasks.backend.checkpoint_name import adapter_base, check_checkpoint
from pebench_tasks.backend.weights import check_untied
from pebench_tasks.errors import BenchmarkError
from unlearn.training import adapters

# Settings of ``generate`` that do nothing without sampling, with one beam, and without a cache.
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
BEAMS = ("early_stopping", "length_penalty")
CACHE = ("cache_implementation", "cache_config")


def load(
    name: str, dtype: torch.dtype, *, trust_remote_code: bool = False, four_bit: bool = False, beside: bool = False
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A checkpoint's model and processor, from a folder or the hub.

    Adapters are merged into their base or, for new adapters to be trained, kept ``beside`` its weights. Raises
    ``BenchmarkError`` if it cannot be loaded or is not whole.
    """
    quantization = _four_bit(dtype) if four_bit else None
    processor = families.load_processor(name, trust_remote_code)
    model = families.load_model(name, dtype, trust_remote_code=trust_remote_code, quantization_config=quantization)
    if adapter_base(name):
        check_untied(model, name)
        model = adapters.keep_beside(model, name) if beside else _merged(model, dtype)
    make_savable(model.generation_config)
    return model, processor


def _merged(adapted: Any, dtype: torch.dtype) -> Any:
    model, kept = adapters.merge(adapted)
    adapters.say_kept(kept, dtype, "Start with --lora true, which keeps adapters as they are, or with --dtype float32.")
    return model


def read_config(name: str, *, trust_remote_code: bool = False) -> PretrainedConfig:
    """The configuration of a checkpoint's model, of an adapter its base's; ``BenchmarkError`` if it cannot be read."""
    if not Path(name).is_dir():
        check_checkpoint(name)
    try:
        return AutoConfig.from_pretrained(adapter_base(name) or name, trust_remote_code=trust_remote_code)
    except Exception as error:
        if not raised_by_libraries(error):
            raise
        raise BenchmarkError(f"{name} cannot be read: {' '.join(str(error).split())}") from error


def count_parameters(config: PretrainedConfig, *, trust_remote_code: bool = False) -> int:
    """The number of parameters of a configuration's model; ``BenchmarkError`` if there can be no such model."""
    return sum(parameter.numel() for parameter in without_weights(config, trust_remote_code).parameters())


def without_weights(config: PretrainedConfig, trust_remote_code: bool = False) -> PreTrainedModel:
    """A configuration's model, of which no weight is loaded; ``BenchmarkError`` if there can be no such model."""
    try:
        with torch.device("meta"):
            model: PreTrainedModel = families.auto_class(config).from_config(
                config, trust_remote_code=trust_remote_code
            )
    except Exception as error:
        if not raised_by_libraries(error):
            raise
        said = " ".join(str(error).split())
        raise BenchmarkError(f"No {config.model_type} can be made of its configuration: {said}") from error
    return model


def make_savable(config: GenerationConfig) -> None:
    """Unset what does nothing: transformers would refuse to save it, and say so only after the training."""
    try:
        config.validate(strict=True)
    except ValueError:
        unused = list(config.extra_output_flags)
        if config.do_sample is not True:
            unused += SAMPLING
        if config.num_beams in (None, 1):
            unused += BEAMS
        if config.use_cache is False:
            unused += CACHE
        config.update(**dict.fromkeys(unused))


def _four_bit(dtype: torch.dtype) -> Any:
    """QLoRA's settings (arXiv 2305.14314): weights in four bits, computation in ``dtype``."""
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise BenchmarkError("--load_in_4bit needs a GPU and bitsandbytes (pip install '.[qlora]').")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
    )


def model_folder(name: str) -> Path | None:
    """The local folder behind ``--model``, or None for a hub id; raises ``BenchmarkError`` for what is neither."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        check_checkpoint(str(folder))
        return folder
    check_checkpoint(name)
    return None


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """The precision that ``--dtype`` names; ``auto`` is float32 on a CPU, else bfloat16."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype
