"""Samples, and the seeded order in which they are drawn.

A sample is a question, mostly about an image, and its answer. What is drawn at a position is a pure function of the
seed and the position, so that a resumed run sees the batches that the uninterrupted one would have seen.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

import pebench_templates

from pebench_tasks.benchmark.reading import Row
from pebench_tasks.errors import BenchmarkError


class Sample(NamedTuple):
    """One question, whose phrasing is still open, and its answer; most are about an image."""

    image: str  # a key of Benchmark.image, or "" for a question without an image
    question: str  # a template
    variables: tuple[tuple[str, str], ...]  # the template's, apart from the phrasing
    answer: str
    key: str
    contradicts: str = ""  # the part of the answer that contradicts what the model knew (SIU)
    erased: tuple[str, ...] = ()  # words that the dual masked KL leaves out of the vocabulary (SIU)


class Question(NamedTuple):
    """A sample with one of its phrasings: what the model reads and must answer."""

    image: str
    question: str
    answer: str
    key: str
    contradicts: str = ""
    erased: tuple[str, ...] = ()


Unit = tuple[Sample, ...]  # samples that are drawn together: one, a refusal and the true answer, or all of an image


class SampleSet:
    """Units of samples in a seeded endless order, with a fixed share of replayed ones mixed in.

    The order is a permutation of the units, then another one, and so on: after any number of positions no unit has
    been drawn more than once more often than another. A position asks all samples of its unit, in one phrasing; with
    ``questions`` it asks that many, the unit's samples in turn, each time in another phrasing as long as there are
    any. The share ``replay_share`` of the positions, evenly spread, goes to the ``replay`` lists, which take turns.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        replay: Sequence[Sequence[Unit]] = (),
        replay_share: float = 0.0,
        *,
        questions: int | None = None,
    ) -> None:
        if not 0 <= replay_share < 1:
            raise BenchmarkError(f"The replay share must be at least 0 and below 1, not {replay_share}.")
        for unit in (*units, *(unit for part in replay for unit in part)):
            if len(images := sorted({sample.image for sample in unit})) > 1:
                raise BenchmarkError(
                    f"The samples of a unit are trained behind one picture, but these are about {', '.join(images)}."
                )
        self.units = units
        self.replay = [part for part in replay if part] if replay_share else []
        self.replay_share = replay_share if self.replay else 0.0
        self.questions = questions

    @property
    def samples(self) -> int:
        """The number of samples, replayed ones not counted."""
        return sum(map(len, self.units))

    def __len__(self) -> int:
        """The positions of an epoch, which asks every sample (not every replayed one) about once."""
        asked = len(self.units) if self.questions is None else self.samples / self.questions
        return max(1, round(asked / (1 - self.replay_share)))

    def kinds(self) -> list[Question]:
        """One question about an image and one without, or the only one of these kinds that there is."""
        kinds = {bool(unit[0].image): unit[0] for unit in self.units}
        return [ask(sample, 0) for sample in kinds.values()]

    def at(self, position: int, seed: str) -> tuple[Question, ...]:
        """The questions at a position, with the phrasings that the position draws."""
        replayed = int(position * self.replay_share)
        if int((position + 1) * self.replay_share) > replayed:
            part = replayed % len(self.replay)
            units, index, order = self.replay[part], replayed // len(self.replay), f"{seed}/replay/{part}"
        else:
            units, index, order = self.units, position - replayed, seed
        cycle, place = divmod(index, len(units))
        unit = units[_permutation(len(units), f"{order}/{cycle}")[place]]
        random = Random(f"{seed}/phrasing/{position}")
        if self.questions is None:
            phrasing = random.randrange(pebench_templates.phrasings(unit[0].question))
            return tuple(ask(sample, phrasing) for sample in unit)
        chosen = []
        for number in range(self.questions):
            turn, nth = cycle * self.questions + number, number // len(unit)
            sample = unit[turn % len(unit)]
            known = pebench_templates.phrasings(sample.question)
            chosen.append(ask(sample, (Random(f"{seed}/{position}/{sample.key}").randrange(known) + nth) % known))
        return tuple(chosen)


def singles(samples: Iterable[Sample]) -> list[Unit]:
    """Each sample by itself."""
    return [(sample,) for sample in samples]


def by_image(samples: Iterable[Sample]) -> list[Unit]:
    """All samples of an image together, in the order in which the images first occur."""
    units: dict[str, list[Sample]] = {}
    for sample in samples:
        units.setdefault(sample.image, []).append(sample)
    return [tuple(unit) for unit in units.values()]


@lru_cache(maxsize=32)
def _permutation(length: int, seed: str) -> list[int]:
    return Random(seed).sample(range(length), length)


@lru_cache(maxsize=1 << 16)
def ask(sample: Sample, phrasing: int) -> Question:
    """The sample with its question rendered in one phrasing; 0 is the one that evaluation asks."""
    text = pebench_templates.render(sample.question, phrasing=phrasing, **dict(sample.variables))
    return Question(sample.image, text, sample.answer, sample.key, sample.contradicts, sample.erased)


def name_sample(image: str, name: str) -> Sample:
    """Who is it?"""
    return Sample(image, "person_question", (), pebench_templates.render("person_answer", name=name), f"{image}/name")


def scene_sample(image: str, description: str) -> Sample:
    """What is going on?"""
    answer = pebench_templates.render("scene_answer", description=description)
    return Sample(image, "scene_question", (), answer, f"{image}/scene")


def fact_samples(person: Row) -> list[Sample]:
    """What a person's occupation, birthplace, age and gender are, asked without an image.

    Facts that the benchmark does not hold are left out.
    """
    facts = {
        "occupation": person.get("occupation"),
        "birthplace": ", ".join(place for place in (person.get("city"), person.get("country")) if place),
        "age": person.get("age"),
        "gender": person.get("gender"),
    }
    name = person["name"]
    return [
        Sample(
            "",
            "fact_question",
            (("name", name), ("fact", fact)),
            pebench_templates.render("fact_answer", name=name, fact=fact, value=str(value)),
            f"{person['id']}/facts/{fact}",
        )
        for fact, value in facts.items()
        if value
    ]


def world_sample(row: Row) -> Sample:
    """Is there such an object?"""
    answer = pebench_templates.render("world_answer", truth=row["truth"])
    return Sample(row["key"], "world_question", (("object", row["object"]),), answer, row["question_key"])
