"""One run of the robust tasks: which of their documents were asked, and what the responses show.

A robust run has a benchmark, a model and the same worries as ``run.Run``: answers to other documents are withheld. What
the backend cannot be asked, several turns or an answer that is begun, is left out and recorded: see ``abilities``.
"""

import hashlib
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from pebench_tasks.attacks import CAP, QUESTION_ATTACKS
from pebench_tasks.attacks.documents import RobustDocument, robust_documents
from pebench_tasks.attacks.showing import shown
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.choice import Choice
from pebench_tasks.evaluation.circumstances import installed, where
from pebench_tasks.evaluation.image_sizes import ImageSizes
from pebench_tasks.evaluation.run import check_model, withheld_reason
from pebench_tasks.marking.attack_record import ATTACKED, AttackRecord
from pebench_tasks.marking.known import NOT_ASKED, UNANSWERED, Known, known
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.pairs import account
from pebench_tasks.marking.scoring import mean
from pebench_tasks.results.robust import ROBUST_TASKS

FORMAT = "pebench-robust/1"
IN_TEXT = "text_only"  # the attack whose documents name those that ask the same of the image
ACCESS = "questions"
Messages = list[dict[str, Any]]


@dataclass
class RobustRun:
    """The robust tasks of one harness call on one model."""

    choice: Choice
    benchmark: Benchmark
    names: NameIndex
    model: dict[str, Any]  # what is known of it, by the names of its run record
    image_sizes: ImageSizes
    started_in: str = field(default_factory=os.getcwd)
    splits: dict[str, Split] = field(default_factory=dict)  # by concept
    self_tests: set[str] = field(default_factory=set)  # concepts whose task was just constructed
    asked: set[str] = field(default_factory=set)  # keys
    read: set[str] = field(default_factory=set)
    mixed: set[str] = field(default_factory=set)  # read for the other task
    left_out: dict[str, str] = field(default_factory=dict)  # keys: what the backend cannot do
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    generation: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    unread: frozenset[str] | None = None  # None until scoring begins
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, concept: str) -> list[RobustDocument]:
        """The documents about one concept.

        A model that was made for the joint target, or is to be compared with such a one (PEBENCH_TARGET), is asked
        about that target's images.

        Raises ``BenchmarkError`` for a model of other data or of a forget set that nobody chose, and where the
        benchmark has nothing to ask.
        """
        target = "joint" if self.choice.joint or self.model.get("target") == "joint" else concept
        check_model(self.model, self.choice, self.benchmark, target)
        documents = robust_documents(self.benchmark, concept, target, self.choice.forget, self.choice.attacks)
        self.splits[concept] = self.benchmark.split(target, self.choice.forget)
        self.self_tests.add(concept)
        attacks = list(dict.fromkeys(document["attack"] for document in documents))
        say(
            f"{ROBUST_TASKS[concept]}: {len(documents)} questions of {len(attacks)} attacks ({', '.join(attacks)}), "
            f"access: {ACCESS}"
        )
        return documents

    def ask(self, doc: RobustDocument, prompts: dict[str, str], generation: dict[str, Any] | None) -> None:
        """Note that a document is asked, and how."""
        concept = doc["concept"]
        if concept in self.self_tests:  # the harness tries every new task on its first document
            self.self_tests.remove(concept)
            return
        self.asked.add(doc["key"])
        if concept not in self.prompts:
            self.prompts[concept] = prompts
            self.generation[concept] = None if generation is None else json.loads(json.dumps(generation))

    def messages(self, doc: RobustDocument, concept: str, prompts: Mapping[str, str]) -> Messages:
        """The document's conversation with its images, read for the task of ``concept``; records that it was read.

        The task's prompts stand round the last question.
        """
        self._note(doc, concept)
        turns = json.loads(doc["turns"])
        last = max(number for number, turn in enumerate(turns) if turn["role"] == "user")
        return [
            {
                "role": turn["role"],
                "content": [self._content(part, prompts if number == last else {}) for part in turn["content"]],
            }
            for number, turn in enumerate(turns)
        ]

    def images(self, doc: RobustDocument, concept: str) -> list[Image.Image]:
        """The images of the document's conversation, for a backend that takes no messages."""
        contents = [part for turn in self.messages(doc, concept, {}) for part in turn["content"]]
        return [part["url"] for part in contents if part["type"] == "image"]

    def _note(self, doc: RobustDocument, concept: str) -> None:
        with self.lock:
            (self.read if doc["concept"] == concept else self.mixed).add(doc["key"])

    def _content(self, part: dict[str, str], prompts: Mapping[str, str]) -> dict[str, Any]:
        if "text" in part:
            return {"type": "text", "text": around(part["text"], prompts)}
        image = shown(self.benchmark, part)
        self.image_sizes.handed_out(image.size)
        return {"type": "image", "url": image}

    def leave_out(self, doc: RobustDocument, lacking: str) -> None:
        """The backend cannot be asked this document, for it lacks ``lacking``."""
        self.left_out[doc["key"]] = lacking

    def mark(self, doc: RobustDocument, response: str) -> dict[str, Any]:
        """The document's ``known`` under its slice, and its provenance; the latter alone where there is no score."""
        found = Known(None, NOT_ASKED)
        if doc["key"] not in self.left_out:
            found = known(doc, response, self.names, self.choice.meaning(self.benchmark) or WORDS)
        judge = self._judge if doc["kind"] == "scene" else None
        said: dict[str, Any] = {name: doc[name] for name in ATTACKED}  # type: ignore[literal-required]
        record = AttackRecord(**said, value=found.value, outcome=found.outcome, judge=judge)
        if withheld := self._withheld(doc):
            record = replace(record, withheld=withheld)
        if withheld or found.outcome == NOT_ASKED:
            return {"provenance": record.as_json()}
        return {doc["slice"]: found.value, "provenance": record.as_json()}

    @property
    def _judge(self) -> str:
        return self.choice.embedding.fingerprint if self.choice.embedding else WORDS.fingerprint

    def conclude(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Where one task's scores come from, and what was answered in every slice; says what is odd."""
        records = sorted((AttackRecord.from_json(item) for item in items), key=lambda record: record.key)
        concept = records[0].concept
        slices = self._slices(records)
        result = {
            "format": FORMAT,
            "task": ROBUST_TASKS[concept],
            "access": ACCESS,
            **{name: getattr(records[0], name) for name in ("target", "data", "split", "template", "forget")},
            "cap": CAP,
            "documents": hashlib.sha256("\n".join(record.key for record in records).encode()).hexdigest()[:16],
            "slices": slices,
            "withheld": next((record.withheld for record in records if record.withheld), ""),
            "not_asked": self._not_asked(records),
            "pairs": _pairs(records),
            "judge": self._judge,
            "generation": self.generation.get(concept),
            "prompts": self.prompts.get(concept),
            **where(self.model, self.benchmark, self.choice, self.started_in),
            "image_size": self.image_sizes.found,
            "forget_note": self.splits[concept].note,
            "versions": installed(),
        }
        for line in _oddities(result):
            say(f"{result['task']}: {line}")
        return result

    def _slices(self, records: Sequence[AttackRecord]) -> dict[str, dict[str, Any]]:
        """Every slice's documents, concepts, mean and outcomes, in the order of the registry."""
        found: defaultdict[str, list[AttackRecord]] = defaultdict(list)
        for record in records:
            found[record.slice].append(record)
        order = list(QUESTION_ATTACKS)
        return {
            name: {
                "n": len(rows),
                "clusters": len({row.cluster for row in rows}),
                "known": mean(values) if (values := [row.value for row in rows if row.value is not None]) else None,
                "outcomes": dict(sorted(Counter(row.outcome for row in rows).items())),
            }
            for name, rows in sorted(found.items(), key=lambda one: (one[1][0].side, order.index(one[1][0].attack)))
        }

    def _not_asked(self, records: Sequence[AttackRecord]) -> dict[str, str]:
        """Of every slice that was not asked, what the backend lacks."""
        return {record.slice: self.left_out[record.key] for record in records if record.key in self.left_out}

    def _withheld(self, doc: RobustDocument) -> str:
        """Why this run's scores cannot be shown; empty where they can."""
        with self.lock:
            if self.unread is None:
                self.unread = frozenset(self.asked - self.read - self.left_out.keys())
        if doc["key"] not in self.read and doc["key"] not in self.left_out and not self.unread:
            return withheld_reason(1, 1, 0)  # from a cache of requests
        return withheld_reason(len(self.unread), len(self.asked), len(self.mixed))


def _pairs(records: Sequence[AttackRecord]) -> dict[str, dict[str, Any]]:
    """By side, in which form the questions that were asked in two are known: of the image, in text alone."""
    values = {record.key: record.value for record in records}
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        of_image = values.get(record.pair)
        if record.attack == IN_TEXT and record.value is not None and of_image is not None:
            found.setdefault(record.side, []).append((of_image, record.value))
    return {side: account(pairs)._asdict() for side, pairs in found.items()}


def around(text: str, prompts: Mapping[str, str]) -> str:
    """A question between a task's ``pre_prompt`` and ``post_prompt``."""
    return f"{prompts.get('pre_prompt', '')}{text}{prompts.get('post_prompt', '')}"


def _oddities(result: Mapping[str, Any]) -> list[str]:
    lines = [f"SCORES WITHHELD: {result['withheld']}"] if result["withheld"] else []
    for name, lacking in result["not_asked"].items():
        lines.append(f"{name} was not asked: the backend lacks {lacking}")
    for name, row in result["slices"].items():
        for outcome, what in (("empty", "are empty"), (UNANSWERED, "are error messages of the backend")):
            count = row["outcomes"].get(outcome, 0)
            if count > row["n"] / 2 or (count and outcome == UNANSWERED):
                lines.append(f"{name}: {count} of {row['n']} responses {what}: this is not forgetting")
    return lines
