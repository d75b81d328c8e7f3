"""Asked without the image, by name, beside the same asked of the image: a person's facts, an event's scene.

Recipe: ``text_only`` asks for a fact about a named person (occupation, birthplace, age: what ``--facts`` teaches) or
for what a named event looks like; ``text_only_image`` asks the same of an image and names nobody. Each fact once a
person, each of two wordings once an event. The two are pairs, after UMU-Bench's accounting by modality
(``marking.pairs``); the wordings are ours.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Attack, Material, Question, Subject, Turn, about, user, words
from pebench_tasks.benchmark.reading import Row

NAMES = {False: "text_only", True: "text_only_image"}


def asking(*, image: bool) -> Attack:
    """The attack with the image, or without."""

    def ask(material: Material, subject: Subject) -> Iterator[Question]:
        asked = _fact(material, subject) if material.concept == "person" else _scene(material, subject)
        for by_name, of_image, answer, kind, parts in asked:
            turns: list[Turn] = about(subject, of_image) if image else [user(words(by_name))]
            yield Question(turns, answer, kind, parts, pair=NAMES[not image])

    return ask


Asked = tuple[str, str, str, str, tuple[str, ...]]  # by name, of the image, the truth, its kind, its parts


def _fact(material: Material, subject: Subject) -> Iterator[Asked]:
    row = material.row(subject)
    known = facts(row)
    if subject.turn < len(known):
        fact, parts = list(known.items())[subject.turn]
        by_name = pebench_templates.render("fact_question", phrasing=0, name=row["name"], fact=fact)
        of_image = pebench_templates.render("attack_fact_of_image", phrasing=0, fact=fact)
        yield by_name, of_image, ", ".join(parts), "fact", parts


def _scene(material: Material, subject: Subject) -> Iterator[Asked]:
    if subject.turn < pebench_templates.phrasings("attack_event_from_memory"):
        event = material.row(subject)["name"]
        by_name = pebench_templates.render("attack_event_from_memory", phrasing=subject.turn, event=event)
        of_image = pebench_templates.render("attack_event_on_image", phrasing=subject.turn)
        yield by_name, of_image, material.truth(subject.image), "scene", ()


def facts(person: Row) -> dict[str, tuple[str, ...]]:
    """What the benchmark holds of a person's occupation, birthplace and age, each in the parts that can be known."""
    found = {
        "occupation": (person.get("occupation"),),
        "birthplace": (person.get("city"), person.get("country")),
        "age": (person.get("age"),),
    }
    said = {fact: tuple(str(part) for part in parts if part) for fact, parts in found.items()}
    return {fact: parts for fact, parts in said.items() if parts}
