"""One run of the likelihood tasks: how likely a model finds true and false answers.

Only ``pebench_hf`` tells that token by token. Of any other backend nothing is asked, and nothing is a score.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from pebench_tasks.attacks.likelihoods import CAP, LikelihoodDocument, likelihood_documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.choice import Choice
from pebench_tasks.evaluation.circumstances import installed, where
from pebench_tasks.evaluation.run import check_model
from pebench_tasks.marking.likelihood_record import FORGOTTEN, MATCHED, NO_NUMBER, NOT_ASKED, LikelihoodRecord
from pebench_tasks.results.likelihoods import (
    LIKELIHOOD_TASKS,
    NO_MATCHED,
    OF_PEOPLE,
    SCORES,
    by_slice,
    figures,
    membership,
)

FORMAT = "pebench-likelihood/1"
ACCESS = "likelihoods"


@dataclass
class LikelihoodRun:
    """The likelihood tasks of one harness call on one model."""

    choice: Choice
    benchmark: Benchmark
    model: dict[str, Any]  # what is known of it, by the names of its run record
    started_in: str = field(default_factory=os.getcwd)
    splits: dict[str, Split] = field(default_factory=dict)  # by concept
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    concluded: bool = False  # a task's results were made

    def begin(self, concept: str) -> list[LikelihoodDocument]:
        """The documents about one concept; says how many answers are to be scored.

        Which target's images are asked is told as ``RobustRun.begin`` tells it. Raises ``BenchmarkError`` for a model
        of other data or of a forget set that nobody chose, and where the benchmark is too small.
        """
        target = "joint" if self.choice.joint or self.model.get("target") == "joint" else concept
        check_model(self.model, self.choice, self.benchmark, target)
        documents = likelihood_documents(self.benchmark, concept, target, self.choice.forget)
        self.splits[concept] = self.benchmark.split(target, self.choice.forget)
        answers = sum(len(document["answers"]) for document in documents)
        say(
            f"{LIKELIHOOD_TASKS[concept]}: {answers} answers to {len(documents)} questions, one pass each; "
            f"access: {ACCESS}"
        )
        return documents

    def image(self, doc: LikelihoodDocument) -> Image.Image:
        """The document's image."""
        return self.benchmark.image(doc["image"])

    def mark(self, doc: LikelihoodDocument, results: Sequence[Any]) -> dict[str, Any]:
        """The document's figures, each with its slice, and its provenance; the latter alone where nothing is told.

        ``results`` are what the backend said of the document's answers, in their order.
        """
        scores = [getattr(result, "scores", None) for result in results]
        told = [score for score in scores if score is not None]
        if len(told) == len(doc["answers"]):
            record = LikelihoodRecord.of(doc, told)
        else:
            record = LikelihoodRecord.without(doc, NOT_ASKED)
        provenance = {"provenance": record.as_json()}
        if record.outcome:
            return provenance
        found: dict[str, Any] = {f"{name}_{record.slice}": value for name, value in record.figures().items()}
        if record.slice in (*FORGOTTEN, MATCHED) and self._has_matched(record.concept):
            member = record.slice != MATCHED
            found |= {f"membership_{name}": [score(record), member] for name, score in SCORES.items()}
        return found | provenance

    def _has_matched(self, concept: str) -> bool:
        return concept == "person" and bool(self.benchmark.matched_people)

    def conclude(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Where one task's figures come from, their intervals, and what is absent; says what is odd."""
        self.concluded = True
        records = sorted((LikelihoodRecord.from_json(item) for item in items), key=lambda record: record.key)
        concept = records[0].concept
        told = membership(records) if self._has_matched(concept) else {}
        absent = NO_MATCHED if concept == "person" else OF_PEOPLE
        result = {
            "format": FORMAT,
            "task": LIKELIHOOD_TASKS[concept],
            "access": ACCESS,
            **{name: getattr(records[0], name) for name in ("target", "data", "split", "template", "forget")},
            "matched": self.benchmark.matched_fingerprint,
            "cap": CAP,
            "documents": hashlib.sha256("\n".join(record.key for record in records).encode()).hexdigest()[:16],
            "n": len(records),
            "without": dict(sorted(Counter(record.outcome for record in records if record.outcome).items())),
            "slices": {
                name: {"n": len(rows), "clusters": len({row.cluster for row in rows}), "figures": figures(rows)}
                for name, rows in by_slice(records).items()
            },
            "membership": {name: found._asdict() for name, found in told.items()},
            "no_membership": "" if self._has_matched(concept) else absent,
            "prompts": self.prompts.get(concept),
            **where(self.model, self.benchmark, self.choice, self.started_in),
            "forget_note": self.splits[concept].note,
            "versions": installed(),
        }
        for line in _oddities(result):
            say(f"{result['task']}: {line}")
        return result


def _oddities(result: Mapping[str, Any]) -> list[str]:
    lines = []
    if count := result["without"].get(NOT_ASKED, 0):
        lines.append(f"{count} of {result['n']} documents were not asked: the backend does not tell likelihoods")
    if count := result["without"].get(NO_NUMBER, 0):
        lines.append(f"{count} of {result['n']} documents have likelihoods that are no numbers: this is not forgetting")
    if result["task"] == LIKELIHOOD_TASKS["person"] and result["no_membership"]:
        lines.append(f"no membership figure: {result['no_membership']}")
    return lines
