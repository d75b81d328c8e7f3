"""How far apart two samples of numbers are, and how well one number tells members from others.

Distances are statistics and no p-values: of few concepts a p-value says how many documents there are. Intervals are
percentiles of a bootstrap over whole clusters, those of several samples of one document drawn together. A distance
between samples of two equal models is above 0 by chance, and the bootstrap's more so: its lower limit says little, and
what a distance means is told by that of a second Goal.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pebench_tasks.results.limits import TAIL

# Mean log-probabilities of a token: 20 bins of 0.5 from -10 to 0, the first with all that is lower.
BINS = np.linspace(-10.0, 0.0, 21)
DRAWS = 1000
Values = Sequence[float] | np.ndarray
Clusters = Mapping[str, Sequence[Sequence[float]]]  # by cluster: its values in each of the samples


def ks(one: Values, other: Values) -> float:
    """The statistic D of Kolmogorov and Smirnov, 0-1: the largest distance of the two distribution functions."""
    first, second = np.sort(np.asarray(one, float)), np.sort(np.asarray(other, float))
    _refuse_empty(first, second)
    places = np.concatenate([first, second])
    below = [np.searchsorted(values, places, side="right") / len(values) for values in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def js(one: Values, other: Values, bins: np.ndarray = BINS) -> float:
    """The distance of Jensen and Shannon, 0-1: the root of the divergence, in bits, of the shares in each of ``bins``.

    What lies beyond the outer ones is counted in them.
    """
    _refuse_empty(np.asarray(one), np.asarray(other))
    p, q = (
        np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] / len(values)
        for values in (np.asarray(one, float), np.asarray(other, float))
    )
    middle = (p + q) / 2
    divergence = sum(
        float((share[share > 0] * np.log2(share[share > 0] / middle[share > 0])).sum()) / 2 for share in (p, q)
    )
    return float(np.sqrt(max(0.0, divergence)))


def auc(members: Values, others: Values) -> float:
    """How often a member has the higher value than another, 0-1, draws counted half: 0.5 tells nothing."""
    high, low = np.asarray(members, float), np.sort(np.asarray(others, float))
    _refuse_empty(high, low)
    wins = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(wins.mean() / (2 * len(low)))


def priv_leak(found: float, of_goal: float) -> float:
    """(AUC - AUC of Goal) / AUC of Goal, of MUSE (arXiv 2407.06460): 0 is best, above it is leaked, below over-done.

    ``ZeroDivisionError`` for a Goal whose AUC is 0.
    """
    return (found - of_goal) / of_goal


def bootstrap(
    strata: Sequence[Clusters], statistic: Callable[..., float], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The limits of 95 % of ``statistic`` of all samples of all ``strata``, whose clusters are drawn apart."""
    rng = np.random.default_rng(seed)
    ready = [[[np.asarray(one, float) for one in samples] for _, samples in sorted(rows.items())] for rows in strata]
    found = []
    for _ in range(draws):
        samples: list[np.ndarray] = []
        for rows in ready:
            chosen = [rows[place] for place in rng.integers(len(rows), size=len(rows))]
            samples += [np.concatenate(parts) for parts in zip(*chosen, strict=True)]
        found.append(statistic(*samples))
    low, high = np.quantile(found, [TAIL, 1 - TAIL])
    return float(low), float(high)


def _refuse_empty(*samples: np.ndarray) -> None:
    if not all(map(len, samples)):
        raise ValueError("a sample without values is at no distance")
