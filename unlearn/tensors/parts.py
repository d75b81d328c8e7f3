"""The parts of a multimodal model - language model, projector, vision tower - and what of them is trained.

Parts are told apart by the names of their modules, so that one rule serves all families of transformers.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import hide_deprecated_calls_of_peft

if TYPE_CHECKING:  # ``--help`` names the parts without loading torch
    from torch import nn
    from transformers import PreTrainedModel

PARTS = ("lm", "projector", "vision")
# A projector often lies inside what is called "visual", so it is looked for first.
PROJECTOR = re.compile(
    r"projector|connector|merger|qformer|query_tokens|language_projection|aligner|perceiver|embed_vision|resampler|adapter"
    r"|visual_embeddings_table|img_projection"
)
VISION = re.compile(r"vision|visual|image_|img_|patch")
AUDIO = re.compile(r"audio|speech")  # no question is spoken, so what listens is in no part and stays as it is
# What chooses the experts of a mixture must not learn, whatever else of the language model does.
ROUTER = re.compile(r"router|(^|\.)gate\.")
HEAD = re.compile(r"lm_head|embed_tokens$")  # stays as it is beside adapters
EXPERTS = re.compile(r"(^|\.)experts\.")


class Lora(NamedTuple):
    """One block of adapter settings for every method."""

    r: int
    alpha: int
    dropout: float


def part_of(name: str) -> str:
    """The part that a parameter or module of this name belongs to; "audio" is none of ``PARTS``."""
    if AUDIO.search(name):
        return "audio"
    if PROJECTOR.search(name):
        return "projector"
    return "vision" if VISION.search(name) else "lm"


def tune(model: "PreTrainedModel", parts: Sequence[str], lora: Lora | None = None) -> Any:
    """Freeze all but ``parts`` and return the model to train: itself, or wrapped by peft with new adapters in them.

    Raises ``BenchmarkError`` if the model has no parameter in one of the parts.
    """
    present = {part_of(name) for name, _ in model.named_parameters()}
    if missing := [part for part in parts if part not in present]:
        raise BenchmarkError(
            f"--tune {missing[0]}: nothing in {type(model).__name__} looks like it. Its parts: "
            f"{', '.join(part for part in PARTS if part in present)}."
        )
    if lora is None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(part_of(name) in parts and not ROUTER.search(name))
        return model
    from peft import LoraConfig, get_peft_model
    from torch import nn

    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and part_of(name) in parts
        and not ROUTER.search(f"{name}.weight")
        and not HEAD.search(name)
    ]
    hide_deprecated_calls_of_peft()
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    adapted = get_peft_model(model, config)
    if (base := Path(model.name_or_path or "none")).is_dir():  # saved beside the adapters, and read from anywhere
        adapted.peft_config["default"].base_model_name_or_path = str(base.resolve())
    return adapted


def describe(model: "nn.Module") -> str:
    """How many parameters are trained, of how many, in which parts, and which weights there can be no adapters of."""
    every = sum(p.numel() for p in model.parameters())
    trained: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = part_of(name.replace("base_model.model.", ""))
            trained[part] = trained.get(part, 0) + parameter.numel()
    shares = ", ".join(f"{part} {trained[part]:,}" for part in PARTS if part in trained)
    total = sum(trained.values())
    said = f"{total:,} of {every:,} parameters are trained ({100 * total / every:.3g} %): {shares}"
    fused = [
        name for name, p in model.named_parameters() if EXPERTS.search(name) and p.dim() == 3 and not p.requires_grad
    ]
    return f"{said}; {len(fused)} fused expert weights carry no adapter" if fused and "lm" in trained else said


def train_mode(model: "nn.Module") -> None:
    """Put what trains into train mode and what is frozen into evaluation mode: no dropout there, no new statistics.

    A module trains if one of the parameters in it does; one without parameters (a dropout) goes with the module that
    it lies in. Layers keep the flag by which transformers checkpoints them, since the gradient of a trained projector
    comes through a frozen language model; what lies in them has its own.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    model.train()
    for _, module in frozen(model):
        module.eval()
        for layer in module.modules():
            if isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing:
                layer.training = not _drops_itself(layer)


def _drops_itself(layer: "nn.Module") -> bool:
    """Whether a layer calls a dropout as a function, which then goes by its own flag (OPT's does)."""
    return any("dropout" in name and isinstance(value, float) and value > 0 for name, value in vars(layer).items())


def frozen(model: "nn.Module", prefix: str = "") -> "Iterator[tuple[str, nn.Module]]":
    """The outermost modules with parameters none of which is trained, and their names."""
    for name, module in model.named_children():
        if any(parameter.requires_grad for parameter in module.parameters()):
            yield from frozen(module, f"{prefix}{name}.")
        elif next(module.parameters(), None) is not None:
            yield prefix + name, module


@contextmanager
def evaluation_mode(model: "nn.Module") -> Iterator[None]:
    """The whole model in evaluation mode; afterwards every module is in its own again."""
    trained = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True


def decoder(model: Any) -> Any:
    """The text decoder: the module that holds the language model's layers."""
    found = (model.get_base_model() if hasattr(model, "get_base_model") else model).get_decoder()
    if not hasattr(found, "layers"):  # BLIP-2 and Llama 4 name the language model, head included
        found = found.model
        found = getattr(found, "decoder", found)
    if not hasattr(found, "layers"):
        raise BenchmarkError(f"{type(found).__name__} has no list of layers, so methods on activations cannot use it.")
    return found


@contextmanager
def first_layers(model: Any, count: int) -> "Iterator[nn.ModuleList]":
    """The model with only the first ``count`` layers of its decoder, which are yielded."""
    text = decoder(model)
    layers = text.layers
    if not 0 < count <= len(layers):
        raise BenchmarkError(f"There is no layer {count - 1}: the language model has layers 0 to {len(layers) - 1}.")
    text.layers = layers[:count]
    try:
        yield text.layers
    finally:
        text.layers = layers
