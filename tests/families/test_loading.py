"""Checkpoints of any family are loaded, and their processors called, in one place."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, LlavaConfig, Phi4MultimodalConfig

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.protocol import tiny_model


@pytest.fixture
def llava(benchmark: Benchmark, tmp_path: Path) -> tuple[Any, Path]:
    """The processor of a tiny LLaVA, and the folder in which it lies with its model."""
    model, processor = FAMILIES["llava"].build(list(tiny_model._texts(benchmark)))
    model.save_pretrained(tmp_path / "llava")
    processor.save_pretrained(tmp_path / "llava")
    return processor, tmp_path / "llava"


def test_the_configuration_decides_which_class_loads_a_model() -> None:
    assert families.auto_class(LlavaConfig()) is AutoModelForImageTextToText
    assert families.auto_class(Phi4MultimodalConfig()) is AutoModelForCausalLM


def test_a_chat_becomes_what_the_processors_own_template_gives(benchmark: Benchmark, llava: tuple[Any, Path]) -> None:
    """Of several questions at once, padded on the left, one of them without an image."""
    image = benchmark.image("p000/e00")
    contents = [
        [{"type": "image", "image": image}, {"type": "text", "text": "Who is it?"}],
        [{"type": "text", "text": "Who?"}],
    ]
    messages = [[{"role": "user", "content": content}] for content in contents]
    ours = families.generation_inputs(llava[0], messages)
    theirs = llava[0].apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": "left"},
    )  # fmt: skip
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert ours["attention_mask"][1, 0] == 0


def test_a_template_that_only_the_tokenizer_has_is_the_processors(llava: tuple[Any, Path]) -> None:
    processor, folder = llava
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BenchmarkError, match=r"Neither the processor nor the tokenizer in .* has a chat template"):
        families.load_processor(str(folder))
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": processor.chat_template}))
    assert families.load_processor(str(folder)).chat_template == processor.chat_template


def test_a_tokenizer_alone_is_no_processor(llava: tuple[Any, Path]) -> None:
    for name in ("processor_config.json", "config.json"):
        (llava[1] / name).unlink()
    with pytest.raises(BenchmarkError, match=r"no processor of images and texts|cannot be loaded"):
        families.load_processor(str(llava[1]))


def test_a_checkpoint_that_lacks_weights_is_refused(llava: tuple[Any, Path]) -> None:
    weights = load_file(llava[1] / "model.safetensors")
    name = next(key for key in weights if "projector" in key)
    save_file(
        {key: value for key, value in weights.items() if key != name}, llava[1] / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(BenchmarkError, match=r"lacks 1 of its weights \(.*projector.*\): it is no whole model"):
        families.load_model(str(llava[1]), torch.float32)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=f"The model in {tmp_path} cannot be loaded"):
        families.load_model(str(tmp_path), torch.float32)


def test_weights_that_were_cut_off_are_named(llava: tuple[Any, Path]) -> None:
    weights = llava[1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BenchmarkError, match=f"The model in {llava[1]} cannot be loaded"):
        families.load_model(str(llava[1]), torch.float32)


def test_an_adapter_of_another_model_is_refused(llava: tuple[Any, Path], tmp_path: Path) -> None:
    """It would be scored as its base."""
    from peft import LoraConfig, get_peft_model

    base = AutoModelForImageTextToText.from_pretrained(llava[1])
    config = LoraConfig(r=4, target_modules=r".*language_model.*\.(q_proj|v_proj)")
    get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    families.load_model(str(tmp_path / "adapter"), torch.float32)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    for other in (
        {key.replace("language_model", "text_model"): value for key, value in weights.items()},
        dict(list(weights.items())[1:]),
        weights | {"base_model.model.model.language_model.layers.99.self_attn.q_proj.lora_A.weight": torch.ones(4, 4)},
    ):
        save_file(other, file, {"format": "pt"})
        with pytest.raises(BenchmarkError, match=r"The adapter in .* does not fit its base"):
            families.load_model(str(tmp_path / "adapter"), torch.float32)


def test_phi4_as_it_is_published_is_refused_for_the_adapter_that_would_be_left_out(tmp_path: Path) -> None:
    """Before anything is loaded: transformers reads the model alone, and images would hardly be seen."""
    Phi4MultimodalConfig().save_pretrained(tmp_path)
    (tmp_path / "vision-lora").mkdir()
    (tmp_path / "vision-lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(BenchmarkError, match=r"an adapter of its own, vision-lora, .* Merge it into the model"):
        families.load_model(str(tmp_path), torch.float32)
    (tmp_path / "vision-lora" / "adapter_config.json").unlink()
    with pytest.raises(BenchmarkError, match=r"cannot be loaded: .*no file named"):
        families.load_model(str(tmp_path), torch.float32)
