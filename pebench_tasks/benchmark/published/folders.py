"""A folder holds one person: refuses two folders whose people are, or look, the same."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from pebench_tasks.benchmark.published.columns import Located
from pebench_tasks.benchmark.published.scan import ImageFile
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

SPLIT_FOLDERS = {"train", "training", "test", "val", "valid", "validation", "dev", "images", "image", "data"}


def check_folders(images: Sequence[ImageFile]) -> None:
    """Raise ``BenchmarkError`` for two folders whose names, and so whose people, cannot be told apart."""
    by_name: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for image in images:
        by_name[normalise(image.folder)].append(image.parts[:-1])
    for name, places in by_name.items():
        if name:
            _refuse_two_folders(places, repr(name))


def check_people(images: Sequence[ImageFile], located: Located) -> None:
    """Raise ``BenchmarkError`` for two folders that, by most of their rows, hold images of the same person."""
    rows: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for person, number in zip(located.people, located.files, strict=True):
        if person and number is not None:
            rows[images[number].parts[:-1]][person] += 1
    places: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for place, people in rows.items():
        places[people.most_common(1)[0][0]].append(place)
    for person, found in places.items():
        _refuse_two_folders(found, located.spelling[person])


def _refuse_two_folders(places: Sequence[tuple[str, ...]], name: str) -> None:
    """Raise ``BenchmarkError`` unless all places are one folder, folders of splits (``train``) left aside."""
    different = {tuple(part for part in place if part.lower() not in SPLIT_FOLDERS): place for place in places}
    if len(different) > 1:
        listed = " and ".join("/".join(place) or "the top folder" for place in sorted(different.values())[:2])
        raise BenchmarkError(
            f"The folders {listed} both hold images of {name}: two people whose names cannot be told apart, or one "
            "person twice. Rename or join them, in the folder and in the table."
        )
