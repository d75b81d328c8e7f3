"""The 95 % limits of a figure whose documents come in clusters: people, events, public figures or images.

Documents about one person succeed and fail together, so a hundred of them say less than a hundred draws. Korn &
Graubard 1998 ("Confidence intervals for proportions with small expected number of positive counts estimated from survey
data", Survey Methodology 24, 193-201) ask how many independent draws would be as sure: n_eff = p (1 - p) / v, where v
is the variance of the figure p between clusters, times (t_n-1 / t_clusters-1)^2 for how badly few clusters tell v. The
limits are those of Clopper & Pearson 1934 (Biometrika 26, 404-413) for n_eff p of n_eff, so they stay inside the range
and are wide where p is near its end. v is the jackknife's, for a mean over equal clusters the usual one. Ours are:

- The same for means of scene scores, for World's F1 and for differences, mapped to 0-1: no value in a range varies more
  than right and wrong do, so there n_eff is larger and the limits are those of Student's t, bent at the ends.
- v is never below that of independent documents: that clusters happened to be alike makes nothing surer.
- Where nothing varies there is no v. Then each cluster counts once, whatever it holds: another value was met in none of
  them, so its share is at most 1 - 0.025^(1 / clusters), and it may lie at either end of the range. At 0 and at 100 %
  that is Clopper & Pearson with n_eff = clusters; 20 right answers about 10 people are 69.2 to 100 %.
- Near an end little more is known of how alike a cluster's documents are. There n_eff is averaged with the clusters:
  their harmonic mean, weighted by the rare marks met, n_eff min(p, 1 - p), and by PRIOR.

Simulated at 50, 90 and 97 % with 10, 20 and 40 clusters and intra-cluster correlations of 0, 0.2 and 0.5, the limits
cover the truth in at least 93 % of the cases (``benchmarks/coverage.py``, ``benchmarks/results/coverage.md``); the
percentile bootstrap over clusters falls to 50 %.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtrit

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
PRIOR = 0.25  # rare marks (ours): of 0.25, 0.5 and 1 all covered in 93 %, and this one's limits are the narrowest
DIGITS = 9  # of limits: what is left of the order in which a machine adds is rounded away

Figure = Callable[[np.ndarray], np.ndarray]  # added rows (..., parts) -> figure (...)


class Limits(NamedTuple):
    """Limits of one figure, or of an array of them."""

    low: np.ndarray
    high: np.ndarray
    varies: np.ndarray  # False: each cluster counted once


def limits(
    value: float | np.ndarray,
    clusters: np.ndarray,
    documents: np.ndarray,
    figure: Figure,
    *,
    ends: tuple[float, float],
    bearing: int | np.ndarray,
) -> Limits:
    """The limits of ``value``, which is ``figure`` of the added rows, between the ``ends`` of its range.

    ``clusters`` (..., clusters, parts) and ``documents`` (..., n, parts) are the same rows added up by cluster and by
    document; ``bearing`` is the number of clusters that say something about the figure.
    """
    lowest, highest = ends
    width = highest - lowest
    value = np.asarray(value, dtype=float)
    by_document = without_one(documents, figure)
    apart = np.ptp(by_document, axis=-1) * documents.shape[-2]
    varies = (value > lowest) & (value < highest) & (apart > width * 10**-DIGITS)
    spread = np.maximum(variance(without_one(clusters, figure), value), variance(by_document, value)) / width**2
    share = np.where(varies, (value - lowest) / width, 0.5)
    n, count = documents.shape[-2], clusters.shape[-2]
    low, high = korn_graubard(share, draws(share, np.where(varies, spread, 1.0), count), n, count)
    unseen = at_most_unseen(bearing)
    low = np.where(varies, lowest + width * low, value - (value - lowest) * unseen)
    high = np.where(varies, lowest + width * high, value + (highest - value) * unseen)
    return Limits(np.round(low, DIGITS), np.round(high, DIGITS), varies)


def without_one(rows: np.ndarray, figure: Figure) -> np.ndarray:
    """The figure without each of the rows (..., rows, parts) in turn, (..., rows); with all where there is but one."""
    total = rows.sum(-2, keepdims=True)
    return figure(total - rows if rows.shape[-2] > 1 else total)


def variance(without: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The jackknife's variance of ``value`` from its values without each cluster (..., clusters)."""
    clusters = without.shape[-1]
    return np.asarray((clusters - 1) / clusters * ((without - value[..., None]) ** 2).sum(-1))


def draws(share: np.ndarray, spread: np.ndarray, clusters: int) -> np.ndarray:
    """How many independent draws vary as a share, 0-1 and neither, of the variance ``spread`` (not 0) does.

    Towards the ends of the range no more than there are clusters.
    """
    found = share * (1 - share) / spread
    rare = found * np.minimum(share, 1 - share)
    return np.asarray(np.minimum(found, (rare + PRIOR) / (rare / found + PRIOR / clusters)))


def korn_graubard(share: np.ndarray, draws: np.ndarray, n: int, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """The limits of a share, 0-1 and neither, of so many independent draws, which ``n`` documents in clusters told."""
    effective = draws * (stdtrit(n - 1, TAIL) / stdtrit(clusters - 1, TAIL)) ** 2
    right, wrong = effective * share, effective * (1 - share)
    return betaincinv(right, wrong + 1, TAIL), betaincinv(right + 1, wrong, 1 - TAIL)


def at_most_unseen(clusters: int | np.ndarray) -> np.ndarray:
    """The share of all clusters of which none is among ``clusters`` with a probability of 2.5 %; 1 without any."""
    count = np.asarray(clusters, dtype=float)
    return np.where(count > 0, 1 - TAIL ** (1 / np.maximum(count, 1)), 1.0)
