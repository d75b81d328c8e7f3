"""The table behind a source of real entities, and which of its columns hold the image, the name and the description."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pebench_tasks.errors import BenchmarkError, short

Row = dict[str, Any]
HEADERS = {
    "image": ("image", "file_name"),
    "name": ("name", "answer", "label"),
    "description": ("description", "caption", "bio", "biography"),
}
EXAMPLE = "image=COLUMN,name=COLUMN,description=COLUMN"
METADATA = ("metadata.csv", "metadata.jsonl")


class Table(NamedTuple):
    """The rows of one or more files of one kind, read in the files' order, only the columns that are asked for."""

    files: list[Path]
    header: list[str]
    pictures: list[str]  # the columns that hold images by their type
    rows: Callable[[list[str]], Iterator[Row]]

    def records(self, places: Iterable[str]) -> Iterator[Row]:
        """The rows with the columns of ``places``: a column, or ``column.Key``; empty ones are left out."""
        try:
            yield from self.rows(sorted({place.split(".")[0] for place in places if place}))
        except (OSError, csv.Error, pa.ArrowException) as error:
            raise BenchmarkError(
                f"{self.files[0]} cannot be read ({short(str(error))}). Repair or replace it."
            ) from None


def open_table(path: Path, source: str) -> Table:
    """The table in a folder (``metadata.csv``, ``metadata.jsonl`` or Parquet files, there or in one folder below).

    Raises ``BenchmarkError`` where there is none, more than one, or it cannot be read.
    """
    files = [path] if path.is_file() else _table_files(path, source)
    try:
        if files[0].suffix == ".csv":
            return _csv_table(files[0])
        if files[0].suffix == ".jsonl":
            return _jsonl_table(files[0])
        if files[0].suffix == ".parquet":
            return _parquet_table(files)
    except UnicodeDecodeError:
        raise BenchmarkError(f"{source}: {files[0]} cannot be read: it is not UTF-8. Save it as UTF-8.") from None
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException) as error:
        raise BenchmarkError(
            f"{source}: {files[0]} cannot be read ({short(str(error))}). Repair or replace it."
        ) from None
    raise BenchmarkError(f"{source} is no .parquet, .csv or .jsonl file. Name one, or a folder that holds one.")


def parse_columns(columns: str | None) -> dict[str, str]:
    """``image=photo,name=answer`` as a dict; roles that are not named are absent, ``description=`` means none."""
    given: dict[str, str] = {}
    for part in columns.split(",") if columns else ():
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or role not in HEADERS or role in given or (not column and role != "description"):
            raise BenchmarkError(f"The columns {columns!r} are not of the form {EXAMPLE} (each role at most once).")
        given[role] = column
    return given


def choose_columns(
    table: Table, source: str, given: Mapping[str, str], known: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """Which place each role is read from: as ``given``, else the first ``known`` one with a text, else by the header.

    "" where there is no description. Raises ``BenchmarkError`` with the candidates where it cannot be told.
    """
    chosen: dict[str, str] = {}
    for role in HEADERS:
        if role in given:
            chosen[role] = _existing(given[role], table, source)
        elif role in known:
            chosen[role] = _first_known(role, known[role], table, source)
        else:
            chosen[role] = _by_header(role, table, source)
    first = next(table.records(chosen.values()), {})
    name = value_at(first, chosen["name"]) if first else ""
    if not isinstance(name, str | None):
        raise BenchmarkError(
            f"{source}: the column {chosen['name']!r} holds {name!r}, not names. Name the column that does: {EXAMPLE}."
        )
    return chosen


def value_at(record: Row, place: str) -> Any:
    """The value of a column, or of a key in a column of JSON objects (``biography.Name``); None where there is none."""
    column, dot, key = place.partition(".")
    value = record.get(column)
    if not dot:
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value.get(key) if isinstance(value, dict) else None


def text_at(record: Row, place: str) -> str:
    """The text at a place, "" where there is none."""
    value = value_at(record, place)
    return value if isinstance(value, str) else ""


def _existing(place: str, table: Table, source: str) -> str:
    if place and place.split(".")[0] not in table.header:
        raise BenchmarkError(f"{source} has no column {place.split('.')[0]!r}; it has {', '.join(table.header)}.")
    return place


def _first_known(role: str, places: tuple[str, ...], table: Table, source: str) -> str:
    possible = [place for place in places if place.split(".")[0] in table.header]
    first = next(table.records(possible), {})
    for place in possible:
        if value_at(first, place):
            return place
    if not places:
        return ""
    raise BenchmarkError(
        f"{source}: the {role} is in none of {', '.join(places)}; the columns are {', '.join(table.header)}. Say where "
        f"it is: {EXAMPLE}."
    )


def _by_header(role: str, table: Table, source: str) -> str:
    found = table.pictures if role == "image" else []
    found = found or [column for column in table.header if column.strip().lower() in HEADERS[role]]
    if len(found) == 1:
        return found[0]
    if not found and role == "description":
        return ""
    which = f"may be any of {', '.join(found)}" if found else f"is in none of its columns {', '.join(table.header)}"
    raise BenchmarkError(f"{source}: the {role} {which}. Say which column it is: {EXAMPLE}.")


def _table_files(folder: Path, source: str) -> list[Path]:
    metadata = [folder / name for name in METADATA if (folder / name).is_file()]
    parquet = sorted(folder.glob("*.parquet"))
    if len(metadata) + bool(parquet) > 1:
        names = ", ".join(file.name for file in [*metadata, *parquet[:3]])
        raise BenchmarkError(f"{source} holds several tables ({names}). Name the file to read.")
    if metadata or parquet:
        return metadata or parquet
    below = sorted({file.parent for file in folder.glob("**/*.parquet")})
    if len(below) == 1:
        return sorted(below[0].glob("*.parquet"))
    if below:
        names = ", ".join(part.relative_to(folder).as_posix() for part in below)
        raise BenchmarkError(f"{source} holds Parquet files in several folders: {names}. Name one of them: {below[0]}.")
    raise BenchmarkError(
        f"{source} holds neither {' nor '.join(METADATA)} nor a Parquet file. Write a metadata.csv with the columns "
        "file_name, name and description beside the images."
    )


def _csv_table(file: Path) -> Table:
    text = file.read_text(encoding="utf-8-sig")
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)

    def rows(columns: list[str]) -> Iterator[Row]:
        for record in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield {column: record.get(column) for column in columns}

    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    return Table([file], header, [], rows)


def _jsonl_table(file: Path) -> Table:
    records = [json.loads(line) for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a line is not a JSON object")
    header = list(dict.fromkeys(column for record in records for column in record))
    return Table([file], header, [], lambda columns: ({c: record.get(c) for c in columns} for record in records))


def _parquet_table(files: list[Path]) -> Table:
    schemas = [pq.read_schema(file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if schema.names != schemas[0].names:
            raise ValueError(f"its columns are not those of {file.name}")
    pictures = [
        field.name
        for field in schemas[0]
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]

    def rows(columns: list[str]) -> Iterator[Row]:
        for file in files:
            with pq.ParquetFile(file, memory_map=True) as parquet:
                for batch in parquet.iter_batches(batch_size=16, columns=columns, use_threads=False):
                    yield from batch.to_pylist()

    return Table(files, schemas[0].names, pictures, rows)
