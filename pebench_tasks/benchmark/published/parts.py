"""Reads, checks and stores images, one file of parts per person, so that an interrupted build goes on where it was."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pebench_tasks.benchmark.pixels import why_unusable
from pebench_tasks.benchmark.published.grid import Cell
from pebench_tasks.benchmark.published.scan import Skipped
from pebench_tasks.benchmark.splits import Plan
from pebench_tasks.benchmark.writing import Row, image_writer, placement
from pebench_tasks.machine import usable_cores

PART_VERSION = 2
SKIPPED = b"pebench_skipped"


class Part(NamedTuple):
    """One person's images on disk, and those of them that could not be read."""

    path: Path
    skipped: list[Skipped]


def store_parts(folder: Path, cells: Sequence[Cell], plan: Plan, schema: pa.Schema) -> Iterator[Part]:
    """Write the images of every person into a file of ``folder``, in the order of ``cells``.

    An image is stored if it can be decoded, with the very bytes of its file. A part is used again if the person's
    images, their sizes, times of change and texts are the same. Decoding runs in threads: Pillow, hashing and reading
    do not hold the interpreter.
    """
    folder.mkdir(exist_ok=True)
    people = [list(group) for _, group in groupby(cells, key=lambda cell: cell.person)]
    pool = ThreadPoolExecutor(min(usable_cores(), 8))
    try:
        yield from pool.map(lambda group: _store(folder, group, plan, schema), people)
    finally:
        pool.shutdown(cancel_futures=True)


def join_parts(path: Path, schema: pa.Schema, parts: Sequence[Part]) -> list[Row]:
    """Write the parts into one table, a row group for each; returns the rows without their images."""
    rows: list[Row] = []
    with image_writer(path, schema) as writer:
        for part in parts:
            table = pq.read_table(part.path).replace_schema_metadata(None)
            if table.num_rows:
                writer.write_table(table)
                rows += table.drop_columns(["image"]).to_pylist()
    return rows


def _store(folder: Path, cells: Sequence[Cell], plan: Plan, schema: pa.Schema) -> Part:
    wanted = [[cell.key, cell.file.name, cell.file.size, cell.file.mtime_ns, cell.description] for cell in cells]
    places = [placement(cell.key, plan) for cell in cells]
    content = json.dumps([PART_VERSION, schema.names, wanted, places], sort_keys=True)
    path = folder / f"{cells[0].person}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.parquet"
    if path.exists():
        stored = json.loads(pq.read_schema(path).metadata[SKIPPED])
        return Part(path, [Skipped(*item) for item in stored])
    rows, skipped = [], []
    for cell, place in zip(cells, places, strict=True):
        try:
            content_bytes = cell.file.path.read_bytes()
        except OSError as error:
            skipped.append(Skipped(f"an image that cannot be read ({error.strerror})", cell.file.name))
            continue
        if why := why_unusable(content_bytes):
            skipped.append(Skipped(why, cell.file.name))
            continue
        row = {
            "key": cell.key, "person": cell.person, "event": cell.event, **place, "description": cell.description,
            "bytes_sha256": hashlib.sha256(content_bytes).hexdigest(),
            "image": {"bytes": content_bytes, "path": cell.file.name},
        }  # fmt: skip
        rows.append({name: row[name] for name in schema.names})
    metadata = {SKIPPED: json.dumps(skipped).encode()}
    table = pa.Table.from_pylist(rows, schema).replace_schema_metadata(metadata)
    temporary = path.with_name(f"{path.name}.partial")
    with image_writer(temporary, table.schema) as writer:
        writer.write_table(table)
    temporary.replace(path)
    return Part(path, skipped)
