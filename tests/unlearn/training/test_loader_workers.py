"""Loader workers prepare the samples: each image once, and the run is the same as without them."""

import copy
import hashlib
import json
import logging
import os
import pickle
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import LlavaProcessor, TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.run_record import read_record
from unlearn import methods
from unlearn.__main__ import main
from unlearn.data.samples import SampleSet, singles
from unlearn.data.sets import everything
from unlearn.tensors.parts import Lora
from unlearn.training.folder import processed_samples
from unlearn.training.method_trainer import VERIFIED_SAMPLES, MethodTrainer
from unlearn.training.positions import Positions
from unlearn.training.run import Tuning, train

Options = Callable[..., TrainingArguments]
Run = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
LORA = Tuning(lora=Lora(4, 8, 0.2))
WORKERS = {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}


@pytest.fixture
def finetune(benchmark: Benchmark, tiny: tuple[Any, LlavaProcessor], options: Options, tmp_path: Path) -> Run:
    """Finetune with dropout for three epochs of three steps: ``finetune("name", dataloader_num_workers=2)``."""

    def run(
        name: str,
        load_image: Callable[[str], Image.Image] = benchmark.image,
        on_step: Callable[[int, int], None] | None = None,
        **changes: Any,
    ) -> Path:
        return train(
            copy.deepcopy(tiny[0]),
            tiny[1],
            {"everything": SampleSet(singles(everything(benchmark)))},
            methods.METHODS["finetune"],
            options(tmp_path / name, **{"max_steps": -1, "num_train_epochs": 3, **changes}),
            load_image=load_image,
            settings={},
            facts={},
            tuning=LORA,
            on_step=on_step,
        )

    return run


def same(one: Path, other: Path) -> bool:
    records = [read_record(folder) for folder in (one, other)]
    assert records[0] is not None
    assert records[1] is not None
    before, after = (load_file(folder / "model.safetensors") for folder in (one, other))
    equal = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    return equal and records[0]["losses"] == records[1]["losses"]


def test_an_image_is_decoded_once_however_many_workers_and_epochs(
    benchmark: Benchmark, finetune: Run, tmp_path: Path
) -> None:
    """What is verified before the first step is decoded once more, to be compared with."""
    log = tmp_path / "decoded"

    def load_image(key: str) -> Image.Image:
        with log.open("a") as file:
            file.write(f"{key}\n")
        return benchmark.image(key)

    finetune("out", load_image, **WORKERS)
    drawn = SampleSet(singles(everything(benchmark)))
    verified = [drawn.at(position, "0/everything")[0].image for position in range(VERIFIED_SAMPLES)]
    assert Counter(log.read_text().split()) == Counter([row["key"] for row in benchmark.images]) + Counter(verified)


def test_the_checkpoint_is_the_same_to_the_last_bit_with_workers_and_without(finetune: Run) -> None:
    """Dropout is drawn on from epoch to epoch, so a seed that only some loaders draw would show."""
    alone = finetune("alone")
    assert same(finetune("persistent", **WORKERS), alone)
    assert same(finetune("anew", dataloader_num_workers=2), alone)


@pytest.mark.parametrize("at", [4, 6])  # within an epoch, and between two
def test_an_interrupted_run_leaves_no_processed_samples_and_resumes_to_the_same_weights(
    finetune: Run, tmp_path: Path, at: int
) -> None:
    seen: list[bool] = []

    def interrupt(step: int, _: int) -> None:
        seen.append(any(partial.glob("processed-*/*.safetensors")))
        if step == at + 1:
            raise KeyboardInterrupt

    partial = tmp_path / "out.partial"
    saved = {"save_strategy": "steps", "save_steps": at}
    with pytest.raises(KeyboardInterrupt):
        finetune("out", on_step=interrupt, **saved, **WORKERS)
    assert all(seen)
    assert not list(partial.glob("processed-*"))
    assert same(finetune("out", **saved, **WORKERS), finetune("alone", **saved))
    assert not list(tmp_path.glob("*.partial"))


def test_what_a_killed_run_left_of_processed_samples_is_not_used(finetune: Run, tmp_path: Path) -> None:
    def interrupt(step: int, _: int) -> None:
        shutil.copytree(next(partial.glob("processed-*")), tmp_path / "left")
        raise KeyboardInterrupt

    partial = tmp_path / "out.partial"
    with pytest.raises(KeyboardInterrupt):
        finetune("out", on_step=interrupt, **WORKERS)
    for name in (f"processed-{os.uname().nodename}", f"processed-{os.uname().nodename}.gone"):
        shutil.copytree(tmp_path / "left", partial / name)
        for path in (partial / name).glob("*.safetensors"):
            path.write_bytes(b"of another version")
    finetune("out", **WORKERS)
    assert not partial.exists()


@pytest.fixture
def damaged(benchmark: Benchmark, tmp_path: Path) -> Path:
    """A benchmark whose last image is cut off, and whose manifest says that it has to be."""
    folder = tmp_path / "damaged"
    shutil.copytree(benchmark.directory, folder)
    path = folder / "images.parquet"
    table = pq.read_table(path)
    images = table.column("image").to_pylist()
    images[-1]["bytes"] = images[-1]["bytes"][:200]
    column = pa.array(images, table.schema.field("image").type)
    pq.write_table(table.set_column(table.schema.get_field_index("image"), "image", column), path)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = path.read_bytes()
    manifest["files"]["images.parquet"].update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_line_from_a_worker_too(
    benchmark: Benchmark,
    foundation: Path,
    damaged: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    workers: int,
) -> None:
    (tmp_path / "nothing.yaml").write_text("")
    words = (
        f"--method finetune --model {foundation} --data {damaged} --use_cpu true --num_train_epochs 1 --replay 0 "
        f"--output_dir {tmp_path / 'out'} --config {tmp_path / 'nothing.yaml'} --dataloader_num_workers {workers} "
        "--per_device_train_batch_size 4 --save_strategy no --logging_strategy no --disable_tqdm true"
    )
    assert main(words.split()) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    key = benchmark.images[-1]["key"]
    assert line.startswith(f"error: The image {key} in {damaged} cannot be decoded (")
    assert line.endswith(" Build the folder again.")


def test_a_worker_that_is_not_forked_draws_the_same(make: Callable[..., MethodTrainer]) -> None:
    """It is sent a copy of what draws, benchmark and processor included."""
    drawn = make("kl").positions
    sent: Positions = pickle.loads(pickle.dumps(drawn))
    one, other = drawn[0], sent[0]
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    for name, encoded in one.items():
        assert torch.equal(encoded[0].image["pixel_values"], other[name][0].image["pixel_values"])
        assert torch.equal(encoded[0].tokens["labels"], other[name][0].tokens["labels"])


@pytest.fixture
def one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_core")
def test_there_are_no_more_workers_than_cores_and_that_is_said(
    make: Callable[..., MethodTrainer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="unlearn")
    assert make("ga", **WORKERS).args.dataloader_num_workers == 1
    assert "loader workers: 1 in place of 2" in caplog.text


def test_a_recipes_workers_can_be_switched_off(make: Callable[..., MethodTrainer]) -> None:
    """Its other option, to keep them from epoch to epoch, then means nothing; torch alone would refuse it."""
    made = make("ga", dataloader_num_workers=0, dataloader_persistent_workers=True, max_steps=1)
    made.train()
    assert made.state.global_step == 1


def test_the_processed_samples_of_another_machine_stay(tmp_path: Path) -> None:
    """On a shared file system they lie side by side; the other machine's name may begin as ours does."""
    ours = f"processed-{platform.node()}"
    for name in (ours, f"{ours}.gone", f"{ours}0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sample").write_text("")
    arguments = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, dataloader_num_workers=1)
    with processed_samples(tmp_path, arguments):
        assert not (tmp_path / ours / "sample").exists()
        assert not (tmp_path / f"{ours}.gone").exists()
        assert (tmp_path / f"{ours}0" / "sample").exists()
    assert {path.name for path in tmp_path.iterdir()} == {f"{ours}0"}
