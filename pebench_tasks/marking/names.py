"""Finding people's names in a text, however they are spelled.

A name is in a text where its words stand together in their order; where its letters stand together, however they are
cut into words; or where all of its words stand, in any order, within four words more than the name has. What is part of
a name that was found is no part of another. A name of one word counts where it has a capital, or is all that the text
says.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from pebench_tasks.marking.denial import denied
from pebench_tasks.marking.lexical import FUNCTION
from pebench_tasks.marking.name_forms import Form, as_one_word, other_spellings, parts
from pebench_tasks.marking.spelling import Word, spelled
from pebench_tasks.marking.words import Text, normalise

SLACK = 4  # words that may stand between those of a name
# What a field is called; between the words of a name these do not count, unless one comes twice ("first name" of two).
LABELS = frozenset({"first", "last", "given", "family", "middle", "surname", "forename", "vorname", "nachname"})
NAME = frozenset({"name", "names"})
MOST_LABELS = 6
FEWEST_JOINED = 6  # letters of a name that is found where it is cut into other words: "Li Na" is not in "Lina"


class Occurrence(NamedTuple):
    """A name in a text, at the words ``start`` to ``end`` (exclusive)."""

    name: str
    start: int
    end: int
    denied: bool  # "this is not NAME"
    weak: bool  # one word that may be another: its capital begins a sentence ("Pink flowers")


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
        others = {short: name for plain, (short, name) in other_spellings(self._names).items() if plain not in spelling}
        self._forms = [Form.of(short, name) for short, name in {**others, **{n: n for n in spelling.values()}}.items()]
        self._forms.sort(key=lambda form: (-len(form.words), form.name))
        self._single: dict[str, str] = {}
        self._begun: defaultdict[tuple[str, str], list[Form]] = defaultdict(list)  # by the first two words
        self._holding: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # by a word: which name, which bit
        self._joined: dict[str, str] = {}
        for number, form in enumerate(self._forms):
            self._add(number, form)
        self._in_order = sorted(self._joined)

    def _add(self, number: int, form: Form) -> None:
        if len(form.words) == 1:
            for reading in form.words[0]:
                self._single.setdefault(reading, form.name)
            return
        for first, second in product(form.words[0], form.words[1]):
            self._begun[first, second].append(form)
        for place, word in enumerate(form.words):
            for reading in word:
                self._holding[reading].append((number, 1 << place))
        for joined in as_one_word(form.words):
            self._joined.setdefault(joined, form.name)

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

        Alone: where ``name`` itself is not found, and outside every other full name of the index. Brackets and suffixes
        of the source are no surnames, and a name of one word has no part.
        """
        first_and_last = parts(name)
        if first_and_last is None or name in self.find(text):
            return False
        words = spelled(text.raw)[0]
        left: list[frozenset[str]] = [word.readings for word in words]
        for one in self._search(words):
            left[one.start : one.end] = [frozenset()] * (one.end - one.start)
        return any(_stands(Form.of(part, name).words, left) for part in first_and_last)

    def _search(self, words: Sequence[Word]) -> list[Occurrence]:
        free = [True] * len(words)
        found: list[Occurrence] = []

        def take(name: str, places: Sequence[int]) -> None:
            start, end = min(places), max(places) + 1
            found.append(Occurrence(name, start, end, denied(words, places), _weak(words, places)))
            for place in places:
                free[place] = False

        end = 0
        for start in range(len(words)):
            name, length = self._standing(words, start)
            if length and start + length > end:  # not inside a longer name
                end = start + length
                take(name, range(start, end))
        for start in range(len(words)):
            name, length = self._run_together(words, free, start)
            if length:
                take(name, range(start, start + length))
        for form, places in self._scattered(words, free):
            if all(free[place] for place in places):
                take(form.name, places)
        return sorted(found, key=lambda one: one.start)

    def _standing(self, words: Sequence[Word], start: int) -> tuple[str, int]:
        """The name whose words stand here, the longest, and how many they are; none has none."""
        here = words[start]
        if start + 1 < len(words):
            pairs = product(sorted(here.readings), sorted(words[start + 1].readings))
            forms = [form for pair in pairs for form in self._begun.get(pair, ())]
            for form in sorted(forms, key=lambda form: -len(form.words)):
                following = words[start + 2 : start + len(form.words)]
                if len(following) == len(form.words) - 2 and all(
                    word.readings & wanted for word, wanted in zip(following, form.words[2:], strict=True)
                ):
                    return form.name, len(form.words)
        if here.capital or len(words) == 1:
            for reading in sorted(here.readings & self._single.keys()):
                return self._single[reading], 1
        return "", 0

    def _run_together(self, words: Sequence[Word], free: Sequence[bool], start: int) -> tuple[str, int]:
        """The longest name whose letters are those of words from here on, and how many words they are."""
        begun, found = {""}, ("", 0)
        for place in range(start, len(words)):
            if not free[place]:
                break
            begun = {text + more for text in begun for more in words[place].readings}
            begun = {text for text in begun if self._begins(text)}
            if not begun:
                break
            short = not words[place].spelt
            for text in sorted(begun & self._joined.keys()):
                if len(text) >= FEWEST_JOINED or not short:
                    found = (self._joined[text], place + 1 - start)
        return found

    def _begins(self, text: str) -> bool:
        """Whether a name, its words as one, begins so."""
        place = bisect_left(self._in_order, text)
        return place < len(self._in_order) and self._in_order[place].startswith(text)

    def _scattered(self, words: Sequence[Word], free: Sequence[bool]) -> list[tuple[Form, list[int]]]:
        """The names whose words stand near each other: the fewest words between first, of these the longest."""
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(words):
            if free[place]:
                for reading in word.readings & self._holding.keys():
                    places[reading].append(place)
        held: defaultdict[int, int] = defaultdict(int)
        for reading in places:
            for number, bit in self._holding[reading]:
                held[number] |= bit
        found = []
        for number, bits in held.items():
            form = self._forms[number]
            if bits == (1 << len(form.words)) - 1:
                for chosen in _near(form, places, words):
                    between = max(chosen) - min(chosen) + 1 - len(chosen)
                    found.append((between, -len(chosen), min(chosen), form.name, form, chosen))
        return [(form, chosen) for *_, form, chosen in sorted(found, key=lambda one: one[:4])]


def _near(form: Form, places: dict[str, list[int]], words: Sequence[Word]) -> Iterable[list[int]]:
    """A place for every word of a name, all within a few words more than it has, for each place that may be first."""
    of_each = [
        sorted({place for reading in word if reading in places for place in places[reading]}) for word in form.words
    ]
    for start in sorted(set().union(*of_each)):
        chosen: list[int] = []
        for those in of_each:
            at = bisect_left(those, start)
            while at < len(those) and those[at] in chosen:
                at += 1
            if at == len(those) or those[at] >= start + len(form.words) + SLACK + MOST_LABELS:
                break
            chosen.append(those[at])
        else:
            if max(chosen) < start + len(form.words) + SLACK or _in_fields(words, chosen):
                yield chosen


def _in_fields(words: Sequence[Word], chosen: Sequence[int]) -> bool:
    """Whether no more than a few words stand between those of a name, beside the labels of fields, each there once."""
    start, end = min(chosen), max(chosen)
    labels = [word.plain for word in words[max(0, start - 3) : end] if word.plain in LABELS]
    between = [
        word
        for place, word in enumerate(words[start:end], start)
        if place not in chosen and word.plain not in LABELS | NAME
    ]
    return len(set(labels)) == len(labels) and len(between) <= SLACK


def _stands(wanted: Sequence[frozenset[str]], words: Sequence[frozenset[str]]) -> bool:
    """Whether words that may be read so stand next to each other in this order."""
    return any(
        all(word & one for word, one in zip(words[place : place + len(wanted)], wanted, strict=True))
        for place in range(len(words) - len(wanted) + 1)
    )


def _weak(words: Sequence[Word], places: Sequence[int]) -> bool:
    """Whether a name of one word begins a sentence that goes on as with any other word: "Pink flowers"."""
    start, following = places[0], places[0] + 1
    if len(places) > 1 or not words[start].begins or following == len(words):
        return False
    word = words[following]
    return word.clause == words[start].clause and not word.capital and not word.readings & FUNCTION
