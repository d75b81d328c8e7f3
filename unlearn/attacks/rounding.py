"""Rounding: what was forgotten in the last bits of the weights alone is back when they are rounded away.

    w -> round(w)    to bfloat16, int8, int4

Recipe: every weight to bfloat16; linear layers but the head to int8 and int4, to nearest, symmetric, in groups of 128
(``pebench_tasks.backend.rounding``); computed in float32. Budget: no training, no data. Source: Zhang et al., arXiv
2410.16454, who rounded with bitsandbytes (FP4, a GPU): ``pebench score --load_in fp4``.
"""

from typing import TYPE_CHECKING, Any

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from unlearn.attacks.plan import Plan, Score, ask

if TYPE_CHECKING:
    from unlearn.attacks.case import Case

AS_IT_IS = "float32"
LEVELS = (AS_IT_IS, "bfloat16", "int8", "int4")
RECIPE = {"levels": LEVELS, "group": 128, "rounding": "to nearest, symmetric", "left": "head, embeddings"}


def plan(benchmark: Benchmark, split: Split) -> Plan:
    """All forgotten concepts at every level."""
    return Plan(ask(benchmark, split), LEVELS)


def run(case: "Case", plan: Plan, score: Score) -> None:
    """Load the checkpoint anew for every level."""
    for level in plan.levels:
        score(level, _rounded(case, str(level)))


def _rounded(case: "Case", level: str) -> Any:
    from pebench_tasks.backend.rounding import round_weights

    model = case.load()
    if level != AS_IT_IS:
        round_weights(model, level)
    return model
