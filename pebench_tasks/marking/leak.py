"""leak@k: how much the worst of k sampled answers is expected to give away (arXiv 2511.04934).

From n >= k samples of a document, without drawing any more: the mean, over all ways to take k of them, of the largest
mark. For marks of 0 and 1, c of them 1, that is 1 - C(n - c, k) / C(n, k), the unbiased estimate that pass@k uses
(arXiv 2107.03374); for graded marks the order statistics say it: the i-th smallest of n is the largest of k taken in
C(i - 1, k - 1) of the C(n, k) ways.
"""

import math
from collections.abc import Sequence


def leak_at(k: int, marks: Sequence[float]) -> float:
    """The expected largest of k of these marks; ValueError for fewer marks than k, or k below 1."""
    if not 1 <= k <= len(marks):
        raise ValueError(f"leak@{k} of {len(marks)} samples: k is at least 1 and at most their number")
    ways = math.comb(len(marks), k)
    ordered = sorted(marks)
    return math.fsum(mark * (math.comb(below, k - 1) / ways) for below, mark in enumerate(ordered))
