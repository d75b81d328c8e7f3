"""Linear layers on a CPU whose weights lie as its matrix kernels read them.

torch multiplies by a weight as it was loaded: in float32 through MKL, whose fast code is for Intel's processors, in
bfloat16 through oneDNN, which puts the weight in order again at every call. Here oneDNN does it once, when a model is
loaded, and the weight as it was is given up. The products are the same but for the order in which they are summed.
"""

from typing import Any

import torch
from torch import nn

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.machine import cpu_vendor

AUTO = "auto"
INTEL = "GenuineIntel"
DTYPES = (torch.float32, torch.bfloat16)
SMALLEST = 2**18  # entries of a weight, 512 x 512; below, nothing was gained
# Families for which a test shows that packed layers answer with the same texts; the code of others may read a weight.
PROVEN = (
    "aya_vision", "cohere2_vision", "deepseek_vl", "fast_vlm", "gemma3", "gemma4", "glm4v", "idefics2", "idefics3",
    "internvl", "kimi_k25", "lfm2_vl", "llama4", "llava", "llava_next", "llava_onevision", "mistral3", "mllama",
    "ovis2", "paligemma", "phi4_multimodal", "qwen2_5_vl", "qwen2_vl", "qwen3_5", "qwen3_vl", "smolvlm", "vipllava",
)  # fmt: skip


class PackedLinear(nn.Module):
    """An ``nn.Linear`` for inference on a CPU; ``weight`` has its shape and dtype, but no entry can be read."""

    weight: torch.Tensor  # (out features, in features)

    def __init__(self, linear: nn.Linear) -> None:
        """``linear`` keeps its own weight; it goes with the last that holds it."""
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("weight", torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None))
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:  # (..., in features)
        """``(..., out features)``."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")
        return product


def wants_packing(wanted: str | bool, model: Any) -> bool:
    """Whether the linear layers of a loaded model are to be packed: ``auto``, true or false.

    ``auto`` goes by the make of the processor and times nothing, so that the same command gives the same numbers twice:
    in bfloat16 on any x86, in float32 where MKL is not at home (on Intel's it is as fast). Raises ``BenchmarkError``
    for anything else, and for true where it cannot be done.
    """
    why = _why_not(model)
    choice = str(wanted).lower()
    if choice not in (AUTO, "true", "false"):
        raise BenchmarkError(f"packed must be auto, true or false, not {wanted!r}.")
    if choice == "true" and why:
        raise BenchmarkError(f"The linear layers cannot be packed: {why}. Leave packed out, or say packed=false.")
    maker = cpu_vendor()
    pays = maker not in ("", INTEL) or (maker == INTEL and model.dtype == torch.bfloat16)
    return choice == "true" or (choice == AUTO and not why and model.config.model_type in PROVEN and pays)


def _why_not(model: Any) -> str:
    if model.device.type != "cpu":
        return f"the model is on {model.device}"
    if model.dtype not in DTYPES:
        return f"its numbers are {str(model.dtype).removeprefix('torch.')}"
    if not torch.backends.mkldnn.is_available():
        return "this torch has no oneDNN"
    if model.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "this processor does not multiply in bfloat16"
    return ""


def pack(model: nn.Module) -> int:
    """Replace the linear layers of a model, one after the other, so that no more than one lies there twice; how many.

    No subclass is replaced, which may compute something else; a weight that is also an embedding stays beside its
    packed form.
    """
    places = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child.weight.numel() >= SMALLEST and child.weight.dtype in DTYPES
    ]
    for parent, name in places:
        setattr(parent, name, PackedLinear(getattr(parent, name)))
    return len(places)
