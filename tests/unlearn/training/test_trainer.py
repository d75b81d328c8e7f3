"""Training as a whole: what a step does, what is left after an interruption, what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText, TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn import losses, train
from unlearn.arguments import UnlearnArguments, parse
from unlearn.data import sets
from unlearn.data.samples import Sample, ask
from unlearn.recipes.choosing import choose
from unlearn.tensors.batches import Batch
from unlearn.tensors.forward import ModelAnswers, Reader
from unlearn.tensors.parts import part_of
from unlearn.training import record, run
from unlearn.training.folder import newest_checkpoint
from unlearn.training.history import History
from unlearn.training.loading import load
from unlearn.training.record import Record
from unlearn.training.run import train_from_options

Train = Callable[..., Path]
Options = Callable[..., TrainingArguments]
Collated = Callable[..., Batch]


@pytest.fixture
def unlearn(benchmark: Benchmark, foundation: Path, finetuned: Path, options: Options, tmp_path: Path) -> Train:
    """Run a method from the checkpoint that it starts from: ``unlearn("gd", max_steps=3)``."""
    ours = {field.name for field in fields(UnlearnArguments)}

    def run(method: str, name: str = "out", retain_weight: float | None = None, **changes: Any) -> Path:
        settings = {"target": "", "forget": ""} if method == "finetune" else {"target": "person", "forget": "20"}
        arguments = UnlearnArguments(
            method=method,
            data=str(benchmark.directory),
            hyperparameters={} if retain_weight is None else {"retain_weight": retain_weight},
            **{
                "model": str(foundation if method == "finetune" else finetuned),
                "reference_cache": str(tmp_path / "reference"),
                **settings,
                **{name: changes.pop(name) for name in ours & changes.keys()},
            },
        )
        return train_from_options(arguments, options(tmp_path / name, **changes))

    return run


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def read(folder: Path) -> Record:
    found = read_record(folder)
    assert found is not None
    return found


def nll(folder: Path, collated: Collated, samples: list[Sample]) -> float:
    model = AutoModelForImageTextToText.from_pretrained(folder)
    with torch.no_grad():
        return ModelAnswers(Reader(model, model), collated([[ask(sample, 0)] for sample in samples])).nll().item()


# What a step does


def test_ga_makes_the_forgotten_answers_less_likely_and_gd_keeps_the_retained_ones(
    benchmark: Benchmark, finetuned: Path, collated: Collated, unlearn: Train
) -> None:
    split = benchmark.split("person", 20)
    forget, retain = sets.forget(benchmark, split), sets.retain(benchmark, split)
    ga, gd = unlearn("ga", "ga", max_steps=12), unlearn("gd", "gd", max_steps=12)
    before = nll(finetuned, collated, forget)
    assert nll(ga, collated, forget) > before
    assert nll(gd, collated, forget) > before
    assert nll(gd, collated, retain) < nll(ga, collated, retain) - 0.1


def test_gd_without_retain_takes_the_steps_of_ga(unlearn: Train) -> None:
    assert same(weights(unlearn("ga", "ga")), weights(unlearn("gd", "gd", retain_weight=0.0)))


def test_the_loss_of_a_step_is_the_sum_of_its_terms(unlearn: Train) -> None:
    for row in read(unlearn("gd", retain_weight=0.5))["losses"]:
        assert row["loss"] == pytest.approx(row["forget"] + row["retain"])
        assert row["forget"] < 0 < row["retain"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(unlearn: Train) -> None:
    one, two, other = unlearn("gd", "a"), unlearn("gd", "b"), unlearn("gd", "c", seed=1)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_training_leaves_the_start_model_and_the_benchmark_alone(
    benchmark: Benchmark, finetuned: Path, unlearn: Train
) -> None:
    def state() -> dict[Path, bytes]:
        folders = (finetuned, benchmark.directory)
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    before = state()
    unlearn("ga")
    assert state() == before


def test_a_checkpoint_is_the_start_models_folder_with_other_weights(finetuned: Path, unlearn: Train) -> None:
    out = unlearn("gd", max_steps=1, learning_rate=0.0)
    assert same(weights(out), weights(finetuned))  # nothing else in saving and loading changes them
    assert {path.name for path in out.iterdir()} == {path.name for path in finetuned.iterdir()}
    for path in finetuned.glob("*.json"):
        if path.name != "pebench_run.json":
            assert (out / path.name).read_text() == path.read_text()


def test_training_leaves_the_configuration_as_the_model_had_it(
    foundation: Path, untrained: Callable[[], Any], tmp_path: Path
) -> None:
    untrained()[0].save_pretrained(tmp_path)
    for name in ("config.json", "generation_config.json"):
        assert (foundation / name).read_text() == (tmp_path / name).read_text()


def test_whoever_asks_is_told_every_step(
    benchmark: Benchmark, finetuned: Path, options: Options, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    words = {"model": str(finetuned), "data": str(benchmark.directory), "target": "person", "forget": "20"}
    arguments = UnlearnArguments(method="ga", **words)
    train_from_options(
        arguments, options(tmp_path / "out", max_steps=3), lambda done, total: told.append((done, total))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_by_default_the_vision_tower_stays_and_all_else_is_trained(finetuned: Path, unlearn: Train) -> None:
    before, after = weights(finetuned), weights(unlearn("gd"))
    for name, value in before.items():
        assert torch.equal(after[name], value) == (part_of(name) == "vision"), name


def test_saved_adapters_are_the_merged_model(finetuned: Path, unlearn: Train) -> None:
    merged = unlearn("npo", "merged", lora=True, learning_rate=0.01)
    adapters = unlearn("npo", "adapters", lora=True, learning_rate=0.01, save="adapter")
    assert {path.name for path in finetuned.iterdir()} == {path.name for path in merged.iterdir()}
    assert not (adapters / "model.safetensors").exists()
    loaded = [load(str(folder), torch.float32)[0].state_dict() for folder in (merged, adapters)]
    start = load(str(finetuned), torch.float32)[0].state_dict()
    assert not same(loaded[0], start)
    for name, value in loaded[0].items():
        torch.testing.assert_close(loaded[1][name], value, rtol=1e-5, atol=1e-6)
    assert read(merged)["trained_parameters"] == read(adapters)["trained_parameters"] < 200_000
    assert read(merged)["losses"] == read(adapters)["losses"]


# The reference


def test_attention_of_two_kinds_gives_the_same_losses_and_is_recorded(unlearn: Train) -> None:
    """What the reference says is kept apart: its last digits are not the same."""
    options = {"optim": "sgd", "learning_rate": 0.05, "reference_cache": ""}  # AdamW's first steps blow up rounding
    eager, sdpa = (unlearn("kl", name, attn_implementation=name, **options) for name in ("eager", "sdpa"))
    for row, expected in zip(read(eager)["losses"], read(sdpa)["losses"], strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert [read(folder)["arguments"]["attn_implementation"] for folder in (eager, sdpa)] == ["eager", "sdpa"]
    unlearn("npo", "default", max_steps=1)
    with pytest.raises(BenchmarkError, match=r"\(precision float32, no there, float32, no, eager here\)"):
        unlearn("npo", "other", attn_implementation="eager")


def test_runs_that_share_a_cache_compute_it_once_and_agree_to_the_last_bit(unlearn: Train) -> None:
    one, two = unlearn("kl", "one"), unlearn("kl", "two")
    assert read(one)["reference"]["kind"] == read(two)["reference"]["kind"] == "stored"
    assert read(one)["reference"]["computed"] > 0 == read(two)["reference"]["computed"]
    assert same(weights(one), weights(two))
    assert read(one)["losses"][0]["retain"] == pytest.approx(0, abs=1e-5)


def test_the_cache_of_another_start_model_or_dtype_is_refused_before_training(
    foundation: Path, unlearn: Train, tmp_path: Path
) -> None:
    unlearn("npo", max_steps=1)
    with pytest.raises(BenchmarkError, match=r"another run's \(weights [0-9a-f]{16} there, [0-9a-f]{16} here"):
        unlearn("npo", "other", model=str(foundation))
    with pytest.raises(BenchmarkError, match=r"another run's \(precision float32, no there, bfloat16, no here\)"):
        unlearn("npo", "third", dtype="bfloat16")
    assert not {"other", "third"} & {path.name for path in tmp_path.iterdir()}


def test_by_default_the_reference_is_kept_nowhere(
    unlearn: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    before = set(tmp_path.iterdir())
    folder = unlearn("npo", reference_cache="", max_steps=1)
    assert read(folder)["reference"]["computed"] > 0
    assert set(tmp_path.iterdir()) - before == {folder}


def test_another_processor_beside_the_same_weights_has_another_reference(finetuned: Path, tmp_path: Path) -> None:
    """The mean that is taken off an image changes what the model sees, but neither weights nor data."""
    copy = tmp_path / "copy"
    shutil.copytree(finetuned, copy)
    assert record.surroundings_fingerprint(copy) == record.surroundings_fingerprint(finetuned)
    (settings,) = (path for path in copy.glob("*processor_config.json") if "image_mean" in path.read_text())
    changed = json.loads(settings.read_text())
    changed.get("image_processor", changed)["image_mean"] = [0.1, 0.2, 0.3]
    settings.write_text(json.dumps(changed))
    assert record.weights_fingerprint(copy) == record.weights_fingerprint(finetuned)
    assert record.surroundings_fingerprint(copy) != record.surroundings_fingerprint(finetuned)


# Interruption and resumption


LONG = {"max_steps": 8, "save_strategy": "steps", "save_steps": 3, "lr_scheduler_type": "linear"}


@pytest.fixture(scope="module")
def uninterrupted(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Eight steps of finetuning, five to an epoch."""
    arguments = UnlearnArguments(method="finetune", model=str(foundation), data=str(benchmark.directory))
    return train_from_options(arguments, options(tmp_path_factory.mktemp("long") / "out", **LONG))


@pytest.mark.parametrize("at", [2, 4, 8])  # before any checkpoint; within an epoch; in the next epoch
def test_an_interrupted_run_leaves_nothing_finished_and_resumes_to_the_same_weights(
    unlearn: Train, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whatever is logged: the rows of steps, from which BGD and the record read, are among those of the log."""
    steps = []
    logged = {"logging_strategy": "steps", "logging_steps": 2}
    on_step_end = History.on_step_end

    def count(self: History, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        steps.append(state.global_step)
        if steps == list(range(1, at + 1)):
            raise KeyboardInterrupt
        on_step_end(self, args, state, control, **kwargs)

    monkeypatch.setattr(History, "on_step_end", count)
    with pytest.raises(KeyboardInterrupt):
        unlearn("finetune", **LONG, **logged)
    assert not (tmp_path / "out").exists()
    out = unlearn("finetune", **LONG, **logged)
    saved = (at - 1) // 3 * 3
    assert steps[at:] == list(range(saved + 1, 9))
    assert same(weights(out), weights(uninterrupted))
    assert read(out)["losses"] == read(uninterrupted)["losses"]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("method", ["kl", "npo"])
def test_a_resumed_run_keeps_the_reference_it_began_with(
    unlearn: Train, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The checkpoint's weights are not the reference; the start model's are."""
    whole = unlearn(method, "whole", **LONG)
    on_step_end = History.on_step_end

    def interrupt(self: History, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unlearn(method, **LONG)
    out = unlearn(method, **LONG)
    assert same(weights(out), weights(whole))
    assert read(out)["losses"] == read(whole)["losses"]


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for step, text in ((3, "{}"), (20, "{}"), (100, '{"global_step": 1')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    (tmp_path / "checkpoint-200").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-20"


def test_a_finished_run_is_not_trained_again(unlearn: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    out = unlearn("ga")
    monkeypatch.setattr(run, "load", lambda *args, **kwargs: pytest.fail("loaded the model again"))
    assert unlearn("ga", logging_steps=7) == out


def test_other_settings_for_a_finished_folder_are_refused(unlearn: Train) -> None:
    unlearn("gd")
    with pytest.raises(BenchmarkError, match=r"other settings \(retain_weight: 1.0 there, 0.5 asked\)"):
        unlearn("gd", retain_weight=0.5)


def test_other_templates_are_other_settings(unlearn: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    unlearn("ga")
    monkeypatch.setattr("pebench_templates.fingerprint", lambda: "0123456789abcdef")
    with pytest.raises(BenchmarkError, match=r"other settings \(template: [0-9a-f]{16} there, 0123456789abcdef asked"):
        unlearn("ga")


def test_other_settings_for_an_unfinished_folder_are_refused(
    unlearn: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unlearn("ga")
    with pytest.raises(BenchmarkError, match=r"learning_rate: 0.001 there, 0.002 asked.*delete .*out.partial"):
        unlearn("ga", learning_rate=2e-3)
    assert (tmp_path / "out.partial").is_dir()


def test_a_folder_of_something_else_is_refused_and_an_empty_one_used(unlearn: Train, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("do not delete")
    with pytest.raises(BenchmarkError, match="no checkpoint of this program"):
        unlearn("ga")
    (tmp_path / "out" / "thesis.txt").unlink()
    assert (unlearn("ga") / "pebench_run.json").is_file()


def test_a_partial_folder_of_something_else_is_refused_and_kept(unlearn: Train, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.txt").write_text("do not delete")
    with pytest.raises(BenchmarkError, match="is in the way"):
        unlearn("ga")
    assert (tmp_path / "out.partial" / "thesis.txt").is_file()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    unlearn: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = losses.nll

    def nll_then_nan(*args: Any, **kwargs: Any) -> Tensor:
        calls.append(1)
        return real(*args, **kwargs) * (float("nan") if len(calls) > 3 else 1)

    monkeypatch.setattr(losses, "nll", nll_then_nan)
    with pytest.raises(BenchmarkError, match=r"Step 4: the loss \(forget\) is nan.*checkpoint-2.*--learning_rate"):
        unlearn("ga", max_steps=6, save_strategy="steps", save_steps=2)
    assert not (tmp_path / "out").exists()
    kept = weights(tmp_path / "out.partial" / "checkpoint-2")
    assert all(value.isfinite().all() for value in kept.values())


# What is refused


def test_a_benchmark_other_than_the_start_models_is_refused(
    benchmark: Benchmark, finetuned: Path, options: Options, tmp_path: Path
) -> None:
    copied = tmp_path / "model"
    shutil.copytree(finetuned, copied)
    record = json.loads((copied / "pebench_run.json").read_text())
    (copied / "pebench_run.json").write_text(json.dumps({**record, "data": "0123456789abcdef"}))
    arguments = UnlearnArguments(
        method="ga", model=str(copied), data=str(benchmark.directory), target="person", forget="5"
    )
    with pytest.raises(BenchmarkError, match=f"0123456789abcdef.*{benchmark.fingerprint}"):
        train_from_options(arguments, options(tmp_path / "out"))


def test_a_missing_an_unfinished_and_a_broken_model_are_refused(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path: Path
) -> None:
    def run(model: Path) -> None:
        arguments = UnlearnArguments(method="finetune", model=str(model), data=str(benchmark.directory))
        train_from_options(arguments, options(tmp_path / "out"))

    with pytest.raises(BenchmarkError, match="There is no folder"):
        run(tmp_path / "nowhere")
    (tmp_path / "cut.partial").mkdir()
    with pytest.raises(BenchmarkError, match="is not finished"):
        run(tmp_path / "cut")
    broken = tmp_path / "broken"
    shutil.copytree(foundation, broken)
    (broken / "config.json").unlink()
    with pytest.raises(BenchmarkError, match="cannot be loaded"):
        run(broken)


def test_an_option_that_the_trainer_refuses_is_one_clear_error(unlearn: Train) -> None:
    with pytest.raises(BenchmarkError, match=r"transformers refuses the training options: .*eval"):
        unlearn("ga", eval_strategy="epoch")


def test_a_goal_does_not_start_from_a_model_that_saw_the_forget_set(
    benchmark: Benchmark, finetuned: Path, tmp_path: Path
) -> None:
    words = f"--method goal --model {finetuned} --data {benchmark.directory} --target event --forget 20"
    with pytest.raises(BenchmarkError, match=r"learned the benchmark already \(method finetune\)"):
        train_from_options(*parse([*words.split(), "--output_dir", str(tmp_path / "goal"), "--use_cpu", "true"]))
    assert not list(tmp_path.iterdir())


def test_retain_overlap_is_refused_where_nothing_is_retained() -> None:
    words = "--method ga --model any --data any --target event --forget 20 --output_dir out --retain_overlap true"
    with pytest.raises(BenchmarkError, match="ga uses no retain set"):
        parse(words.split())


def test_a_program_trains_as_the_command_does(benchmark: Benchmark, finetuned: Path, tmp_path: Path) -> None:
    """Options by name: lists, truth values, dicts and a method's own; the same weights as the command line's."""
    options = {"model": finetuned, "data": benchmark.directory, "target": "person", "forget": 20, "use_cpu": True}
    steps = {"max_steps": 1, "per_device_train_batch_size": 2, "tune": ["lm", "projector"], "retain_weight": 2.0}
    steps |= {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 0.0}}
    folder = train(method="gd", output_dir=tmp_path / "program", save=None, **options, **steps)
    words = f"--method gd --model {finetuned} --data {benchmark.directory} --target person --forget 20 --use_cpu true"
    words += " --max_steps 1 --per_device_train_batch_size 2 --tune lm projector --retain_weight 2.0"
    words += ' --lr_scheduler_type cosine_with_min_lr --lr_scheduler_kwargs {"min_lr":0.0}'
    command = train_from_options(*parse([*words.split(), "--output_dir", str(tmp_path / "command")], choose))
    assert same(weights(folder), weights(command))
    assert read(folder)["arguments"]["retain_weight"] == 2.0
    with pytest.raises(BenchmarkError, match="retain_wait"):
        train(method="gd", output_dir=tmp_path / "no", retain_wait=1, **options)
