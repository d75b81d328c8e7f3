"""How often the intervals of ``pebench_tasks.results.limits`` cover the truth, simulated: ``results/coverage.md``.

Each scenario draws the same experiment thousands of times: clusters (people, events, images) with a mean of their own
about a known truth, documents about each. How alike a cluster's documents are is the intra-cluster correlation (ICC):
0 is independent documents, 1 one answer a cluster. Beside the coverage of ours stands that of the percentile cluster
bootstrap, which the task's versions before 2.0 had. Seeded: the same command writes the same table.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pebench_tasks.files import write_whole
from pebench_tasks.results.limits import TAIL, limits
from pebench_tasks.results.paired import change
from pebench_tasks.results.tallies import bearing, figure_of

OUT = Path(__file__).parent / "results" / "coverage.md"
CLUSTERS, ICCS, TRUTHS = (10, 20, 40), (0.0, 0.2, 0.5), (0.5, 0.9, 0.97)
FEW = (2, 5, 9)
DOCUMENTS = 10  # a cluster
SPREAD = 0.25  # of scene scores: their variance as a part of the largest that their mean allows
CHUNK = 250  # experiments at once
Rows = np.ndarray  # (experiments, clusters, documents, parts)


class Experiments(NamedTuple):
    """Experiments of one scenario, and the true figure."""

    rows: Rows
    truth: float | np.ndarray  # one for all, or one an experiment
    figure: Callable[[np.ndarray], np.ndarray] = figure_of
    ends: tuple[float, float] = (0.0, 100.0)


Draw = Callable[[np.random.Generator, int, int, float, float], Experiments]


def means(rng: np.random.Generator, shape: tuple[int, ...], truth: float, icc: float) -> np.ndarray:
    """What the clusters' documents are drawn about, 0-1: a beta distribution with the variance icc p (1 - p)."""
    if icc == 0:
        return np.full(shape, truth)
    weight = 1 / icc - 1
    return rng.beta(weight * truth, weight * (1 - truth), size=shape)


def marks(values: np.ndarray, asked: np.ndarray | None = None) -> Rows:
    """Documents as ``tallies.tally`` counts them; ``asked``: which of them there are, (clusters, documents)."""
    there = np.ones_like(values) if asked is None else np.broadcast_to(asked, values.shape).astype(float)
    return np.stack([values * there, there, there], axis=-1)


def shares(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """Names, right or wrong; ten documents a cluster."""
    right = rng.random((size, clusters, DOCUMENTS)) < means(rng, (size, clusters, 1), truth, icc)
    return Experiments(marks(100.0 * right), 100 * truth)


def uneven(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """The same with 1 to 19 documents a cluster."""
    asked = np.arange(19) < np.linspace(1, 19, clusters).round()[:, None]
    right = rng.random((size, clusters, 19)) < means(rng, (size, clusters, 1), truth, icc)
    return Experiments(marks(100.0 * right, asked), 100 * truth)


def scores(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """Scene scores between 0 and 1, most of them near the ends where their mean is."""
    between = SPREAD * icc
    about = means(rng, (size, clusters, 1), truth, between)
    within = (1 - between) / (SPREAD * (1 - icc)) - 1
    found = rng.beta(within * about + 1e-9, within * (1 - about) + 1e-9, size=(size, clusters, DOCUMENTS))
    return Experiments(marks(found), truth, ends=(0.0, 1.0))


def world(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """World's mean F1: three splits with two questions an image each, one of them yes; F1 is then the share right."""
    right = rng.random((size, clusters, 6)) < means(rng, (size, clusters, 1), truth, icc)
    yes = np.arange(6) % 2 == 0
    both = right & yes
    either = np.where(right, 2.0 * yes, 1.0)
    rows = np.zeros((*right.shape, 9))
    for split in range(3):
        asked = np.arange(6) // 2 == split
        place = slice(3 * split, 3 * split + 3)
        rows[..., place] = np.stack([200.0 * both, either, np.ones_like(either)], -1) * asked[:, None]
    return Experiments(rows, 100 * truth)


def differences(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """From a model with half of the names right to one with ``truth`` of them."""
    first, second = (shares(rng, size, clusters, share, icc).rows for share in (0.5, truth))
    return Experiments(np.concatenate([first, second], axis=-1), 100 * (truth - 0.5), change, (-100.0, 100.0))


KINDS: dict[str, Draw] = {
    "share, 10 documents a cluster": shares,
    "share, 1 to 19 documents a cluster": uneven,
    "mean of scores, 10 documents a cluster": scores,
    "World F1, 6 questions an image": world,
    "difference of two shares, from 50 %": differences,
}


class Found(NamedTuple):
    """What came out for one scenario and method."""

    coverage: float
    width: float  # mean, as a part of the range

    def __str__(self) -> str:
        return f"{self.coverage:.3f} / {100 * self.width:.0f}"


def ours(one: Experiments) -> tuple[np.ndarray, np.ndarray]:
    """The limits over clusters."""
    clusters = one.rows.sum(-2)
    documents = one.rows.reshape(len(one.rows), -1, one.rows.shape[-1])
    asked = documents[:, (documents[0, :, 2::3] > 0).any(-1)]
    parts = clusters if one.figure is figure_of else np.add(*np.split(clusters, 2, axis=-1))
    value = one.figure(clusters.sum(-2))
    low, high, _ = limits(value, clusters, asked, one.figure, ends=one.ends, bearing=bearing(parts))
    return low, high


def over_documents(one: Experiments) -> tuple[np.ndarray, np.ndarray]:
    """The limits over documents, as below ten clusters."""
    return ours(one._replace(rows=one.rows.reshape(len(one.rows), -1, 1, one.rows.shape[-1])))


def bootstrap(one: Experiments) -> tuple[np.ndarray, np.ndarray]:
    """The percentile bootstrap over clusters, 1,000 resamples; where nothing varies both limits are the value."""
    clusters = one.rows.sum(-2)
    count = clusters.shape[1]
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=1000).astype(float)
    low, high = np.quantile(one.figure(weights @ clusters), [TAIL, 1 - TAIL], axis=-1)
    return low, high


Method = Callable[[Experiments], tuple[np.ndarray, np.ndarray]]


def cover(draw: Draw, method: Method, clusters: int, truth: float, icc: float, experiments: int) -> Found:
    """How often a method covers, and how wide it is, over seeded experiments."""
    rng = np.random.default_rng([clusters, round(1000 * truth), round(1000 * icc)])
    covered = width = 0.0
    for _ in range(0, experiments, CHUNK):
        one = draw(rng, CHUNK, clusters, truth, icc)
        low, high = method(one)
        covered += float(((low <= one.truth) & (one.truth <= high)).sum())
        width += float((high - low).sum()) / (one.ends[1] - one.ends[0])
    count = len(range(0, experiments, CHUNK)) * CHUNK
    return Found(covered / count, width / count)


def these(rng: np.random.Generator, size: int, clusters: int, truth: float, icc: float) -> Experiments:
    """Shares whose truth is that of the very clusters that were drawn."""
    about = means(rng, (size, clusters, 1), truth, icc)
    right = rng.random((size, clusters, DOCUMENTS)) < about
    return Experiments(marks(100.0 * right), 100 * about.mean((1, 2)))


def lines(experiments: int) -> Iterator[str]:
    """The page, line by line."""
    heads = [f"{100 * truth:.0f} %" for truth in TRUTHS]
    columns = [*heads, *(f"bootstrap, {head}" for head in heads)]
    yield from (f"# {(__doc__ or '').splitlines()[0]}", "", *INTRODUCTION)
    for title, draw in KINDS.items():
        yield from ("", f"## {title[0].upper()}{title[1:]}", "", *head(["clusters", "ICC", *columns]))
        for clusters in CLUSTERS:
            for icc in ICCS:
                found = [
                    cover(draw, method, clusters, truth, icc, experiments)
                    for method in (ours, bootstrap)
                    for truth in TRUTHS
                ]
                yield row([clusters, icc, *found])
    columns = [f"{what}, {one}" for what in ("these", "others") for one in heads]
    yield from ("", *FEWER, "", *head(["clusters", "ICC", *columns]))
    for clusters in FEW:
        for icc in ICCS:
            found = [
                cover(draw, over_documents, clusters, truth, icc, experiments)
                for draw in (these, shares)
                for truth in TRUTHS
            ]
            yield row([clusters, icc, *found])


INTRODUCTION = (
    "Written by `python benchmarks/coverage.py`. Each cell: the share of experiments whose 95 % interval holds the",
    "truth (50, 90 or 97 %), and the interval's mean width in percent of the range. Left ours, right the percentile",
    "cluster bootstrap of task versions before 2.0. ICC: intra-cluster correlation.",
)
FEWER = (
    "## Fewer than ten clusters: a share over documents",
    "",
    "The truth of these very clusters, which is what the note promises, and that of all others, which it does not.",
)


def head(names: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [row(names), "|" + " ---: |" * len(names)]


def row(cells: Sequence[object]) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, metavar="N", help="of each scenario (default: 2000)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    arguments = parser.parse_args()
    found = []
    for line in lines(arguments.experiments):
        print(line, flush=True)
        found.append(line)
    write_whole(arguments.out, "\n".join(found) + "\n")


if __name__ == "__main__":
    main()
