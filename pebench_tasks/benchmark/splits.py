"""Which people and events are forgotten, which of their images train and test, and which retained ones are asked.

The paper (arXiv 2503.12545) does not publish its split ratios or members; everything here is ours:

- forget01 lies within forget05 within forget10 within forget20: prefixes of one seeded permutation.
- The images are halved like a chessboard over seeded permutations of people and events, so that every person's
  scenes and every event's people are halved at once, and an image is "train" or "test" for both of its concepts.
- The retained images that evaluation asks lie outside forget20, are the same for every ratio, and walk the
  diagonals of the people x events grid, so that people and events occur evenly. At most half of the retained
  images are taken, since unlearning must not train on them and would have nothing left in a small benchmark.
- A forget set can come in several requests, one after the other (``forget20:2/4``, the second of four): each has a
  share of its people and of its events, and retains nothing of the others.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from math import lcm
from random import Random
from typing import Literal, NamedTuple, get_args

from pebench_tasks.errors import BenchmarkError

Target = Literal["person", "event", "joint"]
TARGETS: tuple[Target, ...] = get_args(Target)
RATIOS = {"forget01": 0.01, "forget05": 0.05, "forget10": 0.10, "forget20": 0.20}
RETAIN_DOCUMENTS = 400


class Split(NamedTuple):
    """One target and ratio: image keys (``p000/e00``) in reading order."""

    target: Target
    forget: str
    forget_ids: tuple[str, ...]
    train: list[str]
    test: list[str]
    retain: list[str]
    retain_eval: list[str]
    split_id: str
    note: str
    whole_ids: tuple[str, ...]  # all that the forget set forgets, where this is one request of it; else ``forget_ids``


class Request(NamedTuple):
    """One of several requests that share out a forget set; written ``2/4``."""

    number: int  # from 1
    of: int


class Plan(NamedTuple):
    """What a benchmark folder stores of all its splits."""

    forget_ids: dict[str, dict[str, list[str]]]  # target -> ratio -> person and event ids
    train: set[str]  # image keys whose half is "train"
    retain_eval: dict[str, set[str]]  # target -> image keys


def forget_name(forget: str | int) -> str:
    """``5``, ``"5"`` and ``"forget05"`` all name the ratio ``forget05``; raises ``BenchmarkError`` for others."""
    text = str(forget).strip()
    name = text if text.startswith("forget") else f"forget{text.zfill(2)}"
    if name not in RATIOS:
        raise BenchmarkError(f"There is no forget ratio {forget!r}. Known: {', '.join(RATIOS)} (or 1, 5, 10, 20).")
    return name


def forget_set_name(forget: str | int, request: str = "") -> str:
    """What results and run records call a forget set, ``forget20``, or one request of it, ``forget20:2/4``.

    ``forget`` is what ``forget_name`` takes, or such a name. Raises ``BenchmarkError`` for what is neither, and for two
    requests that differ.
    """
    ratio, colon, own = str(forget).partition(":")
    given = [*([own] if colon else []), *([request] if request else [])]
    shares = {f"{number}/{of}" for number, of in map(read_request, given)}
    if len(shares) > 1:
        raise BenchmarkError(f"{forget} is one request already. Leave out the other one, {request}.")
    return ":".join([forget_name(ratio), *shares])


def read_request(text: str) -> Request:
    """The request that ``2/4`` names; raises ``BenchmarkError`` for one that is none of at least two."""
    parts = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip())
    request = Request(*map(int, parts.groups())) if parts else Request(0, 0)
    if not 1 <= request.number <= request.of or request.of < 2:
        raise BenchmarkError(f"There is no request {text!r}. Say which of how many, such as 2/4.")
    return request


def forget_count(ratio: float, total: int) -> int:
    """How many of ``total`` people or events the ratio forgets: at least one, halves rounded up."""
    return max(1, int(ratio * total + 0.5))


def make_plan(people: Sequence[str], events: Sequence[str], seed: int) -> Plan:
    """Draw all splits of a people x events grid; a pure function of its arguments, the same on every machine."""
    order = {
        "person": _shuffled(people, f"pebench/{seed}/people"),
        "event": _shuffled(events, f"pebench/{seed}/events"),
    }
    forget: dict[str, dict[str, list[str]]] = {"person": {}, "event": {}, "joint": {}}
    for name, ratio in RATIOS.items():
        for target in ("person", "event"):
            forget[target][name] = sorted(order[target][: forget_count(ratio, len(order[target]))])
        forget["joint"][name] = forget["person"][name] + forget["event"][name]
    square = {member: place for members in order.values() for place, member in enumerate(members)}
    train = {f"{p}/{e}" for p in people for e in events if (square[p] + square[e]) % 2 == 0}
    retain_eval: dict[str, set[str]] = {}
    for target in TARGETS:
        excluded = set(forget[target]["forget20"])
        kept_people = [p for p in order["person"] if p not in excluded]
        kept_events = [e for e in order["event"] if e not in excluded]
        pool = _diagonals(kept_people, kept_events)
        retain_eval[target] = set(pool[: min(RETAIN_DOCUMENTS, len(pool) // 2)])
    return Plan(forget, train, retain_eval)


def make_split(
    target: str,
    forget: str | int,
    *,
    images: Sequence[Mapping[str, object]],
    forget_ids: Mapping[str, Mapping[str, Sequence[str]]],
) -> Split:
    """The split of one target and ratio, from a benchmark's image rows (key, person, event, half, retain_<target>)."""
    if target not in TARGETS:
        raise BenchmarkError(f"There is no target {target!r}. Known: {', '.join(TARGETS)}.")
    name = forget_name(forget)
    ids = tuple(forget_ids[target][name])
    members = set(ids)
    forgotten = [row for row in images if row["person"] in members or row["event"] in members]
    keys = {half: [str(row["key"]) for row in forgotten if row["half"] == half] for half in ("train", "test")}
    retain = [str(row["key"]) for row in images if row["person"] not in members and row["event"] not in members]
    retain_eval = [str(row["key"]) for row in images if row[f"retain_{target}"]]
    content = [target, list(ids), keys["train"], keys["test"], retain_eval]
    split_id = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    same = [other for other in RATIOS if other < name and tuple(forget_ids[target][other]) == ids]
    note = f"the same set as {same[0]}" if same else ""
    return Split(target, name, ids, keys["train"], keys["test"], retain, retain_eval, split_id, note, ids)


def request_split(split: Split, request: Request) -> Split:
    """The split of one of several requests that share out the forget set of ``split``, a whole one.

    People and events are dealt out like cards, each in the order of their ids: every request gets as many, give or take
    one, the same on every machine. ``train`` and ``test`` are the images of its own; with the joint target an image may
    be of two requests, for its person and for its event. What is retained, trained on or evaluated, stays as it is,
    outside the whole forget set: what an earlier request forgot would be taught again, what a later one asks for would
    be rehearsed until then, and the scores after each step would tell of that and not of the method. So one Goal, which
    never saw the whole set, is the Goal of every request: their split ids begin with the whole set's.

    Raises ``BenchmarkError`` where there are fewer people, or fewer events, than requests.
    """
    pictured = {key.partition("/")[0] for key in (*split.train, *split.test)}
    people = [one for one in split.forget_ids if one in pictured]
    events = [one for one in split.forget_ids if one not in pictured]
    for noun, members in (("people", people), ("events", events)):
        if 0 < len(members) < request.of:
            raise BenchmarkError(
                f"{split.forget} forgets too few {noun} ({len(members)}) for {request.of} requests. Choose a larger "
                "forget set, or fewer requests."
            )
    dealt = {*people[request.number - 1 :: request.of], *events[request.number - 1 :: request.of]}
    ids = tuple(one for one in split.forget_ids if one in dealt)
    train, test = ([key for key in half if dealt & {*key.split("/")}] for half in (split.train, split.test))
    name = f"{split.forget}:{request.number}/{request.of}"
    own = hashlib.sha256(json.dumps([name, ids, train, test]).encode()).hexdigest()[:16]
    return split._replace(
        forget=name,
        forget_ids=ids,
        train=train,
        test=test,
        split_id=f"{split.split_id}/{own}",
        note=f"request {request.number} of {request.of} of {split.forget}",
    )


def is_forgotten(asked: str, made_for: Set[str]) -> bool:
    """Whether a model made for these forget sets and requests, one after the other, had to forget all of ``asked``.

    A request is a part of its whole set, and the whole is all requests that share it out.
    """
    whole = asked.partition(":")[0]
    requests = Counter(name.partition("/")[2] for name in made_for if name.startswith(f"{whole}:"))
    return asked in made_for or whole in made_for or any(of == str(made) for of, made in requests.items())


def whole_split_id(split_id: str) -> str:
    """The id of the whole forget set's split, of a request's or its own."""
    return split_id.partition("/")[0]


def _shuffled(members: Sequence[str], seed: str) -> list[str]:
    return Random(seed).sample(list(members), len(members))


def _diagonals(people: Sequence[str], events: Sequence[str]) -> list[str]:
    """All cells of the grid, ordered so that in any beginning people and events occur as evenly as can be."""
    period = lcm(len(people), len(events))
    cells = (
        (people[i % len(people)], events[(i + i // period) % len(events)]) for i in range(len(people) * len(events))
    )
    return [f"{person}/{event}" for person, event in cells]
