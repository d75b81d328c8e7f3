"""``kill -9`` at any moment, and the same command again: the weights of a run that was never interrupted."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.run_record import read_record

Command = Callable[..., int]
RUNS = {"kl": [], "kl with adapters": ["--lora", "true", "--lora_r", "2", "--lora_dropout", "0.1"]}
DURING = (
    "the reference values",
    "step 2",  # before any checkpoint
    "step 5",  # between two
    "the weights of checkpoint 6",
    "the optimiser of checkpoint 6",
    "the state of checkpoint 6",
    "the final weights",
    "the record",
    "the last move",
)
FAST = ("the weights of checkpoint 6",)  # of ``kl``; two processes


def _child(argv: list[str], moment: str) -> None:
    torch.set_num_threads(1)
    if moment:
        _kill_during(moment)
    from unlearn.__main__ import main

    sys.exit(main(argv))


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_during(moment: str) -> None:
    """Replace the function of that moment by one that does half its work, then kills the process."""
    from transformers import Trainer, TrainerState

    from unlearn.training import reference_store, run
    from unlearn.training.history import History

    def patch(owner: Any, name: str, half: Callable[..., bool]) -> None:
        real = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            if half(*args, **kwargs):
                _kill()
            return real(*args, **kwargs)

        setattr(owner, name, replaced)

    def half_a_state(state: Any, path: str) -> bool:
        if state.global_step == 6:
            Path(path).write_text('{"global_step": 6, "log_hist')
        return bool(state.global_step == 6)

    def half_the_weights(made: Any, folder: Any = None, **_: Any) -> bool:
        name = "adapter_model.safetensors" if hasattr(made.core, "peft_config") else "model.safetensors"
        if made.state.global_step == 6:
            Path(folder).mkdir(parents=True)
            (Path(folder) / name).write_bytes(b"half of the weights")
        return bool(made.state.global_step == 6)

    if moment == "the reference values":
        patch(reference_store, "save_file", lambda values, path, _: path.write_bytes(b"half of the values"))
    elif moment.startswith("step"):
        patch(History, "on_step_end", lambda self, args, state, *_, **__: state.global_step == int(moment[5:]))
    elif moment == "the weights of checkpoint 6":
        patch(Trainer, "save_model", half_the_weights)
    elif moment == "the optimiser of checkpoint 6":
        patch(Trainer, "_save_optimizer_and_scheduler", lambda self, folder: self.state.global_step == 6)
    elif moment == "the state of checkpoint 6":
        patch(TrainerState, "save_to_json", half_a_state)
    elif moment == "the final weights":
        patch(run, "_save", lambda made, tuning, folder: not folder.mkdir())
    elif moment == "the record":
        patch(run, "_finish", lambda *_: True)
    else:
        patch(run.shutil, "rmtree", lambda path, **_: path.name == "out.partial")


@pytest.fixture(scope="module")
def command(benchmark: Benchmark, finetuned: Path) -> Command:
    """Runs the command in a process of its own: ``command("kl", folder, "step 5")``; returns its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unlearn.training.run", "transformers.trainer"])

    def run(name: str, folder: Path, moment: str = "") -> int:
        words = (
            f"--method kl --model {finetuned} --data {benchmark.directory} --target person --forget 20 --use_cpu true "
            f"--output_dir {folder / 'out'} --reference_cache {folder / 'cache'} --max_steps 8 --save_strategy steps "
            "--save_steps 3 --learning_rate 1e-3 --lr_scheduler_type linear --per_device_train_batch_size 4 "
            "--logging_strategy no --disable_tqdm true"
        )
        process = context.Process(target=_child, args=([*words.split(), *RUNS[name]], moment))
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode

    return run


@pytest.fixture(scope="module")
def uninterrupted(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("uninterrupted")
            assert command(name, folder) == 0
            made[name] = folder / "out"
        return made[name]

    return get


@pytest.mark.parametrize(
    "name", [name if name == "kl" else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]
)
@pytest.mark.parametrize("moment", [m if m in FAST else pytest.param(m, marks=pytest.mark.slow) for m in DURING])
def test_a_run_that_is_killed_and_started_again_ends_with_the_weights_of_one_that_is_not(
    command: Command, uninterrupted: Callable[[str], Path], tmp_path: Path, name: str, moment: str
) -> None:
    if "reference values" in moment and name != "kl":
        pytest.skip("adapters switched off need no values")
    whole = uninterrupted(name)
    assert command(name, tmp_path, moment) == -signal.SIGKILL
    assert (tmp_path / "out").exists() == (moment == "the last move")
    assert (tmp_path / "out.partial").is_dir()
    assert command(name, tmp_path) == 0
    one, other = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", whole))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    records = [read_record(folder) for folder in (tmp_path / "out", whole)]
    assert records[0] is not None
    assert records[1] is not None
    assert records[0]["losses"] == records[1]["losses"]
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "cache"}
