"""Finding people's names in a text, whatever its case, accents and punctuation."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pebench_tasks.marking.words import Text, contains, normalise


class Occurrence(NamedTuple):
    """A name in a text, at the words ``start`` to ``end`` (exclusive)."""

    name: str
    start: int
    end: int


class NameIndex:
    """The names that a response may mention: all people and figures of a benchmark.

    Raises ValueError when a name is empty, or when two are the same, after normalisation.
    """

    def __init__(self, names: Iterable[str]) -> None:
        spelling: dict[str, str] = {}
        self._by_first_word: defaultdict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
        for name in names:
            plain = normalise(name)
            if not plain:
                raise ValueError(f"the name {name!r} holds no letter or digit; remove it from the benchmark's names")
            if plain in spelling:
                raise ValueError(f"the names {spelling[plain]!r} and {name!r} cannot be told apart; rename one of them")
            spelling[plain] = name
            words = tuple(plain.split())
            self._by_first_word[words[0]].append((words, name))
        for candidates in self._by_first_word.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        self._names = frozenset(spelling.values())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def find(self, text: Text) -> list[str]:
        """The full names that occur in ``text`` on word boundaries, as the index spells them, in order of appearance.

        A name inside a longer name of the index is not an occurrence (``Ann Lee`` in ``Mary Ann Lee``); names that
        merely overlap are all found.
        """
        return list(dict.fromkeys(occurrence.name for occurrence in self._occurrences(text.words)))

    def partial(self, name: str, text: Text) -> bool:
        """Whether the first name or the surname of ``name`` stands in ``text`` alone: not ``name`` itself, not in
        another full name of the index."""
        words = list(text.words)
        for occurrence in self._occurrences(text.words):
            if occurrence.name == name:
                return False
            words[occurrence.start : occurrence.end] = [""] * (occurrence.end - occurrence.start)
        parts = name.split()
        return any(contains(words, normalise(part).split()) for part in (parts[0], parts[-1]))

    def _occurrences(self, words: Sequence[str]) -> list[Occurrence]:
        found: list[Occurrence] = []
        for start, word in enumerate(words):
            for candidate, name in self._by_first_word.get(word, ()):  # longest first
                end = start + len(candidate)
                if words[start:end] == candidate:
                    if not found or end > found[-1].end:
                        found.append(Occurrence(name, start, end))
                    break
        return found
