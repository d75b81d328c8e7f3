"""What a checkpoint's name stands for is known, or said to be nothing, before torch is imported."""

import json
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks.backend.checkpoint_name import adapter_base, check_checkpoint, with_a_name
from pebench_tasks.errors import BenchmarkError


def adapter(folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return folder


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "adapter_config.json names no base. Write the folder or hub id of the model"),
        ({"base_model_name_or_path": None}, "names no base"),
        ({"base_model_name_or_path": ""}, "names no base"),
        ({"base_model_name_or_path": 7}, "names no base"),
        ({"base_model_name_or_path": "/nowhere/base"}, "has lost its base. There is no folder /nowhere/base"),
        ({"base_model_name_or_path": "base"}, "has lost its base. There is no folder base"),
        ({"base_model_name_or_path": "../models/base"}, "has lost its base. There is no folder ../models/base"),
    ],
)
def test_an_adapter_that_has_lost_its_base_says_so(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        adapter_base(adapter(tmp_path / "adapter", **config))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"text"', b"", b"\xff"])
def test_a_damaged_configuration_of_an_adapter_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "adapter_config.json").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"adapter_config\.json is damaged \(.*\)\. Save the adapter again"):
        adapter_base(tmp_path)


def test_a_relative_base_is_of_the_current_folder_else_of_the_adapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    folder = adapter(tmp_path / "adapter", base_model_name_or_path="../base")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere" / "deep")
    assert Path(adapter_base(folder) or "").resolve() == tmp_path / "base"
    (tmp_path / "elsewhere" / "base").mkdir()
    assert adapter_base(folder) == "../base"


def test_a_base_on_the_hub_and_a_whole_model_are_left_to_the_hub(tmp_path: Path) -> None:
    assert adapter_base(adapter(tmp_path / "adapter", base_model_name_or_path="owner/name")) == "owner/name"
    assert adapter_base(tmp_path) is None
    assert adapter_base("owner/name") is None


def test_a_benchmark_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BenchmarkError, match=r"is a benchmark folder \(--data\), not a checkpoint"):
        check_checkpoint(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    check_checkpoint(str(tmp_path))


@pytest.mark.parametrize(("given", "name"), [(".", "here"), ("./", "here"), ("..", "up"), ("../here/", "here")])
def test_a_checkpoint_has_a_name_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, name: str
) -> None:
    (tmp_path / "up" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "up" / "here")
    assert Path(with_a_name(given)).name == name


def test_a_checkpoint_with_a_name_is_called_as_it_was_given() -> None:
    assert [with_a_name(name) for name in ("runs/ga", "owner/name", "/a/b")] == ["runs/ga", "owner/name", "/a/b"]
