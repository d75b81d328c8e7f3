"""Which recipe a training takes that names none: its method's and target's, by the size of its model."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText

import unlearn
from pebench_tasks.backend import threads
from pebench_tasks.backend.threads import ONE_THREAD, VARIABLES
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn.__main__ import main
from unlearn.arguments import RECIPES, UnlearnArguments, parse
from unlearn.methods import METHODS
from unlearn.recipes.choosing import LARGE, choose, of_size
from unlearn.training.run import train_from_options

CPU = ["--use_cpu", "--report_to", "none"]


@pytest.fixture
def words(benchmark: Benchmark, finetuned: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """A command line of one step without ``--config``: ``words(method="ga", max_steps=None)``."""

    def made(**options: Any) -> list[str]:
        values = {
            "method": "gd", "target": "event", "forget": 20, "model": finetuned, "data": benchmark.directory,
            "output_dir": tmp_path / "out", "max_steps": 1, "disable_tqdm": "true", **options,
        }  # fmt: skip
        return [*CPU, *(f"--{name}={value}" for name, value in values.items() if value is not None)]

    return made


@pytest.fixture
def large(finetuned: Path, tmp_path: Path) -> Path:
    """The configuration of a model with more parameters: a million words of 128 numbers each are 128 million."""
    folder = tmp_path / "large"
    folder.mkdir()
    config = json.loads((finetuned / "config.json").read_text())
    config["text_config"] |= {"vocab_size": 1_000_000, "hidden_size": 128, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def recorded(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    assert record is not None
    return dict(record["arguments"])


def test_a_training_without_config_takes_its_recipe_says_so_and_records_it(
    words: Callable[..., list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The values are those of recipes/tiny/gd_event.yaml; the one step is the command line's, which wins."""
    assert main(words(logging_strategy="no")) == 0
    found = recorded(tmp_path / "out")
    expected = {
        "recipe": "tiny/gd_event",
        "learning_rate": 1e-4,
        "retain_weight": 12.0,
        "lr_scheduler_type": "constant",
    }
    assert expected.items() <= found.items()
    assert found["max_steps"] == 1
    (line,) = (line for line in caplog.messages if line.startswith("recipe "))
    assert "recipe tiny/gd_event: for models of fewer than 100 million parameters" in line
    assert "this one has 1.3 million" in line
    assert "--config NAME or FILE.yaml takes another" in line
    assert main(words(logging_strategy="no", config="tiny/gd_event")) == 0  # the same run: it is finished already


@pytest.mark.parametrize("chosen", [None, "2"])
def test_a_small_model_is_trained_with_one_thread_unless_the_user_chose(
    words: Callable[..., list[str]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    chosen: str | None,
) -> None:  # fmt: skip
    """Said where the recipe is; a machine of two cores, whatever this one has."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if chosen:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    caplog.set_level(logging.INFO, logger="unlearn")
    seen: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train_from_options(*parse(words(), choose), lambda done, total: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [2 if chosen else 1]
    assert (ONE_THREAD in caplog.messages) is (chosen is None)


@pytest.mark.parametrize(
    ("given", "lora", "saved"),
    [({}, True, "adapter"), ({"save": "merged"}, True, "merged"), ({"lora": "false"}, False, "merged")],
)
def test_recipes_for_large_models_keep_what_adapters_learned(
    words: Callable[..., list[str]], large: Path, given: dict[str, str], lora: bool, saved: str
) -> None:
    """Saved as adapters, which merging would round; with ``--lora false`` there are none to save."""
    for method in ({"method": "gd"}, {"method": "goal"}, {"method": "finetune", "target": None, "forget": None}):
        ours = parse(words(model=large, **method, **given), choose)[0]
        assert (ours.lora, ours.save) == (lora, saved)


def test_a_notebook_trains_as_the_command_does(benchmark: Benchmark, finetuned: Path, tmp_path: Path) -> None:
    out = unlearn.train(
        method="ga", model=finetuned, data=benchmark.directory, target="person", forget=20, max_steps=1,
        output_dir=tmp_path / "out", use_cpu=True, disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    assert recorded(out)["recipe"] == "tiny/ga_person"


def test_a_large_model_takes_the_recipe_with_adapters(large: Path, words: Callable[..., list[str]]) -> None:
    ours, theirs = parse(words(model=large, max_steps=None), choose)
    assert (ours.recipe, ours.lora, theirs.num_train_epochs) == ("gd_event", True, 1)
    assert parse(words(model=large, lora="false"), choose)[0].lora is False
    ours, _ = parse(words(model=large, method="finetune", target=None, forget=None), choose)
    assert (ours.recipe, ours.questions_per_image) == ("finetune", 4)
    assert parse(words(model=large, method="goal"), choose)[0].recipe == "goal"


def test_the_border_is_a_hundred_million_parameters() -> None:
    assert LARGE == 100_000_000
    assert (of_size(LARGE - 1), of_size(LARGE)) == (RECIPES / "tiny", RECIPES)


def test_a_config_switches_the_choice_off(words: Callable[..., list[str]], tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("learning_rate: 3e-4\n")
    ours, theirs = parse(words(config=own), choose)
    assert (ours.recipe, theirs.learning_rate, ours.settings["retain_weight"]) == (str(own), 3e-4, 1.0)
    ours, _ = parse(words(config="tiny/gd_person"), choose)
    assert (ours.recipe, ours.settings["retain_weight"]) == ("tiny/gd_person", 30.0)


def test_without_a_choice_nothing_is_recorded() -> None:
    assert "recipe" not in UnlearnArguments(method="finetune", model="m", data="d").as_dict()


@pytest.mark.parametrize("config", [None, "tiny/gd_event"])
def test_epochs_on_the_command_line_put_a_recipes_steps_away(
    config: str | None, words: Callable[..., list[str]]
) -> None:
    """The Trainer counts no epochs where it has a number of steps: the option would do nothing."""
    theirs = parse(words(config=config, max_steps=None, num_train_epochs=2), choose)[1]
    assert (theirs.max_steps, theirs.num_train_epochs) == (-1, 2)
    theirs = parse(words(config=config, max_steps=3, num_train_epochs=2), choose)[1]
    assert theirs.max_steps == 3


def test_an_adapter_is_as_large_as_its_base(finetuned: Path, tmp_path: Path, words: Callable[..., list[str]]) -> None:
    base = shutil.copytree(finetuned, tmp_path / "base")
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    model.name_or_path = str(base)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    assert parse(words(model=tmp_path / "adapter"), choose)[0].recipe == "tiny/gd_event"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "gdd"}, "There is no method 'gdd'"),
        ({"target": None}, "gd needs --target"),
        ({"target": "thing"}, "not 'thing'"),
        ({"model": ""}, "--model is missing"),
    ],
)
def test_what_means_nothing_is_refused_as_ever(
    changes: dict[str, Any], said: str, words: Callable[..., list[str]]
) -> None:
    with pytest.raises(BenchmarkError, match=said):
        parse(words(**changes), choose)


def test_a_method_without_a_recipe_needs_options_of_its_own(
    words: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "mine", METHODS["gd"])
    with pytest.raises(BenchmarkError, match=r"no recipe for mine .*\. Name a file of options with --config\."):
        parse(words(method="mine"), choose)
    assert parse(words(method="mine", config="tiny/gd_event"), choose)[0].recipe == "tiny/gd_event"


def test_a_model_that_cannot_be_read_is_left_to_whoever_loads_it(words: Callable[..., list[str]]) -> None:
    assert parse(words(model="nowhere"), choose)[0].recipe == ""


def test_a_model_whose_size_cannot_be_told_is_an_error(large: Path, words: Callable[..., list[str]]) -> None:
    config = json.loads((large / "config.json").read_text())
    config["text_config"]["hidden_act"] = "no such function"
    (large / "config.json").write_text(json.dumps(config))
    with pytest.raises(BenchmarkError, match=r"no such function.*--config"):
        parse(words(model=large), choose)
