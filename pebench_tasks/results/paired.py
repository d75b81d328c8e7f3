"""Two models on the same documents: the difference of a figure, its interval, and how likely chance alone made it.

Interval: the ``limits`` of the difference in its range, from minus to plus the whole, both models in one cluster. p: a
permutation test; if the models were interchangeable, swapping their answers would change nothing. All answers about one
person (event, figure, image) are swapped together, which for a mean is flipping the sign of that cluster's difference
(Canay, Romano & Shaikh 2017, "Randomization tests under an approximate symmetry assumption", Econometrica 85,
1013-1030); it is exact for any number of clusters. All swaps are enumerated where there are at most 4,096; else 10,000
are drawn, and the observed one is counted among them, so that p is never 0 (Phipson & Smyth 2010, Stat. Appl. Genet.
Mol. Biol. 9, 39). Both are over the same clusters, so they answer the same question: below ten clusters over documents,
and then about further images of these very people or events.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pebench_tasks.marking.yes_no import predicted
from pebench_tasks.results.intervals import Observation, drawn, figure, whole
from pebench_tasks.results.limits import DIGITS, limits
from pebench_tasks.results.tallies import bearing, figure_of, tally

EXACT = 12  # clusters: 2^12 = 4,096 swaps
SWAPS = 10_000
CHUNK = 1 << 20  # cells of the matrix of swaps that are in memory at once


class Difference(NamedTuple):
    """The second model's figure minus the first one's, both over the documents that both have."""

    first: float
    second: float
    value: float  # above 0: the second is better
    low: float
    high: float
    p: float  # two-sided
    n: int  # documents that both have
    clusters: int
    unit: str  # what counts as one draw, and is swapped
    note: str
    better: int  # documents
    worse: int
    left_out: int  # documents that only one of them answered, or on which either's judgement failed


def difference(first: Sequence[Observation], second: Sequence[Observation], *, seed: int = 0) -> Difference | None:
    """Compare one figure of two models; None where they share no document. Independent of the documents' order."""
    values = [{o.key: o for o in model if o.value is not None} for model in (first, second)]
    keys = sorted(values[0].keys() & values[1].keys())
    left_out = len({o.key for model in (first, second) for o in model}) - len(keys)
    if not keys:
        return None
    pair = [[model[key] for key in keys] for model in values]
    by, unit, note, clusters = drawn(pair[0])
    a, b = (tally([o.value for o in model], by) for model in pair)
    documents = [tally([o.value for o in model], keys) for model in pair]
    figures = figure(pair[0]), figure(pair[1])
    most = whole(pair[0][0])
    found = limits(
        figures[1] - figures[0],
        np.hstack([a, b]),
        np.hstack(documents),
        change,
        ends=(-most, most),
        bearing=bearing(a + b),
    )
    marks = [(points(one), points(other)) for one, other in zip(*pair, strict=True)]
    return Difference(
        *figures,
        value=figures[1] - figures[0],
        low=float(found.low),
        high=float(found.high),
        p=_p(np.random.default_rng(seed), a, b),
        n=len(keys),
        clusters=clusters,
        unit=unit,
        note=note,
        better=sum(other > one for one, other in marks),
        worse=sum(other < one for one, other in marks),
        left_out=left_out,
    )


def change(sums: np.ndarray) -> np.ndarray:
    """The difference of added rows that hold the first model's parts, then the second one's."""
    first, second = np.split(sums, 2, axis=-1)
    return figure_of(second) - figure_of(first)


def points(observation: Observation) -> float:
    """What one document scores, in its figure's unit; World: 100 if it is right, else 0."""
    value = observation.value
    assert value is not None
    return 100.0 * (predicted(value) == value["truth"]) if isinstance(value, dict) else float(value)


def _p(rng: np.random.Generator, a: np.ndarray, b: np.ndarray) -> float:
    """The share of swaps that give a difference at least as large as the observed one, either way."""
    observed = abs(figure_of(b.sum(0)) - figure_of(a.sum(0)))
    exact = len(a) <= EXACT
    extreme = swaps = 0
    for swapped in _all_swaps(len(a)) if exact else _drawn_swaps(rng, len(a)):
        moved = swapped @ (b - a)
        differences = np.abs(figure_of(b.sum(0) - moved) - figure_of(a.sum(0) + moved))
        extreme += int((differences >= observed - 10**-DIGITS).sum())
        swaps += len(swapped)
    return extreme / swaps if exact else (extreme + 1) / (swaps + 1)


def _all_swaps(clusters: int) -> Iterator[np.ndarray]:
    yield (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(float)


def _drawn_swaps(rng: np.random.Generator, clusters: int) -> Iterator[np.ndarray]:
    step = max(1, CHUNK // clusters)
    for start in range(0, SWAPS, step):
        yield rng.integers(2, size=(min(step, SWAPS - start), clusters), dtype=np.int8).astype(float)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values, corrected for having looked at all of them (Holm 1979, Scand. J. Stat. 6, 65-70)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p, key=lambda name: p[name])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = largest
    return corrected
