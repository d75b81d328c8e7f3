"""BGD: the share of people in the forget batch, by hand, and where it goes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn import balance, methods
from unlearn.answers import Hyperparameters, trace
from unlearn.arguments import UnlearnArguments
from unlearn.balance import Balanced, next_share
from unlearn.tensors.forward import ModelAnswers
from unlearn.training.history import History
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.record import Record
from unlearn.training.run import train_from_options

Options = Callable[..., TrainingArguments]
Row = dict[str, float]
BALANCEABLE = ("po", "gd", "kl", "npo", "simnpo", "rmu")


def row(people: float, events: float) -> Row:
    """What the run record holds of a step whose forget terms were these."""
    return {"forget_person": people, "forget_event": events}


def test_an_epoch_draws_as_many_forget_samples_as_without_balance(
    make: Callable[..., MethodTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So methods are compared at the same number of them: the person's images to train on and the event's."""
    monkeypatch.setattr(balance, "LEAST_BATCH", 1)  # so that an epoch is not rounded up
    settings = {"retain_weight": 1.0}
    balanced = make(
        Balanced(methods.METHODS["gd"], settings), target="joint", hyperparameters=settings,
        per_device_train_batch_size=1,
    )  # fmt: skip
    sets = balanced.positions.sets
    assert len(balanced.positions) == len(sets["forget_person"]) + len(sets["forget_event"])
    assert len(balanced.positions) == len(make("gd", target="joint", per_device_train_batch_size=1).positions)


# The share, by hand


def test_the_first_step_shares_equally() -> None:
    assert next_share([], "forget") == 0.5


def test_after_one_step_nothing_has_been_reached_yet() -> None:
    assert next_share([row(-1.0, -7.0)], "forget") == 0.5


def test_who_is_behind_gets_more() -> None:
    """People fell from -1 to -1.2, on average by 0.1; events not at all. With 0.1 more for each: 0.1 / (0.2 + 0.1)."""
    assert next_share([row(-1.0, -1.0), row(-1.2, -1.0)], "forget") == pytest.approx(1 / 3)


def test_equal_progress_from_unequal_starts_is_an_equal_share() -> None:
    assert next_share([row(-1.0, -7.0), row(-1.2, -7.2)], "forget") == pytest.approx(0.5)


def test_the_share_stays_within_its_limits() -> None:
    assert next_share([row(0.0, 0.0), row(-90.0, 0.0)], "forget") == pytest.approx(0.2)
    assert next_share([row(0.0, 0.0), row(0.0, -90.0)], "forget") == pytest.approx(0.8)


def test_a_term_that_rises_has_reached_nothing() -> None:
    """Events rose by 5: as if they had stood still, 0.1 / (0.2 + 0.1)."""
    assert next_share([row(-1.0, -1.0), row(-1.2, 9.0)], "forget") == pytest.approx(1 / 3)


def test_only_the_last_four_steps_count_against_the_first() -> None:
    """People: (-1 - 1 - 1 - 1.8) / 4 = -1.2 against -1; the -50 is too long ago. 0.1 / (0.3 + 0.1)."""
    steps = [(-1.0), (-50.0), (-1.0), (-1.0), (-1.0), (-1.8)]
    assert next_share([row(people, -1.0) for people in steps], "forget") == pytest.approx(0.25)


# The formula


class Fixed:
    """Answers whose NLL is what one says."""

    def __init__(self, value: float) -> None:
        self.value = value

    def nll(self) -> Tensor:
        return torch.tensor(self.value)


def test_each_concept_has_a_forget_term_of_its_own_and_the_retain_term_comes_once() -> None:
    balanced = Balanced(methods.find("gd"), {"retain_weight": 0.5})
    sets: dict[str, Any] = {"forget_person": Fixed(1.0), "forget_event": Fixed(2.0), "retain": Fixed(3.0)}
    terms = [(name, value.item()) for name, value in balanced(**sets, retain_weight=0.5)]
    assert terms == [("forget_person", -1.0), ("forget_event", -2.0), ("retain", 1.5)]


@pytest.mark.parametrize("key", BALANCEABLE)
def test_every_method_with_a_forget_and_a_retain_term_can_be_balanced(key: str) -> None:
    """Its forget term bears the name of its forget set: the share is read from the record under that name."""
    method = methods.find(key)
    settings: Hyperparameters = methods.default_hyperparameters(method)
    balanced = Balanced(method, settings)
    kind = balanced.forget_set
    assert methods.needed_sets(balanced) == [f"{kind}_person", f"{kind}_event", "retain"]
    assert trace(balanced, settings).terms == [f"{kind}_person", f"{kind}_event", "retain"]
    assert methods.default_hyperparameters(balanced) == settings


@pytest.mark.parametrize(("key", "changed"), [("ga", {}), ("dpo", {}), ("siu", {}), ("gd", {"retain_weight": 0.0})])
def test_a_method_without_forget_and_retain_terms_is_refused(key: str, changed: Hyperparameters) -> None:
    method = methods.find(key)
    with pytest.raises(BenchmarkError, match="needs a method with a forget term and a retain term"):
        Balanced(method, {**methods.default_hyperparameters(method), **changed})


def test_a_single_target_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="it needs --target joint"):
        UnlearnArguments(method="gd", model="m", data="d", target="person", forget="5", balance="bgd")


# In training


@pytest.fixture
def unlearn(benchmark: Benchmark, finetuned: Path, options: Options, tmp_path: Path) -> Callable[..., Path]:
    def run(name: str, method: str = "gd", **training: Any) -> Path:
        arguments = UnlearnArguments(
            method=method, model=str(finetuned), data=str(benchmark.directory), target="joint", forget="20",
            balance="bgd", reference_cache=str(tmp_path / "cache"),
        )  # fmt: skip
        return train_from_options(arguments, options(tmp_path / name, **training))

    return run


def read(folder: Path) -> Record:
    found = read_record(folder)
    assert found is not None
    return found


@pytest.mark.parametrize("method", ["gd", "kl"])
def test_the_record_shows_each_concepts_terms_and_the_shares_that_follow_from_them(
    unlearn: Callable[..., Path], method: str
) -> None:
    losses = read(unlearn("out", method, max_steps=6, per_device_train_batch_size=32))["losses"]
    assert losses[0]["share"] == 0.5
    assert len({step["share"] for step in losses}) > 1
    for number, step in enumerate(losses):
        assert step["share"] == round(32 * next_share(losses[:number], "forget")) / 32  # of the positions of a batch
        assert step["loss"] == pytest.approx(step["forget_person"] + step["forget_event"] + step["retain"])


def test_the_batch_holds_the_share_of_each_concept(
    unlearn: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 positions, 8 times the share, rounded, ask about people and the rest about events; retain keeps its 8."""
    seen = []
    init = ModelAnswers.__init__

    def spy(self: Any, reader: Any, batch: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(int(batch["count"]))
        init(self, reader, batch, *args, **kwargs)

    monkeypatch.setattr(ModelAnswers, "__init__", spy)
    losses = read(unlearn("out", max_steps=5))["losses"]
    for number, step in enumerate(losses):
        people = round(8 * step["share"])
        assert seen[3 * number : 3 * number + 3] == [people, 8 - people, 8]


def test_a_resumed_run_has_the_shares_of_the_uninterrupted_one(
    unlearn: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2}
    whole = read(unlearn("whole", **long))["losses"]
    on_step_end = History.on_step_end

    def interrupt(self: History, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt
        on_step_end(self, args, state, control, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(History, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unlearn("out", **long)
    taken = []
    step = MethodTrainer.training_step

    def count(self: Any, *args: Any, **kwargs: Any) -> Any:
        taken.append(1)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(MethodTrainer, "training_step", count)
    assert read(unlearn("out", **long))["losses"] == whole
    assert len(taken) == 2
