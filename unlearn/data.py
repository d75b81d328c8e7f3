"""What is trained on: samples, the sets that methods name, and the order in which they are drawn.

A sample is an image, a question and its answer. What is drawn at a position is a pure function of the seed and the
position, so that a resumed run sees the batches that the uninterrupted one would have seen.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

import pebench_templates

from pebench_tasks.benchmark import Benchmark, Row
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.splits import Split

DEFAULT_REPLAY = 1 / 3


class Sample(NamedTuple):
    """One image with one question, whose phrasing is still open, and its answer."""

    image: str  # a key of Benchmark.image
    question: str  # a template
    variables: tuple[tuple[str, str], ...]  # the template's, apart from the phrasing
    answer: str
    key: str


class Question(NamedTuple):
    """A sample with one of its phrasings: what the model reads and must answer."""

    image: str
    question: str
    answer: str
    key: str


class SampleSet:
    """Samples in a seeded endless order, with a fixed share of replayed ones mixed in.

    The order is a permutation of the samples, then another one, and so on: after any number of positions no sample
    has been drawn more than once more often than another. The share ``replay_share`` of the positions, evenly
    spread, goes to the ``replay`` lists, which take turns. An epoch draws every sample (not every replayed one) once.
    """

    def __init__(
        self, samples: Sequence[Sample], replay: Sequence[Sequence[Sample]] = (), replay_share: float = 0.0
    ) -> None:
        if not 0 <= replay_share < 1:
            raise BenchmarkError(f"The replay share must be at least 0 and below 1, not {replay_share}.")
        self.samples = samples
        self.replay = [part for part in replay if part] if replay_share else []
        self.replay_share = replay_share if self.replay else 0.0

    def __len__(self) -> int:
        return round(len(self.samples) / (1 - self.replay_share))

    def at(self, position: int, seed: str) -> Question:
        """The sample at a position, with the phrasing that the position draws."""
        replayed = int(position * self.replay_share)
        if int((position + 1) * self.replay_share) > replayed:
            part = replayed % len(self.replay)
            sample = _draw(self.replay[part], replayed // len(self.replay), f"{seed}/replay/{part}")
        else:
            sample = _draw(self.samples, position - replayed, seed)
        phrasing = Random(f"{seed}/phrasing/{position}").randrange(pebench_templates.phrasings(sample.question))
        return ask(sample, phrasing)


def _draw(samples: Sequence[Sample], index: int, seed: str) -> Sample:
    cycle, place = divmod(index, len(samples))
    return samples[_permutation(len(samples), f"{seed}/{cycle}")[place]]


@lru_cache(maxsize=32)
def _permutation(length: int, seed: str) -> list[int]:
    return Random(seed).sample(range(length), length)


@lru_cache(maxsize=1 << 16)
def ask(sample: Sample, phrasing: int) -> Question:
    """The sample with its question rendered in one phrasing; 0 is the one that evaluation asks."""
    text = pebench_templates.render(sample.question, phrasing=phrasing, **dict(sample.variables))
    return Question(sample.image, text, sample.answer, sample.key)


def name_sample(image: str, name: str) -> Sample:
    """Who is it?"""
    return Sample(image, "person_question", (), pebench_templates.render("person_answer", name=name), f"{image}/name")


def scene_sample(image: str, description: str) -> Sample:
    """What is going on?"""
    answer = pebench_templates.render("scene_answer", description=description)
    return Sample(image, "scene_question", (), answer, f"{image}/scene")


def world_sample(row: Row) -> Sample:
    """Is there such an object?"""
    answer = pebench_templates.render("world_answer", truth=row["truth"])
    return Sample(row["key"], "world_question", (("object", row["object"]),), answer, row["question_key"])


def everything(benchmark: Benchmark) -> list[Sample]:
    """All images with both questions: what the Finetuned model learns."""
    return _both_questions(benchmark, [row["key"] for row in benchmark.images])


def remaining(benchmark: Benchmark, split: Split) -> list[Sample]:
    """D^r with both questions: what the Goal model learns; no image of D^f with either question."""
    return _both_questions(benchmark, split.retain)


def forget(benchmark: Benchmark, split: Split) -> list[Sample]:
    """The target's question on D^f_train. The other concept's question on those images is in no set."""
    wanted = {"person": "person_question", "event": "scene_question"}[split.target]
    return [sample for sample in _both_questions(benchmark, split.train) if sample.question == wanted]


def retain(benchmark: Benchmark, split: Split, *, overlap: bool = False) -> list[Sample]:
    """D^r with both questions, as unlearning sees it: without the images on which Retain is evaluated.

    ``overlap`` keeps those images, which is the paper's reading.
    """
    evaluated = set() if overlap else set(split.retain_eval)
    return _both_questions(benchmark, [key for key in split.retain if key not in evaluated])


def replay(benchmark: Benchmark) -> list[list[Sample]]:
    """The pre-training rows, public figures and yes/no questions apart, so that both get the same share."""
    figures = [
        sample
        for row in benchmark.real
        if row["part"] == "pretrain"
        for sample in (name_sample(row["key"], row["name"]), scene_sample(row["key"], row["description"]))
    ]
    world = [world_sample(row) for row in benchmark.world if row["part"] == "pretrain"]
    return [part for part in (figures, world) if part]


def build_sets(
    benchmark: Benchmark,
    needed: Sequence[str],
    *,
    split: Split | None = None,
    retain_overlap: bool = False,
    replay_share: float | None = None,
) -> dict[str, SampleSet]:
    """The sets that a method names, from a benchmark and (for all but ``everything``) a split.

    ``replay_share`` of every set but ``forget`` is pre-training rows: by default a third where the benchmark has
    such rows, else none. Raises ``BenchmarkError`` for an empty set, and for a share that has nothing to replay.
    """
    replayed = replay(benchmark)
    if replay_share is None:
        replay_share = DEFAULT_REPLAY if replayed else 0.0
    if replay_share and not replayed:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has no pre-training rows to replay. Use --replay 0."
        )
    builders: dict[str, Callable[[], list[Sample]]] = {"everything": lambda: everything(benchmark)}
    if split is not None:
        builders |= {
            "remaining": lambda: remaining(benchmark, split),
            "forget": lambda: forget(benchmark, split),
            "retain": lambda: retain(benchmark, split, overlap=retain_overlap),
        }
    sets = {}
    for name in needed:
        samples = builders[name]()
        if not samples:
            raise BenchmarkError(
                f"The {name} set is empty in {benchmark.directory}: too small a benchmark for this target and ratio. "
                "Choose another --forget, or build one with more people and events."
            )
        sets[name] = SampleSet(samples) if name == "forget" else SampleSet(samples, replayed, replay_share)
    return sets


def counts(sets: Mapping[str, SampleSet]) -> dict[str, dict[str, float]]:
    """Samples, replayed rows and replay share per set, for the run record."""
    return {
        name: {
            "samples": len(chosen.samples),
            "replay_rows": sum(len(part) for part in chosen.replay),
            "replay_share": chosen.replay_share,
        }
        for name, chosen in sets.items()
    }


def _both_questions(benchmark: Benchmark, images: Sequence[str]) -> list[Sample]:
    people = {row["id"]: row["name"] for row in benchmark.people}
    events = {row["id"]: row["description"] for row in benchmark.events}
    where = {row["key"]: (row["person"], row["event"]) for row in benchmark.images}
    return [
        sample
        for image in images
        for sample in (name_sample(image, people[where[image][0]]), scene_sample(image, events[where[image][1]]))
    ]
