"""One evaluation document: the question about one image, and what the truth is."""

from collections.abc import Sequence
from typing import TypedDict

import pebench_templates

from pebench_tasks.benchmark.reading import Benchmark, Row
from pebench_tasks.benchmark.splits import Split


class Document(TypedDict):
    """A row of the table that the harness asks; every field is repeated in it, so that a row explains itself."""

    key: str  # the image's key and what is asked, ``p017/e03/scene``: joins a sample to its document
    slice: str
    kind: str  # "name", "scene" or "yesno": how the response is marked
    image: str  # its key
    question: str
    answer: str  # the truth
    person: str  # ids; "" for a public figure
    event: str
    keywords: list[str]  # of a scene
    category: str  # of a World question: "random", "popular" or "adversarial"
    target: str
    forget: str
    data: str  # fingerprints
    split: str
    template: str


class Asker:
    """Asks the questions of one target and forget set."""

    def __init__(self, benchmark: Benchmark, target: str, split: Split) -> None:
        self._benchmark, self._target, self._split = benchmark, target, split
        self._names = {row["id"]: row["name"] for row in benchmark.people}
        self._keywords = {row["id"]: row["keywords"] for row in benchmark.events}
        self._template = pebench_templates.fingerprint()

    def about(self, concept: str, slice_name: str, key: str) -> Document:
        """Who is on this image of the benchmark, or what happens there."""
        person, event = key.split("/")
        if concept == "person":
            return self._name(slice_name, key, self._names[person], person, event)
        return self._scene(slice_name, key, self._benchmark.description(key), self._keywords[event], person, event)

    def about_figure(self, concept: str, slice_name: str, row: Row) -> Document:
        """The same about a public figure's image."""
        if concept == "person":
            return self._name(slice_name, row["key"], row["name"])
        return self._scene(slice_name, row["key"], row["description"], row["keywords"])

    def about_object(self, row: Row) -> Document:
        """Whether something is on an image of World; in POPE's own words where the benchmark has them."""
        if asked := row.get("question"):
            question = pebench_templates.render("pope_question", question=asked, phrasing=0)
        else:
            question = pebench_templates.render("world_question", object=row["object"], phrasing=0)
        return self._document(
            "world", row["question_key"], "yesno", row["key"], question, row["truth"], category=row["split"]
        )

    def _name(self, slice_name: str, image: str, name: str, person: str = "", event: str = "") -> Document:
        question = pebench_templates.render("person_question", phrasing=0)
        return self._document(slice_name, f"{image}/name", "name", image, question, name, person=person, event=event)

    def _scene(
        self, slice_name: str, image: str, text: str, keywords: Sequence[str], person: str = "", event: str = ""
    ) -> Document:
        question = pebench_templates.render("scene_question", phrasing=0)
        return self._document(
            slice_name, f"{image}/scene", "scene", image, question, text, person=person, event=event, keywords=keywords
        )

    def _document(
        self,
        slice_name: str,
        key: str,
        kind: str,
        image: str,
        question: str,
        answer: str,
        *,
        person: str = "",
        event: str = "",
        keywords: Sequence[str] = (),
        category: str = "",
    ) -> Document:
        return {
            "key": key,
            "slice": slice_name,
            "kind": kind,
            "image": image,
            "question": question,
            "answer": answer,
            "person": person,
            "event": event,
            "keywords": list(keywords),
            "category": category,
            "target": self._target,
            "forget": self._split.forget,
            "data": self._benchmark.fingerprint,
            "split": self._split.split_id,
            "template": self._template,
        }
