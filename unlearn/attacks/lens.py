"""Logit lens: from which layer on the model would say the true answer, were that layer the last one.

Every decoder layer's output where the first token of the true name (of a scene: of its description) is predicted goes
through the model's own final norm and head; what is told is the rank of that token among the vocabulary, 0 being the
likeliest. An unlearned model whose middle layers still rank it first has learned not to say it. (The lens is
nostalgebraist's, 2020.) A look inside, no attack: middle layers of some families say little even where nothing was
forgotten, so Finetuned and Goal stand beside it.

``known``, 0-1, is 1 / (1 + rank), at a quarter, half, three quarters and the whole of the layers.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from unlearn.attacks.plan import Known, Level, Plan, ask

if TYPE_CHECKING:
    from unlearn.attacks.case import Case

SHARES = (0.25, 0.5, 0.75, 1.0)  # of the decoder's layers
RECIPE = {"levels": SHARES, "known": "1 / (1 + rank)"}


def plan(benchmark: Benchmark, split: Split) -> Plan:
    """All forgotten concepts at every share of the layers."""
    return Plan(ask(benchmark, split), SHARES)


def read(case: "Case", plan: Plan) -> Iterator[tuple[Level, Known]]:
    """The checkpoint alone."""
    from unlearn.tensors import layers, parts

    model = case.load()
    depth = len(parts.decoder(model).layers)
    ranks = case.read(plan.asked, lambda batch: layers.ranks(model, batch))
    for share in SHARES:
        place = math.ceil(share * depth) - 1
        yield share, {side: {key: 1 / (1 + row[place]) for key, row in rows.items()} for side, rows in ranks.items()}
