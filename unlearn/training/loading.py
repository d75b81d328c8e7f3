"""A start model and its processor, from a folder or the hub."""

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, GenerationConfig, PretrainedConfig, PreTrainedModel, ProcessorMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

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


class Start(NamedTuple):
    """What training starts from."""

    model: PreTrainedModel
    processor: ProcessorMixin
    merge_kept: float | None  # the share of its adapters' change that merging kept; None where nothing was merged


def load(
    name: str,
    dtype: torch.dtype,
    *,
    trust_remote_code: bool = False,
    four_bit: bool = False,
    beside: bool = False,
    attention: str = "",
) -> Start:
    """A checkpoint's model and processor, from a folder or the hub.

    Adapters are merged into their base or, for new adapters to be trained, kept ``beside`` its weights. ``attention``
    is one of transformers' implementations, or "" for its choice. Raises ``BenchmarkError`` if it cannot be loaded or
    is not whole.
    """
    if attention:
        _check_attention(name, attention, trust_remote_code)
    quantization = _four_bit(dtype) if four_bit else None
    processor = families.load_processor(name, trust_remote_code)
    model = families.load_model(
        name, dtype, attn_implementation=attention or None, trust_remote_code=trust_remote_code,
        quantization_config=quantization,
    )  # fmt: skip
    kept = None
    if adapter_base(name):
        check_untied(model, name)
        if beside:
            model = adapters.keep_beside(model, name)
        else:
            model, kept = adapters.merge(model)
            remedy = "Start with --lora true, which keeps adapters as they are, or with --dtype float32."
            adapters.say_kept(kept, dtype, remedy)
    make_savable(model.generation_config)
    return Start(model, processor, kept)


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


def without_weights(
    config: PretrainedConfig, trust_remote_code: bool = False, attention: str | None = None
) -> PreTrainedModel:
    """A configuration's model, of which no weight is loaded; ``BenchmarkError`` if there can be no such model."""
    try:
        with torch.device("meta"):
            model: PreTrainedModel = families.auto_class(config).from_config(
                config, trust_remote_code=trust_remote_code, attn_implementation=attention
            )
    except Exception as error:
        if not raised_by_libraries(error):
            raise
        said = " ".join(str(error).split())
        raise BenchmarkError(f"No {config.model_type} can be made of its configuration: {said}") from error
    return model


def _check_attention(name: str, asked: str, trust_remote_code: bool) -> None:
    """Raise ``BenchmarkError`` for attention that this model cannot compute here, with what it can."""
    config = read_config(name, trust_remote_code=trust_remote_code)

    def possible(attention: str) -> bool:
        try:
            without_weights(config, trust_remote_code, attention)
        except BenchmarkError:
            return False
        return True

    if not possible(asked):
        known = ("eager", *(key for key in ALL_ATTENTION_FUNCTIONS.valid_keys() if "paged" not in key))
        raise BenchmarkError(
            f"--attn_implementation {asked} is unknown to transformers, not installed or not for {config.model_type}. "
            f"Possible: {', '.join(sorted(filter(possible, known)))}."
        )


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
