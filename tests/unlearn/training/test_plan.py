"""How long a run is: steps that follow from what each concept needs, or from an epoch."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.run_record import read_record
from unlearn.arguments import UnlearnArguments
from unlearn.data.sets import build_sets
from unlearn.training.plan import with_draws
from unlearn.training.run import train_from_options

Options = Callable[..., TrainingArguments]


@pytest.mark.parametrize(("concepts", "steps"), [(1, 6), (10, 60), (40, 240)])
def test_24_draws_of_each_concept_in_fours_are_the_six_steps_of_the_paper_for_every_one(
    options: Options, tmp_path: Path, concepts: int, steps: int
) -> None:
    """24 * concepts / 4, however the four are made up; the options that were given stay as they are."""
    for sizes in (
        {"per_device_train_batch_size": 4},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
    ):
        given = options(tmp_path, max_steps=-1, **sizes)
        assert with_draws(given, 24, concepts).max_steps == steps
        assert given.max_steps == -1


def test_draws_that_are_no_whole_number_of_steps_are_rounded_up(options: Options, tmp_path: Path) -> None:
    """5 draws of 3 concepts are 15, four steps of 4."""
    assert with_draws(options(tmp_path, per_device_train_batch_size=4), 5, 3).max_steps == 4


def test_siu_then_draws_every_concept_equally_often(benchmark: Benchmark) -> None:
    split = benchmark.split("joint", 20)
    swapped = build_sets(benchmark, ["swapped"], split=split)["swapped"]
    drawn = [swapped.at(position, "0/swapped")[0].key.split("/")[0] for position in range(24 * len(split.forget_ids))]
    assert Counter(drawn) == dict.fromkeys(split.forget_ids, 24)


def test_a_run_has_the_steps_that_its_draws_come_to_and_records_both(
    benchmark: Benchmark, finetuned: Path, options: Options, tmp_path: Path
) -> None:
    """One person and one event, three draws each: six, in two steps of three. The same command finds it finished."""
    arguments = UnlearnArguments(
        method="siu", model=str(finetuned), data=str(benchmark.directory), target="joint", forget="20",
        draws_per_concept=3, reference_cache=str(tmp_path / "reference"),
    )  # fmt: skip
    training = options(tmp_path / "run", max_steps=-1, per_device_train_batch_size=3, learning_rate=1e-4)
    record = read_record(train_from_options(arguments, training))
    assert record is not None
    assert (record["steps"], record["arguments"]["max_steps"], record["arguments"]["draws_per_concept"]) == (2, 2, 3)
    assert train_from_options(arguments, training) == tmp_path / "run"
