"""Draw a contact sheet of a benchmark folder: people in rows, events in columns, the forget targets marked."""

import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split

CELL, GAP, LEFT, TOP = 128, 6, 190, 84
PAPER, INK, FAINT, MARK, MARK_TINT = "#ffffff", "#1d2733", "#66707a", "#c2410c", "#fdeadf"


def contact_sheet(benchmark: Benchmark, forget: str, *, max_people: int = 12, max_events: int = 10) -> Image.Image:
    """An RGB picture of at most ``max_people`` x ``max_events`` images, forget targets first, then the others.

    Forgotten people and events have a tinted row or column and their names marked with a cross, so that the marks do
    not depend on colour alone. A cell without an image is an empty frame.
    """
    person_split, event_split = benchmark.split("person", forget), benchmark.split("event", forget)
    people = _first(benchmark.people, person_split, max_people)
    events = _first(benchmark.events, event_split, max_events)
    width = LEFT + len(events) * (CELL + GAP) + GAP
    height = TOP + len(people) * (CELL + GAP) + GAP + 34
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    keys = {image["key"] for image in benchmark.images}
    for row, person in enumerate(people):
        if person["id"] in person_split.forget_ids:
            draw.rectangle((0, _y(row) - GAP // 2, width, _y(row) + CELL + GAP // 2), fill=MARK_TINT)
    for column, event in enumerate(events):
        if event["id"] in event_split.forget_ids:
            draw.rectangle((_x(column) - GAP // 2, 0, _x(column) + CELL + GAP // 2, height - 34), fill=MARK_TINT)
    draw.text((12, 14), benchmark.name, INK, ImageFont.load_default(19))
    shape = f"{len(benchmark.people)} x {len(benchmark.events)}"
    complete = len(benchmark.images) == len(benchmark.people) * len(benchmark.events)
    images = f"{shape} images" if complete else f"{shape}: {len(benchmark.images)} images"
    draw.text((12, 42), images, FAINT, ImageFont.load_default(14))
    for row, person in enumerate(people):
        marked = person["id"] in person_split.forget_ids
        first, _, rest = _plain(person["name"]).partition(" ")
        lines = [
            ("x " if marked else "") + first,
            rest,
            ", ".join(str(fact) for fact in (person["age"], person["occupation"]) if fact),
        ]
        for number, line in enumerate(lines):
            fill = MARK if marked and number < 2 else INK if number < 2 else FAINT
            size = 16 if number < 2 else 12
            draw.text((12, _y(row) + 34 + number * 21), _fit(draw, line, LEFT - 20, size), fill, _font(size))
        for column, event in enumerate(events):
            if (key := f"{person['id']}/{event['id']}") in keys:
                tile = ImageOps.fit(benchmark.image(key), (CELL, CELL), Image.Resampling.LANCZOS)
                sheet.paste(tile, (_x(column), _y(row)))
            else:
                draw.rectangle((_x(column), _y(row), _x(column) + CELL - 1, _y(row) + CELL - 1), outline=FAINT)
    for column, event in enumerate(events):
        marked = event["id"] in event_split.forget_ids
        words = _wrap(draw, ("x " if marked else "") + event["name"], CELL)
        for number, line in enumerate(words[:3]):
            draw.text(
                (_x(column), TOP - 22 * len(words[:3]) + number * 20 - 4), line, MARK if marked else INK, _font(15)
            )
    shown = "" if (len(people), len(events)) == (len(benchmark.people), len(benchmark.events)) else " (part shown)"
    note = f"x = forgotten in {forget}{shown}; every image is in the train or the test half of what it forgets"
    draw.text((12, height - 27), note, FAINT, _font(13))
    return sheet


def save_contact_sheet(benchmark: Benchmark, forget: str, path: Path) -> None:
    """Write the contact sheet as a PNG, whole or not at all."""
    temporary = path.with_name(f"{path.name}.partial")
    contact_sheet(benchmark, forget).save(temporary, "PNG")
    temporary.replace(path)


def _plain(text: str) -> str:
    """Without accents: Pillow's own font, the only one that is always there, has none."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _x(column: int) -> int:
    return LEFT + column * (CELL + GAP)


def _y(row: int) -> int:
    return TOP + row * (CELL + GAP)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _first(rows: list[dict], split: Split, count: int) -> list[dict]:
    """Forgotten rows first, but at least half of the others; in all at most ``count``."""
    forgotten = [row for row in rows if row["id"] in split.forget_ids]
    kept = [row for row in rows if row["id"] not in split.forget_ids]
    forgotten = forgotten[: max(count // 2, count - len(kept))]
    return forgotten + kept[: count - len(forgotten)]


def _fit(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(text + "...", _font(size)) > width:
        text = text[:-1]
    return text + "..."


def _wrap(draw: ImageDraw.ImageDraw, text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if draw.textlength(longer, _font(15)) <= width else [*lines, word]
    return lines
