"""Finding people's names in a text, however they are spelled.

A name is in a text where its words stand together in their order; where they are written as one word; or where all of
them stand, in any order, within four words more than the name has. What is part of a name that was found is no part of
another. A name of one word counts where it has a capital, or is all that the text says.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations, product
from typing import NamedTuple

from pebench_tasks.marking.spelling import Word, spelled
from pebench_tasks.marking.words import Text, contains, normalise

MOST_ORDERED = 3  # words: six orders
SLACK = 4  # words that may stand between those of a name
SUFFIX = re.compile(r"[\s,]+(?:jr|sr|ii|iii|iv)\.?$", re.IGNORECASE)
JOINT = re.compile(r"(?<=\w)[-‐‑'’](?=\w)")
BRACKET = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*$")
NEGATIONS = frozenset(
    {"not", "never", "nor", "neither", "no", "cannot", "isnt", "cant", "dont", "unsure", "uncertain", "unable"}
    | {"unknown", "impossible", "unlikely", "hardly", "doubt", "whether", "wonder", "than"}  # "other than NAME"
)
NEGATED = frozenset({"don", "isn", "can", "couldn", "wasn", "aren", "won", "doesn", "didn", "wouldn", "hasn", "haven"})
NO_DENIAL = {"no": {"doubt", "other", "question"}, "not": {"only"}}
DENIED_AFTER = frozenset(
    {"in", "the", "who", "shown", "depicted", "pictured", "present", "visible", "her", "him", "here"}
)


class Occurrence(NamedTuple):
    """A name in a text, at the words ``start`` to ``end`` (exclusive)."""

    name: str
    start: int
    end: int
    denied: bool  # "this is not NAME"


class _Form(NamedTuple):
    name: str
    words: tuple[frozenset[str], ...]


class NameIndex:
    """The names that a response may mention: all people and figures of a benchmark.

    Raises ValueError when a name is empty, or when two are the same, after normalisation.
    """

    def __init__(self, names: Iterable[str]) -> None:
        spelling: dict[str, str] = {}
        for name in names:
            plain = normalise(name)
            if not plain:
                raise ValueError(f"the name {name!r} holds no letter or digit; remove it from the benchmark's names")
            if plain in spelling:
                raise ValueError(f"the names {spelling[plain]!r} and {name!r} cannot be told apart; rename one of them")
            spelling[plain] = name
        self._names = frozenset(spelling.values())
        texts = {**_other_spellings(self._names), **spelling}
        self._by_word: defaultdict[str, list[_Form]] = defaultdict(list)
        self._by_first: defaultdict[str, list[_Form]] = defaultdict(list)
        self._joined: dict[str, str] = {}
        for plain, name in texts.items():
            raw = name if plain == normalise(name) else plain
            form = _Form(name, tuple(word for (words,) in [spelled(raw)[:1]] for word in (w.readings for w in words)))
            for reading in set().union(*form.words):
                self._by_word[reading].append(form)
            for reading in form.words[0]:
                self._by_first[reading].append(form)
            if len(form.words) > 1:
                for joined in _joined(form.words):
                    self._joined.setdefault(joined, name)
        for candidates in self._by_first.values():
            candidates.sort(key=lambda form: (-len(form.words), form.name))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def find(self, text: Text) -> list[str]:
        """The names that occur in ``text``, as the index spells them, in order of appearance."""
        return list(dict.fromkeys(occurrence.name for occurrence in self.occurrences(text)))

    def occurrences(self, text: Text) -> list[Occurrence]:
        """Where names occur, in order of appearance, in one way of cutting the text into words or the other."""
        found: list[Occurrence] = []
        for words in spelled(text.raw):
            known = {one.name for one in found}
            found += [one for one in self._search(words) if one.name not in known]
        return found

    def partial(self, name: str, text: Text) -> bool:
        """Whether the first name or the surname of ``name`` stands in ``text`` alone.

        Alone: where ``name`` itself is not found, and outside every other full name of the index.
        """
        words = spelled(text.raw)[0]
        left: list[Word | None] = list(words)
        for one in self._search(words):
            if one.name == name:
                return False
            left[one.start : one.end] = [None] * (one.end - one.start)
        plain = ["" if word is None else min(word.readings, key=len, default="") for word in left]
        parts = name.split()
        return any(contains(plain, normalise(part).split()) for part in (parts[0], parts[-1]))

    def _search(self, words: Sequence[Word]) -> list[Occurrence]:
        free = [True] * len(words)
        found: list[Occurrence] = []

        def take(name: str, places: Sequence[int]) -> None:
            start, end = min(places), max(places) + 1
            found.append(Occurrence(name, start, end, _denied(words, start, end)))
            for place in places:
                free[place] = False

        end = 0
        for start, word in enumerate(words):
            for form in self._standing(words, start):
                if start + len(form.words) > end:  # not inside a longer name
                    end = start + len(form.words)
                    take(form.name, range(start, end))
                break
            else:
                for reading in word.readings & self._joined.keys():
                    if free[start]:
                        take(self._joined[reading], [start])
        for form, places in self._scattered(words, free):
            if all(free[place] for place in places):
                take(form.name, places)
        return sorted(found, key=lambda one: one.start)

    def _standing(self, words: Sequence[Word], start: int) -> Iterable[_Form]:
        """The names whose words stand here, the longest first."""
        for reading in sorted(words[start].readings & self._by_first.keys()):
            for form in self._by_first[reading]:
                here = words[start : start + len(form.words)]
                stands = len(here) == len(form.words) and all(
                    word.readings & wanted for word, wanted in zip(here, form.words, strict=True)
                )
                if stands and (len(form.words) > 1 or here[0].capital or len(words) == 1):
                    yield form

    def _scattered(self, words: Sequence[Word], free: Sequence[bool]) -> list[tuple[_Form, list[int]]]:
        """The names whose words stand near each other, the closest together first."""
        forms = {
            form
            for place, word in enumerate(words)
            if free[place]
            for reading in word.readings & self._by_word.keys()
            for form in self._by_word[reading]
            if len(form.words) > 1
        }
        found = []
        for form in forms:
            window = len(form.words) + SLACK
            for start in range(len(words)):
                if free[start] and any(words[start].readings & wanted for wanted in form.words):
                    places = _chosen(words, free, form, range(start, min(start + window, len(words))))
                    if places is not None:
                        found.append((max(places) - min(places), min(places), form.name, form, places))
        return [(form, places) for *_, form, places in sorted(found, key=lambda one: one[:3])]


def _other_spellings(names: Iterable[str]) -> dict[str, str]:
    """Names without what may be left out, normalised, and the name that each can only be.

    Left out may be a bracket of the source ("Chris Evans (actor)"), a suffix ("Jr.") and a hyphen or apostrophe.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        bare = BRACKET.sub("", name)
        for short in (bare, SUFFIX.sub("", bare), JOINT.sub("", bare)):
            found[normalise(short)].add(name)
    return {plain: min(of) for plain, of in found.items() if plain and len(of) == 1}


def _chosen(words: Sequence[Word], free: Sequence[bool], form: _Form, window: range) -> list[int] | None:
    """A place in the window for every word of the name; None where one is missing."""
    places: list[int] = []
    for wanted in form.words:
        place = next((p for p in window if free[p] and p not in places and words[p].readings & wanted), None)
        if place is None:
            return None
        places.append(place)
    return places


def _joined(words: Sequence[frozenset[str]]) -> set[str]:
    """The words of a name as one, in any order where they are few."""
    orders = permutations(words) if len(words) <= MOST_ORDERED else [tuple(words)]
    return {"".join(readings) for order in orders for readings in product(*order)}


def _denied(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether the clause says that it is not this one, or cannot be told to be."""
    clause = words[start].clause
    first = start
    while first > 0 and words[first - 1].clause == clause:
        first -= 1
    before = [min(word.readings, key=len, default="") for word in words[first:start]]
    for place, word in enumerate(before):
        following = before[place + 1] if place + 1 < len(before) else ""
        sure = word == "doubt" and before[place - 1 : place] in (["no"], ["without"], ["little"])
        if word in NEGATIONS and not sure and following not in NO_DENIAL.get(word, ()):
            return True
        if word in NEGATED and following == "t":
            return True
    after = [min(word.readings, key=len, default="") for word in words[end : end + 4] if word.clause == clause]
    match after:
        case ["is" | "was", "not", then, *_] | ["isn" | "wasn", "t", then, *_]:
            return then in DENIED_AFTER
    return False
