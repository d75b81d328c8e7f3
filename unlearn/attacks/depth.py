"""Unlearning Depth Score (UDS): how deep inside the model the forgotten answers are gone (arXiv 2605.24614).

    D_l(S) = mean over answer tokens of log p_full(token) - log p_patched(token)
    UDS = sum_l D_l(Goal) * clip(D_l(model) / D_l(Goal), 0, 1) / sum_l D_l(Goal)    over layers with D_l(Goal) > TAU

``full`` is Finetuned, teacher forced on the true answer; ``patched`` is the same, only that the outputs of its decoder
layer l where answer tokens are predicted are those of the source S. Where S no longer carries the answer at that depth,
Finetuned's upper layers cannot say it either. 1: erased as deep as in Goal; 0: everything is still there, only not
said. Nothing is trained. It needs Finetuned, Goal and the model, all of one architecture, and for every document as
many passes as the decoder has layers, for each of the two sources. Of an answer that names somebody, the tokens of the
name are read: the words around it are the same for everybody.

``known``, 0-1, is 1 - UDS: Finetuned itself has 1, Goal 0. Documents whose layers say nothing have none.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from unlearn.attacks.plan import Known, Level, Plan, ask

if TYPE_CHECKING:
    from unlearn.attacks.case import Case
    from unlearn.tensors.batches import Batch

LEVEL = "whole model"
TAU = 0.05  # of the paper: below it Goal lost nothing at a layer, so nothing can be read there
RECIPE = {"tau": TAU, "known": "1 - UDS"}


def plan(benchmark: Benchmark, split: Split) -> Plan:
    """All forgotten concepts, once."""
    return Plan(ask(benchmark, split), (LEVEL,))


def read(case: "Case", plan: Plan) -> Iterator[tuple[Level, Known]]:
    """Three models of one form in memory: Finetuned, Goal and the checkpoint."""
    from unlearn.tensors import layers

    full, goal, model = case.load(case.finetuned), case.load(case.goal), case.load()

    def known(batch: "Batch") -> list[float | None]:
        lost = (layers.drops(full, source, batch) for source in (goal, model))
        scores = [unlearning_depth(Drops(*pair)) for pair in zip(*lost, strict=True)]
        return [None if score is None else 1 - score for score in scores]

    yield LEVEL, case.read(plan.asked, known)


class Drops(NamedTuple):
    """The mean log-probability that Finetuned's answer to a document loses, by layer, with another model's outputs."""

    goal: list[float]
    model: list[float]


def unlearning_depth(drops: Drops, tau: float = TAU) -> float | None:
    """UDS of one document, 0-1; None where Goal's drop says nothing at any layer."""
    read = [(goal, model) for goal, model in zip(drops.goal, drops.model, strict=True) if goal > tau]
    whole = math.fsum(goal for goal, _ in read)
    return math.fsum(min(max(model, 0.0), goal) for goal, model in read) / whole if read else None
