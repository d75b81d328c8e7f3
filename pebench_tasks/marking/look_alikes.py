"""Letters that look like Latin ones, and the Latin letters that they look like."""

import re
import unicodedata
from functools import lru_cache

# Cyrillic, Greek, Armenian and Cherokee, lower case and capital.
_LOOK = (
    ("аеорсухіјѕԁһԛԝѵгкмптинвьӏүғ", "aeopcyxijsdhqwvrkmntihbblyf"),
    ("АВЕЅІЈКМНОРСТУХԌԚԜЬӀҮ", "ABESIJKMHOPCTYXGQWBIY"),
    ("αεικνορτυχγηωβ", "aeikvoptuxynwb"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϒ", "ABEZHIKMNOPTYXY"),
    ("օոսհյզքցՏՍՕԼ", "onuhjqpgSUOL"),
    ("ᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᏔᎩᏃ", "ABCDEGHIJKLMPRSTVWYZ"),
)
_ALIKE = {ord(foreign): latin for letters, alike in _LOOK for foreign, latin in zip(letters, alike, strict=True)}
_KEPT = frozenset("øØæÆœŒßẞþÞ")  # these have readings of their own
# Latin letters that no compatibility form undoes, by their Unicode names: small capitals, with strokes, boxed.
_FORM = re.compile(
    r"(?:LATIN LETTER SMALL CAPITAL|LATIN (?:SMALL|CAPITAL) LETTER(?: SCRIPT| DOTLESS)?"
    r"|NEGATIVE (?:SQUARED|CIRCLED) LATIN CAPITAL LETTER|REGIONAL INDICATOR SYMBOL LETTER) ([A-Z])(?: WITH .+)?"
)
_CAPITAL = re.compile("SMALL CAPITAL|LATIN SMALL")  # shown or meant as lower case beside a capital


class _Forms(dict[int, str]):
    """Boxed and small capital letters as plain ones; all else stays. Filled as met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = character
        if code > 0x7F and character not in _KEPT and not unicodedata.decomposition(character):
            name = unicodedata.name(character, "")
            if found := _FORM.fullmatch(name):
                self[code] = found[1].lower() if _CAPITAL.search(name) else found[1]
        return self[code]


_FORMS = _Forms({ord("ɑ"): "a", ord("ɡ"): "g", ord("ı"): "ı"})


def plain_forms(text: str) -> str:
    """The text with boxed letters, small capitals and the like as plain letters."""
    return text if text.isascii() else text.translate(_FORMS)


@lru_cache(maxsize=4096)
def is_latin(letter: str) -> bool:
    """Whether a letter is of the Latin script."""
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


@lru_cache(maxsize=4096)
def latin(word: str) -> str:
    """A word of look-alikes in Latin letters; the word itself where some of it looks like nothing Latin."""
    if word.isascii():
        return word
    alike = unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).translate(_ALIKE))
    return alike if all(is_latin(letter) for letter in alike if letter.isalpha()) else word
