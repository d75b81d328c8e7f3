"""The words of a text as names may be spelled in it: escapes, look-alike letters, mixed scripts, umlauts.

Every word has its readings: ``Müller`` is ``muller`` and ``mueller``. Where letters stand alone or capitals stand in a
word there is a second way to cut the text into words: ``M ü l l e r`` is one, ``AnnaMüller`` two.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from pebench_tasks.marking.words import normalise

_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"})
# Letters that look like Latin ones, lower case and capital: Cyrillic, Greek, Armenian.
_ALIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝѵгкмптіАВЕЅІЈКМНОРСТУХԌԚԜαεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧօոսՏՍ",
    "aeopcyxijsdhqwvrkmntiABESIJKMHOPCTYXGQWaeiknoptuxABEZHIKMNOPTYXonuSU",
)
_BREAKS = frozenset(".,;:!?\n。，、；：！？")
_TURNS = frozenset({"but", "however", "though", "although", "yet", "instead", "rather"})  # another clause begins


class Word(NamedTuple):
    """One word of a text."""

    readings: frozenset[str]
    capital: bool
    clause: int  # words of one clause have the same number


def unescaped(text: str) -> str:
    """The text behind HTML entities and JSON escapes."""
    text = _ESCAPE.sub(lambda found: _utf16(found[0]), text)
    return html.unescape(re.sub(r"\\[nrt]", " ", text))


def _utf16(escapes: str) -> str:
    units = (int(unit, 16) for unit in escapes[2:].split("\\u"))
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")


@lru_cache(maxsize=4096)
def spelled(text: str) -> tuple[tuple[Word, ...], ...]:
    """The words of a text in one or two ways of cutting it."""
    pieces, clauses = _pieces(unicodedata.normalize("NFKC", unescaped(text)))
    plain = tuple(_word(piece, clause) for piece, clause in zip(pieces, clauses, strict=True))
    other, other_clauses = _recut(pieces, clauses)
    if other == pieces:
        return (plain,)
    return plain, tuple(_word(piece, clause) for piece, clause in zip(other, other_clauses, strict=True))


@lru_cache(maxsize=65536)
def readings(word: str) -> frozenset[str]:
    """How one word may be read, normalised."""
    word = unicodedata.normalize("NFC", word)
    found = {normalise(form).replace(" ", "") for form in (word, word.lower().translate(_UMLAUTS))}
    return frozenset(found - {""})


def _word(piece: str, clause: int) -> Word:
    return Word(readings(piece), piece[:1].isupper(), clause)


def _pieces(text: str) -> tuple[list[str], list[int]]:
    """Runs of letters and digits of one script, and the clause of each."""
    pieces: list[str] = []
    clauses: list[int] = []
    clause, run = 0, ""

    def finish() -> None:
        nonlocal run, clause
        for piece in _by_script(_latin(run)):
            clause += piece.lower() in _TURNS
            pieces.append(piece)
            clauses.append(clause)
        run = ""

    for character in text:
        kind = unicodedata.category(character)
        if kind[0] in "LN" or (kind[0] == "M" and run):
            run += character
        elif kind != "Cf":
            finish()
            clause += character in _BREAKS
    finish()
    return pieces, clauses


def _latin(run: str) -> str:
    """A word in which Latin and look-alike letters stand together, in Latin letters where all of it can be."""
    letters = [character for character in run if character.isalpha()]
    if run.isascii() or not any(_is_latin(letter) for letter in letters):
        return run
    alike = run.translate(_ALIKE)
    return alike if all(_is_latin(letter) for letter in alike if letter.isalpha()) else run


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


def _by_script(run: str) -> list[str]:
    """The run, cut where Latin letters meet others."""
    if not run or run.isascii():
        return [run] if run else []
    parts = [run[0]]
    latin = _is_latin(run[0])
    for character in run[1:]:
        if character.isalpha() and _is_latin(character) != latin:
            latin = not latin
            parts.append(character)
        else:
            parts[-1] += character
    return parts


_CAMEL = re.compile(r"(?<=[^\W\d_])(?=[A-ZÀ-ÖØ-Þ][^\W\d_])")


def _recut(pieces: Sequence[str], clauses: Sequence[int]) -> tuple[list[str], list[int]]:
    """Words in which a capital stands are cut before it; three and more single letters in a row are one word."""
    found: list[str] = []
    where: list[int] = []
    place = 0
    while place < len(pieces):
        end = place
        while end < len(pieces) and len(pieces[end]) == 1 and pieces[end].isalpha() and _is_latin(pieces[end]):
            end += 1
        if end - place >= 3:
            found.append("".join(pieces[place:end]))
            where.append(clauses[place])
            place = end
            continue
        piece = pieces[place]
        parts = [piece] if piece.isupper() or piece.islower() else _CAMEL.split(piece)
        found += parts
        where += [clauses[place]] * len(parts)
        place += 1
    return found, where
