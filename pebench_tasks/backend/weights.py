"""Every weight of a checkpoint has its place in the model, and every weight of the model comes from the checkpoint."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# What a Trainer leaves beside its weights, and no model has.
STATE = ("training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states", "sampler")
# In a whole model's folder: what was trained beside an adapter, or is one. (Other files are copies in other formats.)
TRAINED_BESIDE = ("adapter_model", "non_lora", "mm_projector")


def check_files(folder: Path, *, adapter: bool) -> None:
    """Raise ``BenchmarkError`` for files of trained weights in a checkpoint's folder that nothing would read.

    Also for an adapter without weights, which peft would ask the hub for.
    """
    files = [path.name for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES]
    if adapter and not set(ADAPTER_WEIGHTS) & set(files):
        raise BenchmarkError(f"The adapter in {folder} has no weights: there is no {ADAPTER_WEIGHTS[0]} beside it.")
    if adapter:
        unread = [name for name in files if name not in ADAPTER_WEIGHTS and not name.startswith(STATE)]
    else:
        unread = [name for name in files if name.startswith(TRAINED_BESIDE)]
    if unread:
        raise BenchmarkError(
            f"{folder} holds weights that would be left out: {', '.join(unread)}. Merge them into the model, save that "
            "whole (save_pretrained), and give its folder."
        )


def check_keys(name: str, missing: Collection[str], unexpected: Collection[str]) -> None:
    """Raise ``BenchmarkError`` for a checkpoint that is not its model whole, or more than that.

    transformers would put random weights in the place of missing ones, and leave out the others.
    """
    if missing:
        raise BenchmarkError(f"{name} lacks {len(missing)} of its weights ({min(missing)}, ...): it is no whole model.")
    if unexpected:
        lora = any("lora_" in key for key in unexpected)
        remedy = (
            "Merge the adapter (merge_and_unload) and save the model again." if lora else "Was it saved as another?"
        )
        raise BenchmarkError(
            f"{name} holds {len(unexpected)} weights that have no place in its model ({min(unexpected)}, ...). {remedy}"
        )


def check_adapter_keys(name: str, base: str | None, found: Any) -> None:
    """Raise ``BenchmarkError`` for an adapter that does not fit its base; ``found`` is what peft says of its keys."""
    missing = [key for key in found.missing_keys if "vblora_vector_bank" not in key]  # one bank under many names
    if wrong := sorted({*missing, *found.unexpected_keys}):
        raise BenchmarkError(
            f"The adapter in {name} does not fit its base {base}: {len(wrong)} weights "
            f"are missing or have no place ({wrong[0]}, ...). Was it trained on another model?"
        )


def check_untied(adapted: Any, name: str) -> None:
    """Raise ``BenchmarkError`` for an adapter of weights that two layers share: merged, it would change both."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    names: dict[int, list[str]] = {}  # of each weight
    for parameter_name, parameter in adapted.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(parameter_name)
    for module_name, module in adapted.named_modules():
        if isinstance(module, BaseTunerLayer):
            changed = module.get_base_layer()
        elif isinstance(module, AuxiliaryTrainingWrapper):
            changed = module.original_module
        else:
            continue
        if any(len(names[id(parameter)]) > 1 for parameter in changed.parameters()):
            layer = module_name.rpartition(".")[2]
            raise BenchmarkError(
                f"The adapter in {name} changes {layer}, whose weights the model shares with another layer: merged, "
                "both would change, and it would be another model. Take the base, or an adapter without it."
            )
