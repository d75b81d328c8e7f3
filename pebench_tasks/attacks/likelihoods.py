"""The documents of the likelihood tasks: questions with given answers, of which a model says how likely they are.

Access: likelihoods. Budget: one teacher-forced pass an answer, ten answers a document, ``CAP`` documents a slice.

- ``forget_train``, ``forget_test``: images of what is forgotten, the half that unlearning sees and the other one. The
  Finetuned model learned both.
- ``retain``: images of the Retain evaluation, as many as of the larger half.
- ``matched``: as many images of people drawn as the others, whom no model ever saw, to tell members from; only people,
  and only where the benchmark has such a group. Of these the true answer alone is scored.

The answers: the true one as training teaches it, and in the same words what is false: the names of other people, or
what happens at other events on pictures of the same person. They are chosen as the options of a choice are: those first
that are hard to tell apart, and of the same side. Then all of them once more in other words, for the truth ratio.
"""

from collections import defaultdict
from collections.abc import Iterable
from random import Random

import pebench_templates

from pebench_tasks.attacks.asking import QUESTIONS, Material, Side, Subject
from pebench_tasks.benchmark.asking import Document
from pebench_tasks.benchmark.documents import CONCEPTS, interleave
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError

CAP = 100  # documents of a slice at the most
PERTURBED = 4  # false answers
WORDINGS = {  # templates: what training teaches, and other words
    "person": ("person_answer", "likelihood_person_answer"), "event": ("scene_answer", "likelihood_scene_answer")
}  # fmt: skip
VARIABLES = {"person": "name", "event": "description"}  # of these templates
KINDS = {"person": "name", "event": "scene"}


class LikelihoodDocument(Document):
    """A document of a likelihood task; ``keywords`` and ``category`` are empty."""

    concept: str  # "person" or "event"
    cluster: str  # id of the concept, by which intervals go
    answers: list[str]  # the true one and false ones, then the same in other words; of matched people the true one


def likelihood_documents(
    benchmark: Benchmark, concept: str, target: str, forget: str | int
) -> list[LikelihoodDocument]:
    """The documents on one concept of a model that forgot ``target`` ("joint" forgets both), slices interleaved.

    The same on every machine. Raises ``BenchmarkError`` where there is nothing to ask about what is forgotten, or
    nothing that is false.
    """
    split = benchmark.split(target, forget)
    forgotten = set(split.forget_ids)
    place = CONCEPTS.index(concept)
    halves = {
        f"forget_{half}": [key for key in keys if key.split("/")[place] in forgotten]
        for half, keys in (("train", split.train), ("test", split.test))
    }
    most = min(CAP, max(map(len, halves.values())))
    images = {name: _evenly(concept, name, keys)[:CAP] for name, keys in halves.items()}
    images["retain"] = _evenly(concept, "retain", split.retain_eval)[:most]
    if concept == "person":
        images["matched"] = _evenly(concept, "matched", [row["key"] for row in benchmark.matched_images])[:most]
    writer = _Writer(benchmark, concept, split)
    documents = list(interleave([writer.document(name, key) for key in keys] for name, keys in images.items()))
    if not (images["forget_train"] or images["forget_test"]) or len(documents[0]["answers"]) < 4:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has too little to compare likelihoods ({target}, {split.forget}). "
            "Build one with more people and events."
        )
    return documents


def _evenly(concept: str, slice_name: str, keys: Iterable[str]) -> list[str]:
    """Image keys in a fixed order: one of every person (or event), then another one of each, and so on."""
    images: defaultdict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        images[key.split("/")[CONCEPTS.index(concept)]].append(key)
    seed = f"pebench/likelihood/{concept}/{slice_name}"
    order = Random(seed).sample(sorted(images), len(images))
    return list(interleave(Random(f"{seed}/{one}").sample(images[one], len(images[one])) for one in order))


class _Writer:
    """Writes the documents on one concept."""

    def __init__(self, benchmark: Benchmark, concept: str, split: Split) -> None:
        self._benchmark, self._concept, self._split = benchmark, concept, split
        self._material = Material(benchmark, concept, split)
        self._events = {row["name"]: row["id"] for row in benchmark.events}
        self._unseen = {row["id"]: row["name"] for row in benchmark.matched_people}
        self._shown = {row["key"] for row in benchmark.images}

    def document(self, slice_name: str, image: str) -> LikelihoodDocument:
        """The question about an image, its answers, and what identifies them."""
        person, event = image.split("/")
        unseen = slice_name == "matched"
        truth = self._unseen[person] if unseen else self._material.truth(image)
        told = [truth] if unseen else [truth, *self._false(slice_name, image, truth)]
        wordings = WORDINGS[self._concept][: 1 if unseen else 2]
        kind = KINDS[self._concept]
        return {
            "key": f"{image}/{kind}/likelihood",
            "slice": slice_name,
            "kind": kind,
            "image": image,
            "question": pebench_templates.render(QUESTIONS[self._concept], phrasing=0),
            "answer": truth,
            "person": person,
            "event": event,
            "keywords": [],
            "category": "",
            "target": self._split.target,
            "forget": self._split.forget,
            "data": self._benchmark.fingerprint,
            "split": self._split.split_id,
            "template": pebench_templates.likelihood_fingerprint(),
            "concept": self._concept,
            "cluster": (person, event)[CONCEPTS.index(self._concept)],
            "answers": [
                pebench_templates.render(wording, **{VARIABLES[self._concept]: one})
                for wording in wordings
                for one in told
            ],
        }

    def _false(self, slice_name: str, image: str, truth: str) -> list[str]:
        """Names of others, or descriptions of the same person's pictures at other events."""
        side: Side = "retain" if slice_name == "retain" else "forget"
        others = self._material.others(Subject(image, self._concept, side, 0, 0))
        if self._concept == "event":
            person = image.split("/")[0]
            pictures = (f"{person}/{self._events[name]}" for name in others)
            others = [self._benchmark.description(picture) for picture in pictures if picture in self._shown]
        return [other for other in dict.fromkeys(others) if other != truth][:PERTURBED]
