"""What a run of several requests shows: each checkpoint's figures on the share of each request, and what they say.

Every checkpoint answers the questions about the whole forget set once. A request's figures are those of the documents
about its own people or events, so they are what ``pebench score --request`` gives of the same checkpoint.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from pebench_tasks.benchmark.documents import CONCEPTS
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import mean
from pebench_tasks.results.intervals import Observation, figure, too_few_marks
from pebench_tasks.results.paired import Difference, difference
from unlearn.protocol.rows import percent

BEFORE, AT_ONCE, GOAL = "0", "all", "goal"  # steps beside those of the requests, "1", "2" ...
WHOLE = "all"  # the forget set, beside the requests
OF_REQUEST = ("efficacy", "generality", f"efficacy{TRUTH_ONLY}", f"generality{TRUTH_ONLY}", "scope")
OF_MODEL = ("retain", "real", "world")  # the same of a checkpoint, whatever was requested
FIGURES = (*OF_REQUEST, *OF_MODEL)
Observed = Mapping[str, Sequence[Observation]]  # one checkpoint's documents by figure


class Row(NamedTuple):
    """One checkpoint's figures on one request."""

    target: str  # person, event, joint person or joint event
    step: str
    request: str
    figures: dict[str, float]  # percent or 0-1, as in the paper; those that were measured
    documents: dict[str, int]

    def cells(self) -> dict[str, Any]:
        """The row as tables and JSON have it."""
        counts = {f"n_{name}": count for name, count in self.documents.items()}
        return {"target": self.target, "step": self.step, "request": self.request, **self.figures, **counts}


class Summary(NamedTuple):
    """What a run comes to, of one row target; None where it was not measured."""

    efficacy: str  # the figure that stands for it: without a Goal event scenes have ``efficacy_truth_only``
    retain_before: float | None
    retain_mean: float | None  # over the steps: the area under Retain
    own_step: float | None  # Efficacy of each request right after its own step, mean over the requests
    last_step: float | None  # the same after the last step
    forgetting: Difference | None  # Efficacy of the whole set, from all at once to one after the other
    retained: Difference | None  # Retain, the same way

    def as_json(self) -> dict[str, Any]:
        """The summary with its differences taken apart."""
        return {
            name: value._asdict() if isinstance(value, Difference) else value for name, value in self._asdict().items()
        }


def row_targets(target: str) -> dict[str, str]:
    """What a target's rows are called, with how the names of its figures begin: the joint one has two."""
    return {f"joint {one}": f"{one}_" for one in CONCEPTS} if target == "joint" else {target: ""}


def rows_of(step: str, observed: Observed, target: str, shares: Sequence[Collection[str]]) -> list[Row]:
    """One checkpoint's rows; ``shares`` are the ids that each request forgets."""
    found = []
    for row_target, prefix in row_targets(target).items():
        concept = row_target.removeprefix("joint ")
        for request, members in [*enumerate(shares, 1), (WHOLE, {one for share in shares for one in share})]:
            figures, documents = {}, {}
            for name in FIGURES:
                asked = observed.get(name if name == "world" else prefix + name, ())
                if name in OF_REQUEST:
                    asked = [one for one in asked if getattr(one, concept) in members]
                if asked and not too_few_marks(asked):
                    figures[name], documents[name] = figure(asked), sum(one.value is not None for one in asked)
            found.append(Row(row_target, step, str(request), figures, documents))
    return found


def summarise(rows: Sequence[Row], steps: Mapping[str, Observed], row_target: str, prefix: str) -> Summary:
    """What the rows of one target come to; ``steps`` are the documents of each checkpoint."""
    at = {(row.step, row.request): row.figures for row in rows if row.target == row_target}
    requests = sorted({request for _, request in at} - {WHOLE}, key=int)
    last = requests[-1]
    efficacy = "efficacy" if "efficacy" in at[last, WHOLE] else f"efficacy{TRUTH_ONLY}"

    def average(cells: Sequence[tuple[str, str]], name: str) -> float | None:
        values = [at[cell][name] for cell in cells if name in at[cell]]
        return mean(values) if values and len(values) == len(cells) else None

    def change(name: str) -> Difference | None:
        first, second = (steps[step].get(prefix + name, ()) for step in (AT_ONCE, last))
        withheld = not (first and second) or too_few_marks(first) or too_few_marks(second)
        return None if withheld else difference(first, second)

    return Summary(
        efficacy,
        at.get((BEFORE, WHOLE), {}).get("retain"),
        average([(request, WHOLE) for request in requests], "retain"),
        average([(request, request) for request in requests], efficacy),
        average([(last, request) for request in requests], efficacy),
        change(efficacy),
        change("retain"),
    )


def heading(row_target: str, efficacy: str) -> str:
    """What a matrix shows."""
    unit = "%" if "efficacy" in percent(row_target) else "0-1"
    return f"{row_target}: {efficacy.replace('_', ' ')} of each request (a column) after each step ({unit})"


def matrix(rows: Sequence[Row], row_target: str, efficacy: str) -> Table:
    """score[request i after step j] for a terminal; bold where request i was made by then."""
    own = [row for row in rows if row.target == row_target]
    requests = list(dict.fromkeys(row.request for row in own))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("after", no_wrap=True)
    for name in (*requests, "retain"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in dict.fromkeys(row.step for row in own):
        of_step = [row for row in own if row.step == step]
        cells = [
            Text(shown(row.figures.get(efficacy), efficacy, row_target), style="bold" if _made(row) else "")
            for row in of_step
        ]
        table.add_row(_called(step), *cells, shown(of_step[0].figures.get("retain"), "retain", row_target))
    return table


def in_words(summary: Summary, row_target: str) -> Iterator[str]:
    """What a summary says, a sentence each."""

    def said(value: float | None, name: str = "retain") -> str:
        return shown(value, name, row_target)

    before = "" if summary.retain_before is None else f"; it was {said(summary.retain_before)} before"
    yield f"{row_target}: Retain is {said(summary.retain_mean)} in the mean of the steps (the area under it){before}."
    own, last = (said(value, "efficacy") for value in (summary.own_step, summary.last_step))
    efficacy = summary.efficacy.replace("_", " ").capitalize()
    yield f"{efficacy} of a request, mean over the requests: {own} right after its own step, {last} after the last one."
    for title, name, found in ((efficacy, "efficacy", summary.forgetting), ("Retain", "retain", summary.retained)):
        if found is not None:
            low, high = (shown(value, name, row_target, "+") for value in (found.low, found.high))
            yield (
                f"{title}: {said(found.second, name)} one after the other, {said(found.first, name)} at once; the "
                f"difference is {shown(found.value, name, row_target, '+')} (95 % interval {low} to {high})."
            )


def shown(value: float | None, name: str, row_target: str, sign: str = "") -> str:
    """A figure with the digits of its unit; with ``sign`` "+" a difference."""
    if value is None:
        return "-"
    return f"{value:{sign}.{1 if name in percent(row_target) else 3}f}"


def _made(row: Row) -> bool:
    """Whether the model of a row was to forget what it is asked."""
    return not row.step.isdigit() or (row.request != WHOLE and int(row.request) <= int(row.step))


def _called(step: str) -> str:
    return {BEFORE: "before", AT_ONCE: "all at once", GOAL: "Goal"}.get(step, f"step {step}")
