"""A step of training: what it adds up, what it changes, what it leaves alone."""

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import methods
from unlearn.answers import Answers, Terms
from unlearn.tensors.encoding import Encoded
from unlearn.tensors.forward import ModelAnswers
from unlearn.tensors.parts import Lora, part_of
from unlearn.training.method_trainer import MethodTrainer, NoInputGradients
from unlearn.training.plan import make_plan
from unlearn.training.positions import Positions

MakeTrainer = Callable[..., MethodTrainer]
UNLEARNING = [name for name in methods.METHODS if name not in ("finetune", "goal")]
TUNE = ("lm", "projector")  # the command's default


def losses(made: MethodTrainer) -> list[dict[str, float]]:
    """Train, and return the terms of every step."""
    made.train()
    return made.history.losses


def close(one: list[dict[str, float]], other: list[dict[str, float]], rel: float = 1e-5) -> None:
    assert len(one) == len(other) > 0
    for row, expected in zip(one, other, strict=True):
        assert row == pytest.approx(expected, rel=rel, abs=1e-6)


def parameters(made: MethodTrainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in made.core.named_parameters()}


# What a step adds up


@pytest.mark.parametrize("method", UNLEARNING)
def test_gradient_accumulation_equals_the_big_batch(make: MakeTrainer, method: str) -> None:
    """Micro-batches of names and descriptions differ in answer tokens, so a mean of their means would not be equal."""
    options = {"target": "joint", "optim": "sgd", "learning_rate": 0.2, "max_steps": 3}
    big = make(method, **options, per_device_train_batch_size=8)
    small = make(method, **options, per_device_train_batch_size=4, gradient_accumulation_steps=2)
    before = parameters(big)
    expected = losses(big)
    close(losses(small), expected, rel=1e-4)  # as the weights below: rounding, which differs from CPU to CPU, adds up
    assert any(not torch.equal(value, before[name]) for name, value in big.core.named_parameters())
    for one, other in zip(small.core.parameters(), big.core.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_gradient_accumulation_equals_the_big_batch_with_packed_questions(make: MakeTrainer) -> None:
    options = {"optim": "sgd", "learning_rate": 0.2, "questions_per_image": 4}
    big = make("finetune", **options, per_device_train_batch_size=8)
    small = make("finetune", **options, per_device_train_batch_size=2, gradient_accumulation_steps=4)
    assert big.plan.shares_prefix
    close(losses(small), losses(big))
    for one, other in zip(small.core.parameters(), big.core.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("method", ["finetune", "kl"])
def test_a_shared_prefix_changes_no_loss(make: MakeTrainer, method: str, attention: str) -> None:
    made = [make(method, questions_per_image=4, share_prefix=share, attention=attention) for share in (True, False)]
    assert [one.plan.shares_prefix for one in made] == [True, False]
    close(*(losses(one) for one in made), rel=1e-4)


def test_it_is_said_whether_the_prefix_is_shared(
    make: MakeTrainer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="unlearn")
    for several, share, said in (
        (1, True, ""),
        (2, True, "read behind one copy of it"),
        (2, False, "read one by one: switched off"),
    ):
        caplog.clear()
        assert make("finetune", questions_per_image=several, share_prefix=share).plan.shares_prefix == (
            several > 1 and share
        )
        assert said in caplog.text
        assert bool(said) == ("several questions about" in caplog.text)
    caplog.clear()
    monkeypatch.setattr("unlearn.tensors.packing.SHARED_PREFIX_FAMILIES", ())
    assert not make("finetune", questions_per_image=2).plan.shares_prefix
    assert "read one by one: not proven for the family llava" in caplog.text


@pytest.mark.parametrize("method", ["finetune", "kl"])
def test_loader_workers_change_no_loss(make: MakeTrainer, method: str) -> None:
    alone, helped = (make(method, dataloader_num_workers=workers, max_steps=4) for workers in (0, 2))
    assert losses(helped) == losses(alone)


@pytest.mark.parametrize("lora", [None, Lora(4, 8, 0.0)])
@pytest.mark.parametrize(
    "method", ["kl", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gd", "siu", "rmu"))]
)
def test_gradient_checkpointing_changes_no_loss(make: MakeTrainer, method: str, lora: Lora | None) -> None:
    options = {"target": "joint", "questions_per_image": 2, "lora": lora, "max_steps": 3}
    name = training_option("activation_checkpointing", TrainingArguments.__dataclass_fields__)
    plain, saving = (make(method, **options, **{name: on}) for on in (False, True))
    if lora:  # a new adapter is drawn at random, but for what starts at 0
        saving.core.load_state_dict(plain.core.state_dict())
    expected = losses(plain)
    assert saving.core.is_gradient_checkpointing or saving.args.gradient_checkpointing
    close(losses(saving), expected)


@pytest.mark.parametrize("lora", [None, Lora(4, 8, 0.0)])
def test_checkpointing_saves_the_activations_of_a_frozen_language_model_too(
    make: MakeTrainer, lora: Lora | None
) -> None:
    """The gradient of a trained projector comes through all of it."""
    name = training_option("activation_checkpointing", TrainingArguments.__dataclass_fields__)
    saved = []
    for on in (False, True):
        made = make("ga", tune=["projector"], lora=lora, max_steps=1, **{name: on})
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t):
            made.train()
        saved.append(sum(kept))
    assert saved[1] < saved[0] / 2


@pytest.mark.parametrize("lora", [None, Lora(4, 8, 0.0)])
def test_checkpointing_runs_no_backward_pass_in_a_frozen_tower(make: MakeTrainer, lora: Lora | None) -> None:
    """transformers' own hooks run one for gradients of the patches, which nothing asks for; the weights are equal."""
    name = training_option("activation_checkpointing", TrainingArguments.__dataclass_fields__)
    ours, stock = (make("gd", tune=TUNE, lora=lora, max_steps=2, **{name: True}) for _ in range(2))
    stock.remove_callback(NoInputGradients)
    stock.core.load_state_dict(ours.core.state_dict())  # a new adapter is drawn at random
    ours.features = stock.features = None  # with them the tower does not run
    backward: dict[MethodTrainer, int] = {ours: 0, stock: 0}

    def count(made: MethodTrainer) -> Callable[..., None]:
        def counted(*given: Any) -> None:
            backward[made] += 1

        return counted

    for made in backward:
        for module_name, module in made.core.named_modules():
            if isinstance(module, nn.Linear) and part_of(module_name) == "vision":
                module.register_full_backward_hook(count(made))
        made.train()
    assert backward[ours] == 0
    assert backward[stock] > 0
    for one, other in zip(ours.core.parameters(), stock.core.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_line_of_the_log_has_the_mean_of_each_term_since_the_last_one(make: MakeTrainer) -> None:
    made = make("gd", max_steps=5, logging_strategy="steps", logging_steps=2)
    rows = losses(made)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    logged = [row for row in made.state.log_history if "learning_rate" in row]
    assert [row["step"] for row in logged] == [2, 4]
    for name in ("loss", "forget", "retain"):
        means = [(rows[first][name] + rows[first + 1][name]) / 2 for first in (0, 2)]
        assert [row[name] for row in logged] == pytest.approx(means, abs=1e-6)


def test_a_term_is_backpropagated_and_let_go_before_the_next_one_runs(make: MakeTrainer) -> None:
    seen = []

    def two_terms(forget: Answers, retain: Answers) -> Terms:
        yield "forget", -forget.nll()
        if made is not None:  # not when what it asks is traced
            gradient = made.core.get_output_embeddings().weight.grad
            seen.append((gradient is not None and bool(gradient.any()), forget._parts))  # type: ignore[attr-defined]
        yield "retain", retain.nll()

    made: MethodTrainer | None = None
    made = make(two_terms, max_steps=2)
    made.train()
    assert seen == [(True, None)] * 2


@pytest.mark.parametrize(("weight", "runs"), [(0.0, 2), (1.0, 4)])
def test_a_term_of_weight_zero_runs_no_forward_and_draws_nothing(
    make: MakeTrainer, monkeypatch: pytest.MonkeyPatch, weight: float, runs: int
) -> None:
    ran = []
    predict = ModelAnswers._predict
    monkeypatch.setattr(ModelAnswers, "_predict", lambda *given: ran.append(1) or predict(*given))  # type: ignore[func-returns-value]
    made = make("gd", hyperparameters={"retain_weight": weight}, max_steps=2)
    assert list(made.positions.sets) == (["forget", "retain"] if weight else ["forget"])
    monkeypatch.setattr(MethodTrainer, "spread", True)
    made.train()
    assert len(ran) == runs


# Adapters in float32 on a base in bfloat16


@pytest.fixture
def half(tiny: tuple[Any, Any]) -> Any:
    """The untrained model in bfloat16."""
    return copy.deepcopy(tiny[0]).to(torch.bfloat16)


def test_under_autocast_adapters_compute_in_bfloat16_and_stay_in_float32(make: MakeTrainer, half: Any) -> None:
    """Nothing is turned to float32 on the way, neither their input nor what they add."""
    made = make("gd", start=half, tune=TUNE, lora=Lora(4, 8, 0.0), max_steps=1, bf16=True)
    seen: set[tuple[torch.dtype, ...]] = set()

    def note(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.add((inputs[0].dtype, layer.weight.dtype, output.dtype))

    for name, module in made.core.named_modules():
        if name.endswith(("lora_A.default", "lora_B.default")):
            module.register_forward_hook(note)
    made.train()
    assert seen == {(torch.bfloat16, torch.float32, torch.bfloat16)}
    trained = {name: p for name, p in made.core.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trained.values()} == {torch.float32}
    assert any(bool(p.any()) for name, p in trained.items() if "lora_B" in name)


@pytest.mark.parametrize("method", ["gd", "npo", "rmu"])
def test_autocast_changes_a_loss_by_no_more_than_bfloat16_rounds(make: MakeTrainer, half: Any, method: str) -> None:
    """In a step's largest term, of which the others may be what is left (RMU's retain term begins at 0)."""
    found = []
    for on in (False, True):
        torch.manual_seed(0)  # the same new adapters
        options = {"start": half, "lora": Lora(4, 8, 0.0), "learning_rate": 1e-2, "optim": "sgd", "bf16": on}
        found.append(losses(make(method, **options)))
    for row, expected in zip(*found, strict=True):
        largest = max(abs(value) for name, value in expected.items() if name != "step")
        assert row == pytest.approx(expected, rel=0, abs=2**-8 * largest)


def test_autocast_leaves_kl_to_the_start_model_at_0(make: MakeTrainer, half: Any) -> None:
    """The reference, with its adapters off, runs under it too."""
    first, *rest = losses(make("kl", start=half, lora=Lora(4, 8, 0.0), learning_rate=5e-3, bf16=True))
    assert first["retain"] == 0 < min(row["retain"] for row in rest)


# What a step changes


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_method_lowers_its_loss_and_changes_what_is_trained_and_nothing_else(make: MakeTrainer, method: str) -> None:
    """RMU trains nothing behind the layer whose activations it turns."""
    made = make(method, target="joint", tune=TUNE, max_steps=6, learning_rate=5e-4)
    before = parameters(made)
    rows = losses(made)
    term = made.plan.asked.terms[0]
    assert rows[-1][term] < rows[0][term]
    behind = ("layers.2.", "language_model.norm", "lm_head") if method == "rmu" else ()
    for name, value in made.core.named_parameters():
        trained = part_of(name) in TUNE and not any(part in name for part in behind)
        assert torch.equal(value, before[name]) != trained, name


@pytest.mark.parametrize("tune", [("vision",), ("projector",), ("lm",)])
def test_each_part_is_trained_alone(make: MakeTrainer, tune: tuple[str, ...]) -> None:
    made = make("gd", tune=tune, max_steps=1)
    before = parameters(made)
    made.train()
    changed = {part_of(name) for name, value in made.core.named_parameters() if not torch.equal(value, before[name])}
    assert changed == set(tune)


@pytest.mark.parametrize("method", UNLEARNING)
def test_with_adapters_the_base_stays_bit_identical(make: MakeTrainer, method: str) -> None:
    made = make(method, target="joint", tune=TUNE, lora=Lora(4, 8, 0.0), max_steps=2)
    before = parameters(made)
    made.train()
    changed = {name for name, value in made.core.named_parameters() if not torch.equal(value, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)


# What is drawn


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions that are encoded while a test trains."""
    positions: list[int] = []
    item = Positions.__getitem__

    def spy(self: Positions, position: int) -> dict[str, list[Encoded]]:
        positions.append(position)
        return item(self, position)

    monkeypatch.setattr(Positions, "__getitem__", spy)
    return positions


def test_an_epoch_is_rounded_up_to_whole_steps_and_goes_on_where_the_last_one_ended(
    make: MakeTrainer, drawn: list[int]
) -> None:
    """24 samples and 12 replayed ones are 36 positions: five batches of 8, the last of which draws on."""
    made = make("finetune", max_steps=7)
    made.train()
    assert len(made.positions) == 40
    assert drawn[: 7 * 8] == list(range(7 * 8))


@pytest.mark.parametrize(("size", "accumulated", "steps"), [(8, 1, 5), (5, 1, 8), (8, 2, 3), (4, 3, 3)])
def test_every_step_is_as_large_as_the_others(
    make: MakeTrainer, drawn: list[int], size: int, accumulated: int, steps: int
) -> None:
    made = make(
        "finetune", max_steps=-1, num_train_epochs=1, per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulated,
    )  # fmt: skip
    made.train()
    assert made.state.global_step == len(made.history.losses) == steps
    assert made.plan.total_positions == steps * size * accumulated
    assert sorted(set(drawn)) == list(range(made.plan.total_positions))


def test_the_reference_is_there_for_every_position_of_several_epochs(make: MakeTrainer) -> None:
    made = make("kl", target="joint", max_steps=-1, num_train_epochs=2.5, per_device_train_batch_size=3)
    assert len(losses(made)) == 5  # 4 samples to forget are two steps of 3 an epoch


def test_a_loader_that_reads_ahead_needs_no_value_beyond_the_run(make: MakeTrainer) -> None:
    made = make("kl", max_steps=2, dataloader_num_workers=2, dataloader_prefetch_factor=4)
    assert len(losses(made)) == 2


# What is absent or wrong


@pytest.mark.parametrize(("target", "kinds"), [("event", 3), ("person", 4), ("joint", 4)])
def test_siu_does_without_invented_looks_where_no_person_is_forgotten(
    make: MakeTrainer, target: str, kinds: int
) -> None:
    made = make("siu", target=target, max_steps=2)
    (first, _) = losses(made)
    assert list(made.positions.sets) == ["swapped", "retain", "facts", "invented"][:kinds]
    assert first.keys() == {"step", "loss", *made.positions.sets}
    assert first["loss"] == pytest.approx(sum(first[name] for name in made.positions.sets))


@pytest.mark.parametrize("lora", [None, Lora(4, 8, 0.0)])
@pytest.mark.parametrize("retain_weight", [0.0, 1.0])
def test_a_layer_that_does_not_exist_is_one_clear_error(
    make: MakeTrainer, lora: Lora | None, retain_weight: float
) -> None:
    with pytest.raises(BenchmarkError, match="no layer 3: the language model has layers 0 to 2"):
        make("rmu", hyperparameters={"layer": 3, "retain_weight": retain_weight}, lora=lora).train()


@pytest.mark.parametrize(
    "change",
    [
        {"train_sampling_strategy": "group_by_length"},
        {"label_smoothing_factor": 0.1},
        {"resume_from_checkpoint": "somewhere"},
        {"push_to_hub": True},
        {"torch_compile": True},
    ],
)
def test_an_option_that_would_do_nothing_is_refused(make: MakeTrainer, change: dict[str, Any]) -> None:
    with pytest.raises(BenchmarkError, match=f"--{next(iter(change))} has no effect here"):
        make("finetune", **change)


@pytest.mark.parametrize("change", [{"split_batches": True}, {"dispatch_batches": True}])
def test_batches_that_do_not_go_round_the_processes_are_refused(make: MakeTrainer, change: dict[str, bool]) -> None:
    """A process has reference values of what it draws itself."""
    with pytest.raises(BenchmarkError, match="no split_batches and no dispatch_batches"):
        make("finetune", accelerator_config=change)


def test_several_gpus_want_several_processes_and_that_is_said(
    make: MakeTrainer, benchmark: Benchmark, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make("ga").plan
    arguments = copy.copy(plan.arguments)
    arguments._n_gpu = 4  # what TrainingArguments find where no launcher was used
    again = make_plan(
        make("ga").core, plan.processor, plan.positions.sets, methods.METHODS["ga"], arguments,
        load_image=benchmark.image, hyperparameters={},
    )  # fmt: skip
    assert again.arguments.n_gpu == 1
    assert "one of 4 GPUs is used" in caplog.text
    assert "torchrun --nproc_per_node 4 -m unlearn" in caplog.text


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(make: MakeTrainer) -> None:
    def infinite_slope(everything: Answers) -> Terms:
        loss = everything.nll()
        yield "everything", (loss - loss.detach()).abs().sqrt()  # 0, with an infinite slope

    made = make(infinite_slope)
    before = parameters(made)
    with pytest.raises(BenchmarkError, match="Step 1: the gradient norm"):
        made.train()
    assert all(torch.equal(value, before[name]) for name, value in made.core.named_parameters())
