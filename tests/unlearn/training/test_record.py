"""The run record says what a checkpoint is and where it comes from."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pebench_templates
import pytest
from transformers import TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn.arguments import UnlearnArguments
from unlearn.training import record
from unlearn.training.run import train_from_options


@pytest.fixture(scope="module")
def unlearned(
    benchmark: Benchmark,
    finetuned: Path,
    options: Callable[..., TrainingArguments],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    arguments = UnlearnArguments(
        method="gd", model=str(finetuned), data=str(benchmark.directory), target="event", forget="10", replay=0.25
    )
    return train_from_options(arguments, options(tmp_path_factory.mktemp("record") / "gd", weight_decay=0.1))


@pytest.fixture
def copied(finetuned: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(finetuned, tmp_path / "finetuned"))
    (folder / "pebench_run.json").touch()  # written last, as training does
    return folder


def read(folder: Path) -> record.Record:
    found = read_record(folder)
    assert found is not None
    return found


def test_the_record_says_what_was_done(benchmark: Benchmark, unlearned: Path) -> None:
    found = read(unlearned)
    split = benchmark.split("event", 10)
    assert found["format"] == "pebench-run/1"
    assert (found["method"], found["target"], found["forget"], found["seed"]) == ("gd", "event", "forget10", 0)
    assert (found["data"], found["split"]) == (benchmark.fingerprint, split.split_id)
    assert found["template"] == pebench_templates.fingerprint()
    assert found["sets"]["forget"] == {"samples": len(split.train), "replay_rows": 0, "replay_share": 0.0}
    assert found["sets"]["retain"]["replay_share"] == 0.25


def test_the_record_holds_every_setting_that_is_not_a_default(unlearned: Path) -> None:
    arguments = read(unlearned)["arguments"]
    expected = {"retain_weight": 1.0, "replay": 0.25, "weight_decay": 0.1, "dtype": "float32", "max_steps": 3}
    assert expected.items() <= arguments.items()
    assert "adam_beta1" not in arguments


def test_the_record_holds_losses_time_memory_and_versions(unlearned: Path) -> None:
    found = read(unlearned)
    assert [row["step"] for row in found["losses"]] == [1, 2, 3]
    assert set(found["losses"][0]) == {"step", "loss", "forget", "retain"}
    assert 0 < found["seconds"] < 60
    assert found["peak_memory_bytes"] > 100 * 2**20
    assert set(found["versions"]) >= {"python", "torch", "transformers", "accelerate", "datasets", "pebench"}


def test_the_base_is_carried_through_the_lineage(foundation: Path, finetuned: Path, unlearned: Path) -> None:
    base, middle, last = read(foundation), read(finetuned), read(unlearned)
    assert base["base"] == base["weights"] == record.weights_fingerprint(foundation)
    assert middle["base"] == last["base"] == base["weights"]
    assert last["parent"]["weights"] == middle["weights"] == record.weights_fingerprint(finetuned)
    assert last["parent"]["parent"]["method"] == "pretrain"
    assert "losses" not in last["parent"]
    assert last["weights"] not in {middle["weights"], base["weights"]}


def test_the_weights_fingerprint_is_the_hash_of_the_files_in_name_order(tmp_path: Path) -> None:
    for letter in "hcagfbed":
        (tmp_path / f"{letter}.safetensors").write_bytes(letter.encode())
    (tmp_path / "config.json").write_text("{}")
    assert record.weights_fingerprint(tmp_path) == hashlib.sha256(b"abcdefgh").hexdigest()[:16]


def test_a_finished_run_is_told_from_records_without_reading_any_weights(
    benchmark: Benchmark, options: Callable[..., TrainingArguments], copied: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Which of a large model takes a minute in every process; weights newer than their record are read all the same."""

    def trained() -> Path:
        arguments = UnlearnArguments(
            method="ga", model=str(copied), data=str(benchmark.directory), target="event", forget="10"
        )
        return train_from_options(arguments, options(tmp_path / "ga", max_steps=1))

    folder = trained()
    with monkeypatch.context() as patch:
        patch.setattr(record, "weights_fingerprint", lambda _: pytest.fail("the weights were read"))
        assert trained() == folder
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(BenchmarkError, match=r"finished run with other settings \(start: [0-9a-f]{16} there"):
        trained()


def test_a_folder_without_weights_has_no_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"no \*\.safetensors"):
        record.weights_fingerprint(tmp_path)


def test_a_folder_without_a_record_has_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"format": "pebench-run/9"})])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pebench_run.json").write_text(text)
    with pytest.raises(BenchmarkError, match=r"pebench_run\.json"):
        read_record(tmp_path)
