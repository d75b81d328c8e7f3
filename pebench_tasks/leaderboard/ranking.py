"""Which submissions stand in one table, in which order, and between which bounds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.results import TARGETS
from pebench_tasks.scoring import FIGURES

if TYPE_CHECKING:
    from pebench_tasks.leaderboard.board import Verified
    from pebench_tasks.pages.entries import Board, Entry

DIGITS = 9  # distances that agree to so many decimals share a rank
NEVER_LEARNED = {
    "finetuned": "not ranked: its Finetuned never learned the benchmark, so there was nothing to forget",
    "goal": "not ranked: its Goal never learned the benchmark, so being near it means nothing",
}


class Listed(NamedTuple):
    """One submission that passed the check, as the site shows it."""

    name: str  # the slug: its file's name and its page's
    submission: dict[str, Any]
    board: "Board"  # its own runs: Finetuned, the unlearned model, Goals
    verified: "Verified | None"  # who scored the weights again; None: nobody

    @property
    def model(self) -> "Entry":
        """The unlearned model's figures."""
        return next(entry for entry in self.board.entries if entry.role == "model")

    def bound(self, role: str) -> "Entry | None":
        """Its own Finetuned, or its first Goal."""
        return next((entry for entry in self.board.entries if entry.role == role), None)

    @property
    def base(self) -> str:
        """The weights fingerprint of the foundation model."""
        return str(self.model.result.provenance["model"]["base"])

    @property
    def key(self) -> "Key":
        """What its figures are figures of."""
        result = self.model.result
        provenance = result.provenance
        documents = (str(provenance.get(name) or "") for name in ("retain_documents", "world_documents"))
        return Key(
            provenance["data"], result.task, provenance["forget"], provenance["split"], provenance["judge"] or "",
            result.version, provenance["template"], *documents,
        )  # fmt: skip


class Row(NamedTuple):
    """One line of a table; ``rank`` is None where the distance to Goal is missing or means nothing."""

    rank: int | None
    listed: Listed
    notes: list[str]


class Bound(NamedTuple):
    """Finetuned or Goal of one foundation model: shown, never ranked."""

    role: str  # "finetuned" or "goal"
    base: str  # weights fingerprint
    entry: "Entry"
    listed: Listed  # whose files these figures come from


class Table(NamedTuple):
    """Submissions whose figures may be compared: the same questions about the same benchmark, marked alike."""

    slug: str  # its place in the page: #t1
    key: "Key"
    target: str
    columns: list[str]  # figures, in the paper's order
    rows: list[Row]
    bounds: list[Bound]


class Key(NamedTuple):
    """What figures must share to stand in one column (ours): what was asked of whom, and who marked it."""

    benchmark: str  # fingerprint
    task: str
    forget: str
    split: str
    judge: str
    version: str  # of the task
    template: str
    retain: str  # which retained documents
    world: str  # which World questions


def tables(listed: Iterable[Listed]) -> list[Table]:
    """Every table, by benchmark, target, forget set and judge; rows by distance to their own Goal, then by name."""
    groups: defaultdict[Key, list[Listed]] = defaultdict(list)
    for one in listed:
        groups[one.key].append(one)
    order = sorted(groups, key=lambda found: (found.benchmark, list(TARGETS).index(found.task), *found[2:]))
    return [_table(f"t{number}", found, groups[found]) for number, found in enumerate(order, start=1)]


def _table(slug: str, found: Key, members: Sequence[Listed]) -> Table:
    rows = rank(members)
    bounds: dict[tuple[str, str], Bound] = {}
    for row in rows:
        for role in ("finetuned", "goal"):
            if (entry := row.listed.bound(role)) is not None:
                bounds.setdefault((row.listed.base, role), Bound(role, row.listed.base, entry, row.listed))
    figures = dict.fromkeys(name for listed in members for name in listed.model.figures)
    target = TARGETS[found.task]
    return Table(
        slug, found, target, [name for name in FIGURES[target] if name in figures], rows, list(bounds.values())
    )


def rank(members: Iterable[Listed]) -> list[Row]:
    """The members by distance to Goal; equal distances share a rank, and those without one stand at the end.

    A submission is not ranked where its Finetuned or Goal model never learned the benchmark (ours): a model that knew
    nothing is as near to a Goal that knows nothing as can be.
    """
    rows = [Row(None, listed, warnings(listed)) for listed in sorted(members, key=_place)]
    ranked: list[Row] = []
    for place, row in enumerate(rows, start=1):
        if _place(row.listed)[0]:
            ranked.append(row)
        elif ranked and _place(ranked[-1].listed)[:2] == _place(row.listed)[:2]:
            ranked.append(row._replace(rank=ranked[-1].rank))
        else:
            ranked.append(row._replace(rank=place))
    return ranked


def _place(listed: Listed) -> tuple[bool, float, str]:
    distance = listed.model.distance
    if distance is None or _unranked(listed):
        return True, 0.0, listed.name
    return False, round(distance.distance, DIGITS), listed.name


def warnings(listed: Listed) -> list[str]:
    """What stands beside a row, in short: why it has no rank, or why its figures say less than they seem to."""
    provenance = listed.model.result.provenance
    found = _unranked(listed)
    if provenance["never_learned"]:
        found.append("Retain under half")
    if provenance["mostly_empty"]:
        found.append("mostly empty: " + ", ".join(provenance["mostly_empty"]))
    if provenance.get("other_split"):
        found.append(f"made for {provenance['other_split']}")
    finetuned, own = listed.bound("finetuned"), listed.model.distance
    if finetuned and own and finetuned.distance and own.distance > finetuned.distance.distance:
        found.append("further from Goal than Finetuned, which did nothing")
    return found


def _unranked(listed: Listed) -> list[str]:
    bounds = {role: listed.bound(role) for role in NEVER_LEARNED}
    why = [NEVER_LEARNED[role] for role, one in bounds.items() if one and one.result.provenance["never_learned"]]
    return why or ["not ranked: no distance to Goal"] * (listed.model.distance is None)
