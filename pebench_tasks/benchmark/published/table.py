"""Reads a table of text, whatever wrote it: encoding, delimiter, quotes with newlines."""

import codecs
import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pebench_tasks.benchmark.published.scan import IMAGE_ENDINGS
from pebench_tasks.errors import BenchmarkError

BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Western text in cp1252 holds these, and mostly single accented letters, never many in a row; GBK, Shift-JIS, Cyrillic
# and the like give rows of letters, or signs among them. Polish or Turkish letters are not told from Western ones: the
# report names the encoding and shows samples.
WESTERN = re.compile("[\0-\x7f\xa0‘’‚“”„–—…•€£§©®™°ªº«»¿¡·½¼¾²³×À-ÖØ-öø-ÿŠŽŒšžœŸ]*")
ACCENTED = re.compile("[À-ÖØ-öø-ÿŠŽŒšžœŸ]+")
MANY = 4  # accented letters in a row, which no Western word has
RAGGED_SHARE = 0.05  # above it, a delimiter is not the table's


class Table(NamedTuple):
    """Columns of equal length, every value stripped; ``odd`` are the line numbers of rows of another width."""

    name: str
    encoding: str
    delimiter: str
    columns: dict[str, list[str]]
    rows: int
    odd: list[int]


def read_table(path: Path) -> Table:
    """Read a CSV file.

    The encoding is told by a byte order mark, else it is UTF-8 if every byte fits, else Windows' Western one (cp1252)
    where the text looks like it; any other is refused, since nothing tells which one it is. The delimiter is the
    one of comma, semicolon, tab and bar that gives nearly all rows the width of the first, the widest if several do.
    A first row that names an image file is no header: then the columns are called "column 1" and so on.
    Raises ``BenchmarkError`` for a file that is no text, and for one that no delimiter cuts into columns.
    """
    try:
        encoding, text = _decode(path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeError:
        raise BenchmarkError(
            f"{path} is not text that can be told: neither UTF-8, nor UTF-16 with a mark, nor Western European. Save "
            "it as UTF-8; for a Chinese one:  iconv -f GB18030 -t UTF-8 FILE"
        ) from None
    failures: list[str] = []
    readings = []
    for delimiter in DELIMITERS:
        try:
            readings.append((delimiter, _rows(text, delimiter)))
        except (csv.Error, ValueError) as error:
            failures.append(f"with {DELIMITERS[delimiter]}: {error}")
    if not readings:
        raise BenchmarkError(
            f"{path} cannot be read as a table ({'; '.join(failures)}). Save it as UTF-8 CSV with a header."
        )
    delimiter, rows = max(readings, key=lambda reading: len(reading[1][0][1]))
    width = len(rows[0][1])
    odd = [line for line, row in rows if len(row) != width]
    whole = [row for _, row in rows if len(row) == width]
    header = [f"column {i + 1}" for i in range(width)] if _names_an_image(whole[0]) else _header(whole.pop(0))
    if not whole:
        raise BenchmarkError(f"{path} has a header and no rows. Download it again.")
    columns = {name: [row[i] for row in whole] for i, name in enumerate(header)}
    return Table(path.name, encoding, DELIMITERS[delimiter], columns, len(whole), odd)


def _decode(content: bytes) -> tuple[str, str]:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return encoding, content.decode(encoding)
    if b"\0" in content:
        raise UnicodeError
    try:
        return "utf-8", content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
        together = [len(run) for run in ACCENTED.findall(text)]
        rows_of_letters = max(together, default=0) >= MANY or 2 * sum(n > 1 for n in together) > len(together)
        if not WESTERN.fullmatch(text) or rows_of_letters:
            raise UnicodeError from None
        return "cp1252", text


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Every row that is not blank with the line it ends on; ValueError where the rows do not agree on their width."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [value.strip() for value in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise csv.Error(f"{error} in line {reader.line_num}") from None
    if not rows:
        raise ValueError("no rows")
    widths = Counter(len(row) for _, row in rows)
    width = len(rows[0][1])
    if width < 2:
        raise ValueError("a single column")
    if len(rows) - widths[width] > RAGGED_SHARE * len(rows):
        line = next(line for line, row in rows if len(row) != width)
        raise ValueError(f"{width} columns in the header, not so in line {line}")
    return rows


def _names_an_image(row: list[str]) -> bool:
    return any(value.lower().endswith(IMAGE_ENDINGS) for value in row)


def _header(row: list[str]) -> list[str]:
    """The columns' names, told apart where they are the same or missing."""
    names: list[str] = []
    for i, name in enumerate(row):
        name = " ".join(name.split()) or f"column {i + 1}"
        names.append(name if name not in names else f"{name} ({i + 1})")
    return names
