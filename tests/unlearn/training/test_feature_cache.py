"""A frozen vision tower reads every image once in a run, and for all runs that share a folder."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration, LlavaProcessor, TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn.arguments import UnlearnArguments
from unlearn.data.samples import Question
from unlearn.tensors import feature_folder, parts
from unlearn.tensors.batches import Batch
from unlearn.tensors.feature_folder import FeatureFolder
from unlearn.tensors.forward import Reader
from unlearn.tensors.parts import Lora
from unlearn.tensors.tower_features import TowerFeatures, frozen_towers, tower_fingerprint
from unlearn.training import method_trainer
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.run import train_from_options

MakeTrainer = Callable[..., MethodTrainer]
Train = Callable[..., Path]
Collated = Callable[..., Batch]
Tiny = tuple[LlavaForConditionalGeneration, LlavaProcessor]
TUNE = ("lm", "projector")  # the command's default
IMAGE_BYTES = 17 * 96 * 4  # 16 patches of 8 x 8 px and one place more of CLIP's, in float32
LORA = Lora(4, 8, 0.0)
RUNS = [  # a reference with its adapters off, and one that is stored
    ("kl", LORA), ("rmu", LORA), ("dpo", LORA), ("kl", None), ("siu", LORA), ("gd", None),
]  # fmt: skip
LONG = {"per_device_train_batch_size": 4, "max_steps": 6}  # several epochs of the forget set


def images(made: MethodTrainer) -> set[str]:
    """All that a run shows."""
    sets, positions = made.positions.sets, range(made.plan.total_positions)
    return {q.image for name in sets for position in positions for q in made.positions.at(name, position) if q.image}


def rows_read(model: nn.Module) -> list[int]:
    """How many images the tower reads, call by call."""
    read: list[int] = []
    for name, module in model.named_modules():
        if name.endswith("patch_embedding"):
            module.register_forward_hook(lambda module, inputs, output: read.append(len(inputs[0])))
    return read


@pytest.mark.parametrize(("method", "lora"), RUNS)
def test_the_tower_reads_every_image_of_a_run_once(
    make: MakeTrainer, model: LlavaForConditionalGeneration, method: str, lora: Lora | None
) -> None:
    """Whoever asks: the model, its reference, a later epoch. Beyond it, three images that tell how a model is read."""
    made = make(method, tune=TUNE, lora=lora, **LONG)
    assert made.features is not None
    before = made.features.counts["computed"]  # by a stored reference
    assert bool(before) == (method == "kl" and lora is None)
    read = rows_read(made.core)
    made.train()
    assert read == [1] * (len(images(made)) - before)
    assert made.features.counts["computed"] == len(images(made))
    assert made.features.counts["reused"] > 2 * len(images(made))


@pytest.mark.parametrize(("method", "lora"), RUNS)
def test_losses_and_weights_are_those_of_a_tower_that_reads_every_image_anew(
    make: MakeTrainer, monkeypatch: pytest.MonkeyPatch, method: str, lora: Lora | None
) -> None:
    once = make(method, tune=TUNE, lora=lora, questions_per_image=2, **LONG)
    monkeypatch.setattr(TowerFeatures, "prove", lambda self, batch: False)
    anew = make(method, tune=TUNE, lora=lora, questions_per_image=2, **LONG)
    assert anew.features is None
    anew.core.load_state_dict(once.core.state_dict())  # new adapters are drawn at random
    read = rows_read(anew.core)
    for made in (once, anew):
        made.train()
    assert sum(read) > len(images(anew))
    for row, expected in zip(once.history.losses, anew.history.losses, strict=True):
        assert row == pytest.approx(expected, rel=1e-6, abs=1e-6)
    for one, other in zip(once.core.parameters(), anew.core.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_no_more_is_kept_than_the_limit_shared_by_processes(make: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five images' bytes for two processes are two images in each: with as good as all to compute again."""
    whole = make("kl", tune=TUNE, lora=LORA, **LONG)
    monkeypatch.setattr(method_trainer, "KEPT_BYTES", 5 * IMAGE_BYTES)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    small = make("kl", tune=TUNE, lora=LORA, **LONG)
    small.core.load_state_dict(whole.core.state_dict())
    features: Any = small.features
    kept: list[int] = []
    of = features.of

    def watched(batch: Batch) -> Any:
        found = of(batch)
        kept.append(sum(tensor.nbytes for image, _ in features._kept._kept.values() for tensor in image.read))
        return found

    features.of = watched
    for made in (whole, small):
        made.train()
    assert max(kept) == 2 * IMAGE_BYTES
    assert features.counts["computed"] > len(images(small))
    assert small.history.losses == whole.history.losses  # to the last bit: computed alone, whenever it is


def test_what_was_used_longest_ago_goes_first(model: LlavaForConditionalGeneration, collated: Collated) -> None:
    features = proven(model, collated, limit=2 * IMAGE_BYTES)
    for image, computed in ((0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (1, 4)):
        features.of(collated([[about(image)]]))
        assert features.counts["computed"] == computed


def about(number: int) -> Question:
    return Question(f"p00{number}/e00", "Who is it?", "It is I.", str(number))


def proven(model: Any, collated: Collated, **options: Any) -> TowerFeatures:
    parts.tune(model, TUNE)
    features = TowerFeatures(model.eval(), Reader(model, model).logits, **options)
    assert features.prove(collated([[about(0)], [about(1)]]))
    return features


def test_an_images_features_do_not_depend_on_the_batch_that_it_comes_in(
    model: LlavaForConditionalGeneration, collated: Collated
) -> None:
    alone, among = proven(model, collated), proven(model, collated)
    [one] = alone.of(collated([[about(2)]]))
    other = among.of(collated([[about(0)], [about(1)], [about(2)]]))[2]
    assert all(torch.equal(a, b) for a, b in zip(one.read, other.read, strict=True))


def test_only_what_the_model_reads_of_the_tower_is_kept(
    model: LlavaForConditionalGeneration, collated: Collated
) -> None:
    [found] = proven(model, collated).of(collated([[about(2)]]))
    assert sum(tensor.nbytes for tensor in found.read) == IMAGE_BYTES


@pytest.mark.parametrize("how", ["mixes them", "refuses several"])
def test_a_tower_whose_images_cannot_be_told_apart_reads_every_one_anew(
    make: MakeTrainer, tiny: Tiny, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    start = copy.deepcopy(tiny[0])

    def changed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if how == "refuses several" and len(output) > 1:
            raise ValueError("one at a time")
        return output + output.mean(0)

    start.model.vision_tower.encoder.layers[0].register_forward_hook(changed)
    with caplog.at_level("INFO"):
        made = make("gd", start=start, tune=TUNE, per_device_train_batch_size=1, max_steps=1)
    assert made.features is None
    assert "the vision tower reads every image anew" in caplog.text
    made.train()


def test_a_call_of_another_shape_than_the_batch_is_the_towers_own(
    model: LlavaForConditionalGeneration, collated: Collated
) -> None:
    """As of a batch, one of whose images is read alone."""
    features = proven(model, collated)
    batch = collated([[about(0)], [about(1)]])
    pixels = batch["inputs"]["pixel_values"][1:]
    expected = model.get_image_features(pixel_values=pixels).pooler_output
    with features.serving(batch):
        found = model.get_image_features(pixel_values=pixels).pooler_output
    assert torch.equal(found[0], expected[0])


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_tower_that_is_trained_reads_every_image_anew(make: MakeTrainer, lora: Lora | None) -> None:
    made = make("gd", tune=("lm", "vision"), lora=lora, max_steps=1)
    assert made.features is None
    assert frozen_towers(made.core) == []


def test_a_tower_behind_what_is_trained_reads_every_image_anew(
    model: LlavaForConditionalGeneration, collated: Collated
) -> None:
    """A trained module in front of a frozen one: what comes out is no function of the image alone."""
    model.model.multi_modal_projector.front = nn.Parameter(torch.ones(1))
    front = model.model.multi_modal_projector.front
    parts.tune(model, TUNE)
    model.model.vision_tower.register_forward_pre_hook(lambda module, args: (args[0] * front, *args[1:]))
    features = TowerFeatures(model.eval(), Reader(model, model).logits)
    assert len(features.towers) == 1
    assert not features.prove(collated([[about(0)], [about(1)]]))


# The folder


@pytest.fixture
def unlearn(benchmark: Benchmark, finetuned: Path, options: Callable[..., TrainingArguments], tmp_path: Path) -> Train:
    """Three steps of ``kl`` with adapters and a cache: ``unlearn("out", seed=1)``."""
    ours = {field.name for field in fields(UnlearnArguments)}

    def run(name: str, **changes: Any) -> Path:
        chosen = {"model": str(finetuned), "feature_cache": str(tmp_path / "cache"), "lora": True, "save": "adapter"}
        arguments = UnlearnArguments(
            method="kl", data=str(benchmark.directory), target="person", forget="20",
            **{**chosen, **{name: changes.pop(name) for name in ours & changes.keys()}},
        )  # fmt: skip
        return train_from_options(arguments, options(tmp_path / name, **changes))

    return run


def counts(folder: Path) -> dict[str, int]:
    record = read_record(folder)
    assert record is not None
    return dict(record["image_features"])


def adapters(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def test_runs_that_share_a_folder_compute_an_image_once_and_agree_to_the_last_bit(
    unlearn: Train, tmp_path: Path
) -> None:
    one, two, without = unlearn("one"), unlearn("two"), unlearn("without", feature_cache="")
    files = list((tmp_path / "cache").iterdir())
    assert counts(one)["computed"] == counts(without)["computed"] == len(files) > 0 == counts(two)["computed"]
    assert all(path.suffix == ".safetensors" for path in files)
    for other in (two, without):
        assert all(torch.equal(value, adapters(other)[name]) for name, value in adapters(one).items())
    assert len({sum(counts(run).values()) for run in (one, two, without)}) == 1


def test_towers_of_other_weights_or_precision_share_a_folder_and_no_file(
    unlearn: Train, finetuned: Path, tmp_path: Path
) -> None:
    unlearn("one", max_steps=1)
    first = {path: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    other = tmp_path / "other"
    shutil.copytree(finetuned, other)
    model = LlavaForConditionalGeneration.from_pretrained(finetuned)
    with torch.no_grad():
        model.model.vision_tower.encoder.layers[0].mlp.fc1.bias += 1e-3
    model.save_pretrained(other)
    for number, changed in enumerate(({"model": str(other)}, {"dtype": "bfloat16"})):
        assert counts(unlearn(f"changed {number}", max_steps=1, **changed))["computed"] == len(first)
    assert len(list((tmp_path / "cache").iterdir())) == 3 * len(first)
    assert all(path.read_bytes() == content for path, content in first.items())


def test_towers_are_told_apart_by_their_own_weights_alone(model: LlavaForConditionalGeneration) -> None:
    before = tower_fingerprint(model)
    adapted = parts.tune(copy.deepcopy(model), TUNE, LORA)
    assert tower_fingerprint(adapted) == before
    with torch.no_grad():
        model.model.multi_modal_projector.linear_1.bias += 1
        assert tower_fingerprint(model) == before
        model.model.vision_tower.embeddings.class_embedding += 1
        assert tower_fingerprint(model) != before


@pytest.mark.parametrize("content", ["short", "another image's"])
def test_a_damaged_file_is_refused_by_name(unlearn: Train, tmp_path: Path, content: str) -> None:
    unlearn("one", max_steps=1)
    one, other, *_ = sorted((tmp_path / "cache").iterdir())
    one.write_bytes(b"short" if content == "short" else other.read_bytes())
    with pytest.raises(BenchmarkError, match=rf"{one.name} in the feature cache is damaged\. Delete it"):
        unlearn("two", max_steps=1)
    one.unlink()  # as the message says
    assert counts(unlearn("three", max_steps=1))["computed"] == 1


def test_a_folder_of_something_else_is_no_feature_cache(unlearn: Train, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.txt").write_text("do not delete")
    with pytest.raises(BenchmarkError, match=r"is no feature cache\. Choose another --feature_cache"):
        unlearn("one")
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="is a file, not a feature cache"):
        unlearn("two", feature_cache=str(tmp_path / "file"))
    assert not (tmp_path / "one").exists()


def test_a_full_folder_is_added_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """1,000 bytes for two processes are 500 each: one tensor of 400 bytes fits, and then none of any size."""
    with caplog.at_level("INFO"):
        folder = FeatureFolder(tmp_path / "cache", {"tower": "a"}, limit=1000, processes=2)
        for key in ("a", "b", "c"):
            folder.put(key, [torch.arange(100.0)], (1, 3))
    found = folder.get("a")
    assert found is not None
    assert torch.equal(found[0][0], torch.arange(100.0))
    assert found[1] == (1, 3)
    assert folder.get("b") is folder.get("c") is None
    assert caplog.text.count("nothing more is added") == 1
    again = FeatureFolder(tmp_path / "cache", {"tower": "a"}, limit=500)
    again.put("d", [torch.arange(100.0)], (1, 3))
    assert again.get("d") is None
    assert feature_folder.FOLDER_BYTES > 0


def test_a_cache_for_a_tower_that_is_trained_is_refused(unlearn: Train) -> None:
    with pytest.raises(BenchmarkError, match="--feature_cache has no effect here: the vision tower is trained"):
        unlearn("one", tune=["vision"])


def test_what_cannot_be_written_ends_the_cache_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder lies where the file is to be, so the last step of writing fails; nothing half-written is left."""
    folder = FeatureFolder(tmp_path / "cache", {"tower": "a"})
    folder._path("a").mkdir()
    folder.put("a", [torch.arange(100.0)], (1, 3))
    folder.put("b", [torch.arange(100.0)], (1, 3))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder._path("a").name]
    assert caplog.text.count("nothing more is added") == 1
