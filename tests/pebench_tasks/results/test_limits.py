"""Limits against scipy's tests and distributions, which compute them another way."""

import numpy as np
import pytest
from made_observations import name, scene
from scipy import stats

from pebench_tasks.results.intervals import interval
from pebench_tasks.results.limits import at_most_unseen, draws, korn_graubard, variance, without_one
from pebench_tasks.results.tallies import figure_of, tally


@pytest.mark.parametrize("right", [1, 10, 18, 19])
def test_independent_documents_have_the_exact_binomial_limits(right: int) -> None:
    share = np.array(right / 20)
    exact = stats.binomtest(right, 20).proportion_ci(method="exact")
    assert korn_graubard(share, np.array(20.0), 20, 20) == pytest.approx((exact.low, exact.high))


def test_where_nothing_varies_the_limit_is_the_exact_binomial_one() -> None:
    for clusters in (1, 5, 10, 300):
        assert at_most_unseen(clusters) == pytest.approx(stats.binomtest(0, clusters).proportion_ci().high)
    assert at_most_unseen(0) == 1


def test_ten_people_of_whom_half_are_right_count_as_seven_draws() -> None:
    # Means of 1 and 0 have the variance 10 x 0.25 / 9 = 0.2778, their mean a tenth of it: 0.25 / 0.02778 = 9 draws. Of
    # 40 documents t is 2.0227, of 10 people 2.2622: 9 x (2.0227 / 2.2622)^2 = 7.195, half of them right. They
    # are fewer than the people, so nothing is averaged.
    found = interval([name(person, event, 100.0 * (person < 5)) for person in range(10) for event in range(4)])
    low, high = stats.beta.ppf(0.025, 3.5977, 4.5977), stats.beta.ppf(0.975, 4.5977, 3.5977)
    assert (found.value, found.unit, found.note) == (50.0, "person", "")
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=0.01)


def test_people_who_are_alike_by_chance_make_nothing_surer_than_independent_documents() -> None:
    # Every one of 12 people is right half of the time. 24 documents have the variance 0.25 / 23, so they are 23 draws,
    # 11.5 of them wrong: with the 12 people 11.75 / (11.5 / 23 + 0.25 / 12) = 22.56 draws. t of 24 documents is 2.0687,
    # of 12 people 2.2010: 22.56 x (2.0687 / 2.2010)^2 = 19.930, of which half are right.
    found = interval([name(person, event, 100.0 * (event % 2)) for person in range(12) for event in range(2)])
    low = stats.beta.ppf(0.025, 9.965, 10.965)
    assert (found.low, found.high, found.note) == (
        pytest.approx(100 * low, abs=0.01), pytest.approx(100 - 100 * low, abs=0.01), "",
    )  # fmt: skip


def test_the_variance_is_that_of_the_clusters_means_where_these_are_equal_in_size() -> None:
    values = np.random.default_rng(0).random((15, 4))
    rows = tally(list(values.ravel()), [f"{i:02d}" for i in range(15) for _ in range(4)])
    found = variance(without_one(rows, figure_of), figure_of(rows.sum(0)))
    assert found == pytest.approx(stats.sem(values.mean(1)) ** 2)


def test_means_of_scores_in_the_middle_of_the_range_have_nearly_student_s_limits() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, size=(20, 1)) + np.random.default_rng(1).normal(0, 0.05, (20, 8))
    found = interval([scene(p, e, float(values[e, p])) for e in range(20) for p in range(8)])
    means = values.mean(1)
    student = stats.t.interval(0.95, 19, means.mean(), stats.sem(means))
    assert (found.low, found.high) == pytest.approx(student, abs=0.04 * (student[1] - student[0]))


def test_near_an_end_the_draws_approach_the_clusters() -> None:
    # 1 of 100 wrong in 10 clusters, as sure as 100 draws: 1.25 / (1 / 100 + 0.25 / 10) = 35.71; with half of them wrong
    # 50.25 / (50 / 100 + 0.25 / 10) = 95.71; with a millionth wrong hardly more than 10. Fewer than 10 stay.
    shares = np.array([0.99, 0.5, 1 - 1e-6])
    assert draws(shares, shares * (1 - shares) / 100, 10) == pytest.approx([35.714, 95.714, 10.0], abs=0.01)
    assert draws(np.array(0.9), np.array(0.09 / 4), 10) == pytest.approx(4)


def test_clusters_of_unequal_size_are_a_ratio() -> None:
    # One person with 91 right answers, nine with one wrong answer each. Without the big one the figure is 0, without a
    # small one 91 / 99: the jackknife's variance is 0.9 (0.91^2 + 9 (91 / 99 - 0.91)^2) = 0.74598, more than a share
    # can have. Hardly anything is known: 0.0819 / 0.74598 x (1.984 / 2.262)^2 = 0.0845 draws.
    rows = [name(0, event, 100.0) for event in range(91)] + [name(person, 0, 0.0) for person in range(1, 10)]
    found = interval(rows)
    assert found.value == 91.0
    assert found.low < 1
    assert found.high == pytest.approx(100)
