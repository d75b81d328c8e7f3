"""Rescale: the change that unlearning made to the weights, taken back by parts.

    theta = theta_fin + a (theta_unl - theta_fin),  a = 0, 0.25, 0.5, 0.75, 1

Recipe: every weight in float32, adapters merged; at a = 0 it is the Finetuned model, at a = 1 the checkpoint. Knowledge
that comes back at once was covered by a thin layer, not erased. Budget: no training, no data, but the Finetuned
weights: a diagnostic (access ``inside``), in no worst case. Source: WiSE-FT, arXiv 2109.01903, and task vectors, arXiv
2212.04089, run backwards.
"""

from typing import TYPE_CHECKING

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from unlearn.attacks.plan import Plan, Score, ask

if TYPE_CHECKING:
    from unlearn.attacks.case import Case

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
RECIPE = {"levels": SHARES, "dtype": "float32"}


def plan(benchmark: Benchmark, split: Split) -> Plan:
    """All forgotten concepts at every share."""
    return Plan(ask(benchmark, split), SHARES)


def run(case: "Case", plan: Plan, score: Score) -> None:
    """Three models of one form in memory: Finetuned, the checkpoint, and what lies between them."""
    import torch

    assert case.finetuned is not None
    finetuned, unlearned, between = case.load(case.finetuned), case.load(), case.load()
    for share in plan.levels:
        with torch.no_grad():
            for weight, start, end in zip(
                between.parameters(), finetuned.parameters(), unlearned.parameters(), strict=True
            ):
                weight.copy_(torch.lerp(start, end, float(share)))  # exact at both ends
        score(share, between)
