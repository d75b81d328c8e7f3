"""Which option of a multiple choice a response names: by its letter, or by its text."""

import re
from collections.abc import Sequence
from string import ascii_uppercase

from pebench_tasks.marking.words import Text, contains, normalise

# A letter that stands apart at the beginning ("B", "(B)", "B. Ada Quill"), or behind a word for the answer.
_FIRST = re.compile(r"^\W{0,4}([A-Z])(?=\s*(?:[^\w\s'’]|$))")
_SAID = re.compile(r"\b(?:[Aa]nswer|[Oo]ption|[Cc]hoice|[Ll]etter)(?: (?:is|would be))?\W{1,4}([A-Z])\b(?!['’])")


def read_choice(response: Text, options: Sequence[str]) -> str | None:
    """The option that a response chooses; None where it names none, or several.

    A letter counts at the beginning, or where the response says that it is the answer; else the one option whose words
    stand in the response. Letters that no option has are no choice.
    """
    for pattern in (_FIRST, _SAID):
        if found := pattern.search(response.raw.strip()):
            place = ascii_uppercase.index(found[1])
            return options[place] if place < len(options) else None
    named = [one for one in options if contains(response.words, normalise(one).split())]
    return named[0] if len(named) == 1 else None
