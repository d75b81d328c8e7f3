"""Start models as people have them: what does not matter is trained, what would train another model is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText, LlavaForConditionalGeneration

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.__main__ import main

Train = Callable[..., int]


@pytest.fixture
def train(benchmark: Benchmark, tmp_path: Path) -> Train:
    """Two steps of the command from a start model; returns the exit code."""

    def run(model: Path, **options: Any) -> int:
        values = {
            "method": "ga", "model": model, "data": benchmark.directory, "target": "person", "forget": 20,
            "output_dir": tmp_path / "out", "use_cpu": "true", "max_steps": 2, "per_device_train_batch_size": 4,
            "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": "true", **options,
        }  # fmt: skip
        return main([word for name, value in values.items() for word in (f"--{name}", str(value))])

    return run


@pytest.fixture
def one_error(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def found() -> str:
        said = capsys.readouterr().err
        assert "Traceback" not in said
        (line,) = (line for line in said.splitlines() if line.startswith("error: "))
        return line

    return found


@pytest.fixture
def start(finetuned: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finetuned, tmp_path / "start")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "said",
    [
        {"temperature": 0.2, "top_p": 0.7},
        {"do_sample": False, "temperature": 0.2, "pad_token_id": 7},
        {"num_beams": 1, "length_penalty": 2.0, "early_stopping": True, "pad_token_id": 7},
        {"use_cache": False, "cache_implementation": "static", "pad_token_id": 7},
    ],
    ids=["temperature", "greedy with a temperature", "beams", "no cache"],
)
def test_settings_of_generation_do_not_lose_what_was_trained(
    train: Train, start: Path, tmp_path: Path, said: dict[str, Any]
) -> None:
    """transformers refuses to save some of them, and says so after the last step."""
    edit(start / "generation_config.json", **said)
    assert train(start) == 0
    assert (tmp_path / "out" / "generation_config.json").is_file()


@pytest.fixture
def tied(start: Path) -> Path:
    """A start model whose head has the weights of its embeddings."""
    config = AutoModelForImageTextToText.from_pretrained(start).config
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.save_pretrained(start)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    return start


@pytest.mark.parametrize(
    ("settings", "layer"),
    [
        ({"target_modules": ["lm_head"]}, "lm_head"),
        ({"target_modules": ["embed_tokens"]}, "embed_tokens"),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "lm_head"),
    ],
    ids=["adapted head", "adapted embeddings", "trained head"],
)
def test_an_adapter_of_weights_that_two_layers_share_is_not_merged(
    train: Train, tied: Path, tmp_path: Path, one_error: Callable[[], str], settings: dict[str, Any], layer: str
) -> None:
    """Merged, it would change both, and training would go on from another model."""
    model = get_peft_model(AutoModelForImageTextToText.from_pretrained(tied), LoraConfig(r=2, **settings))
    model.save_pretrained(tmp_path / "adapter")
    assert train(tmp_path / "adapter") == 1
    assert f"changes {layer}, whose weights the model shares with another layer" in one_error()
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_other_weights_of_a_tied_model_is_merged(train: Train, tied: Path, tmp_path: Path) -> None:
    model = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(tied), LoraConfig(r=2, target_modules=["v_proj"])
    )
    model.save_pretrained(tmp_path / "adapter")
    assert train(tmp_path / "adapter") == 0


@pytest.mark.parametrize(
    ("base", "said"), [(None, "names no base"), ("/nowhere", "has lost its base. There is no folder /nowhere")]
)
def test_an_adapter_without_its_base_is_one_line(
    train: Train, start: Path, tmp_path: Path, one_error: Callable[[], str], base: Any, said: str
) -> None:
    model = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(start), LoraConfig(r=2, target_modules=["v_proj"])
    )
    model.save_pretrained(tmp_path / "adapter")
    edit(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=base)
    assert train(tmp_path / "adapter") == 1
    assert said in one_error()


def test_a_benchmark_folder_is_no_start_model(train: Train, benchmark: Benchmark, one_error: Callable[[], str]) -> None:
    assert train(benchmark.directory) == 1
    assert f"{benchmark.directory} is a benchmark folder (--data), not a checkpoint" in one_error()


def test_a_checkpoint_is_no_benchmark_folder(train: Train, start: Path, one_error: Callable[[], str]) -> None:
    assert train(start, data=start) == 1
    assert f"{start} is not a benchmark folder" in one_error()


@pytest.mark.parametrize("words", [["--model", "nope"], ["--method", "ga", "--model", "nope"], ["--model"]])
def test_a_start_model_alone_says_what_is_missing(words: list[str], one_error: Callable[[], str]) -> None:
    assert main(words) == 1
    assert "See: python -m unlearn --help" in one_error()
