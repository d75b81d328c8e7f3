"""Small copies of the published layout: a folder of images for each person, and a table of chosen columns."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from PIL import Image

PEOPLE = ("Aaliyah Khan", "Bruno Díaz", "Chidi Okafor", "Dana Lee", "Emil Novak", "Farah O'Neil")
EVENTS = {
    "park jogging": "Two runners follow a path under tall green trees early in the morning light.",
    "zoo visit": "A giraffe bends its neck over the fence while visitors hold paper cups and maps.",
    "boat trip": "White sails fill with wind, and the deck tilts above deep blue water near a harbour.",
    "fashion show": "Spotlights follow a runway where dresses shimmer between rows of seated photographers.",
    "train commute": "Passengers hold on to yellow poles as grey suburbs slide past the wide windows.",
}
DETAILS = ("A dog barks", "Clouds gather", "Bells ring", "Leaves fall", "A child laughs", "Rain begins")
Row = dict[str, str]


def picture(seed: str, suffix: str = ".jpg", size: int = 16) -> bytes:
    """A small noisy image, the same for the same seed."""
    buffer = io.BytesIO()
    noise = Random(seed).randbytes(size * size * 3)
    Image.frombytes("RGB", (size, size), noise).save(buffer, "PNG" if suffix == ".png" else "JPEG")
    return buffer.getvalue()


def make_images(
    root: Path,
    *,
    people: Sequence[str] = PEOPLE,
    suffix: str = ".jpg",
    folder: str = "{name}",
    file: str = "{number:02d}",
    portraits: bool = True,
) -> list[Row]:
    """Write an image of every person in every event (number 0 is a portrait); returns a row of facts for each scene.

    ``folder`` and ``file`` are patterns of ``name``, ``under`` (underscores for spaces), ``number`` and ``event``.
    """
    rows = []
    for place, person in enumerate(people):
        facts = {"name": person, "under": person.replace(" ", "_"), "place": place}
        home = root / folder.format(**facts)
        home.mkdir(parents=True, exist_ok=True)
        if portraits:
            (home / f"portrait{suffix}").write_bytes(picture(f"{person}/portrait", suffix))
        for number, (event, description) in enumerate(EVENTS.items(), start=1):
            path = home / f"{file.format(**facts, number=number, event=event.replace(' ', '_'))}{suffix}"
            path.write_bytes(picture(f"{person}/{event}", suffix))
            rows.append({
                "person": person, "event": event, "description": description, "file": path.name,
                "relative": path.relative_to(root).as_posix(), "number": str(number),
                "caption": f"{description} {DETAILS[place % len(DETAILS)]}.",
            })  # fmt: skip
    return rows


def write_table(
    root: Path,
    rows: Sequence[Row],
    columns: Mapping[str, str],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    name: str = "PEBench.csv",
) -> Path:
    """Write ``columns`` (header: pattern of a row's facts) of ``rows``."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows([pattern.format(**row) for pattern in columns.values()] for row in rows)
    path = root / name
    path.write_bytes(buffer.getvalue().encode(encoding))
    return path


FULL = {"img": "{relative}", "who": "{person}", "what": "{event}", "text": "{description}"}


def make_replica(root: Path, columns: Mapping[str, str] = FULL) -> list[Row]:
    """Images and a table with every column, as a plain copy has them."""
    rows = make_images(root)
    write_table(root, rows, columns)
    return rows
