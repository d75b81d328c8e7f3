"""Figures added up by cluster: what the limits of a figure and the tests of a difference are computed from."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from pebench_tasks.marking.yes_no import predicted

PARTS = 3  # of each ratio that a figure is the mean of: what stands above, what below, and documents


def tally(values: Sequence[Any], clusters: Sequence[str]) -> np.ndarray:
    """The additive parts of a figure, (clusters, parts), by cluster (of each value) in alphabetical order.

    Values are numbers, or ``yes_no.YesNo`` documents. A mean is one ratio of (sum, n, n). World is one for each of its
    splits, F1 in percent: (200 x yes and right, answered yes + truly yes, n).
    """
    members: defaultdict[str, list[Any]] = defaultdict(list)
    for cluster, value in zip(clusters, values, strict=True):
        members[cluster].append(value)
    if not isinstance(values[0], dict):
        return np.array([[math.fsum(v), len(v), len(v)] for _, v in sorted(members.items())])
    splits = sorted({value["split"] for value in values})
    place = {split: PARTS * i for i, split in enumerate(splits)}
    rows = np.zeros((len(members), PARTS * len(splits)))
    for row, (_, documents) in zip(rows, sorted(members.items()), strict=True):
        for document in documents:
            at, answer = place[document["split"]], predicted(document)
            truths = (answer == "yes") + (document["truth"] == "yes")
            row[at : at + PARTS] += (200 * (truths == 2), truths, 1)
    return rows


def figure_of(sums: np.ndarray) -> np.ndarray:
    """The figure of added rows (..., parts), as ``scoring.mean`` and ``yes_no.mean_f1`` have it.

    0/0, an F1 without a yes, is 100, and a ratio without documents is left out.
    """
    above, below, n = (sums[..., part::PARTS] for part in range(PARTS))
    ratios = np.where(below > 0, above / np.maximum(below, 1), 100.0)
    return np.asarray(np.where(n > 0, ratios, 0.0).sum(-1) / (n > 0).sum(-1))


def bearing(rows: np.ndarray) -> np.ndarray:
    """How many clusters (..., clusters, parts) say something about a figure: of its ratios the one with the fewest.

    An image without a yes, in truth or answer, says nothing about an F1.
    """
    below, n = rows[..., 1::PARTS], rows[..., 2::PARTS]
    counts = np.where((n > 0).any(-2), (below > 0).sum(-2), rows.shape[-2])
    return np.asarray(counts.min(-1))
