"""The words of a text as names may be spelled in it: escapes, look-alike letters, mixed scripts, umlauts.

Every word has its readings: ``Müller`` is ``muller`` and ``mueller``. There may be a second way to cut the text into
words: without the marks of emphasis that stand inside words, before capitals and digits (``AnnaMüller85``), and what is
spelled letter by letter as one word (``M ü l l e r``, ``M as in Mike``, ``Mike Uniform Lima``).
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, product
from typing import NamedTuple

from pebench_tasks.marking.escapes import unescaped
from pebench_tasks.marking.look_alikes import is_latin, latin, plain_forms
from pebench_tasks.marking.words import normalise

_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"}
_MOST_UMLAUTS = 4  # letters of a word of which each is read in both ways
_BREAKS = frozenset(".,;:!?\n。，、；：！？()（）")
_DASH = re.compile(r"\s-{1,3}\s|[–—]")
# A full stop behind one of these ends no sentence.
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "st", "sr", "jr", "rev", "hon"})
_TURNS = frozenset({"but", "however", "though", "although", "yet", "instead", "rather"})  # another clause begins
_ANYBODY = frozenset(f"{some}{body}" for some in ("any", "every", "no", "some") for body in ("body", "one", "thing"))
_SUBJECTS = frozenset({"she", "he", "it", "they", "this", "these", "i", "we", "her", "his", "their", "my", "the"})
_INSIDE = re.compile(r"(?<=\w)(?:[*~`]+|</?[a-zA-Z][^<>\n]{0,40}>)+(?=\w)")  # emphasis inside a word
_SPLIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_NATO = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu alfa juliett whisky"
)
_LETTER_OF = {word: word[0] for word in _NATO.split()}
_FEWEST_LETTERS = 3  # in a row that are a word
_AS_IN = (("as", "in"), ("for",), ("like",), ("wie",), ("comme",), ("de",), ("come",))


class Word(NamedTuple):
    """One word of a text."""

    plain: str  # normalised
    readings: frozenset[str]
    capital: bool  # begins with one, or is of a script that has none
    clause: int  # words of one clause have the same number
    begins: bool  # is the first of a sentence
    asked: bool  # stands in a clause that ends in a question mark
    spelt: bool  # letter by letter


class _Piece(NamedTuple):
    text: str
    clause: int
    begins: bool
    spelt: bool = False


@lru_cache(maxsize=512)  # long answers take much memory
def spelled(text: str) -> tuple[tuple[Word, ...], ...]:
    """The words of a text in one or two ways of cutting it."""
    shown = _DASH.sub(" ; ", plain_forms(unicodedata.normalize("NFKC", plain_forms(unescaped(text)))))
    first, asked = _pieces(shown)
    found = [_words(first, asked)]
    bare = _INSIDE.sub("", shown)
    second, asked = (first, asked) if bare == shown else _pieces(bare)
    second = _letters([part for piece in second for part in _parts(piece)])
    if [piece.text for piece in second] != [piece.text for piece in first]:
        found.append(_words(second, asked))
    return tuple(found)


@lru_cache(maxsize=65536)
def readings(word: str) -> frozenset[str]:
    """How one word may be read, normalised."""
    word = unicodedata.normalize("NFC", word)
    forms = {word, *_transliterated(word.lower())}
    if not is_latin(word[0]):
        forms.add(latin(word))
    return frozenset(normalise(form).replace(" ", "") for form in forms) - {""}


def _transliterated(word: str) -> set[str]:
    """A word with its umlauts as two letters: all of them, or where they are few any."""
    if word.isascii():
        return set()
    ways = [(letter, _UMLAUTS[letter]) if letter in _UMLAUTS else (letter,) for letter in word]
    if sum(len(way) > 1 for way in ways) > _MOST_UMLAUTS:
        return {"".join(way[-1] for way in ways)}
    return {"".join(letters) for letters in product(*ways)}


def _words(pieces: Sequence[_Piece], asked: frozenset[int]) -> tuple[Word, ...]:
    return tuple(
        Word(
            normalise(piece.text),
            readings(piece.text),
            piece.text[0].isupper() or not piece.text[0].islower(),
            piece.clause,
            piece.begins,
            piece.clause in asked,
            piece.spelt,
        )
        for piece in pieces
    )


def _pieces(text: str) -> tuple[list[_Piece], frozenset[int]]:
    """Runs of letters and digits of one script, the clause of each, and the clauses that end in a question mark."""
    pieces: list[_Piece] = []
    asked: set[int] = set()
    clause, run, begins = 0, "", True

    def finish() -> None:
        nonlocal run, clause, begins
        for part in _by_script(run):
            clause += bool(pieces) and _turns(pieces[-1].text.lower(), part.lower())
            pieces.append(_Piece(part, clause, begins))
            begins = False
        run = ""

    for character in text:
        kind = unicodedata.category(character)
        if kind[0] in "LN" or (kind[0] == "M" and run):
            run += character
        elif kind != "Cf":
            shortened = character == "." and (len(run) == 1 or run.lower() in _TITLES)
            if run:
                finish()
            if character in _BREAKS and not shortened:
                if character in "?？":
                    asked.add(clause)
                clause += 1
                begins = begins or character in ".!?\n。！？"
    finish()
    return pieces, frozenset(asked)


def _turns(last: str, word: str) -> bool:
    """Whether another clause begins with a word, behind the last one."""
    if word in _TURNS:
        return not (word == "but" and (last in _ANYBODY or last in ("one", "all", "else", "none")))
    return last in ("and", "so") and word in _SUBJECTS


def _by_script(run: str) -> list[str]:
    """The run, cut where Latin letters meet others; one in which others look Latin throughout is Latin."""
    if not run or run.isascii():
        return [run] if run else []
    if any(is_latin(letter) for letter in run if letter.isalpha()):
        run = latin(run)
    parts = [run[0]]
    now = is_latin(run[0])
    for character in run[1:]:
        if character.isalpha() and is_latin(character) != now:
            now = not now
            parts.append(character)
        else:
            parts[-1] += character
    return parts


def _parts(piece: _Piece) -> list[_Piece]:
    """A word, cut before the capitals and at the digits in it."""
    parts = [part for run in _SPLIT.split(piece.text) for part in _before_capitals(run)]
    return [piece._replace(text=part, begins=piece.begins and not place) for place, part in enumerate(parts)]


def _before_capitals(run: str) -> list[str]:
    if run.islower() or run[1:].islower() or run.isupper():
        return [run]
    cuts = [
        place
        for place in range(1, len(run))
        if run[place].isupper() and (run[place - 1].islower() or run[place + 1 : place + 2].islower())
    ]
    return [run[start:end] for start, end in zip([0, *cuts], [*cuts, len(run)], strict=True)]


def _letters(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The words, with three and more single letters in a row as one, however each letter is called."""
    found: list[_Piece] = []
    for single, group in groupby(_called(pieces), key=lambda piece: len(piece.text) == 1 and piece.text.isalpha()):
        run = list(group)
        if single and len(run) >= _FEWEST_LETTERS and all(is_latin(piece.text) for piece in run):
            found.append(run[0]._replace(text="".join(piece.text for piece in run), spelt=True))
        else:
            found += [piece if not piece.spelt else piece._replace(spelt=False) for piece in run]
    return found


def _called(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The words, with ``M as in Mike`` and rows of the spelling alphabet's words as letters."""
    lower = [piece.text.lower() for piece in pieces]
    found: list[_Piece] = []
    place = 0
    while place < len(pieces):
        if length := _as_in(lower, place):
            found.append(pieces[place])
            place += length
            continue
        end = place
        while end < len(pieces) and lower[end] in _LETTER_OF:
            end += 1
        if end - place >= _FEWEST_LETTERS:
            found += [piece._replace(text=_LETTER_OF[piece.text.lower()].upper()) for piece in pieces[place:end]]
        else:
            end = place + 1
            found.append(pieces[place])
        place = end
    return found


def _as_in(words: Sequence[str], place: int) -> int:
    """How many words ``M as in Mike`` takes here; 0 where there is nothing of the kind."""
    if len(words[place]) == 1:
        for link in _AS_IN:
            end = place + 1 + len(link)
            if tuple(words[place + 1 : end]) == link and end < len(words) and words[end][0] == words[place]:
                return len(link) + 2
    return 0
