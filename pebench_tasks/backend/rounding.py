"""Weights rounded to fewer bits when a checkpoint is loaded: what was forgotten in their last bits alone is back.

    int8, int4    w -> s round(w / s),  s = max |w| / (2^(bits - 1) - 1)  over a group of 128 weights

Round to nearest, symmetric, the groups along the inputs of one output: the plain baseline of GPTQ (arXiv 2210.17323)
and AWQ (arXiv 2306.00978), which needs no library and no data. All linear layers but the head are rounded; embeddings,
norms and convolutions are left. ``bfloat16`` rounds every weight, as saving a checkpoint in bfloat16 does. ``fp4`` and
``nf4`` are bitsandbytes' and need a GPU: FP4 is what ``load_in_4bit=True`` gives by the library's defaults (blocks of
64, computed in float32), with which arXiv 2410.16454 brought forgotten texts back; NF4 has QLoRA's settings (arXiv
2305.14314). Adapters are merged first.
"""

import importlib.util
import sys
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from pebench_tasks.backend import families
from pebench_tasks.backend.checkpoint_name import adapter_base
from pebench_tasks.backend.weights import check_untied
from pebench_tasks.errors import BenchmarkError

GROUP = 128
BITS = {"int8": 8, "int4": 4}
ROUNDED = ("bfloat16", *BITS)
BITSANDBYTES = ("fp4", "nf4")
LEVELS = (*ROUNDED, *BITSANDBYTES)


class Counts(NamedTuple):
    """What was rounded in a model."""

    layers: int  # linear layers
    uneven: int  # of these, whose inputs are no multiple of ``GROUP``: their last group is smaller
    fused: int  # weights of experts that are no linear layers, and were left

    def __str__(self) -> str:
        said = f"{self.layers} linear layers rounded in groups of {GROUP}"
        if self.uneven:
            said += f", the last group of an output smaller in {self.uneven} of them"
        return said + (f"; {self.fused} fused expert weights left as they are" if self.fused else "")


def rounded(weight: Tensor, bits: int, group: int = GROUP) -> Tensor:  # (outputs, inputs)
    """The weight rounded to nearest on ``2^bits - 1`` steps around 0, a scale for ``group`` inputs of an output.

    Computed in float32, returned in the weight's own dtype. Where the inputs do not come out even, the last group has
    what is left.
    """
    inputs, largest = weight.shape[-1], 2 ** (bits - 1) - 1
    groups = pad(weight.float(), (0, -inputs % group)).unflatten(-1, (-1, group))  # (outputs, groups, group)
    scale = groups.abs().amax(-1, keepdim=True) / largest
    steps = (groups / scale.clamp_min(torch.finfo(torch.float32).tiny)).round()  # a group may be all 0
    return (steps * scale).flatten(-2)[..., :inputs].to(weight.dtype)


@torch.no_grad()
def round_weights(model: Any, level: str) -> Counts | None:
    """Round a model in place to one of ``ROUNDED``; what was rounded, None for bfloat16, where every weight is."""
    if level == "bfloat16":
        for weight in model.parameters():
            weight.copy_(weight.bfloat16())
        return None
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    left = {id(end.weight) for end in ends if end is not None}
    layers = [one for one in model.modules() if isinstance(one, nn.Linear) and id(one.weight) not in left]
    for layer in layers:
        layer.weight.copy_(rounded(layer.weight, BITS[level]))
    fused = [name for name, weight in model.named_parameters() if "experts" in name and weight.dim() == 3]
    return Counts(len(layers), sum(layer.in_features % GROUP != 0 for layer in layers), len(fused))


def load_rounded(name: str, level: str, dtype: torch.dtype, device: torch.device, **options: Any) -> Any:
    """The checkpoint ``name`` with weights rounded to ``level``, on ``device``; ``options`` are ``load_model``'s.

    Read, merged and rounded in float32, then computed with in ``dtype``. Raises ``BenchmarkError`` for an unknown
    level, and for one that cannot be had here.
    """
    if level not in LEVELS:
        raise BenchmarkError(f"There is no load_in {level!r}. Known: {', '.join(LEVELS)}.")
    if level in BITSANDBYTES:
        settings = _of_bitsandbytes(name, level, dtype, device)
        return families.load_model(name, dtype, quantization_config=settings, **options)
    model = families.load_model(name, torch.float32, **options)
    if adapter_base(name):
        model = merged(model, name)
    if counts := round_weights(model, level):
        print(f"pebench: {name} in {level}: {counts}.", file=sys.stderr)
    for weight in model.state_dict(keep_vars=True).values():  # what a checkpoint holds; angles of positions stay exact
        if weight.is_floating_point():
            weight.data = weight.data.to(dtype)
    return model.to(device)


def merged(adapted: Any, name: str) -> Any:
    """The base with its adapters in its weights; ``BenchmarkError`` for adapters that no weight can hold."""
    if adapted.peft_config["default"].is_prompt_learning:
        raise BenchmarkError(
            f"The adapter in {name} is no change of weights ({adapted.peft_config['default'].peft_type.value}), so it "
            "cannot be merged, which rounding needs. Leave load_in out."
        )
    check_untied(adapted, name)
    return adapted.merge_and_unload()


def _of_bitsandbytes(name: str, level: str, dtype: torch.dtype, device: torch.device) -> Any:
    from transformers import BitsAndBytesConfig

    if device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise BenchmarkError(
            f"load_in={level} needs a GPU and bitsandbytes (pip install '.[qlora]'). int4 rounds on any machine."
        )
    if adapter_base(name):
        raise BenchmarkError(
            f"load_in={level} rounds whole models, and {name} is an adapter. Merge it (merge_and_unload), save that "
            "whole, and give its folder; or load_in=int4, which merges it."
        )
    if level == "fp4":
        return BitsAndBytesConfig(load_in_4bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
    )
