"""Distances of samples, membership and the bootstrap over clusters: by hand, and as scipy has them."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, mannwhitneyu

from pebench_tasks.results.distributions import BINS, auc, bootstrap, js, ks, priv_leak


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rounded, so that some values occur in both."""
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(-2, 1, 30), 1).clip(max=0), np.round(rng.normal(-3, 2, 17), 1).clip(max=0)


def test_ks_is_the_largest_distance_of_the_distribution_functions() -> None:
    """At 2 all of the first lie at or below, and a half of the second."""
    assert ks([1, 2], [2, 3]) == 0.5
    assert ks([1, 2], [1, 2]) == 0
    assert ks([1, 2], [3]) == 1


def test_js_is_one_where_no_bin_is_shared_and_counts_what_lies_beyond_in_the_outer_bins() -> None:
    assert js([-0.1], [-9.9]) == 1
    assert js([-0.1, -9.9], [-0.2, -500.0]) == 0
    # Shares (1, 0) and (1/2, 1/2): middle (3/4, 1/4); [log2(4/3) + (log2(2/3) + log2(2)) / 2] / 2
    expected = (math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2
    assert js([-0.1, -0.1], [-0.1, -5.1]) == pytest.approx(math.sqrt(expected))


def test_auc_counts_pairs_and_ties_half() -> None:
    """Of the four pairs 3 > 1, 3 > 2 and 2 > 1 are won, and 2 = 2 is a draw."""
    assert auc([3, 2], [1, 2]) == 3.5 / 4
    assert auc([1], [2]) == 0
    assert auc([1, 1], [1]) == 0.5


def test_priv_leak_is_relative_to_goal() -> None:
    assert priv_leak(0.9, 0.6) == pytest.approx(0.5)
    assert priv_leak(0.5, 0.5) == 0
    assert priv_leak(0.3, 0.6) == -0.5


@pytest.mark.parametrize("seed", range(5))
def test_all_agree_with_scipy(seed: int) -> None:
    one, other = samples(seed)
    assert ks(one, other) == pytest.approx(ks_2samp(one, other).statistic)
    p, q = (np.histogram(values.clip(BINS[0]), BINS)[0] for values in (one, other))
    assert js(one, other) == pytest.approx(jensenshannon(p, q, base=2))
    assert auc(one, other) == pytest.approx(mannwhitneyu(one, other).statistic / (len(one) * len(other)))


def test_without_values_there_is_no_distance() -> None:
    for distance in (ks, js, auc):
        with pytest.raises(ValueError, match="without values"):
            distance([], [1.0])


def test_clusters_are_drawn_whole_and_with_both_samples() -> None:
    """Two clusters, whose values are 0 and 1 in the model and 0 in Goal: of two draws none, one or both are 1."""
    seen: set[tuple[tuple[float, ...], tuple[float, ...]]] = set()

    def statistic(one: np.ndarray, other: np.ndarray) -> float:
        seen.add((tuple(one), tuple(other)))
        return float(one.mean())

    low, high = bootstrap([{"a": [[0.0, 0.0], [5.0, 5.0]], "b": [[1.0], [6.0]]}], statistic, draws=200)
    assert (low, high) == (0, 1)
    a, b = ((0.0, 0.0), (5.0, 5.0)), ((1.0,), (6.0,))
    assert seen == {tuple(x + y for x, y in zip(first, second, strict=True)) for first in (a, b) for second in (a, b)}


def test_strata_are_drawn_apart_and_the_same_seed_gives_the_same_limits() -> None:
    strata = [{str(i): [[float(i)]] for i in range(6)}, {str(i): [[float(i) - 2]] for i in range(4)}]
    found = bootstrap(strata, auc)
    assert bootstrap(strata, auc) == found
    assert 0.5 < found[0] < auc(range(6), range(-2, 2)) < found[1] == 1
