"""The evaluation documents of one target and ratio: which images are asked about in which slice, and in which order."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, zip_longest
from random import Random
from typing import TypeVar

from pebench_tasks.benchmark.asking import Asker, Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scoring import measured

CONCEPTS = ("person", "event")  # in the order of an image key, ``p000/e00``
WORLD_SPLITS = ("random", "popular", "adversarial")
Asked = TypeVar("Asked")


def documents(
    benchmark: Benchmark,
    target: str,
    forget: str | int,
    *,
    retain_all: bool = False,
    world_all: bool = False,
    known: Collection[str] | None = None,
) -> list[Document]:
    """The documents of ``target``, slices interleaved so that the first N hold all of them.

    The joint target asks about a person where the person is forgotten, about an event where the event is, and both
    questions where both are; its slices are ``person_efficacy``, ``event_efficacy`` and so on, without Scope.
    ``retain_all`` asks every retained image, ``world_all`` every World question, instead of the fixed subsets;
    ``known`` are the image keys of the public figures to ask about (None: all). A benchmark without public figures, or
    without World questions, has no such slice. The order is the same on every machine.
    """
    split = benchmark.split(target, forget)
    asker = Asker(benchmark, target, split)
    slices: dict[str, list[Document]] = {}
    for concept in CONCEPTS if target == "joint" else (target,):
        prefix = f"{concept}_" if target == "joint" else ""
        images = _images(concept, split, retain_all)
        for name, keys in images.items():
            slices[prefix + name] = [asker.about(concept, prefix + name, key) for key in keys]
        if target != "joint":
            (other,) = set(CONCEPTS) - {concept}
            slices["scope"] = [asker.about(other, "scope", key) for key in images["efficacy"]]
        slices[f"{prefix}real"] = _about_figures(benchmark, asker, concept, f"{prefix}real", known)
    slices["world"] = _about_objects(benchmark, asker, world_all)
    if short := [name for name, rows in slices.items() if not rows and measured(name) not in ("real", "world")]:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has no documents for {', '.join(short)} "
            f"({target}, {split.forget}). Build one with more people and events."
        )
    for name, rows in slices.items():
        if name != "world":  # whose kinds of question take turns
            Random(f"pebench/{name}").shuffle(rows)
    return list(interleave(slices.values()))


def both_forgotten(split: Split) -> dict[str, int]:
    """How many images of each half show a forgotten person in a forgotten event; none where one concept stays."""
    halves = {"train": split.train, "test": split.test}
    return {half: len(_forgets("person", _forgets("event", keys, split), split)) for half, keys in halves.items()}


def _images(concept: str, split: Split, retain_all: bool) -> dict[str, list[str]]:
    """The image keys of the slices that ask about the target itself."""
    return {
        "efficacy": _forgets(concept, split.train, split),
        "generality": _forgets(concept, split.test, split),
        "retain": list(split.retain if retain_all else split.retain_eval),
    }


def _forgets(concept: str, keys: Iterable[str], split: Split) -> list[str]:
    """The image keys whose person (or event) is forgotten."""
    return [key for key in keys if key.split("/")[CONCEPTS.index(concept)] in split.forget_ids]


def _about_figures(
    benchmark: Benchmark, asker: Asker, concept: str, slice_name: str, known: Collection[str] | None
) -> list[Document]:
    return [
        asker.about_figure(concept, slice_name, row)
        for row in benchmark.real
        if row["part"] == "eval"
        and (known is None or row["key"] in known)
        and (concept == "person" or row["description"])  # not every source describes its images
    ]


def _about_objects(benchmark: Benchmark, asker: Asker, every: bool) -> list[Document]:
    rows = [row for row in benchmark.world if row["part"] == "eval" and (every or row.get("fixed", True))]
    return list(interleave([asker.about_object(row) for row in rows if row["split"] == name] for name in WORLD_SPLITS))


def interleave(groups: Iterable[list[Asked]]) -> Iterator[Asked]:
    """The first of every group, the second of every group, and so on."""
    return (row for row in chain.from_iterable(zip_longest(*groups)) if row is not None)
