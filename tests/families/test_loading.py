"""Checkpoints of any family are loaded, and their processors called, in one place."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, LlavaConfig, Phi4MultimodalConfig

from pebench_tasks import families
from pebench_tasks.benchmark import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import tiny_model


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
