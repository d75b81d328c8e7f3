from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pebench_tasks.benchmark.splits import (
    RATIOS,
    TARGETS,
    Request,
    Split,
    forget_count,
    forget_name,
    forget_set_name,
    is_forgotten,
    make_plan,
    make_split,
    read_request,
    request_split,
    whole_split_id,
)
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


@pytest.mark.parametrize(
    ("text", "request_"), [("1/2", Request(1, 2)), ("4/4", Request(4, 4)), (" 02/10 ", Request(2, 10))]
)
def test_a_request_says_which_of_how_many(text: str, request_: Request) -> None:
    assert read_request(text) == request_


@pytest.mark.parametrize("text", ["", "2", "2/", "/4", "0/4", "5/4", "1/1", "-1/4", "1/4/4", "two/4", "²/4", "1.0/2"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(BenchmarkError, match="There is no request"):
        read_request(text)


def test_a_forget_set_and_a_request_of_it_have_one_name() -> None:
    assert forget_set_name(20) == "forget20"
    assert {forget_set_name(20, "2/4"), forget_set_name("forget20:2/4"), forget_set_name("20:2/4", "02/4")} == {
        "forget20:2/4"
    }
    with pytest.raises(BenchmarkError, match=r"20:2/4 is one request already. Leave out the other one, 1/4"):
        forget_set_name("20:2/4", "1/4")
    with pytest.raises(BenchmarkError, match="There is no request ''"):
        forget_set_name("20:")


def test_requests_deal_out_people_and_events_in_the_order_of_their_ids() -> None:
    """Five people to two requests: the first, third and fifth, then the second and fourth; three events 2 and 1."""
    whole = split_of(25, 15, 0, "joint", "forget20")
    people, events = whole.forget_ids[:5], whole.forget_ids[5:]
    first, second = (request_split(whole, Request(number, 2)) for number in (1, 2))
    assert first.forget_ids == (*people[::2], *events[::2])
    assert second.forget_ids == (*people[1::2], *events[1::2])
    assert first.whole_ids == second.whole_ids == whole.forget_ids == whole.whole_ids
    assert (first.forget, first.note) == ("forget20:1/2", "request 1 of 2 of forget20")


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from(["person", "event"]), st.integers(2, 4))
def test_requests_share_out_a_forget_set_evenly_and_retain_nothing_of_it(
    sizes: tuple[int, int, int], target: str, of: int
) -> None:
    whole = split_of(*sizes, target, "forget20")
    if len(whole.forget_ids) < of:
        with pytest.raises(BenchmarkError, match="forgets too few"):
            request_split(whole, Request(1, of))
        return
    shares = [request_split(whole, Request(number, of)) for number in range(1, of + 1)]
    sizes_of_shares = [len(share.forget_ids) for share in shares]
    assert max(sizes_of_shares) - min(sizes_of_shares) <= 1
    for half in ("forget_ids", "train", "test"):
        assert sorted(one for share in shares for one in getattr(share, half)) == sorted(getattr(whole, half))
    assert all((share.retain, share.retain_eval) == (whole.retain, whole.retain_eval) for share in shares)


def test_an_image_can_be_of_two_joint_requests_and_of_none_that_forgets_neither() -> None:
    whole = split_of(20, 10, 0, "joint", "forget20")
    for number in (1, 2):
        share = request_split(whole, Request(number, 2))
        for half in ("train", "test"):
            shown = [key for key in getattr(whole, half) if {*key.split("/")} & {*share.forget_ids}]
            assert getattr(share, half) == shown
    shares = [{*request_split(whole, Request(number, 2)).train} for number in (1, 2)]
    assert shares[0] & shares[1]
    assert shares[0] | shares[1] == {*whole.train}


def test_a_request_has_a_split_id_of_its_own_that_begins_with_the_whole_sets() -> None:
    whole = split_of(20, 10, 0, "person", "forget20")
    ids = {request_split(whole, Request(*share)).split_id for share in ((1, 2), (2, 2), (1, 4), (2, 4))}
    assert len(ids) == 4
    assert {whole_split_id(one) for one in ids} == {whole.split_id} == {whole_split_id(whole.split_id)}
    assert whole.split_id not in ids


def test_more_requests_than_people_or_events_are_refused() -> None:
    """20 x 10: forget20 is four people and two events."""
    whole = split_of(20, 10, 0, "joint", "forget20")
    with pytest.raises(BenchmarkError, match=r"forget20 forgets too few events \(2\) for 3 requests"):
        request_split(whole, Request(1, 3))
    with pytest.raises(BenchmarkError, match=r"too few people \(4\) for 5"):
        request_split(split_of(20, 10, 0, "person", "forget20"), Request(5, 5))


@pytest.mark.parametrize(
    ("asked", "made_for", "forgotten"),
    [
        ("forget20", {"forget20"}, True),
        ("forget20", {"forget20:1/2", "forget20:2/2"}, True),
        ("forget20", {"forget20:2/2"}, False),
        ("forget20", {"forget20:1/2", "forget20:2/3", "forget20:3/3"}, False),
        ("forget20:1/2", {"forget20"}, True),
        ("forget20:1/2", {"forget20:1/2", "forget20:2/2"}, True),
        ("forget20:2/2", {"forget20:1/2"}, False),
        ("forget20:1/2", {"forget20:1/4"}, False),
        ("forget20:1/2", {"forget10"}, False),
        ("forget20", set(), False),
    ],
)
def test_a_part_is_forgotten_with_the_whole_and_the_whole_with_all_parts(
    asked: str, made_for: set[str], forgotten: bool
) -> None:
    assert is_forgotten(asked, made_for) == forgotten
