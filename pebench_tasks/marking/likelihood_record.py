"""What a samples file of a likelihood task says of one document: which it is, and how likely its answers were.

The figures are made of what stands there and of nothing else, so that they can be made again from the file, and set
against those of another model.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from pebench_tasks.marking.likelihoods import (
    TokenScores,
    chooses,
    first_telling,
    forgotten_ratio,
    kept_ratio,
    mean_logp,
    min_k,
    truth_ratio,
)

SCORED = ("key", "slice", "concept", "cluster", "kind", "data", "split", "template", "forget", "target")
LISTS = ("logps", "ranks", "false", "perturbed")
DIGITS = 5  # of log-probabilities, which float32 knows to about six
FORGOTTEN, RETAINED, MATCHED = ("forget_train", "forget_test"), "retain", "matched"
SLICES = (*FORGOTTEN, RETAINED, MATCHED)
NOT_ASKED = "not asked"  # of a backend that does not tell
NO_NUMBER = "no number"  # a model whose likelihoods are none: weights that overflowed


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRecord:
    """The ``provenance`` of one document of a likelihood task."""

    key: str  # "p017/e03/name/likelihood"
    slice: str
    concept: str  # person or event
    cluster: str  # id of the person or event
    kind: str  # name or scene
    data: str
    split: str
    template: str
    forget: str
    target: str
    logps: tuple[float, ...] = ()  # of the true answer's tokens; none where it was not asked
    ranks: tuple[int, ...] = ()
    telling: int | None = None  # the place of the first token that tells it from false answers; None without any
    false: tuple[float, ...] = ()  # mean log-probabilities of false answers in the same words
    restated: float | None = None  # of the true answer in other words; None without any false one
    perturbed: tuple[float, ...] = ()  # of the false ones in these other words
    outcome: str = ""  # why there is no likelihood; "" where there is one

    @classmethod
    def of(cls, doc: Mapping[str, Any], scores: Sequence[TokenScores]) -> "LikelihoodRecord":
        """The record of a document whose ``answers`` were scored, in their order: see ``attacks.likelihoods``."""
        if not all(math.isfinite(logp) for answer in scores for logp in answer.logps):
            return cls.without(doc, NO_NUMBER)
        half = max(1, len(scores) // 2)
        true, false = scores[0], scores[1:half]
        _, *of_false = (round(mean_logp(answer.logps), DIGITS) for answer in scores[:half])
        restated = [round(mean_logp(answer.logps), DIGITS) for answer in scores[half:]]
        return cls(
            **{name: doc[name] for name in SCORED},
            logps=tuple(round(logp, DIGITS) for logp in true.logps),
            ranks=true.ranks,
            telling=first_telling(true.tokens, [other.tokens for other in false]) if false else None,
            false=tuple(of_false),
            restated=restated[0] if restated else None,
            perturbed=tuple(restated[1:]),
        )

    @classmethod
    def without(cls, doc: Mapping[str, Any], outcome: str) -> "LikelihoodRecord":
        """The record of a document about which there is no likelihood."""
        return cls(**{name: doc[name] for name in SCORED}, outcome=outcome)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "LikelihoodRecord":
        """Parse what was logged; KeyError, TypeError or ValueError where it is not in this form."""
        for name in (*SCORED, "outcome"):
            if not isinstance(said[name], str):
                raise TypeError(f"{name} is {said[name]!r}, not a text")
        known: dict[str, Any] = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        for name in LISTS:
            known[name] = tuple(said[name])
        values = [*(value for name in LISTS for value in known[name]), known["restated"] or 0.0, known["telling"] or 0]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            raise ValueError("a likelihood is no finite number")
        if len(known["logps"]) != len(known["ranks"]) or bool(known["logps"]) == bool(said["outcome"]):
            raise ValueError("log-probabilities and ranks are not of the same tokens")
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        """The same as it is logged."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in LISTS}}

    @property
    def mean(self) -> float:
        """The mean log-probability of the true answer's tokens."""
        return mean_logp(self.logps)

    @property
    def min_k(self) -> float:
        """Min-K 20 % of the true answer."""
        return min_k(self.logps)

    @property
    def ratio(self) -> float | None:
        """The truth ratio R; None without perturbed answers."""
        return None if self.restated is None else truth_ratio(self.restated, self.perturbed)

    def figures(self) -> dict[str, float]:
        """The figures of the document, by name."""
        found = {
            "probability": math.exp(self.mean),
            "rank": fmean(self.ranks),
            "loss": -self.mean,
            "min_k": self.min_k,
        }
        ratio = self.ratio
        if ratio is not None and self.telling is not None:
            found["first_rank"] = float(self.ranks[self.telling])
            found["truth_ratio"] = kept_ratio(ratio) if self.slice == RETAINED else forgotten_ratio(ratio)
            found["choice"] = chooses(self.mean, self.false)
        return found
