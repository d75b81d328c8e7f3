from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pebench_tasks.benchmark.splits import RATIOS, TARGETS, Split, forget_count, forget_name, make_plan, make_split
from pebench_tasks.errors import BenchmarkError

SIZES = st.tuples(st.integers(4, 30), st.integers(3, 14), st.integers(0, 5))


def grid(people: int, events: int) -> tuple[list[str], list[str]]:
    return [f"p{i:03d}" for i in range(people)], [f"e{i:02d}" for i in range(events)]


def split_of(people: int, events: int, seed: int, target: str, forget: str) -> Split:
    ids, scenes = grid(people, events)
    plan = make_plan(ids, scenes, seed)
    rows: list[dict[str, Any]] = [
        {
            "key": f"{p}/{e}",
            "person": p,
            "event": e,
            "half": "train" if f"{p}/{e}" in plan.train else "test",
            **{f"retain_{t}": f"{p}/{e}" in plan.retain_eval[t] for t in TARGETS},
        }
        for p in ids
        for e in scenes
    ]
    return make_split(target, forget, images=rows, forget_ids=plan.forget_ids)


@pytest.mark.parametrize(
    ("ratio", "total", "count"),
    # floor(ratio * total + 0.5), at least one: 0.05 * 200 = 10; 0.05 * 10 = 0.5 rounds up; 0.01 * 20 = 0.2 -> 1.
    [(0.05, 200, 10), (0.05, 10, 1), (0.01, 20, 1), (0.2, 20, 4), (0.2, 10, 2), (0.05, 30, 2), (0.1, 40, 4)],
)
def test_forget_count_rounds_halves_up_and_forgets_at_least_one(ratio: float, total: int, count: int) -> None:
    assert forget_count(ratio, total) == count


@pytest.mark.parametrize("name", [5, "5", "05", "forget05"])
def test_a_ratio_has_one_name_however_it_is_written(name: str | int) -> None:
    assert forget_name(name) == "forget05"


def test_an_unknown_ratio_lists_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match=r"7.*forget01, forget05, forget10, forget20"):
        forget_name(7)


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match=r"'place'.*person, event, joint"):
        split_of(4, 3, 0, "place", "forget05")


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_ratios_are_nested(sizes: tuple[int, int, int]) -> None:
    for target in TARGETS:
        chain = [set(split_of(*sizes, target, ratio).forget_ids) for ratio in RATIOS]
        assert all(small <= large for small, large in pairwise(chain))


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from(TARGETS), st.sampled_from(list(RATIOS)))
def test_train_test_and_retain_part_the_images(sizes: tuple[int, int, int], target: str, ratio: str) -> None:
    people, events, _ = sizes
    split = split_of(*sizes, target, ratio)
    parts = [set(split.train), set(split.test), set(split.retain)]
    assert sum(len(part) for part in parts) == people * events == len(set.union(*parts))
    assert all(parts)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from(["person", "event"]))
def test_every_target_is_halved(sizes: tuple[int, int, int], target: str) -> None:
    """A forgotten person's scenes (a forgotten event's people) are split in two halves that differ by at most one."""
    split = split_of(*sizes, target, "forget20")
    position = 0 if target == "person" else 1
    train = Counter(key.split("/")[position] for key in split.train)
    test = Counter(key.split("/")[position] for key in split.test)
    assert all(abs(train[member] - test[member]) <= 1 for member in split.forget_ids)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from(TARGETS))
def test_evaluated_retain_images_lie_outside_forget20_for_every_ratio(sizes: tuple[int, int, int], target: str) -> None:
    largest = split_of(*sizes, target, "forget20")
    for ratio in RATIOS:
        split = split_of(*sizes, target, ratio)
        assert split.retain_eval == largest.retain_eval
        assert not set(split.retain_eval) & {*largest.train, *largest.test}


def test_evaluated_retain_images_are_at_most_half_and_even_over_people_and_events() -> None:
    """20 x 10, four people in forget20: 16 x 10 = 160 images, 80 asked, so five a person and eight an event."""
    split = split_of(20, 10, 0, "person", "forget20")
    assert len(split.retain_eval) == 80
    assert set(Counter(key[:4] for key in split.retain_eval).values()) == {5}
    assert set(Counter(key[5:] for key in split.retain_eval).values()) == {8}


def test_at_the_papers_size_400_retained_documents_are_asked() -> None:
    assert len(split_of(200, 40, 0, "person", "forget05").retain_eval) == 400


def test_joint_forgets_the_union_and_halves_once() -> None:
    joint = split_of(20, 10, 0, "joint", "forget20")
    person, event = split_of(20, 10, 0, "person", "forget20"), split_of(20, 10, 0, "event", "forget20")
    assert set(joint.train) == {*person.train, *event.train}
    assert set(joint.test) == {*person.test, *event.test}


def test_a_ratio_that_gives_the_same_set_says_so() -> None:
    assert split_of(20, 10, 0, "person", "forget05").note == "the same set as forget01"
    assert split_of(20, 10, 0, "person", "forget20").note == ""


def test_split_ids_follow_the_seed_and_the_target() -> None:
    ids = {split_of(20, 10, seed, target, "forget20").split_id for seed in (0, 1) for target in TARGETS}
    assert len(ids) == 6
    assert split_of(20, 10, 0, "person", "forget20").split_id in ids
