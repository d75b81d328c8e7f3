"""The evaluation documents of one target and ratio: what is asked, of which image, and what the truth is."""

from collections.abc import Callable, Collection, Iterable
from itertools import chain, zip_longest
from random import Random
from typing import Any

import pebench_templates

from pebench_tasks.benchmark.reading import Benchmark, Row
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scoring import measured

Document = dict[str, Any]
CONCEPTS = ("person", "event")  # in the order of an image key, ``p000/e00``
WORLD_SPLITS = ("random", "popular", "adversarial")


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
    people = {row["id"]: row for row in benchmark.people}
    events = {row["id"]: row for row in benchmark.events}
    common = {
        "target": target,
        "forget": split.forget,
        "data": benchmark.fingerprint,
        "split": split.split_id,
        "template": pebench_templates.fingerprint(),
    }

    def name_document(slice_name: str, key: str, person: str, event: str, name: str) -> Document:
        question = pebench_templates.render("person_question", phrasing=0)
        return _document(common, slice_name, f"{key}/name", "name", key, question, name, person=person, event=event)

    def scene_document(
        slice_name: str, key: str, person: str, event: str, answer: str, keywords: list[str]
    ) -> Document:
        question = pebench_templates.render("scene_question", phrasing=0)
        return _document(
            common, slice_name, f"{key}/scene", "scene", key, question, answer,
            person=person, event=event, keywords=keywords,
        )  # fmt: skip

    def about_person(slice_name: str, key: str) -> Document:
        person, event = key.split("/")
        return name_document(slice_name, key, person, event, people[person]["name"])

    def about_event(slice_name: str, key: str) -> Document:
        person, event = key.split("/")
        return scene_document(slice_name, key, person, event, benchmark.description(key), events[event]["keywords"])

    def about_figure(slice_name: str, row: Document, concept: str) -> Document:
        if concept == "person":
            return name_document(slice_name, row["key"], "", "", row["name"])
        return scene_document(slice_name, row["key"], "", "", row["description"], row["keywords"])

    questions: dict[str, Callable[[str, str], Document]] = {"person": about_person, "event": about_event}
    real = [row for row in benchmark.real if row["part"] == "eval" and (known is None or row["key"] in known)]
    slices: dict[str, list[Document]] = {}
    for concept in CONCEPTS if target == "joint" else (target,):
        ask, prefix = questions[concept], f"{concept}_" if target == "joint" else ""
        train, test = (_forgets(concept, keys, split) for keys in (split.train, split.test))
        retain = split.retain if retain_all else split.retain_eval
        slices[f"{prefix}efficacy"] = [ask(f"{prefix}efficacy", key) for key in train]
        slices[f"{prefix}generality"] = [ask(f"{prefix}generality", key) for key in test]
        slices[f"{prefix}retain"] = [ask(f"{prefix}retain", key) for key in retain]
        if target != "joint":
            (other,) = set(CONCEPTS) - {concept}
            slices["scope"] = [questions[other]("scope", key) for key in train]
        slices[f"{prefix}real"] = [
            about_figure(f"{prefix}real", row, concept) for row in real if concept == "person" or row["description"]
        ]
    slices["world"] = _world_documents(benchmark, common, world_all)
    if short := [name for name, rows in slices.items() if not rows and measured(name) not in ("real", "world")]:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has no documents for {', '.join(short)} "
            f"({target}, {split.forget}). Build one with more people and events."
        )
    for name, rows in slices.items():
        if name != "world":
            Random(f"pebench/{name}").shuffle(rows)
    return list(_interleave(slices.values()))


def both_forgotten(split: Split) -> dict[str, int]:
    """How many images of each half show a forgotten person in a forgotten event; none where one concept stays."""
    halves = {"train": split.train, "test": split.test}
    return {half: len(_forgets("person", _forgets("event", keys, split), split)) for half, keys in halves.items()}


def _forgets(concept: str, keys: Iterable[str], split: Split) -> list[str]:
    """The image keys whose person (or event) is forgotten."""
    return [key for key in keys if key.split("/")[CONCEPTS.index(concept)] in split.forget_ids]


def _document(
    common: Document,
    slice_name: str,
    key: str,
    kind: str,
    image: str,
    question: str,
    answer: str,
    *,
    person: str = "",
    event: str = "",
    keywords: Iterable[str] = (),
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
        **common,
    }


def _world_documents(benchmark: Benchmark, common: Document, every: bool) -> list[Document]:
    rows = [row for row in benchmark.world if row["part"] == "eval" and (every or row.get("fixed", True))]
    by_split = [
        [
            _document(
                common, "world", row["question_key"], "yesno", row["key"],
                _world_question(row), row["truth"],
                category=row["split"],
            )
            for row in rows
            if row["split"] == split
        ]
        for split in WORLD_SPLITS
    ]  # fmt: skip
    return list(_interleave(by_split))


def _world_question(row: Row) -> str:
    """POPE's own words where the benchmark has them."""
    if question := row.get("question"):
        return pebench_templates.render("pope_question", question=question, phrasing=0)
    return pebench_templates.render("world_question", object=row["object"], phrasing=0)


def _interleave(groups: Iterable[list[Document]]) -> Iterable[Document]:
    return (row for row in chain.from_iterable(zip_longest(*groups)) if row is not None)
