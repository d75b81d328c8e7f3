import math
from itertools import combinations

import pytest

from pebench_tasks.marking.leak import leak_at


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("marks", [[0.1, 0.9, 0.4, 0.4, 0.0], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.5] * 5])
def test_leak_is_the_mean_of_the_largest_over_all_ways_to_take_k(k: int, marks: list[float]) -> None:
    ways = list(combinations(marks, k))
    assert leak_at(k, marks) == pytest.approx(sum(max(way) for way in ways) / len(ways), abs=1e-12)


@pytest.mark.parametrize(("n", "right", "k"), [(32, 0, 16), (32, 1, 16), (32, 5, 4), (32, 32, 1), (32, 20, 16)])
def test_of_zeros_and_ones_it_is_the_estimate_of_pass_at_k(n: int, right: int, k: int) -> None:
    wanted = 1 - math.comb(n - right, k) / math.comb(n, k)
    assert leak_at(k, [1.0] * right + [0.0] * (n - right)) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("k", [0, 4])
def test_more_than_there_are_cannot_be_taken(k: int) -> None:
    with pytest.raises(ValueError, match=f"leak@{k} of 3 samples"):
        leak_at(k, [0.0, 1.0, 0.5])
