"""What every benchmark folder holds and how it is written: schemas, image tables, manifest, data card."""

import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, StrictUndefined

from pebench_tasks.benchmark.reading import FORMAT, MATCHED, MATCHED_TABLES, TABLES, file_sha256, fingerprint
from pebench_tasks.benchmark.splits import RATIOS, TARGETS, Plan, make_split
from pebench_tasks.versions import __version__

Row = dict[str, Any]

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TEXT = pa.string()
_QUESTION = [("object", _TEXT), ("truth", _TEXT), ("split", _TEXT)]
_FIXED_QUESTION = [*_QUESTION, ("question", _TEXT), ("fixed", pa.bool_())]


def schemas(image_hash: str, *, fixed_questions: bool = False, descriptions: bool = False) -> dict[str, pa.Schema]:
    """The columns of the five tables, and of the images of matched people, which no split holds.

    ``image_hash`` names the column with every image's hash: ``rgb_sha256`` (decoded pixels, of drawn images) or
    ``bytes_sha256`` (stored bytes). ``fixed_questions``: World questions hold their text, and whether they are asked
    by default. ``descriptions``: images hold a description of their own.
    """
    question = pa.struct(_FIXED_QUESTION if fixed_questions else _QUESTION)
    own = [("description", _TEXT)] if descriptions else []
    return {
        "people": pa.schema([
            ("id", _TEXT), ("name", _TEXT), ("age", pa.int16()), ("gender", _TEXT), ("occupation", _TEXT),
            ("category", _TEXT), ("city", _TEXT), ("country", _TEXT), ("region", _TEXT),
        ]),
        "events": pa.schema([("id", _TEXT), ("name", _TEXT), ("keywords", pa.list_(_TEXT)), ("description", _TEXT)]),
        "images": pa.schema([
            ("key", _TEXT), ("person", _TEXT), ("event", _TEXT), ("half", _TEXT),
            *((f"retain_{target}", pa.bool_()) for target in TARGETS), *own, (image_hash, _TEXT), ("image", _IMAGE),
        ]),
        "real": pa.schema([
            ("key", _TEXT), ("figure", _TEXT), ("name", _TEXT), ("description", _TEXT),
            ("keywords", pa.list_(_TEXT)), ("part", _TEXT), (image_hash, _TEXT), ("image", _IMAGE),
        ]),
        "world": pa.schema([
            ("key", _TEXT), ("part", _TEXT), ("questions", pa.list_(question)), (image_hash, _TEXT), ("image", _IMAGE),
        ]),
        MATCHED: pa.schema([
            ("key", _TEXT), ("person", _TEXT), ("event", _TEXT), (image_hash, _TEXT), ("image", _IMAGE),
        ]),
    }  # fmt: skip


def placement(key: str, plan: Plan) -> Row:
    """The columns that place an image in the splits."""
    return {
        "half": "train" if key in plan.train else "test",
        **{f"retain_{target}": key in plan.retain_eval[target] for target in TARGETS},
    }


def write_rows(path: Path, schema: pa.Schema, rows: list[Row]) -> None:
    """Write a small table, whole."""
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def write_images(path: Path, schema: pa.Schema, batches: Iterable[list[Row]]) -> list[Row]:
    """Write one row group per batch, so that memory stays flat; returns the rows without their images."""
    rows = []
    with image_writer(path, schema) as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_pylist(batch, schema))
            rows += [{key: value for key, value in row.items() if key != "image"} for row in batch]
    return rows


def image_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of a table with encoded images, which are not compressed a second time."""
    return pq.ParquetWriter(path, schema, compression={"image.bytes": "none"})


def matched_entry(folder: Path, tables: dict[str, list[Row]]) -> Row:
    """What the manifest says of the matched people whose finished tables are in ``folder``."""
    return {
        "people": len(tables["people"]),
        "images": len(tables["images"]),
        "fingerprint": fingerprint(tables, MATCHED_TABLES),
        "files": _files([folder / f"{name}.parquet" for name in MATCHED_TABLES]),
    }


def finish(folder: Path, name: str, facts: Row, tables: dict[str, list[Row]], plan: Plan, card: Path) -> Row:
    """Write ``manifest.json`` and the data card beside the finished tables; returns the manifest.

    ``facts`` are what the builder was asked and found; ``card`` is a template over the manifest's entries.
    """
    manifest = _manifest(folder, name, facts, tables, plan)
    text = Environment(undefined=StrictUndefined).from_string(card.read_text(encoding="utf-8")).render(**manifest)
    (folder / "README.md").write_text(text + "\n", encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _manifest(folder: Path, name: str, facts: Row, tables: dict[str, list[Row]], plan: Plan) -> Row:
    names = {row["id"]: row["name"] for row in [*tables["people"], *tables["events"]]}
    splits: Row = {}
    for target in TARGETS:
        splits[target] = {}
        for ratio in RATIOS:
            split = make_split(target, ratio, images=tables["images"], forget_ids=plan.forget_ids)
            splits[target][ratio] = {
                "ids": list(split.forget_ids),
                "names": [names[member] for member in split.forget_ids],
                "images": {
                    "forget_train": len(split.train),
                    "forget_test": len(split.test),
                    "retain": len(split.retain),
                    "retain_evaluated": len(split.retain_eval),
                },
                "split_id": split.split_id,
                "note": split.note,
            }
    return {
        "format": FORMAT,
        "name": name,
        **facts,
        "fingerprint": fingerprint(tables),
        "licence": "Apache-2.0",
        "images": {name: len(tables[name]) for name in ("images", "real", "world")},
        "splits": splits,
        "files": _files([folder / f"{name}.parquet" for name in TABLES]),
        "written_with": {
            "pebench": __version__,
            "pillow": PIL.__version__,
            "pyarrow": pa.__version__,
            "python": platform.python_version(),
        },
    }


def _files(paths: Iterable[Path]) -> dict[str, Row]:
    """What a reader compares the files with."""
    return {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in paths}
