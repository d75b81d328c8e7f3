"""Text files that are there whole or not at all, and CSV that a spreadsheet shows and never runs."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t")


def write_whole(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_text(text, encoding="utf-8", newline="")
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV under these columns; a column that a row lacks is empty.

    A text that a spreadsheet would take for a formula gets a leading ``'``; every end of a line becomes a line feed;
    half of a surrogate pair, which no file can hold, is spelled out.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _shown(value) for name, value in row.items()})
    return text.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{value}" if value.startswith(FORMULA) else value
