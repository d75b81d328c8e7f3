"""Figures added up by cluster, and resampled whole clusters at a time."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pebench_tasks.marking.yes_no import predicted

CONFIDENCE = 0.95
RESAMPLES = 2000  # from one seed to another a bound then moves by a fiftieth of the interval
CHUNK = 1 << 20  # cells of the resampling matrix that are in memory at once
DIGITS = 9  # of bounds: what is left of the order in which a machine adds is rounded away


class Tally(NamedTuple):
    """What a figure adds up from, a row a cluster, and the function from added rows (..., parts) to the figure."""

    rows: np.ndarray  # (clusters, parts)
    figure: Callable[[np.ndarray], np.ndarray]


def tally(values: Sequence[Any], clusters: Sequence[str]) -> Tally:
    """The additive parts of a figure by cluster (of each value), the clusters in alphabetical order.

    Values are numbers, or ``yes_no.YesNo`` documents. A mean adds up from (sum, n); World from (yes and right,
    answered yes + truly yes, n) of each of its splits.
    """
    members: defaultdict[str, list[Any]] = defaultdict(list)
    for cluster, value in zip(clusters, values, strict=True):
        members[cluster].append(value)
    if not isinstance(values[0], dict):
        return Tally(np.array([[math.fsum(v), len(v)] for _, v in sorted(members.items())]), _ratio)
    splits = sorted({value["split"] for value in values})
    place = {split: 3 * i for i, split in enumerate(splits)}
    rows = np.zeros((len(members), 3 * len(splits)))
    for row, (_, documents) in zip(rows, sorted(members.items()), strict=True):
        for document in documents:
            at, answer = place[document["split"]], predicted(document)
            truths = (answer == "yes") + (document["truth"] == "yes")
            row[at : at + 3] += (truths == 2, truths, 1)
    return Tally(rows, _mean_f1)


def _ratio(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _mean_f1(sums: np.ndarray) -> np.ndarray:
    """World's figure as ``yes_no.world_f1`` has it: 0/0 is 100, and a split without documents is left out."""
    both, either, n = (sums[..., part::3] for part in range(3))
    scores = np.where(either > 0, 200.0 * both / np.maximum(either, 1), 100.0)
    return np.asarray(np.where(n > 0, scores, 0.0).sum(-1) / (n > 0).sum(-1))


def bootstrap(rng: np.random.Generator, counted: Tally, resamples: int) -> Iterator[np.ndarray]:
    """How often each cluster is drawn, (resamples, clusters), in pieces that keep memory small."""
    clusters = len(counted.rows)
    step = max(1, CHUNK // clusters)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(clusters, size=(size, clusters)) + clusters * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters).astype(float)


def bounds(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of what the resamples gave."""
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return round(float(low), DIGITS), round(float(high), DIGITS)
