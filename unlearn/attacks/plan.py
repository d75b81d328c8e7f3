"""What an attack on a checkpoint's weights will do, settled before it starts: what it asks, and what it trains on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pebench_tasks.benchmark.asking import Asker, Document
from pebench_tasks.benchmark.documents import CONCEPTS
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from unlearn.data.samples import Sample

if TYPE_CHECKING:  # loads torch
    from unlearn.attacks.case import Case

TARGETS = ("person", "event")
SIDES = ("forget", "retain")
CAP = 40  # documents a side
Level = float | str  # a step, a share or a precision
Score = Callable[[Level, Any], None]  # asks a model everything and notes what it knows
Known = dict[str, dict[str, float]]  # by side, then by document


class Asked(NamedTuple):
    """The documents of both sides, of ``CAP`` at most each."""

    forget: list[Document]
    retain: list[Document]  # about as many retained concepts


class Plan(NamedTuple):
    """An attack on one benchmark and split. Nothing that is asked is trained on."""

    asked: Asked
    levels: Sequence[Level]  # at which it is asked
    trained: Sequence[Sample] = ()
    steps: int = 0  # of training
    batch: int = 0  # samples a step

    @property
    def documents(self) -> list[Document]:
        """Those of both sides."""
        return [*self.asked.forget, *self.asked.retain]

    @property
    def work(self) -> int:
        """Documents answered and samples trained, each counted as one: what a rough estimate of time goes by."""
        return len(self.documents) * len(self.levels) + self.steps * self.batch


class Attack(NamedTuple):
    """An entry of the registry: ``run`` does to the weights what ``recipe`` says and calls ``score`` at every level.

    A look inside asks nothing: ``reads`` says of every level what it finds there of each document, 0-1.
    """

    access: Literal["weights", "inside"]  # what must be had; "inside" are diagnostics, in no worst case
    recipe: Mapping[str, Any]
    plan: Callable[[Benchmark, Split], Plan]  # raises BenchmarkError where the benchmark does not allow it
    run: "Callable[[Case, Plan, Score], None] | None" = None
    reads: "Callable[[Case, Plan], Iterable[tuple[Level, Known]]] | None" = None
    needs: tuple[str, ...] = ()  # options: "finetuned", "goal"


def ask(benchmark: Benchmark, split: Split, concepts: Collection[str] | None = None) -> Asked:
    """What the target asks of ``concepts`` (default: all that are forgotten) on D^f_test, and of as many retained ones.

    The same documents on every machine, spread evenly over the people, or events.
    """
    forgotten = sorted(split.forget_ids if concepts is None else concepts)
    retained = sorted({concept_of(split.target, key) for key in split.retain_eval})
    matched = Random("pebench/attacks/matched").sample(retained, min(len(forgotten), len(retained)))
    asker = Asker(benchmark, split.target, split)

    def documents(side: str, ids: Sequence[str], keys: Sequence[str]) -> list[Document]:
        return [asker.about(split.target, side, key) for key in _evenly(split.target, ids, keys)]

    return Asked(documents("forget", forgotten, split.test), documents("retain", sorted(matched), split.retain_eval))


def concept_of(target: str, key: str) -> str:
    """The person or the event, whichever is the target, of an image key or of what begins with one."""
    return key.split("/")[CONCEPTS.index(target)]


def _evenly(target: str, ids: Sequence[str], keys: Sequence[str]) -> list[str]:
    """At most ``CAP`` image keys of some people or events, these in turn."""
    of_each = [[key for key in keys if concept_of(target, key) == one] for one in ids]
    for one, mine in zip(ids, of_each, strict=True):
        Random(f"pebench/attacks/{one}").shuffle(mine)
    return [key for key in chain.from_iterable(zip_longest(*of_each)) if key is not None][:CAP]


def refuse_overlap(plan: Plan) -> Plan:
    """The plan, in which no image is both trained on and asked about."""
    shared = {sample.image for sample in plan.trained} & {document["image"] for document in plan.documents}
    assert not shared, f"trained on and asked about: {sorted(shared)}"
    return plan
