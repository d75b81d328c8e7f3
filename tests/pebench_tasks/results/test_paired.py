from random import Random

import numpy as np
import pytest
from made_observations import name, some_world, world
from scipy import stats

from pebench_tasks.results.intervals import Observation, interval
from pebench_tasks.results.paired import Difference, difference, holm


def compared(first: list[Observation], second: list[Observation]) -> Difference:
    found = difference(first, second)
    assert found is not None
    return found


def people(right: str, events: int = 1) -> list[Observation]:
    """One character a person: 1 right, 0 wrong."""
    return [name(person, event, 100.0 * int(mark)) for person, mark in enumerate(right) for event in range(events)]


def test_a_model_is_no_different_from_itself() -> None:
    for rows in (people("0110101011"), some_world(12)):
        found = compared(rows, rows)
        assert found.first == found.second == interval(rows).value
        assert (found.value, found.p) == (0.0, 1.0)
        assert (found.better, found.worse, found.left_out) == (0, 0, 0)


def test_a_change_that_was_never_seen_may_still_be_there() -> None:
    # In ten people no change was met: at most 1 - 0.025^(1/10) = 0.30850 of all have one, for better or for worse.
    rows = people("0110101011")
    assert compared(rows, rows)[3:5] == pytest.approx((-30.850, 30.850), abs=1e-3)
    # From nothing to everything: the others may be as bad as from 100 to 0, 2 x 30.850 below.
    found = compared(people("0000000000"), people("1111111111"))
    assert (found.value, found.high) == (100.0, 100.0)
    assert found.low == pytest.approx(38.301, abs=1e-3)


def test_all_swaps_of_ten_people_are_enumerated() -> None:
    # Six people improve and none gets worse: of the 2^6 ways to sign their differences two are as extreme.
    found = compared(people("0000000011"), people("1111110011"))
    assert (found.first, found.second, found.value, found.p) == (20.0, 80.0, 60.0, 2 / 64)
    assert (found.n, found.clusters, found.unit, found.better, found.worse) == (10, 10, "person", 6, 0)
    # From -1 to 1 a change of 0.6 stands at 0.8. Its variance there is 0.24 / 9 / 4 = 0.00667, that of 24 draws of
    # which 4.8 are rare; with the 10 people 5.05 / (4.8 / 24 + 0.25 / 10) = 22.444, of which 17.956 are right.
    low, high = stats.beta.ppf(0.025, 17.956, 5.489), stats.beta.ppf(0.975, 18.956, 4.489)
    assert (found.low, found.high) == pytest.approx((200 * low - 100, 200 * high - 100), abs=0.01)


def test_answers_about_one_person_are_swapped_together() -> None:
    # 10 people with 5 documents each, of whom 2 improve: 2 of 4 signs are as extreme, however many documents they have.
    found = compared(people("0000000011", events=5), people("1100000011", events=5))
    assert (found.better, found.p) == (10, 2 / 4)


def test_below_ten_clusters_documents_are_swapped_and_the_note_says_so() -> None:
    found = compared(people("0000", events=3), people("1100", events=3))
    assert (found.unit, found.clusters, found.p) == ("document", 4, 2 / 64)
    assert found.note == "over documents, conditional on these 4 people"


def test_many_clusters_are_swapped_at_random_and_p_is_never_zero() -> None:
    everyone = compared(people("0" * 40), people("1" * 40))
    assert everyone.p == 1 / 10_001
    three = compared(people("0" * 40), people("111" + "0" * 37))  # exactly 2 / 8
    assert three.p == pytest.approx(0.25, abs=0.02)


def test_world_answers_are_exchanged_per_image() -> None:
    # Truth is yes on 12 images; one model says yes to all of them, the other to 6. With k right F1 is 2 k / (k + 12):
    # 100 against 66.7. Only with all of the 6 exchanged, or none, are the two as far apart: 2 of 2^6.
    first = [world(i, "random", "yes", "yes" if i < 6 else "no") for i in range(12)]
    second = [world(i, "random", "yes", "yes") for i in range(12)]
    found = compared(first, second)
    assert found.first == pytest.approx(200 / 3)
    assert (found.second, found.p, found.unit, found.better) == (100.0, 2 / 64, "image", 6)


def test_an_invalid_answer_is_as_wrong_as_the_opposite() -> None:
    first = [world(i, "random", "yes", "no") for i in range(12)]
    second = [world(i, "random", "yes", "invalid") for i in range(12)]
    assert compared(first, second)[5:8] == (1.0, 12, 12)
    assert (compared(first, second).better, compared(first, second).worse) == (0, 0)


def test_documents_of_one_model_alone_and_failed_judgements_are_left_out() -> None:
    first, second = people("0000000011"), people("1111110011")
    whole = compared(first, second)
    more = [*first, name(20, 0, 100.0), name(21, 0, 100.0)]  # the second model did not answer 20
    assert compared(more, [*second, name(21, 0, None)]) == whole._replace(left_out=2)
    assert difference([name(0, 0, 1.0)], [name(1, 0, 1.0)]) is None


def test_the_order_of_documents_does_not_matter_and_that_of_models_turns_the_sign() -> None:
    for first, second in ((people("0011010001100"), people("1011011101000")), (some_world(15, 1), some_world(15, 2))):
        found = compared(first, second)
        assert compared(Random(0).sample(first, len(first)), second[::-1]) == found
        turned = compared(second, first)
        assert (turned.value, turned.better, turned.worse) == (-found.value, found.worse, found.better)
        assert turned.p == found.p
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_p_below_five_percent_comes_up_in_at_most_five_percent_where_models_are_alike() -> None:
    # 12 people with 8 documents each; a person's documents go up or down together.
    rng = np.random.default_rng(0)
    rejected = over_documents = 0
    for _ in range(200):
        moved = rng.normal(size=(12, 1)) + 0.5 * rng.normal(size=(12, 8))
        first = [name(p, e, 0.0) for p in range(12) for e in range(8)]
        second = [name(p, e, float(moved[p, e])) for p in range(12) for e in range(8)]
        p = [
            difference(*([r._replace(cluster=r.key) for r in m] if alone else m for m in (first, second)))
            for alone in (False, True)
        ]
        assert p[0] is not None
        assert p[1] is not None
        rejected, over_documents = rejected + (p[0].p <= 0.05), over_documents + (p[1].p <= 0.05)
    assert rejected / 200 <= 0.08  # 0.05 and two standard errors of 200 runs
    assert over_documents / 200 > 0.3


def test_holm_multiplies_by_the_number_of_figures_left() -> None:
    # 0.01 * 3, 0.03 * 2, 0.04 * 1, and none may fall below the one before it.
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"b": 0.03, "c": 0.06, "a": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}
