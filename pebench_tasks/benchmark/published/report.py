"""What was found in a copy of the published data and how it was read: for the manifest, and for the terminal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid_

from pebench_tasks.benchmark.published.events import PAPER
from pebench_tasks.benchmark.published.grid import Grid
from pebench_tasks.benchmark.published.mapping import FACTS, Found
from pebench_tasks.benchmark.published.scan import Scan, Skipped
from pebench_tasks.benchmark.published.table import Table
from pebench_tasks.marking.words import normalise

FIRST = 3  # examples that are listed of everything
Facts = dict[str, Any]


def describe(
    table: Table, columns: Mapping[str, Found], scan: Scan, grid: Grid, tables: Mapping[str, Sequence[Facts]]
) -> Facts:
    """The facts of a reading, in plain values: counts, reasons, and the first few of everything that is not used."""
    have = {row["key"] for row in tables["images"]}
    holes = [
        f"{person['name']}, {event['name']}"
        for person in grid.people
        for event in grid.events
        if f"{person['id']}/{event['id']}" not in have
    ]
    used = {found.column for found in columns.values()}
    return {
        "table": table.name,
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "rows": table.rows,
        "image_files": len(scan.images),
        "other_files": scan.other_files,
        "columns": {role: found._asdict() for role, found in columns.items()},
        "columns_not_used": [name for name in table.columns if name not in used],
        "left_out": _by_reason(grid.left_out),
        "skipped": _by_reason(grid.skipped),
        "repeated_rows": _counted(grid.duplicates),
        "holes": _counted(holes),
        "names_of_the_paper": sum(normalise(row["name"]) in PAPER for row in grid.events),
        "descriptions": "one for each event" if not any(c.description for c in grid.cells) else "of each image",
        "descriptions_with_the_name": _naming(grid, tables),
        "known": {fact: sum(bool(row.get(fact)) for row in tables["people"]) for fact in FACTS if fact != "birthplace"},
    }


def print_report(console: Console, manifest: Mapping[str, Any]) -> None:
    """Print the facts of a manifest, short."""
    reading = manifest["reading"]
    lines = Grid_(box=None, show_header=False, pad_edge=False)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")

    def say(label: str, text: str) -> None:
        lines.add_row(label, escape(text))

    say("source", f"{manifest.get('dataset', 'a folder')} {manifest.get('revision', '')}".strip())
    say(
        "table",
        f"{reading['table']}: {reading['rows']} rows ({reading['encoding']}, {reading['delimiter']}); "
        f"{reading['image_files']} image files",
    )
    for role, found in reading["columns"].items():
        if found["column"] is not None:
            say(role, f'"{found["column"]}": {found["why"]}, such as "{found["sample"]}"')
        elif role not in FACTS:
            say(role, f"no column: {found['why']}")
    if reading["columns_not_used"]:
        say("not used", ", ".join(reading["columns_not_used"]))
    images = manifest["images"]
    say("result", f"{manifest['people']} people x {manifest['events']} events: {images['images']} images")
    say("", f"{reading['names_of_the_paper']} events have names of the paper; descriptions: {reading['descriptions']}")
    for label, key in (("left out", "left_out"), ("skipped", "skipped")):
        for reason, counted in reading[key].items():
            say(label, f"{counted['count']} x {reason}, such as {', '.join(counted['first'])}")
    for label, key in (("repeated", "repeated_rows"), ("no image", "holes")):
        if reading[key]["count"]:
            say(label, f"{reading[key]['count']}, such as {'; '.join(reading[key]['first'])}")
    if reading["descriptions_with_the_name"]:
        say("note", f"{reading['descriptions_with_the_name']} descriptions hold the name of the person in the image")
    known = [f"{fact} {count}" for fact, count in reading["known"].items() if count]
    say(
        "known of",
        f"people: {', '.join(known) or 'nothing but the name (facts in other columns: --columns age=...,gender=...)'}",
    )
    for name in ("real", "world"):
        say(name, f"{images[name]} images from {manifest[name]}" if manifest[name] else f"none (--{name})")
    if skipped := (manifest["real_report"] or {}).get("skipped"):
        counts = ", ".join(f"{count} x {why}" for why, count in skipped.items())
        first = "; ".join(manifest["real_report"]["unusable"])
        say("skipped", f"public figures: {counts}" + (f", such as {first}" if first else ""))
    if named_alike := (manifest["real_report"] or {}).get("left_out_named_like_a_person"):
        say("left out", f"public figures named like a person of the benchmark: {', '.join(named_alike)}")
    console.print(lines)


def _counted(items: Sequence[str]) -> Facts:
    return {"count": len(items), "first": list(items[:FIRST])}


def _by_reason(items: Iterable[Skipped]) -> Facts:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for item in sorted(items):
        names[item.reason].append(item.name)
    return {reason: _counted(found) for reason, found in names.items()}


def _naming(grid: Grid, tables: Mapping[str, Sequence[Facts]]) -> int:
    """How many images have a description that says who is in them, which would give the name away."""
    people = {row["id"]: f" {normalise(row['name'])} " for row in grid.people}
    events = {row["id"]: row["description"] for row in grid.events}
    texts = {text: f" {normalise(text)} " for text in {c.description or events[c.event] for c in grid.cells}}
    return sum(people[cell.person] in texts[cell.description or events[cell.event]] for cell in grid.cells)
