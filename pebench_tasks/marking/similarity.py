"""What the marks of scenes are made of: how much a text gives away of the truth, and how near two texts are.

All numbers are 0-1. Two similarities exist: ``lexical.Lexical`` here, which counts words, and the one of
``pebench_tasks.judge.embedding``, which compares meanings. ``Noted`` writes down what a similarity said of one document
and ``Recorded`` says it again, so that marks are computed anew without a model.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pebench_tasks.errors import BenchmarkError

LEXICAL = "lexical"
EMBEDDING = "embedding"  # begins the fingerprints of those that compare meanings


class Similarity(Protocol):
    """How alike texts are, by one way of comparing them. Texts go in as they were written."""

    @property
    def fingerprint(self) -> str:
        """Tells results of different similarities apart."""

    def given_away(self, truth: str, text: str) -> float:
        """How much of the truth stands anywhere in a text, whatever stands beside it: a(text)."""

    def nearness(self, one: str, other: str) -> float:
        """How near two texts are as wholes, in either order: n."""

    def kept(self, truth: str, text: str) -> float:
        """How well a text describes the scene that it should."""

    def describes_best(self, truth: str, text: str) -> float | None:
        """1 where of all the benchmark's scenes none is nearer to a text than the true one, else 0.

        None for a similarity that does not compare meanings.
        """


def means_meaning(fingerprint: str | None) -> bool:
    """Whether a result's judge, by its fingerprint, is a similarity of meanings."""
    return fingerprint is not None and fingerprint.startswith(f"{EMBEDDING}:")


def pair_key(what: str, one: str, other: str) -> str:
    """The name under which a number about two texts is noted; other texts have another."""
    return f"{what}:{hashlib.sha256(json.dumps([fit(one), fit(other)]).encode()).hexdigest()[:8]}"


def fit(text: str) -> str:
    """A text that every reader takes: half of a surrogate pair and NUL, which some refuse, are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


@dataclass(frozen=True)
class Noted:
    """A similarity that notes every number it gives."""

    similarity: Similarity
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The similarity's."""
        return self.similarity.fingerprint

    def given_away(self, truth: str, text: str) -> float:
        """The similarity's, noted."""
        return self._note("given_away", truth, text, self.similarity.given_away(truth, text))

    def nearness(self, one: str, other: str) -> float:
        """The similarity's, noted."""
        return self._note("nearness", one, other, self.similarity.nearness(one, other))

    def kept(self, truth: str, text: str) -> float:
        """The similarity's, noted."""
        return self._note("kept", truth, text, self.similarity.kept(truth, text))

    def describes_best(self, truth: str, text: str) -> float | None:
        """The similarity's, noted where there is one."""
        best = self.similarity.describes_best(truth, text)
        return None if best is None else self._note("describes_best", truth, text, best)

    def _note(self, what: str, one: str, other: str, number: float) -> float:
        self.numbers[pair_key(what, one, other)] = number
        return number


@dataclass(frozen=True)
class Recorded:
    """What a similarity of meanings said of one document; of texts that were changed since, ``model`` says it anew."""

    fingerprint: str
    numbers: Mapping[str, float]
    model: Similarity | None = None

    def given_away(self, truth: str, text: str) -> float:
        """As recorded."""
        return self._number("given_away", truth, text)

    def nearness(self, one: str, other: str) -> float:
        """As recorded."""
        return self._number("nearness", one, other)

    def kept(self, truth: str, text: str) -> float:
        """As recorded."""
        return self._number("kept", truth, text)

    def describes_best(self, truth: str, text: str) -> float | None:
        """As recorded."""
        return self._number("describes_best", truth, text)

    def _number(self, what: str, one: str, other: str) -> float:
        if (key := pair_key(what, one, other)) in self.numbers:
            return self.numbers[key]
        if self.model is None:
            raise BenchmarkError(
                f"A sample holds no similarity of {one[:40]!a} and {other[:40]!a}: its texts, or those of the Goals, "
                f"are others than when {self.fingerprint} compared them. Name that model to compare them anew:  "
                f"PEBENCH_JUDGE={EMBEDDING}:DIR"
            )
        return float(getattr(self.model, what)(one, other))


def similarities(judgement: Mapping[str, Any] | None) -> Mapping[str, float] | None:
    """The numbers that a document's judgement notes; None for another judgement. ValueError for what is no 0-1."""
    if not judgement or "similarities" not in judgement:
        return None
    numbers = judgement["similarities"]
    if not isinstance(numbers, dict) or not all(_is_share(number) for number in numbers.values()):
        raise ValueError("similarities are numbers from 0 to 1, by the texts that were compared")
    return numbers


def _is_share(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1
