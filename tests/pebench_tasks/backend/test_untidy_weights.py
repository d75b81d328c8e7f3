"""Weights that nothing would read, and adapters that have lost something, are one line, never another model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from pebench_tasks.backend import families
from pebench_tasks.errors import BenchmarkError

LAYERS = r".*language_model.*\.(q_proj|v_proj)"
MakeAdapter = Callable[..., Path]


@pytest.fixture
def copy(llava: Path, tmp_path: Path) -> Path:
    return shutil.copytree(llava, tmp_path / "copy")


@pytest.fixture
def make_adapter(llava: Path, tmp_path: Path) -> MakeAdapter:
    """A folder of adapters on the tiny model; ``config`` are fields that ``adapter_config.json`` has instead."""

    def make(lora: dict[str, Any] | None = None, **config: Any) -> Path:
        folder = tmp_path / "adapter"
        base = AutoModelForImageTextToText.from_pretrained(llava)
        settings: dict[str, Any] = {"r": 4, "target_modules": LAYERS, "init_lora_weights": False, **(lora or {})}
        torch.manual_seed(0)
        get_peft_model(base, LoraConfig(**settings)).save_pretrained(folder)
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
        return folder

    return make


def load(folder: Path) -> Any:
    families.load_processor(str(folder))
    return families.load_model(str(folder), torch.float32)


def refused(folder: Path) -> str:
    with pytest.raises(BenchmarkError) as caught:
        load(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# A whole model


def test_an_adapter_that_was_never_merged_is_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    name = next(key for key in weights if "language_model" in key and "q_proj" in key)
    for half in ("lora_A", "lora_B"):
        weights[name.replace("q_proj", f"q_proj.{half}.default")] = torch.ones(4, 128)
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    said = refused(copy)
    assert "holds 2 weights that have no place in its model (" in said
    assert "lora_A.default.weight, ...). Merge the adapter" in said


def test_weights_of_another_model_beside_the_own_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    save_file(weights | {"model.second_tower.weight": torch.ones(4)}, copy / "model.safetensors", {"format": "pt"})
    assert "holds 1 weights that have no place in its model (model.second_tower.weight, ...)" in refused(copy)


def test_buffers_that_older_versions_saved_are_no_weights(copy: Path) -> None:
    """transformers knows them by name."""
    weights = load_file(copy / "model.safetensors")
    prefix = next(key for key in weights if "position_embedding" in key).removesuffix("position_embedding.weight")
    weights[f"{prefix}position_ids"] = torch.arange(17)[None]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    load(copy)


@pytest.mark.parametrize("name", ["non_lora_state_dict.bin", "non_lora_trainables.bin", "mm_projector.bin"])
def test_a_part_that_was_trained_beside_the_model_is_refused(copy: Path, name: str) -> None:
    torch.save({"model.mm_projector.0.weight": torch.ones(3)}, copy / name)
    assert f"holds weights that would be left out: {name}. Merge them into the model" in refused(copy)


def test_adapters_without_their_configuration_are_refused(copy: Path, make_adapter: MakeAdapter) -> None:
    shutil.copy(make_adapter() / "adapter_model.safetensors", copy)
    assert "left out: adapter_model.safetensors" in refused(copy)


def test_weights_as_a_pickle_of_tensors_are_read(copy: Path, llava: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    one, other = load(copy).state_dict(), load(llava).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in other)


class Code:
    """What a pickle can hold beside tensors."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> Any:
        return (Path.touch, (self.made,))


@pytest.mark.parametrize("kind", ["model", "adapter"])
def test_a_pickle_that_holds_code_is_refused_and_not_run(
    copy: Path, make_adapter: MakeAdapter, tmp_path: Path, kind: str
) -> None:
    folder, name = (copy, "pytorch_model.bin") if kind == "model" else (make_adapter(), "adapter_model.bin")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    torch.save({"weight": Code(tmp_path / "made")}, folder / name)
    assert f"The model in {folder} cannot be loaded" in refused(folder)
    assert not (tmp_path / "made").exists()


# Adapters


def test_a_trained_projector_beside_an_adapter_is_refused(make_adapter: MakeAdapter) -> None:
    folder = make_adapter()
    torch.save({"model.multi_modal_projector.linear_1.weight": torch.ones(3)}, folder / "non_lora_state_dict.bin")
    assert "left out: non_lora_state_dict.bin. Merge them into the model" in refused(folder)


def test_what_a_trainer_leaves_beside_an_adapter_is_no_weight(make_adapter: MakeAdapter) -> None:
    folder = make_adapter()
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({}, folder / name)
    load(folder)


def test_a_projector_that_was_trained_as_part_of_the_adapter_is_loaded(make_adapter: MakeAdapter) -> None:
    folder = make_adapter({"modules_to_save": ["multi_modal_projector"]})
    assert any("modules_to_save" in name for name, _ in load(folder).named_parameters())


def test_an_adapter_that_has_lost_its_base_says_so(make_adapter: MakeAdapter) -> None:
    assert "has lost its base. There is no folder /nowhere/base" in refused(
        make_adapter(base_model_name_or_path="/nowhere/base")
    )


def test_a_base_may_lie_beside_its_adapter(make_adapter: MakeAdapter, llava: Path, tmp_path: Path) -> None:
    shutil.copytree(llava, tmp_path / "base")
    load(make_adapter(base_model_name_or_path="../base"))


@pytest.mark.parametrize("change", [{"peft_type": "NOSUCH"}, {"peft_type": None}, {"target_modules": ["nosuch"]}])
def test_an_adapter_that_peft_refuses_is_one_line(make_adapter: MakeAdapter, change: dict[str, Any]) -> None:
    folder = make_adapter(**change)
    assert f"The model in {folder} cannot be loaded" in refused(folder)


def test_an_adapter_of_a_model_with_more_tokens_is_refused(
    llava: Path, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    """Its embeddings were resized; the base's have another shape."""
    model = AutoModelForImageTextToText.from_pretrained(llava)
    model.resize_token_embeddings(model.get_input_embeddings().num_embeddings + 3)
    config = LoraConfig(r=4, target_modules=LAYERS, modules_to_save=["embed_tokens", "lm_head"])
    get_peft_model(model, config).save_pretrained(tmp_path / "resized")
    said = refused(tmp_path / "resized")
    assert "size mismatch" in said


def test_an_adapter_without_weights_is_not_asked_of_the_hub(make_adapter: MakeAdapter) -> None:
    folder = make_adapter()
    (folder / "adapter_model.safetensors").unlink()
    assert f"The adapter in {folder} has no weights: there is no adapter_model.safetensors beside it" in refused(folder)


@pytest.mark.parametrize(
    "content", ["[]", "{}", "{", '{"model_type": "nosuch"}', '{"model_type": "llava", "text_config": 3}']
)
def test_a_configuration_that_is_none_is_one_line(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    assert "cannot be loaded" in refused(copy)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"text"])
def test_a_damaged_pickle_is_one_line(copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(content)
    assert f"The model in {copy} cannot be loaded" in refused(copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": {"type": "BPE", "vocab": 3}}', '{"version": 9}'])
def test_a_damaged_tokenizer_is_one_line(copy: Path, content: str) -> None:
    """Its library raises nothing more special than ``Exception``."""
    (copy / "tokenizer.json").write_text(content)
    assert f"The processor in {copy} cannot be loaded" in refused(copy)


def test_a_slip_of_our_own_is_not_called_the_checkpoint_s(
    make_adapter: MakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whatever class it is."""

    def slip(*_: Any) -> None:
        raise AttributeError("a slip")

    folder = make_adapter()
    for place in ("auto_class", "check_adapter_keys"):
        with monkeypatch.context() as patch:
            patch.setattr(families, place, slip)
            with pytest.raises(AttributeError, match=r"^a slip$"):
                families.load_model(str(folder), torch.float32)
