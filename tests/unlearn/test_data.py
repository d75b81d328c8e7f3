"""Who is trained on what, and in which order."""

import copy
from collections import Counter

import pytest

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.documents import documents
from pebench_tasks.errors import BenchmarkError
from unlearn import data
from unlearn.data import Sample, SampleSet

QUESTION = {"person": "person_question", "event": "scene_question"}
TARGETS = ("person", "event")


def some_samples(count: int, prefix: str = "s") -> list[Sample]:
    return [Sample(f"{prefix}{i}", "person_question", (), "This is A.", f"{prefix}{i}/name") for i in range(count)]


def without_pretraining(benchmark: Benchmark) -> Benchmark:
    bare = copy.copy(benchmark)
    bare.real = [row for row in benchmark.real if row["part"] == "eval"]
    bare.world = [row for row in benchmark.world if row["part"] == "eval"]
    return bare


def test_finetune_sees_every_image_with_both_questions(benchmark: Benchmark) -> None:
    asked = Counter((sample.image, sample.question) for sample in data.everything(benchmark))
    assert asked == Counter((row["key"], question) for row in benchmark.images for question in QUESTION.values())


@pytest.mark.parametrize("target", TARGETS)
def test_goal_sees_no_image_of_the_forget_set_and_all_others_with_both_questions(
    benchmark: Benchmark, target: str
) -> None:
    split = benchmark.split(target, 20)
    forgotten = {row["key"] for row in benchmark.images if row[target] in split.forget_ids}
    samples = data.remaining(benchmark, split)
    assert forgotten
    assert Counter(sample.image for sample in samples) == {
        row["key"]: 2 for row in benchmark.images if row["key"] not in forgotten
    }


@pytest.mark.parametrize("target", TARGETS)
def test_the_forget_set_is_the_targets_question_on_its_training_images(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    samples = data.forget(benchmark, split)
    assert {(s.image, s.question) for s in samples} == {(key, QUESTION[target]) for key in split.train}
    assert not {sample.image for sample in samples} & set(split.test)


@pytest.mark.parametrize("target", TARGETS)
def test_unlearning_retains_no_image_that_evaluation_asks_and_none_to_forget(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    kept = {sample.image for sample in data.retain(benchmark, split)}
    evaluated = {doc["image"] for doc in documents(benchmark, target, 20) if doc["slice"] == "retain"}
    assert kept == set(split.retain) - evaluated
    assert not kept & {*split.train, *split.test}


def test_retain_overlap_keeps_the_evaluated_images(benchmark: Benchmark) -> None:
    split = benchmark.split("person", 20)
    assert {sample.image for sample in data.retain(benchmark, split, overlap=True)} == set(split.retain)


def test_answers_are_the_rendered_truth(benchmark: Benchmark) -> None:
    people = {row["id"]: row["name"] for row in benchmark.people}
    events = {row["id"]: row["description"] for row in benchmark.events}
    for sample in data.everything(benchmark):
        person, event = sample.image.split("/")
        truth = f"This is {people[person]}." if sample.question == "person_question" else events[event]
        assert sample.answer == truth


def test_replay_holds_pre_training_rows_only(benchmark: Benchmark) -> None:
    figures, world = data.replay(benchmark)
    evaluated = {row["key"] for row in [*benchmark.real, *benchmark.world] if row["part"] == "eval"}
    assert not evaluated & {sample.image for sample in [*figures, *world]}
    assert {sample.question for sample in figures} == {"person_question", "scene_question"}
    assert {sample.question for sample in world} == {"world_question"}
    assert {sample.answer for sample in world} == {"Yes", "No"}


def test_a_third_is_replayed_by_default_except_in_the_forget_set(benchmark: Benchmark) -> None:
    sets = data.build_sets(benchmark, ["forget", "retain"], split=benchmark.split("person", 20))
    assert sets["forget"].replay_share == 0
    assert sets["retain"].replay_share == pytest.approx(1 / 3)


def test_nothing_is_replayed_where_nothing_was_pre_trained(benchmark: Benchmark) -> None:
    assert data.build_sets(without_pretraining(benchmark), ["everything"])["everything"].replay_share == 0


def test_a_replay_share_without_pre_training_rows_is_refused(benchmark: Benchmark) -> None:
    with pytest.raises(BenchmarkError, match="no pre-training rows"):
        data.build_sets(without_pretraining(benchmark), ["everything"], replay_share=0.25)


def test_an_empty_set_is_refused(benchmark: Benchmark) -> None:
    split = benchmark.split("person", 20)._replace(train=[])
    with pytest.raises(BenchmarkError, match="forget set is empty"):
        data.build_sets(benchmark, ["forget"], split=split)


def test_an_epoch_draws_every_sample_once_and_the_next_one_in_another_order() -> None:
    chosen = SampleSet(some_samples(20))
    epochs = [[chosen.at(p, "0").key for p in range(start, start + 20)] for start in (0, 20)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(sample.key for sample in some_samples(20))
    assert epochs[0] != epochs[1]


def test_a_set_is_covered_evenly_at_any_length() -> None:
    chosen = SampleSet(some_samples(7))
    for length in range(1, 40):
        drawn = Counter(chosen.at(position, "0").key for position in range(length))
        counts = [drawn[sample.key] for sample in chosen.samples]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.5, 0.9])
def test_the_replay_share_is_spread_evenly_and_its_lists_take_turns(share: float) -> None:
    chosen = SampleSet(some_samples(30), [some_samples(50, "a"), some_samples(4, "b")], share)
    drawn = [chosen.at(position, "0").key[0] for position in range(200)]
    for length in range(1, 201):
        replayed = [key for key in drawn[:length] if key != "s"]
        assert abs(len(replayed) - share * length) <= 1
        assert 0 <= replayed.count("a") - replayed.count("b") <= 1
    epoch = [chosen.at(position, "0").key for position in range(len(chosen))]
    assert len({key for key in epoch if key[0] == "s"}) == pytest.approx(30, abs=1)


def test_all_trained_phrasings_are_drawn_and_no_probe_is() -> None:
    import pebench_templates

    chosen = SampleSet(some_samples(5))
    asked = {chosen.at(position, "0").question for position in range(100)}
    assert asked == {pebench_templates.render("person_question", phrasing=i) for i in range(4)}


def test_what_is_drawn_depends_on_the_seed_and_the_position_alone() -> None:
    one, two = SampleSet(some_samples(20)), SampleSet(some_samples(20))
    drawn = [one.at(position, "0") for position in range(60)]
    assert [two.at(position, "0") for position in reversed(range(60))] == drawn[::-1]
    assert [two.at(position, "1") for position in range(60)] != drawn


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="replay share"):
        SampleSet(some_samples(3), [some_samples(3)], 1.0)
