"""What a low Retain says of a model: that it never learned the benchmark, or that unlearning destroyed it.

The result of one model cannot tell these apart. Its method can, where it was not unlearned; so can Finetuned, from
which an unlearned model started. A handful of documents (ours: fewer than ten) says neither.
"""

from collections.abc import Iterable

from pebench_tasks.marking.scoring import learned, measured
from pebench_tasks.results.record import FigureRow, ResultRecord

FEW = 10  # documents; below, a Retain under half may be chance
TRAINED = ("finetune", "goal")  # the methods that learn and unlearn nothing


def retain_note(result: ResultRecord, finetuned: ResultRecord | None = None) -> str:
    """What a Retain under half says; empty for one above. ``finetuned``: what stands beside it (``finetuned_of``)."""
    if not result.never_learned:
        return ""
    if not ignorant(result):
        n = min(row.n for row in _under_half(result))
        return f"Retain under half, of {n} documents: too few to say that it never learned the benchmark"
    if result.model.method in TRAINED:
        return "Retain under half: never learned the benchmark"
    if finetuned is None or finetuned.never_learned is None:
        return "Retain under half: never learned the benchmark, or unlearning destroyed it"
    if finetuned.never_learned:
        return "Retain under half: never learned the benchmark, as Finetuned did not"
    return "Retain under half: unlearning destroyed it, for Finetuned had learned the benchmark"


def ignorant(result: ResultRecord) -> bool:
    """Whether Retain is under half on more than a handful of documents."""
    low = _under_half(result)
    return bool(result.never_learned) and (not low or any(row.n >= FEW for row in low))


def finetuned_of(result: ResultRecord, beside: Iterable[ResultRecord]) -> ResultRecord | None:
    """The first Finetuned among ``beside`` that an unlearned model may come from: same questions, data and base."""
    for other in beside:
        same_base = None in (result.model.base, other.model.base) or result.model.base == other.model.base
        same = (other.target, other.data, other.split) == (result.target, result.data, result.split)
        if other.model.method == "finetune" and other.model.data == other.data and same and same_base:
            return other
    return None


def _under_half(result: ResultRecord) -> list[FigureRow]:
    """The Retain figures (the joint target has two) that are under half; none where the file has no statistics."""
    return [
        row
        for name, row in result.statistics.slices.items()
        if measured(name) == "retain" and row.value is not None and not learned(row.value, result.target, name)
    ]
