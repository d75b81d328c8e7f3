"""What an attack asks, and what it may draw on: an image, the names and descriptions of others, examples.

An attack is a function ``(material, subject) -> questions``; see the registry in ``pebench_tasks.attacks``.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from random import Random
from typing import Any, Literal, NamedTuple

import pebench_templates

from pebench_tasks.benchmark.documents import CONCEPTS
from pebench_tasks.benchmark.reading import Benchmark, Row
from pebench_tasks.benchmark.splits import Split

Side = Literal["forget", "retain"]
Turn = dict[str, Any]  # {"role": "user" or "assistant", "content": [parts]}
Part = dict[str, str]  # {"image": key, "change": name of a change or ""} or {"text": words}
QUESTIONS = {"person": "person_question", "event": "scene_question"}  # templates


class Subject(NamedTuple):
    """An image that is asked about, and where it stands among those of its side."""

    image: str  # its key, ``p017/e03``
    concept: str  # what is asked about: "person" or "event"
    side: Side
    place: int  # of the person or event, among those of the side
    turn: int  # how many images of this person or event came before

    @property
    def id(self) -> str:
        """The person or event that is asked about."""
        return self.image.split("/")[CONCEPTS.index(self.concept)]

    def next_of(self, several: int) -> int:
        """Which of ``several`` forms of a question is this subject's turn: all of them for everybody, in time."""
        return (self.place + self.turn) % several


class Question(NamedTuple):
    """One question of an attack and its truth; how a response is marked is told by ``kind``."""

    turns: list[Turn]
    answer: str
    kind: str  # "name", "mention", "scene", "yesno", "choice" or "fact"
    options: tuple[str, ...] = ()  # of a choice, in the order of their letters; of a fact, its parts
    pair: str = ""  # the attack that asks the same in its other form


class Material:
    """A benchmark and a split, as attacks on one concept see them."""

    def __init__(self, benchmark: Benchmark, concept: str, split: Split) -> None:
        self.concept, self._benchmark, self._split = concept, benchmark, split
        rows = benchmark.people if concept == "person" else benchmark.events
        self._rows: dict[str, Row] = {row["id"]: row for row in rows}

    @cached_property
    def drawn(self) -> bool:
        """Whether the images were drawn, by the generator at hand, so that others can be drawn like them."""
        from pebench_tasks.benchmark.synthetic.build import GENERATOR_VERSION

        made = self._benchmark.manifest
        return (made.get("source"), made.get("generator_version")) == ("synthetic", GENERATOR_VERSION)

    def row(self, subject: Subject) -> Row:
        """All that the benchmark holds of the subject's person or event."""
        return self._rows[subject.id]

    def truth(self, image: str) -> str:
        """The name of the person on an image, or the description of what happens there."""
        if self.concept == "person":
            return str(self._rows[image.split("/")[0]]["name"])
        return self._benchmark.description(image)

    def question(self) -> str:
        """The evaluation's own question."""
        return pebench_templates.render(QUESTIONS[self.concept], phrasing=0)

    def asks(self, turns: list[Turn], subject: Subject) -> Question:
        """Who the subject is, or what happens there, asked in these turns."""
        return Question(turns, self.truth(subject.image), "name" if self.concept == "person" else "scene")

    def others(self, subject: Subject) -> list[str]:
        """The names of all other people (or events), those first that are hard to tell from the subject's.

        First those of the same gender, of these first those of the subject's own side: nobody who was taught only the
        retained ones is to find the truth by leaving out what is known.
        """
        ids = [one for one in sorted(self._rows) if one != subject.id]
        Random(f"pebench/others/{subject.image}").shuffle(ids)
        gender, forgotten = self.row(subject).get("gender"), subject.side == "forget"
        ids.sort(key=lambda one: (one in self._split.forget_ids) != forgotten)
        ids.sort(key=lambda one: self._rows[one].get("gender") != gender)
        return [str(self._rows[one]["name"]) for one in ids]

    def examples(self, subject: Subject, most: int) -> list[str]:
        """Images of up to ``most`` retained people (or events) beside the subject's, none of them ever asked about."""
        place, asked = CONCEPTS.index(self.concept), set(self._split.retain_eval)
        images: dict[str, str] = {}
        for image in self._split.retain:
            if image not in asked:
                images.setdefault(image.split("/")[place], image)
        return [image for one, image in sorted(images.items()) if one != subject.id][:most]

    def other_concept_is_kept(self, subject: Subject) -> bool:
        """Whether only the concept that is asked about can be forgotten on the subject's image."""
        (other,) = (one for one in subject.image.split("/") if one != subject.id)
        return other not in self._split.whole_ids


Attack = Callable[[Material, Subject], Iterable[Question]]


def user(*parts: Part) -> Turn:
    """A user's turn."""
    return {"role": "user", "content": list(parts)}


def assistant(text: str) -> Turn:
    """An assistant's turn, or the beginning of one."""
    return {"role": "assistant", "content": [{"text": text}]}


def picture(image: str, change: str = "", **more: str) -> Part:
    """An image, as it is or changed; ``more`` is what the change needs to know."""
    return {"image": image, "change": change, **more}


def words(text: str) -> Part:
    """Words of a turn."""
    return {"text": text}


def about(subject: Subject, text: str) -> list[Turn]:
    """A question about the subject's image, as the evaluation asks: the image, then the words."""
    return [user(picture(subject.image), words(text))]
