"""The program for a GPU runs on the CPU at no size, and counts what a person would; nothing here is timed."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import gpu_step
import pytest
import small_llava
import torch
from gpu_step import Meter
from transformers import LlavaForConditionalGeneration

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.tensors import packing, parts
from unlearn.tensors.encoding import pad_id
from unlearn.training import loading

SIZES = small_llava.sizes(gpu_step.WORDS, tiny=True)  # 16 image tokens
LAYER = 4 * 64 * 64 + 3 * 64 * 160  # attention, gated feed-forward
HEAD = 64 * gpu_step.WORDS
TOWER = 2 * (4 * 64 * 64 + 2 * 64 * 128)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(folder: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    out = folder / "gpu.json"
    options = f"--tiny --steps 1 --warmup 1 --workers 0 --batch_size 2 {words} --out {out}"
    monkeypatch.setattr(sys, "argv", ["gpu_step.py", *options.split()])
    gpu_step.main()
    rows: list[dict[str, Any]] = json.loads(out.read_text())["rows"]
    return rows


def built(benchmark: Benchmark, folder: Path, *, four_bit: bool = False) -> tuple[Any, Any]:
    options = argparse.Namespace(tiny=True, four_bit=four_bit)
    return gpu_step.build(benchmark, SIZES, folder, torch.device("cpu"), options)


def test_every_default_method_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run(tmp_path, "--accumulation 2", monkeypatch)
    assert [row["method"] for row in rows] == ["gd", "kl", "dpo", "siu"]
    for row in rows:
        assert row["share %"] == pytest.approx(100 * row["reached TFLOP/s"] / row["matrix TFLOP/s"])
        assert row["peak GiB"] is None
        assert 16 / 2 < row["tokens a sample"] < 200
    steps = {row["method"]: row["samples/s"] * row["s a step"] for row in rows}
    assert steps["gd"] == pytest.approx(8)  # two sets, two micro-batches of two
    assert steps["dpo"] == pytest.approx(8)  # one set, of every prompt two answers


@pytest.mark.slow
def test_the_profile_names_the_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, f"--method gd --profile {tmp_path / 'profile'}", monkeypatch)
    assert "aten::mm" in (tmp_path / "profile" / "gd.txt").read_text()


@pytest.mark.slow
def test_recomputed_activations_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [kept] = run(tmp_path, "--method kl", monkeypatch)
    [recomputed] = run(tmp_path, "--method kl --checkpointing", monkeypatch)
    operations = [row["reached TFLOP/s"] * row["s a step"] for row in (kept, recomputed)]
    assert operations[0] == pytest.approx(operations[1])


def test_a_token_counts_four_times_in_training_and_twice_in_the_reference(benchmark: Benchmark, tmp_path: Path) -> None:
    model, processor = built(benchmark, tmp_path)
    text = f"USER: {processor.image_token} ASSISTANT: yes"
    inputs = processor(text=[text], images=[benchmark.image("p000/e00")], return_tensors="pt")
    inputs = {**inputs, "pixel_values": inputs["pixel_values"].bfloat16()}
    tokens = inputs["input_ids"].shape[1]
    meter = Meter(model, pad_id(processor))
    model(**inputs)
    trained = 4 * tokens * (2 * LAYER + HEAD) + 2 * TOWER * 17
    assert meter.counted() == (tokens, trained)
    with torch.no_grad():
        model(**inputs)
    assert meter.counted() == (tokens, trained + 2 * tokens * (2 * LAYER + HEAD))


def test_padding_is_not_counted_with_either_mask(benchmark: Benchmark, tmp_path: Path) -> None:
    model, processor = built(benchmark, tmp_path)
    padding = pad_id(processor)
    ids = torch.tensor([[5, 6, 7, 8, padding, padding]])
    meter = Meter(model, padding)
    model(input_ids=ids, attention_mask=torch.tensor([[1, 1, 1, 1, 0, 0]]))
    blocks = packing.block_mask(torch.tensor([[0, 0, 1, 2, -1, -1]]))
    model(input_ids=ids, attention_mask=blocks, position_ids=torch.tensor([[0, 1, 2, 2, 0, 0]]))
    assert meter.counted().tokens == 4 + 4


def test_four_bits_start_from_a_checkpoint_of_the_same_shape(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the quantisation itself, which needs a GPU."""
    monkeypatch.setattr(loading, "_four_bit", lambda dtype: None)
    direct, loaded = built(benchmark, tmp_path)[0], built(benchmark, tmp_path, four_bit=True)[0]
    assert parts.describe(loaded) == parts.describe(direct)


def test_the_shape_is_that_of_llava_of_seven_billion_parameters(benchmark: Benchmark) -> None:
    processor = small_llava.processor_of(benchmark, SIZES)
    config = small_llava.configuration(
        processor, gpu_step.SHAPE, vision=gpu_step.TOWER, text=gpu_step.TEXT, vision_feature_layer=-2
    )
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    assert sum(p.numel() for p in model.parameters()) == 7_063_427_072
    assert config.image_seq_length == 576


@pytest.mark.parametrize("words", ["", "--tiny --four_bit"])
def test_without_a_gpu_it_says_so_and_fails(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_step.py", *words.split()])
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu_step.main()
