"""The words of a text, as all marks read them: without case, accents and punctuation."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
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


class Text(NamedTuple):
    """A response, a truth or a Goal's answer in the forms in which it is marked."""

    raw: str  # as it was written
    plain: str  # normalised, one space between words
    words: tuple[str, ...]  # of ``plain``

    @classmethod
    @lru_cache(maxsize=4096)  # truths and Goal answers come back for every response
    def of(cls, raw: str) -> "Text":
        """Normalise a text, once for all who mark it."""
        plain = normalise(raw)
        return cls(raw, plain, tuple(plain.split()))


def contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether the words of ``phrase`` stand in ``words``, next to each other and in this order."""
    length, wanted = len(phrase), tuple(phrase)
    return any(tuple(words[i : i + length]) == wanted for i in range(len(words) - length + 1))
