"""Which submissions stand in one table, in which order, and between which bounds."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pebench_tasks.leaderboard.check.board import Verified
from pebench_tasks.marking.scoring import FIGURES, measured
from pebench_tasks.pages.entries import Board, Entry
from pebench_tasks.results.files import TARGETS
from pebench_tasks.results.goals import flaws_of, silence_of
from pebench_tasks.results.learning import ignorant, retain_note
from pebench_tasks.results.notes import failing_slices

DIGITS = 9  # distances that agree to so many decimals share a rank
NEVER_LEARNED = {
    "finetuned": "not ranked: its Finetuned never learned the benchmark, so there was nothing to forget",
    "goal": "not ranked: its Goal never learned the benchmark, so being near it means nothing",
}


# Settings of a training that used what a figure asks about: allowed, and worth knowing.
ASKED_IN_TRAINING = {
    "retain_overlap": ("retain", "trained on the images that Retain asks about (retain_overlap)"),
    "retain_scope": ("scope", "trained on what Scope asks about (retain_scope)"),
}
OFF = ("", "false", "none", "no", "off", "0", "0.0")  # how a record may say that a setting is not used


class Listed(NamedTuple):
    """One submission that passed the check, as the site shows it."""

    name: str  # the slug: its file's name and its page's
    submission: dict[str, Any]
    board: Board  # its own runs: Finetuned, the unlearned model, Goals
    verified: Verified | None  # who scored the weights again; None: nobody
    bounds: str  # ``Checked.bounds``: which Finetuned and Goals, and what they answered

    @property
    def model(self) -> Entry:
        """The unlearned model's figures."""
        return next(entry for entry in self.board.entries if entry.role == "model")

    def bound(self, role: str) -> Entry | None:
        """Its own Finetuned, or its first Goal."""
        return self.board.bound(role)

    @property
    def base(self) -> str:
        """The weights fingerprint of the foundation model."""
        return str(self.model.result.provenance.model.base)

    @property
    def key(self) -> "Key":
        """What its figures are figures of."""
        result = self.model.result
        provenance = result.provenance
        real = provenance.real_documents or "all"
        return Key(
            provenance.data, result.task, provenance.forget, provenance.split, provenance.judge or "",
            result.version, provenance.template, provenance.retain_documents or "", provenance.world_documents or "",
            real if isinstance(real, str) else real["list"], self.base, self.bounds,
        )  # fmt: skip


class Row(NamedTuple):
    """One line of a table; ``rank`` is None where the distance to Goal is missing or means nothing."""

    rank: int | None
    listed: Listed
    notes: list[str]


class Table(NamedTuple):
    """Submissions whose figures may be compared: the same questions, marked alike, between the very same bounds."""

    slug: str  # its place in the page: #t1
    key: "Key"
    target: str
    columns: list[str]  # figures, in the paper's order
    rows: list[Row]
    bounds: list[Entry]  # Finetuned and every Goal: shown once, never ranked; the same for all rows
    base: str  # what most rows call the base model
    real: str  # which public figures Real asks about, in words
    unlike: "Unlike | None"


class Unlike(NamedTuple):
    """The table above that asks the same, and what the bounds of this one are instead."""

    slug: str
    why: str  # "another Goal model"


class Key(NamedTuple):
    """What figures must share to stand in one table (ours): what was asked of whom, who marked it, between what bounds.

    A submission brings its bounds itself, so one with a weaker Goal, or with other answers of the same Goal, must not
    be ranked among those that have honest ones.
    """

    benchmark: str  # fingerprint
    task: str
    forget: str
    split: str
    judge: str
    version: str  # of the task
    template: str
    retain: str  # which retained documents
    world: str  # which World questions
    real: str  # which public figures: "all", or the list's fingerprint
    base: str  # weights of the foundation model
    bounds: str  # a hash of Finetuned and Goals, ``Checked.bounds``


def tables(listed: Iterable[Listed]) -> list[Table]:
    """Every table, those with most submissions first; rows by distance to Goal, then by name.

    Tables of as many submissions stand by benchmark, target, forget set and judge; of those that ask the same, one with
    verified submissions comes first.
    """
    groups: defaultdict[Key, list[Listed]] = defaultdict(list)
    for one in listed:
        groups[one.key].append(one)

    def place(key: Key) -> tuple[Any, ...]:
        verified = sum(one.verified is not None for one in groups[key])
        asked = key.benchmark, list(TARGETS).index(key.task), *key[2:-2]
        return -len(groups[key]), *asked, -verified, *key[-2:]

    found: list[Table] = []
    for number, key in enumerate(sorted(groups, key=place), start=1):
        found.append(_table(f"t{number}", key, groups[key], found))
    return found


def _table(slug: str, key: Key, members: Sequence[Listed], before: Sequence[Table]) -> Table:
    rows = rank(members)
    bounds = [entry for entry in rows[0].listed.board.entries if entry.role != "model"]
    figures = dict.fromkeys(name for listed in members for name in listed.model.figures)
    target = TARGETS[key.task]
    called = Counter(listed.submission["base"]["name"] for listed in members)
    return Table(
        slug, key, target, [name for name in FIGURES[target] if name in figures], rows, bounds,
        min(called, key=lambda name: (-called[name], name)), _real(members[0]), _unlike(key, bounds, before),
    )  # fmt: skip


def _real(listed: Listed) -> str:
    which = listed.model.result.provenance.real_documents or "all"
    if isinstance(which, str):
        return f"{which} public figures"
    return f"{which['known']} of {which['asked']} public figures (list {which['list']})"


def _unlike(key: Key, bounds: Sequence[Entry], before: Sequence[Table]) -> Unlike | None:
    """The first table before that asks the same between other bounds; rather one of the same base."""
    alike = [table for table in before if table.key[:-2] == key[:-2]]
    if not alike:
        return None
    other = next((table for table in alike if table.key.base == key.base), alike[0])
    if other.key.base != key.base:
        return Unlike(other.slug, "another base model, with a Goal model of its own")
    for role, called in (("goal", "Goal"), ("finetuned", "Finetuned")):
        ours, theirs = (_weights(role, entries) for entries in (bounds, other.bounds))
        if ours != theirs:
            return Unlike(
                other.slug, f"another {called} model" if len(ours) == len(theirs) == 1 else f"other {called} models"
            )
    return Unlike(other.slug, "other answers of the same Finetuned and Goal models")


def _weights(role: str, bounds: Sequence[Entry]) -> list[str]:
    return [str(entry.result.provenance.model.weights) for entry in bounds if entry.role == role]


def rank(members: Iterable[Listed]) -> list[Row]:
    """The members by distance to Goal; equal distances share a rank, and those without one stand at the end.

    A submission is not ranked where its Finetuned or a Goal model never learned the benchmark, or a Goal gave no
    answers (ours): a model that knew nothing is as near to a Goal that knows nothing as can be.
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
    finetuned, own = listed.bound("finetuned"), listed.model.distance
    found = _unranked(listed)
    if low := retain_note(provenance, finetuned.result.provenance if finetuned else None):
        found.append(low)
    found += [f"its Goal: {flaw}" for flaw in _flaws_of_goals(listed)]
    found += [f"{sign.mark}: {', '.join(names)}" for sign, names in failing_slices(provenance).items()]
    if provenance.other_target:
        found.append(f"made for the target {provenance.other_target}")
    if provenance.other_split:
        found.append(f"made for {provenance.other_split}")
    if finetuned and own and finetuned.distance and own.distance > finetuned.distance.distance:
        found.append("further from Goal than Finetuned, which did nothing")
    return found + _used(listed)


def _used(listed: Listed) -> list[str]:
    """What the run records say of trainings that used what is asked."""
    runs = listed.submission["runs"]
    asked = {measured(name) for name in listed.model.figures}
    found = []
    for whose, run in (
        ("", runs["model"]),
        ("Finetuned ", runs["finetuned"]),
        *(("Goal ", goal) for goal in runs["goals"]),
    ):
        arguments = run["record"].get("arguments", {})
        for name, (figure, words) in ASKED_IN_TRAINING.items():
            if figure in asked and str(arguments.get(name, "")).casefold() not in OFF:
                found.append(f"{whose}{words}")
    return list(dict.fromkeys(found))


def _flaws_of_goals(listed: Listed) -> list[str]:
    """What is wrong with its Goals' answers; of one that never learned the lost rank says it."""
    goals = [entry.result.provenance for entry in listed.board.entries if entry.role == "goal"]
    return list(dict.fromkeys(flaw for one in goals if not ignorant(one) for flaw in flaws_of(one)))


def _unranked(listed: Listed) -> list[str]:
    bounds = [one for one in listed.board.entries if one.role in NEVER_LEARNED]
    why = [NEVER_LEARNED[one.role] for one in bounds if ignorant(one.result.provenance)]
    silent = any(silence_of(one.result.provenance) for one in bounds if one.role == "goal")
    why = [*dict.fromkeys(why), *["not ranked: its Goal gave no answers, so being near it means nothing"] * silent]
    return why or ["not ranked: no distance to Goal"] * (listed.model.distance is None)
