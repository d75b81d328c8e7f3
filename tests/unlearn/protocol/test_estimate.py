from pathlib import Path

import pytest
from rich.console import Console

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.protocol import estimate, tiny_model
from unlearn.training.loading import count_parameters, read_config


@pytest.fixture(scope="module")
def base(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models") / "base"
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_parameters_are_counted_without_loading_weights(benchmark: Benchmark, base: Path) -> None:
    model, _ = tiny_model.build(benchmark, seed=0, image_size=32)
    (base / "model.safetensors").unlink()
    assert count_parameters(read_config(str(base))) == sum(p.numel() for p in model.parameters())


def test_time_disk_and_memory_are_named(benchmark: Benchmark, base: Path) -> None:
    console = Console(record=True, width=100)
    words = ["--method", "finetune", "--model", str(base), "--data", str(benchmark.directory), "--output_dir", "out"]
    estimate.print_estimate(str(base), benchmark, "forget20", [words], 1, console)
    printed = console.export_text()
    assert all(word in printed for word in ("time", "disk", "memory", "Rough estimates"))


def test_disk_is_counted_in_whole_models_or_in_adapters(benchmark: Benchmark, base: Path) -> None:
    """An adapter of rank r on a layer from n to m numbers has r (n + m) weights, of four bytes."""
    words = ["--method", "finetune", "--model", str(base), "--data", str(benchmark.directory), "--output_dir", "out"]
    assert estimate._saved_bytes(words, str(base), 1000) == 1000
    assert estimate._saved_bytes([*words, "--lora", "true"], str(base), 1000) == 1000
    projector = tiny_model.build(benchmark, seed=0, image_size=32)[0].model.multi_modal_projector
    sizes = [sum(layer.weight.shape) for layer in (projector.linear_1, projector.linear_2)]
    adapter = ["--lora", "true", "--lora_r", "2", "--save", "adapter", "--tune", "projector"]
    assert estimate._saved_bytes([*words, *adapter], str(base), 1000) == 4 * 2 * sum(sizes)


def test_samples_follow_the_steps_or_the_epochs(benchmark: Benchmark) -> None:
    """12 images, two questions: 24 samples; a third of the draws is replayed: 36 a pass. 3 steps of 4 are 12."""
    words = ["--method", "finetune", "--model", "any", "--data", str(benchmark.directory), "--output_dir", "out"]
    assert estimate._samples([*words, "--num_train_epochs", "2"], benchmark) == 72
    assert estimate._samples([*words, "--max_steps", "3", "--per_device_train_batch_size", "4"], benchmark) == 12


def test_samples_follow_the_draws_of_each_concept(benchmark: Benchmark) -> None:
    """One person is forgotten: 10 draws are 3 steps of 4, each of all four kinds of siu's samples."""
    words = ["--method", "siu", "--model", "any", "--data", str(benchmark.directory), "--output_dir", "out"]
    words += ["--target", "person", "--forget", "20", "--global_batch_size", "4", "--per_device_train_batch_size", "2"]
    assert estimate._samples([*words, "--draws_per_concept", "10"], benchmark) == 3 * 4 * 4


def test_a_model_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"There is no folder .*nothing"):
        read_config(str(tmp_path / "nothing"))
