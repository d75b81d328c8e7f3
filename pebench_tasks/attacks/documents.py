"""The documents of the robust tasks: which images are attacked on which side, and all that is asked about them.

``forget``: images of forgotten concepts that were kept from unlearning (D^f_test), all concepts evenly. ``retain``: as
many images of the Retain evaluation, of as many retained concepts where these have so many images, else of as many as
it takes. Both are drawn once from fixed seeds, the same on every machine and for every attack, ``CAP`` documents a
slice and side at the most.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import chain, islice, zip_longest
from random import Random

import pebench_templates

from pebench_tasks.attacks import CAP, QUESTION_ATTACKS
from pebench_tasks.attacks.asking import Attack, Material, Question, Side, Subject
from pebench_tasks.benchmark.asking import Document
from pebench_tasks.benchmark.documents import CONCEPTS, interleave
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError

KINDS = {"person": "name", "event": "scene"}


class RobustDocument(Document):
    """A document of a robust task; ``kind`` is also "mention", "choice" or "fact" here, ``category`` is empty."""

    concept: str  # "person" or "event"
    attack: str
    side: str
    cluster: str  # id of the concept, by which intervals go
    turns: str  # the conversation, as JSON
    options: list[str]  # of a choice, or the parts of a fact
    pair: str  # key of the document that asks the same in its other form, or ""


def robust_documents(
    benchmark: Benchmark, concept: str, target: str, forget: str | int, attacks: Collection[str] = ()
) -> list[RobustDocument]:
    """The documents on one concept of a model that forgot ``target`` ("joint" forgets both), slices interleaved.

    ``attacks`` are those to be asked, none: all. An attack for which the benchmark lacks something has no documents.
    Raises ``BenchmarkError`` where nothing can be asked.
    """
    split = benchmark.split(target, forget)
    material = Material(benchmark, concept, split)
    asked = {name: attack for name, attack in QUESTION_ATTACKS.items() if not attacks or name in attacks}
    sides = both_sides(concept, split).values()
    slices: list[list[RobustDocument]] = []
    for name, attack in asked.items():
        found = [list(islice(_questions(attack, material, subjects), CAP)) for subjects in sides]
        count = min(map(len, found))  # where an attack asks of some images only, of as many on either side
        slices += [[_document(benchmark, split, name, *one) for one in side[:count]] for side in found]
    documents = list(interleave(slices))
    if not documents:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has nothing to ask for {', '.join(asked)} ({target}, "
            f"{split.forget})."
        )
    return documents


def both_sides(concept: str, split: Split) -> dict[Side, list[Subject]]:
    """The images that are attacked, forgotten and retained ones."""
    forgotten = set(split.forget_ids)
    of_test = _by_id(concept, (key for key in split.test if _id(concept, key) in forgotten))
    kept = _by_id(concept, split.retain_eval)
    forget = _in_turn(concept, "forget", of_test)[:CAP]
    enough = _enough(_shuffled(kept, f"pebench/{concept}/retain"), kept, len(of_test), len(forget))
    return {"forget": forget, "retain": _in_turn(concept, "retain", enough)[: len(forget)]}


def _enough(order: list[str], images: dict[str, list[str]], concepts: int, documents: int) -> dict[str, list[str]]:
    """The first ``concepts`` in this order, and more until they have so many images."""
    chosen: dict[str, list[str]] = {}
    for one in order:
        if len(chosen) >= concepts and sum(map(len, chosen.values())) >= documents:
            break
        chosen[one] = images[one]
    return chosen


def _in_turn(concept: str, side: Side, images: dict[str, list[str]]) -> list[Subject]:
    """All images, the first of every concept, then the second of every concept, and so on."""
    places = [
        [
            Subject(key, concept, side, place, turn)
            for turn, key in enumerate(_shuffled(images[one], f"pebench/{side}/{one}"))
        ]
        for place, one in enumerate(_shuffled(images, f"pebench/{concept}/{side}"))
    ]
    return [one for one in chain.from_iterable(zip_longest(*places)) if one is not None]


def _shuffled(members: Iterable[str], seed: str) -> list[str]:
    found = sorted(members)
    return Random(seed).sample(found, len(found))


def _by_id(concept: str, keys: Iterable[str]) -> dict[str, list[str]]:
    images: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        images[_id(concept, key)].append(key)
    return dict(images)


def _id(concept: str, key: str) -> str:
    return key.split("/")[CONCEPTS.index(concept)]


def _questions(
    attack: Attack, material: Material, subjects: Iterable[Subject]
) -> Iterable[tuple[Subject, int, Question]]:
    """All questions of an attack, with their subjects and numbers."""
    return ((subject, n, question) for subject in subjects for n, question in enumerate(attack(material, subject)))


def _document(
    benchmark: Benchmark, split: Split, attack: str, subject: Subject, number: int, question: Question
) -> RobustDocument:
    person, event = subject.image.split("/")
    asked = f"{subject.image}/{KINDS[subject.concept]}"
    last = [turn for turn in question.turns if turn["role"] == "user"][-1]
    return {
        "key": f"{asked}/{attack}/{number}",
        "slice": f"{attack}_{subject.side}",
        "kind": question.kind,
        "image": subject.image,
        "question": next(part["text"] for part in last["content"] if "text" in part),
        "answer": question.answer,
        "person": person,
        "event": event,
        "keywords": [],
        "category": "",
        "target": split.target,
        "forget": split.forget,
        "data": benchmark.fingerprint,
        "split": split.split_id,
        "template": pebench_templates.attack_fingerprint(),
        "concept": subject.concept,
        "attack": attack,
        "side": subject.side,
        "cluster": subject.id,
        "turns": json.dumps(question.turns, ensure_ascii=False),
        "options": list(question.options),
        "pair": f"{asked}/{question.pair}/{number}" if question.pair else "",
    }
