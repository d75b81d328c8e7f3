"""Two processes on CPU: the losses and weights of one process with the same global batch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

import unlearn
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.run_record import read_record
from unlearn.__main__ import main
from unlearn.training.record import Record

Words = Callable[..., list[str]]
LAUNCH = Path(unlearn.__file__).parent / "launch"
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "unlearn"]
ADAPTERS = {"lora": "true", "lora_r": 2}
# By name: the method and its options.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "gd": ("gd", {}),
    "kl, one global batch": (
        "kl", {"global_batch_size": 12, "per_device_train_batch_size": 3, "dataloader_num_workers": 1},
    ),
    "kl, values stored": ("kl", {}),
    "dpo, values stored": ("dpo", {}),
    "npo with adapters": ("npo", ADAPTERS),
    "kl, three micro-batches": ("kl", {"gradient_accumulation_steps": 3}),
}  # fmt: skip
# accelerate turns no CPU run into FSDP, whatever its configuration says, although torch can do it: said in its place.
FSDP_ON_CPU = """
import sys

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

init = AcceleratorState.__init__


def with_fsdp(self, *args, fsdp_plugin=None, **kwargs):
    init(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP


AcceleratorState.__init__ = with_fsdp
from unlearn.__main__ import main

sys.exit(main())
"""
# The second process draws new adapters of its own, and nothing can be wrapped in DDP.
APART_WITHOUT_DDP = """
import os
import sys

from torch.nn.parallel import DistributedDataParallel
from transformers import set_seed

from unlearn.__main__ import main
from unlearn.training import run

DistributedDataParallel.__init__ = None
run.set_seed = lambda seed: set_seed(seed + int(os.environ["RANK"]))
sys.exit(main())
"""
# Stops behind a step, as the environment says, after the checkpoints before it.
STOPPED = """
import os
import sys

from unlearn.__main__ import main
from unlearn.training.history import History

on_step_end = History.on_step_end


def stop(self, args, state, control, **kwargs):
    on_step_end(self, args, state, control, **kwargs)
    if state.global_step == int(os.environ["STOP_AT"]):
        sys.exit(3)


History.on_step_end = stop
sys.exit(main())
"""


@pytest.fixture
def words(benchmark: Benchmark, finetuned: Path, tmp_path: Path) -> Words:
    """A command line for a global batch of 12, drawn by so many processes: ``words("gd", "out", processes=2)``.

    Without a recipe, for the steps are large enough as it is.
    """
    (tmp_path / "nothing.yaml").write_text("")

    def make(method: str, name: str, processes: int, **options: Any) -> list[str]:
        drawn = 12 // processes // options.get("gradient_accumulation_steps", 1)
        values = {
            "method": method, "model": finetuned, "data": benchmark.directory, "target": "person", "forget": 20,
            "config": tmp_path / "nothing.yaml", "output_dir": tmp_path / name,
            "reference_cache": tmp_path / f"{name}-cache", "use_cpu": "true",
            "max_steps": 3, "per_device_train_batch_size": drawn, "save_strategy": "no", "logging_strategy": "no",
            "disable_tqdm": "true", "optim": "sgd", "learning_rate": 0.05, "lr_scheduler_type": "constant", **options,
        }  # fmt: skip
        return [word for key, value in values.items() for word in (f"--{key}", str(value))]

    return make


def start(launcher: list[str], words: list[str]) -> str:
    done = subprocess.run([sys.executable, "-m", *launcher, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(folder: Path) -> Record:
    found = read_record(folder)
    assert found is not None
    return found


def kept_in(cache: Path) -> int:
    """How many answers the files of a reference cache hold; who comes second may find all that it needs."""
    files = [safe_open(path, "pt").metadata() for path in cache.iterdir()]
    assert len(files) in (1, 2)
    return sum(max(map(len, json.loads(noted["places"]).values())) for noted in files)


def assert_equal(one: Path, two: Path) -> None:
    """The losses of every step and the final weights, up to the order of sums."""
    alone, together = read(one), read(two)
    assert together["processes"] == 2
    assert alone["steps"] == together["steps"] == len(together["losses"])
    for step, other in zip(alone["losses"], together["losses"], strict=True):
        assert other == pytest.approx(step, rel=1e-4, abs=1e-5)
    before, after = (load_file(folder / "model.safetensors") for folder in (one, two))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "run", [run if run == "kl, one global batch" else pytest.param(run, marks=pytest.mark.slow) for run in RUNS]
)
def test_two_processes_compute_what_one_does_with_the_same_global_batch(words: Words, tmp_path: Path, run: str) -> None:
    """One global batch, said once: one process takes four micro-batches of three, each of two takes two.

    What they and their loader workers share while they run is gone afterwards.
    """
    method, options = RUNS[run]
    alone = {key: value for key, value in options.items() if key != "gradient_accumulation_steps"}
    assert main(words(method, "one", 1, **alone)) == 0
    said = start(TORCHRUN, words(method, "two", 2, **options))
    assert said.splitlines().count(str(tmp_path / "two")) == 1  # one process speaks
    assert_equal(tmp_path / "one", tmp_path / "two")
    assert not list(tmp_path.glob("*.partial"))
    if method in ("kl", "dpo"):  # each process computes what it draws, both are counted
        assert read(tmp_path / "two")["reference"]["computed"] == kept_in(tmp_path / "two-cache")
    if "global_batch_size" in options:
        accumulated = [read(tmp_path / name)["arguments"]["gradient_accumulation_steps"] for name in ("one", "two")]
        assert accumulated == [4, 2]


def test_processes_begin_alike_and_reduce_gradients_without_ddp(words: Words, tmp_path: Path) -> None:
    """Neither its buckets nor its reducer are there; new adapters are the first process's in all."""
    (tmp_path / "apart.py").write_text(APART_WITHOUT_DDP)
    method, options = RUNS["npo with adapters"]
    assert main(words(method, "one", 1, **options)) == 0
    start([*TORCHRUN[:-2], str(tmp_path / "apart.py")], words(method, "two", 2, **options))
    assert_equal(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("run", ["kl, values stored", "npo with adapters"])
def test_two_processes_that_are_stopped_go_on_to_the_same_weights(
    words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    """Bit for bit, with AdamW's state and from a checkpoint behind the second of four steps.

    Without a reference cache, where a process may find what the other has computed, in another batch.
    """
    (tmp_path / "stopped.py").write_text(STOPPED)
    method, options = RUNS[run]
    steps = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "optim": "adamw_torch", "learning_rate": 1e-3}
    steps["reference_cache"] = ""
    command = words(method, "two", 2, **options, **steps)
    monkeypatch.setenv("STOP_AT", "3")
    stopped = [sys.executable, "-m", *TORCHRUN[:-2], str(tmp_path / "stopped.py"), *command]
    assert subprocess.run(stopped, capture_output=True, timeout=300).returncode != 0
    assert (tmp_path / "two.partial" / "checkpoint-2").is_dir()
    start(TORCHRUN, command)
    start(TORCHRUN, words(method, "whole", 2, **options, **steps))
    assert_equal(tmp_path / "two", tmp_path / "whole")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "whole"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def _launch(tmp_path: Path, name: str, driver: list[str]) -> list[str]:
    """The launcher's command with a shipped configuration, on CPU."""
    configuration = yaml.safe_load((LAUNCH / f"{name}.yaml").read_text())
    (tmp_path / "launch.yaml").write_text(yaml.safe_dump({**configuration, "use_cpu": True, "main_process_port": 0}))
    return ["accelerate.commands.launch", "--config_file", str(tmp_path / "launch.yaml"), *driver]


@pytest.mark.slow
def test_accelerate_launch_with_the_ddp_configuration(words: Words, tmp_path: Path) -> None:
    assert main(words("gd", "one", 1)) == 0
    start(_launch(tmp_path, "ddp", ["-m", "unlearn"]), words("gd", "two", 2))
    assert_equal(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("run", ["npo with adapters", "gd", "kl, values stored"])
def test_accelerate_launch_with_the_fsdp_configuration(words: Words, tmp_path: Path, run: str) -> None:
    (tmp_path / "on_cpu.py").write_text(FSDP_ON_CPU)
    method, options = RUNS[run]
    assert main(words(method, "one", 1, **options)) == 0
    start(_launch(tmp_path, "fsdp", [str(tmp_path / "on_cpu.py")]), words(method, "two", 2, **options))
    assert_equal(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_launch_configuration_is_one_that_accelerate_reads(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    assert path.read_text().startswith("# ")
    configuration: Any = load_config_from_file(str(path))
    assert configuration.num_machines == 1
    assert configuration.num_processes > 1
