"""What of a run record is published, and what is not."""

import json
from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry import records
from pebench_tasks.leaderboard.entry.loader import validator

WEIGHTS = "a" * 16
RECORD = {
    "format": "pebench-run/1", "method": "gd", "target": "person", "forget": "forget05", "seed": 0, "base": "b" * 16,
    "weights": WEIGHTS, "data": "d" * 16, "split": "5" * 16, "template": "", "parent": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),  # a hub id
        ("cosine", "cosine"),
        ("", ""),
        ("0.5", "0.5"),
        (".5", ".5"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("/home/me/models/base", "base"),
        ("/home/me/models/base/", "base"),
        ("/home/m e/my models/the base", "the base"),
        ("~/models/base", "base"),
        ("~me/models/base", "base"),
        ("./base", "base"),
        ("../../base", "base"),
        ("runs/demo/base", "base"),
        ("file:///home/me/base", "base"),
        ("C:\\Users\\me\\base", "base"),
        ("d:/Users/me/base", "base"),
        ("data=/home/me/data,model=/home/me/base", "data=data,model=base"),
        ("['/home/me/a', '/home/me/b']", "['a', 'b']"),
        ("a\nb\u202e", "a b "),
        ("x" * 1000, "x" * 300),
    ],
)
def test_a_path_keeps_its_last_part_and_a_hub_id_stays(text: str, published: str) -> None:
    assert records.without_paths(text) == published


def test_what_is_published_has_no_losses_and_no_folders_and_keeps_the_lineage() -> None:
    parent = RECORD | {"method": "finetune", "parent": {"model": "/models/base", "weights": "b" * 16}, "losses": [1.0]}
    record = RECORD | {
        "parent": parent, "losses": [{"step": 1, "loss": 2.0}], "own_field": "/home/me", "seconds": 3.5,
        "arguments": {"model": "/home/me/x", "tune": ["lm", "projector"], "lr kwargs": {"cycles": 2},
                      "beta": float("inf"), "logging": None},
        "sets": {"forget": {"samples": 20}}, "versions": {"torch": "2.15.0"},
    }  # fmt: skip
    published = records.public(record)
    assert published["arguments"] == {
        "model": "x", "tune": "lm,projector", "lr_kwargs.cycles": 2, "beta": "inf", "logging": None,
    }  # fmt: skip
    assert published["parent"]["parent"] == {"model": "base", "weights": "b" * 16}
    assert published["sets"] == {"forget": {"samples": 20}}
    text = json.dumps(published)
    for left_out in ("losses", "own_field", "/home", "/models"):
        assert left_out not in text
    definition = {"$ref": "#/$defs/record", "$defs": validator().schema["$defs"]}  # type: ignore[index]
    assert type(validator())(definition).is_valid(published)


def test_a_record_of_the_required_fields_alone_is_enough() -> None:
    assert set(records.REQUIRED) | {"format"} == RECORD.keys()
    definition = validator().schema["$defs"]["record"]  # type: ignore[index]
    assert definition["required"] == ["format", *records.REQUIRED]
    assert set(definition["properties"]) == {"format", *records.REQUIRED, *records.FLAT, *records.OPTIONAL}
    assert records.public(RECORD) == RECORD
    for name in records.REQUIRED:
        assert f"``{name}``" in str(records.__doc__)


def test_a_record_that_lacks_a_field_says_which(tmp_path: Path) -> None:
    assert records.complete_record(tmp_path) is None
    path = tmp_path / "pebench_run.json"
    path.write_text(json.dumps({name: value for name, value in RECORD.items() if name not in ("base", "split")}))
    with pytest.raises(BenchmarkError, match=r"lacks base, split\. A run record needs: method, target"):
        records.complete_record(tmp_path)
    for damaged in ("{", "[]", "{}", "null", '"x"'):
        path.write_text(damaged)
        with pytest.raises(BenchmarkError, match="is damaged"):
            records.complete_record(tmp_path)
    path.write_text(json.dumps(RECORD | {"format": "pebench-run/2"}))
    with pytest.raises(BenchmarkError, match="this version reads 'pebench-run/1'"):
        records.complete_record(tmp_path)


def test_the_parent_is_what_was_unlearned(tmp_path: Path) -> None:
    assert records.parent_weights(RECORD | {"parent": {"weights": "f" * 16}}, tmp_path) == "f" * 16
    with pytest.raises(BenchmarkError, match="names no parent"):
        records.parent_weights(RECORD, tmp_path)
