"""Real: photographs of real people (or other entities) with names and descriptions, read from a folder or the hub.

MIKE, which the paper uses, is not hosted anywhere; any source of (image, name, description) stands in. Two hosted ones
have a ready mapping:

- ``therem/CLEAR``, folder ``real_faces``: 151 rows of image, answer (the name) and options, no descriptions. These
  columns were read in the dataset's own metadata; that ``answer`` is the name was not seen.
- ``MLLMMU/MLLMU-Bench``, folder ``Retain_Set``: the 153 public celebrities of arXiv 2410.22108. The columns (image, ID,
  biography, question, answer and more) were read in the metadata of its other folders and in other projects' code;
  **that a celebrity's biography is JSON with the key Name is unverified**, so the first of several places that holds a
  text is taken, and the report says which. A biography does not describe the image: there is no description unless one
  is named (``description=answer``).
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.pixels import why_unusable
from pebench_tasks.benchmark.sources.hub import fetch, inside, local_path
from pebench_tasks.benchmark.sources.real_columns import (
    Table,
    choose_columns,
    open_table,
    parse_columns,
    text_at,
    value_at,
)
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

Row = dict[str, Any]
FIRST = 3  # examples that are listed of what cannot be used
MOST_SKIPPED = 0.05  # of the rows; ours
IMAGE_PATTERNS = ("*.jpg", "*.jpeg", "*.png", "*.webp", "*.JPG", "*.JPEG", "*.PNG")
GENERIC_PATTERNS = ("*.parquet", "metadata.csv", "metadata.jsonl", *IMAGE_PATTERNS)


class Reading:
    """The rows of a source, to be iterated once, and the report on them, complete when the rows are exhausted.

    ``report`` goes into a benchmark's manifest as it is: strings, numbers, lists and dicts only.
    """

    def __init__(self, rows: Iterator[Row], report: Row) -> None:
        self._rows = rows
        self.report = report

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class Mapping(NamedTuple):
    """Where a known dataset keeps what is needed; of several places the first that holds a text is taken."""

    patterns: tuple[str, ...]
    folder: str
    places: dict[str, tuple[str, ...]]


READY = {
    "therem/CLEAR": Mapping(
        ("real_faces/*.parquet",), "real_faces", {"image": ("image",), "name": ("answer",), "description": ()}
    ),
    "MLLMMU/MLLMU-Bench": Mapping(
        ("Retain_Set/*.parquet",),
        "Retain_Set",
        {"image": ("image",), "name": ("biography.Name", "Name", "name"), "description": ()},
    ),
}


def read_real(source: str, columns: str | None = None) -> Reading:
    """The rows of a benchmark's ``real`` table from a folder, a Parquet file or a dataset of the hub.

    A folder holds ``metadata.csv`` or ``metadata.jsonl`` beside the images (the imagefolder convention: ``file_name``,
    ``name``, ``description``) or Parquet files. Columns are found by their header, or given as
    ``image=photo,name=biography.Name,description=`` (a dot reaches into a column of JSON objects, nothing after = means
    none). Images keep their bytes and are decoded once; equal ones are dropped. A figure is a name, normalised.

    Raises ``BenchmarkError`` for an unreadable or empty source, columns that cannot be told for sure, a path that leads
    out of the folder, and (while iterating) more than 5 % of rows without a name or a readable image.
    """
    given = parse_columns(columns)
    folder = local_path(source)
    ready = READY.get(source) if folder is None else None
    revision = ""
    if folder is None:
        folder = fetch(source, ready.patterns if ready else GENERIC_PATTERNS)
        revision = folder.name
    table = open_table(folder / ready.folder if ready else folder, source)
    if folder.is_file():
        folder = folder.parent
    for file in table.files:
        _check_inside(folder, file, source)
    report: Row = {
        "source": source,
        "revision": revision,
        "files": [file.relative_to(folder).as_posix() for file in table.files],
        "columns": choose_columns(table, source, given, ready.places if ready else {}),
    }
    return Reading(_rows(folder, table, report), report)


def _rows(folder: Path, table: Table, report: Row) -> Iterator[Row]:
    """One row per readable image, the report filled in at the end; no path may leave ``folder``."""
    columns, source = report["columns"], report["source"]
    figures: dict[str, tuple[str, str]] = {}  # normalised name -> id, first spelling
    seen: dict[str, str] = {}  # hash of an image -> its normalised name
    skipped: Counter[str] = Counter()
    unusable: list[str] = []
    repeated: Counter[str] = Counter()
    read = 0
    for record in table.records(columns.values()):
        read += 1
        name = " ".join(text_at(record, columns["name"]).split())
        plain = normalise(name)
        if not plain:
            skipped["no name"] += 1
            continue
        try:
            content, path = _stored(value_at(record, columns["image"]), folder, table.files[0].parent, source)
            check_image(content)
        except OSError as error:
            skipped["missing file" if isinstance(error, FileNotFoundError) else "unreadable image"] += 1
            unusable.append(f"row {read}, {name}: {error.strerror or error or 'no file is named'}")
            continue
        digest = hashlib.sha256(content).hexdigest()
        if digest in seen:
            repeated["same image, same name" if seen[digest] == plain else "same image, another name"] += 1
            continue
        figure, spelling = figures.setdefault(plain, (f"f{len(figures):04d}", name))
        yield {
            "key": f"real/{len(seen):04d}",
            "figure": figure,
            "name": spelling,
            "description": " ".join(text_at(record, columns["description"]).split()),
            "keywords": [],
            "part": "eval",
            "bytes_sha256": digest,
            "image": {"bytes": content, "path": path},
        }
        seen[digest] = plain
    report |= {"rows": read, "images": len(seen), "figures": len(figures)}
    report |= {"skipped": dict(sorted(skipped.items())), "repeated": dict(sorted(repeated.items()))}
    report["unusable"] = unusable[:FIRST]
    if skipped.total() > MOST_SKIPPED * read:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in report["skipped"].items())
        reasons += f"; such as {report['unusable'][0]}" if unusable else ""
        raise BenchmarkError(
            f"{source}: {skipped.total()} of {read} rows cannot be used ({reasons}), more than {MOST_SKIPPED:.0%}. "
            "Repair them, or name other columns."
        )
    if not seen:
        raise BenchmarkError(f"{source} holds no rows. Name a source with images and names.")


def check_image(content: bytes) -> None:
    """Decode an image whole, once; raises ``OSError`` for what is none, is cut off, or cannot be asked about."""
    if why := why_unusable(content):
        raise OSError(why)


def _stored(value: Any, folder: Path, base: Path, source: str) -> tuple[bytes, str | None]:
    """The bytes of an image and its file's name, from a ``datasets`` image, bytes, or a path relative to ``base``."""
    if isinstance(value, bytes):
        return value, None
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(value.get("bytes"), bytes):
            return value["bytes"], Path(path).name if path else None
        value = path
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise FileNotFoundError
    file = base / value.strip()
    _check_inside(folder, file, source)
    return file.read_bytes(), file.name


def _check_inside(folder: Path, path: Path, source: str) -> None:
    if not inside(folder, path):
        raise BenchmarkError(f"{source}: {path} leads out of the folder {folder}. Copy the file into it.")
