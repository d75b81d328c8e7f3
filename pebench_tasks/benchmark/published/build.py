"""Build a benchmark folder from the published images: find, read, check and write them, all or nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from pebench_tasks.benchmark.pixels import truncation_refused
from pebench_tasks.benchmark.published.columns import locate
from pebench_tasks.benchmark.published.facts import find_facts, person_facts
from pebench_tasks.benchmark.published.filenames import FileNames
from pebench_tasks.benchmark.published.folders import check_folders, check_people
from pebench_tasks.benchmark.published.grid import Grid, build_grid, check_unusable
from pebench_tasks.benchmark.published.mapping import Found, parse_columns, sample
from pebench_tasks.benchmark.published.parts import join_parts, store_parts
from pebench_tasks.benchmark.published.report import describe, print_report
from pebench_tasks.benchmark.published.scan import IMAGE_ENDINGS, TABLE_ENDINGS, Scan, choose_table, scan_folder
from pebench_tasks.benchmark.published.scenes import read_scenes
from pebench_tasks.benchmark.published.table import Table, read_table
from pebench_tasks.benchmark.reading import Benchmark, file_sha256, open_benchmark
from pebench_tasks.benchmark.sources.hub import fetch, local_path
from pebench_tasks.benchmark.sources.pope import read_pope
from pebench_tasks.benchmark.sources.real import Reading, read_real
from pebench_tasks.benchmark.splits import make_plan
from pebench_tasks.benchmark.writing import Row, finish, schemas, write_images, write_rows
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.words import normalise

DATASET = "xuzhaopan/PEBench"
PATTERNS = [f"*{case}" for ending in TABLE_ENDINGS + IMAGE_ENDINGS for case in (ending, ending.upper())]
DATA_CARD = Path(__file__).parent / "data_card.jinja"
ROWS_PER_GROUP = 64
DISK = 2.2  # of the images' size: a part for each person, then the table of all


class Understood(NamedTuple):
    """A copy of the data, read but not yet opened image by image."""

    scan: Scan
    table: Table
    columns: dict[str, Found]
    grid: Grid
    facts: dict[str, Row]  # of people, by normalised name


@truncation_refused()
def build_published(
    out: Path,
    *,
    folder: Path | None = None,
    revision: str | None = None,
    columns: str | None = None,
    real: str | None = None,
    real_columns: str | None = None,
    world: str | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> Benchmark:
    """Build a benchmark from a local copy of the published data in ``folder``, or from the hub without one.

    The folder ``out`` appears only when it is complete; an interrupted build goes on where it was. One that already
    holds the same is kept, any other is refused. What was found and how it was read is printed on ``console`` and
    stands in the manifest. Raises ``BenchmarkError`` for whatever cannot be read in one way only.
    """
    console = console or Console()
    for asked in (real, world):
        if asked is not None:
            local_path(asked)  # raises for a name of neither kind, before anything is downloaded
    if real_columns is not None and real is None:
        raise BenchmarkError("--real-columns means nothing without --real. Name a source, or leave it out.")
    source: Row = {"source": "folder"}
    if folder is None:
        folder = fetch(DATASET, PATTERNS, revision)
        source = {"source": "hub", "dataset": DATASET, "revision": folder.name}
    understood = understand(folder, columns)
    grid = understood.grid
    content = [
        [(cell.key, cell.file.name, cell.file.size, cell.description) for cell in grid.cells],
        [grid.people, grid.events, understood.facts],
    ]
    request = {
        **source, "seed": seed, "columns": columns or "", "real": real or "", "real_columns": real_columns or "",
        "world": world or "", "plan": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16],
    }  # fmt: skip
    if out.exists():
        benchmark = _open_same(out, request, grid)
    else:
        partial = out.with_name(f"{out.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        _check_disk(partial, grid)
        try:
            _write(partial, request, understood)
        except BenchmarkError:
            if not any((partial / "parts").glob("*")):  # nothing in it that the next run could go on with
                shutil.rmtree(partial)
            raise
        os.replace(partial, out)
        benchmark = open_benchmark(out)
    print_report(console, benchmark.manifest)
    return benchmark


def understand(folder: Path, columns: str | None = None) -> Understood:
    """Read the table and the names of the files; decide which column means what, and which image shows what."""
    scan = scan_folder(folder)
    if not scan.images:
        raise BenchmarkError(
            f"{folder} holds no images ({', '.join(IMAGE_ENDINGS)}). If they are in an archive, extract it there first."
        )
    table = read_table(choose_table(scan))
    given = parse_columns(columns, list(table.columns))
    check_folders(scan.images)
    folders = sorted({image.folder for image in scan.images} - {""})
    located = locate(table, FileNames(scan.images), folders, given)
    check_people(scan.images, located)
    scenes = read_scenes(table, located, given)
    grid = build_grid(table, scan.images, located, scenes)
    grid.skipped.extend(scan.skipped)
    check_unusable(grid.skipped, len(grid.cells))
    found = {
        "image": located.image, "person": located.person, "event": scenes.event,
        "description": scenes.description, "keywords": scenes.keywords,
    }  # fmt: skip
    taken = [role.column for role in found.values() if role.column is not None]
    found |= find_facts(table, located.people, given, taken)
    shown = {
        role: f._replace(sample=sample(table.columns[f.column]) if f.column is not None else f.sample)
        for role, f in found.items()
    }
    return Understood(scan, table, shown, grid, person_facts(table, located.people, found))


def _write(folder: Path, request: Row, understood: Understood) -> None:
    grid = understood.grid
    plan = make_plan([row["id"] for row in grid.people], [row["id"] for row in grid.events], request["seed"])
    own = any(cell.description for cell in grid.cells)
    schema = schemas("bytes_sha256", fixed_questions=True, descriptions=own)
    tables: dict[str, list[Row]] = {
        "people": [{**understood.facts[row["plain"]], "id": row["id"], "name": row["name"]} for row in grid.people],
        "events": grid.events,
    }
    for name, rows in tables.items():
        tables[name] = [{column: row[column] for column in schema[name].names} for row in rows]
        write_rows(folder / f"{name}.parquet", schema[name], tables[name])
    with Progress(console=Console(stderr=True)) as bar:
        reports: dict[str, Row | None] = {"real": None, "world": None}
        same_names: list[str] = []
        for name, rows_of in (("real", _read_real), ("world", _read_world)):
            progress = bar.add_task(f"Reading {name}", total=None, visible=bool(request[name]))
            reading = rows_of(request)
            others = _without_people(reading or (), {row["plain"] for row in grid.people}, same_names)
            tables[name] = write_images(folder / f"{name}.parquet", schema[name], _batches(others))
            reports[name] = None if reading is None else dict(reading.report)
            bar.update(progress, total=1, completed=1)
        if reports["real"] is not None:
            reports["real"]["left_out_named_like_a_person"] = same_names
        progress = bar.add_task("Checking images", total=len(grid.people))
        parts = []
        for part in store_parts(folder / "parts", grid.cells, plan, schema["images"]):
            parts.append(part)
            bar.advance(progress)
    skipped = grid.skipped + [item for part in parts for item in part.skipped]
    check_unusable(skipped, len(grid.cells) - sum(len(part.skipped) for part in parts))
    tables["images"] = join_parts(folder / "images.parquet", schema["images"], parts)
    _check_names(tables)
    reading_facts = describe(
        understood.table, understood.columns, understood.scan, grid._replace(skipped=skipped), tables
    )
    facts = {
        **request, "people": len(grid.people), "events": len(grid.events), "reading": reading_facts,
        "real_report": reports["real"], "world_report": reports["world"],
    }  # fmt: skip
    finish(folder, "PEBench", facts, tables, plan, DATA_CARD)
    shutil.rmtree(folder / "parts")


def _read_real(request: Row) -> Reading | None:
    return read_real(request["real"], request["real_columns"] or None) if request["real"] else None


def _read_world(request: Row) -> Reading | None:
    return read_pope(request["world"]) if request["world"] else None


def _without_people(rows: Iterable[Row], people: set[str], dropped: list[str]) -> Iterator[Row]:
    """Rows but those whose name is that of a person of the benchmark: an answer could not be told apart."""
    for row in rows:
        if normalise(row.get("name", "")) in people:
            dropped.append(row["name"])
        else:
            yield row


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, ROWS_PER_GROUP)):
        yield batch


def _check_names(tables: Mapping[str, list[Row]]) -> None:
    empty = {row["id"]: row["name"] for row in tables["people"]}
    for row in tables["images"]:
        empty.pop(row["person"], None)
    if empty:
        raise BenchmarkError(f"No image of {next(iter(empty.values()))} can be used. Complete or repair the copy.")
    names = [row["name"] for row in tables["people"]] + list(dict.fromkeys(row["name"] for row in tables["real"]))
    try:
        NameIndex(names)
    except ValueError as error:
        raise BenchmarkError(f"In the images and the source of --real {error}.") from None


def _check_disk(folder: Path, grid: Grid) -> None:
    needed = DISK * sum(cell.file.size for cell in grid.cells)
    free = shutil.disk_usage(folder).free + sum(path.stat().st_size for path in folder.rglob("*"))
    if free < needed:
        raise BenchmarkError(
            f"Building needs {needed / 1e9:.1f} GB (half of it only for the time being) beside {folder}, but "
            f"{free / 1e9:.1f} GB are free. Free some, or choose another --out."
        )


def _open_same(out: Path, request: Row, grid: Grid) -> Benchmark:
    """The benchmark in ``out`` if it holds this very data, down to the bytes of the images; else ``BenchmarkError``."""
    benchmark = open_benchmark(out)
    there = benchmark.manifest
    differ = [
        f"{k}: {there.get(k)!r} there, {request[k]!r} asked"
        for k in request
        if k not in ("plan", "columns") and there.get(k) != request[k]
    ]
    if not differ and there["plan"] != request["plan"]:
        differ = ["other texts, people or files"]
    if not differ:
        stored = {row["key"]: row["bytes_sha256"] for row in benchmark.images}
        changed = [c for c in grid.cells if c.key in stored and file_sha256(c.file.path) != stored[c.key]]
        differ = [f"image {cell.file.name}" for cell in changed[:3]]
    if differ:
        raise BenchmarkError(
            f"{out} already holds another benchmark ({', '.join(differ)}). Choose another --out or delete it."
        )
    return benchmark
