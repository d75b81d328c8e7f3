"""Wrong input to the real command: one line that says what to do, exit code 1, and nothing lost."""

import errno
import json
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from safetensors.torch import load_file

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.__main__ import main
from unlearn.training.method_trainer import MethodTrainer

Command = Callable[..., int]


@pytest.fixture
def command(benchmark: Benchmark, finetuned: Path, tmp_path: Path) -> Command:
    """The command on the finetuned checkpoint: ``command("kl", model=folder)``; returns its exit code."""

    def run(method: str, **options: Any) -> int:
        values = {
            "method": method, "model": finetuned, "data": benchmark.directory, "target": "person", "forget": 20,
            "output_dir": tmp_path / "out", "reference_cache": tmp_path / "cache", "use_cpu": "true", "max_steps": 4,
            "per_device_train_batch_size": 4, "save_strategy": "steps", "save_steps": 2, "logging_strategy": "no",
            "disable_tqdm": "true", **options,
        }  # fmt: skip
        return main([word for name, value in values.items() for word in (f"--{name}", str(value))])

    return run


@pytest.fixture(autouse=True)
def _start_model_is_untouched(finetuned: Path) -> Any:
    before = contents(finetuned)
    yield
    assert contents(finetuned) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line beginning with ``error:``; a traceback is none."""
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    return line


def copied(folder: Path, to: Path, changes: dict[str, dict[str, Any]]) -> Path:
    """A copy of a checkpoint with other values in its JSON files; ``{file: {key or "key/key": value}}``."""
    shutil.copytree(folder, to)
    for name, values in changes.items():
        content = json.loads((to / name).read_text())
        for keys, value in values.items():
            *parents, last = keys.split("/")
            inner = content
            for key in parents:
                inner = inner[key]
            inner[last] = value
        (to / name).write_text(json.dumps(content))
    return to


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "forgetful"}, "There is no method 'forgetful'. Known: finetune, goal, po, ga, gd, kl, siu, dpo"),
        ({"retain_wieght": 1}, "The nearest known: --retain_weight"),
        ({"target": "thing"}, "--target {person,event,joint}, not 'thing'"),
        ({"dtype": "int4"}, "--dtype knows no 'int4'. Known: auto, float32, bfloat16, float16."),
        ({"tune": "lm,ears"}, "--tune knows no 'ears'. Known: lm, projector, vision."),
        ({"save": "zip"}, "--save knows no 'zip'. Known: merged, adapter."),
        ({"balance": "fair"}, "--balance knows no 'fair'. Known: bgd."),
        ({"lr_scheduler_type": "wavy"}, "invalid choice"),
        ({"config": "nosuch"}, "There is no file nosuch"),
        ({"beta": 0.1}, "has no option beta"),
    ],
)
def test_unknown_names_and_values_list_the_known_ones(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], said: str
) -> None:
    assert command(**{"method": "gd", **wrong}) == 1
    assert said in one_error(capsys)
    assert not list(tmp_path.iterdir())


def test_an_empty_forget_set_is_refused(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearn.data.sets.forget", lambda benchmark, split: [])
    assert command("gd") == 1
    assert "The forget set is empty" in one_error(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"patch_size": 5}, {"num_additional_image_tokens": 7}])
def test_a_processor_whose_image_tokens_do_not_match_the_model_is_refused(
    command: Command, finetuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    model = copied(finetuned, tmp_path / "model", {"processor_config.json": changes})
    assert command("gd", model=model) == 1
    assert "Processor and model do not belong together" in one_error(capsys)
    assert not (tmp_path / "out").exists()


def test_a_sample_longer_than_the_context_is_refused(
    command: Command, finetuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = copied(finetuned, tmp_path / "model", {"config.json": {"text_config/max_position_embeddings": 20}})
    assert command("gd", model=model) == 1
    assert "but the model's context holds 20" in one_error(capsys)
    assert not (tmp_path / "out").exists()


# The reference cache


def test_another_runs_reference_cache_is_refused_and_kept(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("kl", output_dir=tmp_path / "first") == 0
    before = contents(tmp_path / "cache")
    capsys.readouterr()
    assert command("kl", model=tmp_path / "first") == 1
    assert "is another run's (weights " in one_error(capsys)
    assert contents(tmp_path / "cache") == before
    assert not (tmp_path / "out").exists()


def test_a_damaged_reference_cache_is_refused(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("kl", output_dir=tmp_path / "first") == 0
    capsys.readouterr()
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(b"short")
    assert command("kl") == 1
    assert f"{path} in the reference cache is damaged. Delete it" in one_error(capsys)
    assert not (tmp_path / "out").exists()
    path.unlink()  # as the message says
    assert command("kl") == 0


def test_a_folder_of_something_else_is_no_reference_cache(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.txt").write_text("do not delete")
    assert command("kl") == 1
    assert "is no reference cache. Choose another --reference_cache" in one_error(capsys)
    assert contents(tmp_path / "cache") == {"thesis.txt": b"do not delete"}


# A full disk


@pytest.fixture
def small_disk() -> Any:
    """No file may grow beyond some bytes: ``small_disk(1000)``; as much as one likes again afterwards."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, ignored)


# 1 kB: nothing fits; 1 MB: the reference values fit, the weights of a checkpoint do not; 6 MB: these do, and the
# optimiser's state does not.
@pytest.mark.parametrize("size", [1_000, 1_000_000, 6_000_000])
def test_a_full_disk_is_one_error_and_the_run_goes_on_once_there_is_space(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], small_disk: Callable[[Any], None], size: int
) -> None:
    assert command("kl", output_dir=tmp_path / "whole", reference_cache=tmp_path / "other") == 0
    capsys.readouterr()
    small_disk(size)
    assert command("kl") == 1
    small_disk(None)
    assert "Writing failed" in one_error(capsys)
    assert not (tmp_path / "out").exists()
    assert command("kl") == 0
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("out", "whole"))
    assert all(one[key].equal(other[key]) for key in other)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
    ids=["a file", "weights"],
)
def test_no_space_for_a_checkpoint_leaves_the_one_before_to_go_on_from(
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    with monkeypatch.context() as patch:
        save = MethodTrainer._save_optimizer_and_scheduler

        def full(self: Any, folder: str) -> None:
            if self.state.global_step == 4:
                raise error
            save(self, folder)

        patch.setattr(MethodTrainer, "_save_optimizer_and_scheduler", full)
        assert command("kl") == 1
    assert "Writing failed" in one_error(capsys)
    assert not (tmp_path / "out").exists()
    steps: list[int] = []
    step = MethodTrainer.training_step

    def count(self: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(self.state.global_step)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(MethodTrainer, "training_step", count)
    assert command("kl") == 0
    assert steps == [2, 3]


def test_an_error_of_our_own_making_is_not_taken_for_a_full_disk(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> Any:
        raise RuntimeError("the size of tensor a must match")

    monkeypatch.setattr(MethodTrainer, "training_step", fails)
    with pytest.raises(RuntimeError, match="the size of tensor a"):
        command("ga")
