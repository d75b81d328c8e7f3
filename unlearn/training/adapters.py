"""Low-rank adapters of a start model: kept beside its weights, saved with new ones, or merged into the weights.

A start model may itself be adapters on a base, as Finetuned is with the recipes for large models. New adapters are
trained with the old ones beside the frozen weights, which is what scoring computes, and both are saved as one adapter
on the same base: the sum of two low-rank updates is one of the sum of their ranks. So nothing is rounded on the way,
and what reads an adapter reads this one. Only where weights must hold the change is it merged, and what their
precision keeps of it is measured.
"""

import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from pebench_tasks.backend.weights import ADAPTER_WEIGHTS
from pebench_tasks.errors import BenchmarkError

log = logging.getLogger("unlearn")
KEPT_ENOUGH = 0.95
WRAPPED = "base_model.model."  # stands before a module's name in a model with adapters, and in the files of peft


class Update(NamedTuple):
    """A low-rank update of a linear layer's weights: ``up @ down`` is added to them."""

    down: Tensor  # (rank, inputs)
    up: Tensor  # (outputs, rank), times the adapter's scale


# Beside the weights


def keep_beside(adapted: PeftModel, name: str) -> Any:
    """The base of the model with adapters in ``name``, whose linear layers add their updates from now on.

    Raises ``BenchmarkError`` for adapters that are anything but low-rank updates of linear layers.
    """
    tuner: Any = adapted.base_model
    updates: dict[str, Update] = {}
    for module_name, module in tuner.model.named_modules():
        if isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
            updates[module_name] = _update(adapted, module, name)
    base = tuner.unload()
    for module_name, update in updates.items():
        layer = base.get_submodule(module_name)
        layer.register_buffer("start_down", update.down, persistent=False)  # moves with the layer, and is not saved
        layer.register_buffer("start_up", update.up, persistent=False)
        layer.start_hook = layer.register_forward_hook(_add_update)
    return base


def _update(adapted: PeftModel, module: Any, name: str) -> Update:
    config: Any = adapted.peft_config["default"]
    plain = isinstance(module, LoraLayer) and isinstance(module.get_base_layer(), nn.Linear)
    if not plain or module.lora_variant or module.lora_bias["default"] or config.bias != "none":
        raise BenchmarkError(
            f"The adapter in {name} is more than low-rank updates of linear layers, and new ones can only be trained "
            "beside such. Merge it into its base (merge_and_unload), save that whole and start from it."
        )
    down, up = module.lora_A["default"].weight.detach(), module.lora_B["default"].weight.detach()
    return Update(down, up * module.scaling["default"])


def _add_update(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """A forward hook: what peft computes with an adapter, in its order and precision."""
    read = inputs[0] if torch.is_autocast_enabled(inputs[0].device.type) else inputs[0].to(layer.start_down.dtype)
    update = linear(linear(read, layer.start_down), layer.start_up)
    return (output + update).to(output.dtype)


def _has_update(module: nn.Module) -> bool:
    return hasattr(module, "start_hook")


# Saved together


def save_together(model: nn.Module, folder: Path) -> None:
    """Write what the start model keeps beside its weights into the new adapter in ``folder``, if it keeps anything."""
    start = {
        name.removeprefix(WRAPPED).removesuffix(".base_layer"): Update(module.start_down.cpu(), module.start_up.cpu())
        for name, module in model.named_modules()
        if _has_update(module)
    }
    if not start:
        return
    config: Any = LoraConfig.from_pretrained(str(folder))
    path = folder / ADAPTER_WEIGHTS[0]
    new = _read(load_file(path), config.lora_alpha / config.r)
    rank = config.r + max(len(update.down) for update in start.values())
    weights: dict[str, Tensor] = {}
    for name in sorted({*new, *start}):
        both = [updates[name] for updates in (new, start) if name in updates]
        down, up = torch.cat([update.down for update in both]), torch.cat([update.up for update in both], 1)
        lacking = rank - len(down)  # of a layer that only one of them changes
        weights[f"{WRAPPED}{name}.lora_A.weight"] = pad(down, (0, 0, 0, lacking)).contiguous()
        weights[f"{WRAPPED}{name}.lora_B.weight"] = pad(up, (0, lacking)).contiguous()
    config.r = config.lora_alpha = rank  # a scale of 1: it is in the weights
    config.target_modules = {*new, *start}
    config.save_pretrained(str(folder))
    save_file(weights, path, metadata={"format": "pt"})


def _read(weights: dict[str, Tensor], scale: float) -> dict[str, Update]:
    suffix = ".lora_A.weight"
    names = [key.removeprefix(WRAPPED).removesuffix(suffix) for key in weights if key.endswith(suffix)]
    return {
        name: Update(weights[f"{WRAPPED}{name}{suffix}"], weights[f"{WRAPPED}{name}.lora_B.weight"] * scale)
        for name in names
    }


# Merged into the weights


def merge(adapted: PeftModel) -> tuple[Any, float]:
    """The model with its adapters merged into the weights, layer by layer, and the share of their change that is kept.

    A layer is merged in float32 and then rounded to its own precision. With d the change of the base's weights and r
    what is left of it after rounding, the share is <r, d> / <d, d> over all merged weights: about the part of a small
    change's effect that is left. 1 means all of it; bfloat16 rounds changes below about 1/256 of a weight away.
    """
    layers = {module.get_base_layer(): module for module in adapted.modules() if isinstance(module, BaseTunerLayer)}
    changed = [module for module in adapted.modules() if module in layers or _has_update(module)]
    kept = whole = 0.0
    for layer in changed:
        dtypes = {name: weight.dtype for name, weight in layer.named_parameters(recurse=False)}
        layer.float()
        before = {name: weight.detach().clone() for name, weight in layer.named_parameters(recurse=False)}
        if _has_update(layer):
            _merge_update(layer)
        if layer in layers:
            layers[layer].merge()
        for name, weight in layer.named_parameters(recurse=False):
            change, rounded = weight.data - before[name], weight.data.to(dtypes[name])
            kept += float(((rounded.float() - before[name]) * change).sum(dtype=torch.float64))
            whole += float(change.square().sum(dtype=torch.float64))
            weight.data = rounded
    tuner: Any = adapted.base_model
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All adapters are already merged")
        return tuner.merge_and_unload(), kept / whole if whole else 1.0


def _merge_update(layer: Any) -> None:
    layer.weight.data += layer.start_up.float() @ layer.start_down.float()
    layer.start_hook.remove()
    del layer.start_hook, layer.start_down, layer.start_up


def say_kept(share: float, dtype: torch.dtype, remedy: str) -> None:
    """Log what share of the adapters' change merging kept; where that is not nearly all, warn, with the ``remedy``."""
    kept = f"merging kept {100 * share:.1f} % of what the adapters change"
    if share < KEPT_ENOUGH:
        log.warning("%s: weights in %s round the rest away. %s", kept, str(dtype).removeprefix("torch."), remedy)
    else:
        log.info(kept)
