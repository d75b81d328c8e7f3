"""Training as a whole: what a step does, what is left after an interruption, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText, TrainingArguments

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import data, labels, losses, methods, trainer
from unlearn.answers import Answers, Terms
from unlearn.arguments import UnlearnArguments, parse
from unlearn.labels import Encoder
from unlearn.method_trainer import History, MethodTrainer, ModelAnswers, Positions
from unlearn.record import Record, read_record

Train = Callable[..., Path]
Options = Callable[..., TrainingArguments]
MakeTrainer = Callable[..., MethodTrainer]


@pytest.fixture
def unlearn(benchmark: Benchmark, foundation: Path, finetuned: Path, options: Options, tmp_path: Path) -> Train:
    """Run a method from the checkpoint that it starts from: ``unlearn("gd", max_steps=3)``."""

    def run(method: str, name: str = "out", retain_weight: float | None = None, **changes: Any) -> Path:
        arguments = UnlearnArguments(
            method=method,
            model=str(foundation if method == "finetune" else finetuned),
            data=str(benchmark.directory),
            target="" if method == "finetune" else "person",
            forget="" if method == "finetune" else "20",
            hyperparameters={} if retain_weight is None else {"retain_weight": retain_weight},
        )
        return trainer.run(arguments, options(tmp_path / name, **changes))

    return run


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def read(folder: Path) -> Record:
    found = read_record(folder)
    assert found is not None
    return found


def nll(folder: Path, encoder: Encoder, samples: list[data.Sample]) -> float:
    model = AutoModelForImageTextToText.from_pretrained(folder)
    batch = labels.collate([{"set": encoder(data.ask(sample, 0))} for sample in samples], 0)["set"]
    with torch.no_grad():
        return ModelAnswers(model, batch, keep=True).nll().item()


@pytest.fixture
def make(benchmark: Benchmark, untrained: Callable[[], Any], options: Options, tmp_path: Path) -> MakeTrainer:
    """A trainer of an untrained model, on the sets that the method names."""

    def make(method: Callable[..., Terms], **changes: Any) -> MethodTrainer:
        model, processor = untrained()
        sets = data.build_sets(benchmark, methods.needed_sets(method), split=benchmark.split("person", 20))
        arguments = options(tmp_path, **changes)
        return MethodTrainer(
            model, processor, sets, method, arguments, load_image=benchmark.image, hyperparameters={}
        )  # fmt: skip

    return make


# What a step does


def test_ga_makes_the_forgotten_answers_less_likely_and_gd_keeps_the_retained_ones(
    benchmark: Benchmark, finetuned: Path, encoder: Encoder, unlearn: Train
) -> None:
    split = benchmark.split("person", 20)
    forget, retain = data.forget(benchmark, split), data.retain(benchmark, split)
    ga, gd = unlearn("ga", "ga", max_steps=12), unlearn("gd", "gd", max_steps=12)
    before = nll(finetuned, encoder, forget)
    assert nll(ga, encoder, forget) > before
    assert nll(gd, encoder, forget) > before
    assert nll(gd, encoder, retain) < nll(ga, encoder, retain) - 0.1


def test_gd_without_retain_takes_the_steps_of_ga(unlearn: Train) -> None:
    assert same(weights(unlearn("ga", "ga")), weights(unlearn("gd", "gd", retain_weight=0.0)))


def test_a_term_of_weight_zero_runs_no_forward(unlearn: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ModelAnswers._run
    ran = []

    def counted(self: ModelAnswers) -> tuple[Tensor, Tensor]:
        ran.append(1)
        return run(self)

    monkeypatch.setattr(ModelAnswers, "_run", counted)
    unlearn("gd", "without", retain_weight=0.0, max_steps=2)
    assert len(ran) == 2
    unlearn("gd", "with", retain_weight=1.0, max_steps=2)
    assert len(ran) == 2 + 4


def test_a_term_is_backpropagated_and_let_go_before_the_next_one_runs(make: MakeTrainer) -> None:
    seen = []

    def two_terms(forget: Answers, retain: Answers) -> Terms:
        yield "forget", -forget.nll()
        gradient = made.model.get_output_embeddings().weight.grad
        seen.append((gradient is not None and bool(gradient.any()), forget._answers))  # type: ignore[attr-defined]
        yield "retain", retain.nll()

    made = make(two_terms, max_steps=2)
    made.train()
    assert seen == [(True, None)] * 2


def test_gradient_accumulation_equals_the_big_batch(make: MakeTrainer) -> None:
    """Micro-batches of names and descriptions differ in answer tokens, so a mean of their means would not be equal."""
    big = make(methods.METHODS["finetune"], per_device_train_batch_size=8, optim="sgd")
    small = make(methods.METHODS["finetune"], per_device_train_batch_size=2, gradient_accumulation_steps=4, optim="sgd")
    for made in (big, small):
        made.train()
    expected = [row["loss"] for row in big.history.losses]
    assert [row["loss"] for row in small.history.losses] == pytest.approx(expected, rel=1e-5)
    for one, other in zip(small.model.parameters(), big.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_the_loss_of_a_step_is_the_sum_of_its_terms(unlearn: Train) -> None:
    for row in read(unlearn("gd", retain_weight=0.5))["losses"]:
        assert row["loss"] == pytest.approx(row["forget"] + row["retain"])
        assert row["forget"] < 0 < row["retain"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(unlearn: Train) -> None:
    one, two, other = unlearn("gd", "a"), unlearn("gd", "b"), unlearn("gd", "c", seed=1)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_frozen_parameters_stay_bit_identical(make: MakeTrainer) -> None:
    made = make(methods.METHODS["finetune"])
    made.model.model.vision_tower.requires_grad_(False)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.train()
    for name, value in made.model.state_dict().items():
        assert torch.equal(value, before[name]) == ("vision_tower" in name), name


def test_an_epoch_goes_on_where_the_last_one_ended(make: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 samples and 12 replayed ones are an epoch of 36 positions: four batches of 8, one of 4."""
    drawn = []
    item = Positions.__getitem__

    def spy(self: Positions, position: int) -> dict[str, labels.Encoded]:
        drawn.append(position)
        return item(self, position)

    monkeypatch.setattr(Positions, "__getitem__", spy)
    made = make(methods.METHODS["finetune"], max_steps=7)
    made.train()
    assert len(made.positions) == 36
    assert drawn[: 36 + 2 * 8] == list(range(36 + 2 * 8))


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


# Interruption and resumption


LONG = {"max_steps": 8, "save_strategy": "steps", "save_steps": 3, "lr_scheduler_type": "linear"}


@pytest.fixture(scope="module")
def uninterrupted(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Eight steps of finetuning, five to an epoch."""
    arguments = UnlearnArguments(method="finetune", model=str(foundation), data=str(benchmark.directory))
    return trainer.run(arguments, options(tmp_path_factory.mktemp("long") / "out", **LONG))


@pytest.mark.parametrize("at", [2, 4, 8])  # before any checkpoint; within an epoch; in the next epoch
def test_an_interrupted_run_leaves_nothing_finished_and_resumes_to_the_same_weights(
    unlearn: Train, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    steps = []
    on_step_end = History.on_step_end

    def count(self: History, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        steps.append(state.global_step)
        if steps == list(range(1, at + 1)):
            raise KeyboardInterrupt
        on_step_end(self, args, state, control, **kwargs)

    monkeypatch.setattr(History, "on_step_end", count)
    with pytest.raises(KeyboardInterrupt):
        unlearn("finetune", **LONG)
    assert not (tmp_path / "out").exists()
    out = unlearn("finetune", **LONG)
    saved = (at - 1) // 3 * 3
    assert steps[at:] == list(range(saved + 1, 9))
    assert same(weights(out), weights(uninterrupted))
    assert read(out)["losses"] == read(uninterrupted)["losses"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for step, text in ((3, "{}"), (20, "{}"), (100, '{"global_step": 1')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    (tmp_path / "checkpoint-200").mkdir()
    assert trainer._newest_checkpoint(tmp_path) == tmp_path / "checkpoint-20"


def test_a_finished_run_is_not_trained_again(unlearn: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    out = unlearn("ga")
    monkeypatch.setattr(trainer, "load", lambda *args, **kwargs: pytest.fail("loaded the model again"))
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


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(make: MakeTrainer) -> None:
    def infinite_slope(everything: Answers) -> Terms:
        loss = everything.nll()
        yield "everything", (loss - loss.detach()).abs().sqrt()  # 0, with an infinite slope

    made = make(infinite_slope)
    before = [parameter.clone() for parameter in made.model.parameters()]
    with pytest.raises(BenchmarkError, match="Step 1: the gradient norm"):
        made.train()
    assert all(torch.equal(one, other) for one, other in zip(before, made.model.parameters(), strict=True))


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
        trainer.run(arguments, options(tmp_path / "out"))


def test_a_missing_an_unfinished_and_a_broken_model_are_refused(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path: Path
) -> None:
    def run(model: Path) -> None:
        arguments = UnlearnArguments(method="finetune", model=str(model), data=str(benchmark.directory))
        trainer.run(arguments, options(tmp_path / "out"))

    with pytest.raises(BenchmarkError, match="no model folder"):
        run(tmp_path / "nowhere")
    (tmp_path / "cut.partial").mkdir()
    with pytest.raises(BenchmarkError, match="is not finished"):
        run(tmp_path / "cut")
    broken = tmp_path / "broken"
    shutil.copytree(foundation, broken)
    (broken / "config.json").unlink()
    with pytest.raises(BenchmarkError, match="cannot be loaded"):
        run(broken)


@pytest.mark.parametrize(
    "change",
    [
        {"train_sampling_strategy": "group_by_length"},
        {"label_smoothing_factor": 0.1},
        {"resume_from_checkpoint": "somewhere"},
        {"push_to_hub": True},
    ],
)
def test_an_option_that_would_do_nothing_is_refused(make: MakeTrainer, change: dict[str, Any]) -> None:
    with pytest.raises(BenchmarkError, match=f"--{next(iter(change))} has no effect here"):
        make(methods.METHODS["finetune"], **change)


def test_an_option_that_the_trainer_refuses_is_one_clear_error(unlearn: Train) -> None:
    with pytest.raises(BenchmarkError, match=r"transformers refuses the training options: .*eval"):
        unlearn("ga", eval_strategy="epoch")


def test_a_goal_does_not_start_from_a_model_that_saw_the_forget_set(
    benchmark: Benchmark, finetuned: Path, tmp_path: Path
) -> None:
    words = f"--method goal --model {finetuned} --data {benchmark.directory} --target event --forget 20"
    with pytest.raises(BenchmarkError, match=r"learned the benchmark already \(method finetune\)"):
        trainer.run(*parse([*words.split(), "--output_dir", str(tmp_path / "goal"), "--use_cpu", "true"]))
    assert not list(tmp_path.iterdir())


def test_retain_overlap_is_refused_where_nothing_is_retained() -> None:
    words = "--method ga --model any --data any --target event --forget 20 --output_dir out --retain_overlap true"
    with pytest.raises(BenchmarkError, match="ga has no retain set"):
        parse(words.split())
