"""Finding people's names in a response, whatever its case, accents and punctuation."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

# Letters that Unicode does not decompose into a base letter and a mark (ß, long s and the like are casefold's).
PLAIN = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}


class _Table(dict[int, str]):
    """What becomes of each character: letters and digits stay, marks go, all else is a space; filled as met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if 0x2B0 <= code <= 0x2FF or character == "\u200b":  # letter-like apostrophes; the zero-width *space*
            self[code] = " "
        elif category in ("Mn", "Me", "Cf"):  # accents; soft hyphens, joiners, direction marks
            self[code] = ""
        elif category[0] in "LN" or category == "Mc":  # Mc: vowel signs, part of a word in Indic scripts
            self[code] = PLAIN.get(character, character)
        else:
            self[code] = " "
        return self[code]


_TABLE = _Table()


def normalise(text: str) -> str:
    """The words of ``text`` in lower case without diacritics, one space between them, no punctuation.

    Compatibility forms are folded first (Unicode NFKD, the decomposed NFKC), then case. Apostrophes and hyphens
    separate words like all punctuation: ``O'Neil``, ``O’Neil`` and ``O Neil`` are the same, ``Anne-Marie`` is
    ``Anne Marie``, and ``Ana Sol's`` contains ``Ana Sol``.
    """
    if text.isascii():
        return " ".join(text.lower().translate(_TABLE).split())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(folded.translate(_TABLE).split())


def contains(words: list[str], phrase: list[str]) -> bool:
    """Whether the words of ``phrase`` stand in ``words``, next to each other and in this order."""
    length = len(phrase)
    return any(words[i : i + length] == phrase for i in range(len(words) - length + 1))


class Occurrence(NamedTuple):
    """A name in a response, at the words ``start`` to ``end`` (exclusive)."""

    name: str
    start: int
    end: int


class NameIndex:
    """The names that a response may mention: all people and figures of a benchmark.

    Raises ValueError when a name is empty, or when two are the same, after normalisation.
    """

    def __init__(self, names: Iterable[str]) -> None:
        spelling: dict[str, str] = {}
        self._by_first_word: defaultdict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for name in names:
            plain = normalise(name)
            if not plain:
                raise ValueError(f"the name {name!r} holds no letter or digit; remove it from the benchmark's names")
            if plain in spelling:
                raise ValueError(f"the names {spelling[plain]!r} and {name!r} cannot be told apart; rename one of them")
            spelling[plain] = name
            words = plain.split()
            self._by_first_word[words[0]].append((words, name))
        for candidates in self._by_first_word.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        self._names = frozenset(spelling.values())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def find(self, text: str) -> list[str]:
        """The full names that occur in ``text`` on word boundaries, as the index spells them, in order of appearance.

        A name inside a longer name of the index is not an occurrence (``Ann Lee`` in ``Mary Ann Lee``); names that
        merely overlap are all found.
        """
        return list(dict.fromkeys(occurrence.name for occurrence in self._occurrences(normalise(text).split())))

    def partial(self, name: str, text: str) -> bool:
        """Whether the first name or the surname of ``name`` stands in ``text`` alone: not ``name`` itself, not in
        another full name of the index."""
        words = normalise(text).split()
        for occurrence in self._occurrences(words):
            if occurrence.name == name:
                return False
            words[occurrence.start : occurrence.end] = [""] * (occurrence.end - occurrence.start)
        parts = name.split()
        return any(contains(words, normalise(part).split()) for part in (parts[0], parts[-1]))

    def _occurrences(self, words: list[str]) -> list[Occurrence]:
        found: list[Occurrence] = []
        for start, word in enumerate(words):
            for candidate, name in self._by_first_word.get(word, ()):  # longest first
                end = start + len(candidate)
                if words[start:end] == candidate:
                    if not found or end > found[-1].end:
                        found.append(Occurrence(name, start, end))
                    break
        return found
