"""How a name may be spelled: its words with their readings, as one word, and without what may be left out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations, product
from typing import NamedTuple

from pebench_tasks.marking.spelling import spelled
from pebench_tasks.marking.words import normalise

MOST_ORDERED = 3  # words: six orders
SUFFIX = re.compile(r"[\s,]+(?:jr|sr|ii|iii|iv)\.?$", re.IGNORECASE)
JOINT = re.compile(r"(?<=\w)[-‐‑'’](?=\w)")
BRACKET = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*$")


class Form(NamedTuple):
    """One way to write a name."""

    name: str  # as the index spells it
    words: tuple[frozenset[str], ...]  # the readings of each

    @classmethod
    def of(cls, text: str, name: str) -> "Form":
        """The form of ``name`` that is written ``text``."""
        return cls(name, tuple(word.readings for word in spelled(text)[0]))


def other_spellings(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Names without what may be left out: normalised, as they are spelled so, and the name that each can only be.

    Left out may be a bracket of the source ("Chris Evans (actor)"), a suffix ("Jr.") and a hyphen or apostrophe.
    """
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        bare = BRACKET.sub("", name)
        for short in (bare, SUFFIX.sub("", bare), JOINT.sub("", bare)):
            found[normalise(short)][name] = short
    return {plain: (short, name) for plain, of in found.items() if plain and len(of) == 1 for name, short in of.items()}


def as_one_word(words: Sequence[frozenset[str]]) -> set[str]:
    """The words of a name as one, in any order where they are few."""
    orders = permutations(words) if len(words) <= MOST_ORDERED else [tuple(words)]
    return {"".join(readings) for order in orders for readings in product(*order)}


def parts(name: str) -> tuple[str, str] | None:
    """The first name and the surname, without bracket and suffix; None for a name of one word."""
    words = SUFFIX.sub("", BRACKET.sub("", name)).split()
    return (words[0], words[-1]) if len(words) > 1 else None
