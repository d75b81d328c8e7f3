"""A start model and its processor, from a folder or the hub."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, ProcessorMixin

from pebench_tasks.backend import families
from pebench_tasks.backend.checkpoint_name import adapter_base, check_checkpoint
from pebench_tasks.errors import BenchmarkError


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


def model_folder(name: str) -> Path | None:
    """The local folder behind ``--model``, or None for a hub id; raises ``BenchmarkError`` for what is neither."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if Path(f"{folder}.partial").is_dir():
        raise BenchmarkError(f"{name} is not finished: its training was interrupted. Run that command again first.")
    check_checkpoint(name)
    return None


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """The precision that ``--dtype`` names; ``auto`` is float32 on a CPU, else bfloat16."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, name)
    return dtype
