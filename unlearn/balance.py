"""BGD, balanced gradient difference: people and events forgotten at once, neither at the cost of the other.

    loss = F(people) + F(events) + retain_weight * R

where F is a method's forget term and R its retain term. The paper (arXiv 2503.12545) publishes the aim - with both
targets in one batch one of them dominates, so the samples of people and events are balanced and each concept has a
loss of its own - and results with ``gd`` and ``kl``, but no formula. Ours, then: F is a mean over its own concept's
answer tokens only (in a mixed batch the dozens of tokens of a description drown the handful of a name), and the share
of the forget samples that ask about people, one half at first, follows what has been reached: the concept whose forget
term has fallen less since the first step gets more of the batch. The share is taken of every micro-batch of every
process, in whole samples: other splits of the same batch train on other samples of it.
"""

import inspect
from collections.abc import Mapping, Sequence

from pebench_tasks.errors import BenchmarkError
from unlearn.answers import Answers, Hyperparameters, Method, Terms, trace

CONCEPTS = ("person", "event")
BALANCES = ("bgd",)
SHARE = "share"  # of people, beside the terms in the run record
MOST = 0.8  # the largest share of one concept
LEAST_BATCH = 4  # samples a device and micro-batch, so that shares mean something
RECENT = 4  # steps over which a term is averaged
EQUAL = 0.1  # added to both concepts' progress (in nats, for ga, gd, kl), so that the first steps change little


class Balanced:
    """A method whose forget set is drawn apart for people and events, with the share of people in the next step.

    Raises ``BenchmarkError`` for a method without one forget set and a retain set.
    """

    def __init__(self, method: Method, hyperparameters: Hyperparameters) -> None:
        asked = trace(method, hyperparameters)
        sets = list(asked.sets)
        name = getattr(method, "__name__", "the method")
        if len(sets) != 2 or "retain" not in sets or asked.terms != sets or "retain_weight" not in hyperparameters:
            raise BenchmarkError(
                f"--balance bgd needs a method with a forget term and a retain term, named after their sets; {name} "
                f"has {', '.join(asked.terms)} with these settings."
            )
        self.share = 0.5
        (self.forget_set,) = (kind for kind in sets if kind != "retain")
        keyword_only = [p for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY]
        names = [*(f"{self.forget_set}_{concept}" for concept in CONCEPTS), "retain"]
        positional = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        self.__signature__ = inspect.Signature([*positional, *keyword_only])
        self.__name__ = f"{name} with bgd"
        self._method = method

    def __call__(self, *, retain: Answers, **given: Answers | float) -> Terms:
        forget = {concept: given.pop(f"{self.forget_set}_{concept}") for concept in CONCEPTS}
        for concept, answers in forget.items():
            # The retain term comes once, after both forget terms.
            settings = given if concept == CONCEPTS[-1] else {**given, "retain_weight": 0.0}
            for term, value in self._method(**{self.forget_set: answers}, retain=retain, **settings):
                yield term if term == "retain" else f"{term}_{concept}", value

    def follow(self, losses: Sequence[Mapping[str, float]]) -> None:
        """Set the share from the losses of the steps so far (rows of the run record)."""
        self.share = next_share(losses, self.forget_set)


def next_share(losses: Sequence[Mapping[str, float]], forget_term: str) -> float:
    """The share of people in the next step's forget samples: events' progress over both, within its limits.

    A row holds the terms ``<forget_term>_person`` and ``<forget_term>_event``, which fall while a method forgets.
    """
    if not losses:
        return 0.5
    people, events = (_progress([row[f"{forget_term}_{concept}"] for row in losses]) + EQUAL for concept in CONCEPTS)
    return min(max(events / (people + events), 1 - MOST), MOST)


def _progress(values: Sequence[float]) -> float:
    recent = values[-RECENT:]
    return max(0.0, values[0] - sum(recent) / len(recent))
