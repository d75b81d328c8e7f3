"""A text behind its escapes: those of JSON, Python, URLs, HTML and LaTeX, and UTF-8 that was read as Latin-1."""

import html
import re

_ROUNDS = 3  # what is escaped may have been escaped before: ``&amp;uuml;``, ``\\\\u00fc``
_UTF16 = re.compile(r"(?:\\+u[0-9a-fA-F]{4})+")
_CODE = re.compile(r"\\+(?:u\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8}))")
_BYTES = re.compile(r"(?:\\+x[0-9a-fA-F]{2})+|(?:%[0-9a-fA-F]{2})+|(?:\\+[0-3][0-7]{2})+")
_BYTE = re.compile(r"[x%]([0-9a-fA-F]{2})|([0-3][0-7]{2})")
_ACCENT = re.compile(r"""\{?\\(?P<accent>["'`^~])(?:(?P<vowel>[aeiouyAEIOUY])\}?|\{(?P<letter>[a-zA-Z])\}{1,2})""")
_ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_SPACE = re.compile(r"\\+[nrt]")
_MISREAD = re.compile(
    r"[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]+"
)
_WINDOWS = {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
_LATIN = str.maketrans({shown: control for control, shown in _WINDOWS.items() if shown})


def unescaped(text: str) -> str:
    """The text behind its escapes, those of escapes too."""
    for _ in range(_ROUNDS):
        plain = _once(text)
        if plain == text:
            break
        text = plain
    return text


def _once(text: str) -> str:
    if "\\" in text:
        text = _UTF16.sub(lambda found: _utf16(found[0]), text)
        text = _CODE.sub(lambda found: _character(int(found[1] or found[2], 16)), text)
        text = _ACCENT.sub(lambda found: (found["vowel"] or found["letter"]) + _ACCENTS[found["accent"]], text)
    if "\\" in text or "%" in text:
        text = _BYTES.sub(lambda found: _bytes(found[0]), text)
    if "\\" in text:
        text = _SPACE.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    return text if text.isascii() else _MISREAD.sub(lambda found: _misread(found[0]), text)


def _utf16(escapes: str) -> str:
    units = (int(unit.strip("\\"), 16) for unit in escapes.split("u")[1:])
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")


def _character(code: int) -> str:
    return chr(code) if code <= 0x10FFFF else " "


def _bytes(escapes: str) -> str:
    values = bytes(int(found[1], 16) if found[1] else int(found[2], 8) for found in _BYTE.finditer(escapes))
    return _decoded(values) or values.decode("latin-1")


def _misread(text: str) -> str:
    try:
        return _decoded(text.translate(_LATIN).encode("latin-1")) or text
    except UnicodeEncodeError:
        return text


def _decoded(values: bytes) -> str:
    try:
        return values.decode()
    except UnicodeDecodeError:
        return ""
