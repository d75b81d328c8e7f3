"""Which columns name the image and the person, told by what is in them.

The thresholds here are ours. They are loose on purpose: they only decide what a column *is*. Whether its gaps and
errors are few enough is judged afterwards, row by row, and reported (``pebench_tasks.benchmark.published.grid``).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pebench_tasks.benchmark.published.filenames import FileNames, has_ending
from pebench_tasks.benchmark.published.mapping import Candidate, Found, missing, refuse
from pebench_tasks.benchmark.published.table import Table
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

MOST = 0.7  # of a column's values, or of the table's rows
NEARLY_ALL = 0.9
NAME_WORDS = 5  # at most

Given = Mapping[str, str | None]


class Located(NamedTuple):
    """For every row of the table its image (a place in the list of images; None: not found) and its person."""

    image: Found
    person: Found
    files: list[int | None]
    people: list[str]  # normalised; "" where unknown
    spelling: dict[str, str]  # normalised -> as people are to be called
    conflicts: set[int]  # rows whose person is not the folder of their image


def locate(table: Table, files: FileNames, folders: Sequence[str], given: Given) -> Located:
    """Find the image column and the person column, or take those of ``given``.

    ``folders`` are the names of the folders that hold images, as they are spelled. Raises ``BenchmarkError`` where no
    column or several different ones fit.
    """
    naming = _columns_of_folders(table, files)
    helping, image, found = _image(table, files, naming, given)
    if "person" in given:
        person, why = given["person"], "--columns"
    elif helping:
        person, why = helping, "names the folders"
    elif agreeing := [column for column in naming if _agrees(table, files, column, found)]:
        person, why = _same_reading(table, "person", agreeing), "names the folders"
    elif all(_like_a_name(folder) for folder in folders):
        person, why = None, ""
    else:
        person, why = _called(table, files, found), "one name per folder, and every folder its own"
    if person is None:
        return _by_folder(files, folders, image, found)
    values = table.columns[person]
    people = [normalise(value) for value in values]
    conflicts = set()
    if sum(name in files.folders for name in people) >= NEARLY_ALL * table.rows:
        conflicts = {row for row, n in enumerate(found) if n is not None and files.folder(n) != people[row]}
    return Located(image, Found(person, why), found, people, _spelling(values), conflicts)


def _columns_of_folders(table: Table, files: FileNames) -> list[str]:
    """The columns whose values are, nearly all, names of folders, and of more than one."""
    fitting = []
    for column, values in table.columns.items():
        filled = [normalise(value) for value in values if value]
        hits = [name for name in filled if name in files.folders]
        if len(filled) >= MOST * table.rows and len(hits) >= NEARLY_ALL * len(filled) and len(set(hits)) > 1:
            fitting.append(column)
    return fitting


def _image(
    table: Table, files: FileNames, naming: Sequence[str], given: Given
) -> tuple[str | None, Found, list[int | None]]:
    """The image column and the file of every row; the person column if it was needed to tell the files apart."""
    people = list(naming) if "person" not in given else [column for column in [given["person"]] if column]
    chosen = given.get("image")
    if "image" in given and chosen is None:
        raise BenchmarkError("--columns: image needs a column; without one no row can be given its image.")
    spelled = {person: [normalise(value) for value in table.columns[person]] for person in people}
    readings: list[tuple[str, str | None, list[int | None]]] = []
    for column in [chosen] if chosen else [c for c in table.columns if c not in naming]:
        values = table.columns[column]
        alone = [files.find(value) for value in values]
        if _fits(alone, values, files):
            readings.append((column, None, alone))
            continue
        for person in people:
            with_person = [files.find(v, p) for v, p in zip(values, spelled[person], strict=True)]
            if person != column and _fits(with_person, values, files):
                readings.append((column, person, with_person))
    if not readings and chosen:
        raise BenchmarkError(
            f'{table.name}: the column "{chosen}" names too few of the image files to be the image '
            f"({sum(n is not None for n in alone)} of {table.rows} rows have one). Name another column."
        )
    if not readings:
        _refuse_several_rows(table, files)
        needs = f"its values should be paths or names of the {len(files)} images"
        raise missing(table.name, "image", needs, table.columns)
    ended = [r for r in readings if sum(map(has_ending, table.columns[r[0]])) >= NEARLY_ALL * table.rows]
    readings = ended or readings
    different = {tuple(reading[2]): reading for reading in reversed(readings)}
    if len(different) > 1 and not _compatible(list(different)):
        if len({column for column, _, _ in different.values()}) == 1:  # who is meant decides which file is
            whose = [Candidate(str(person), "names the folders") for _, person, _ in different.values()]
            refuse(table.name, "person", whose[::-1], table.columns)
        candidates = [Candidate(column, _how(table, column, person)) for column, person, _ in different.values()]
        refuse(table.name, "image", candidates[::-1], table.columns)
    best, helping, found = max(readings, key=lambda reading: sum(n is not None for n in reading[2]))
    why = "--columns" if chosen else _how(table, best, helping)
    return helping, Found(best, why), found


def _refuse_several_rows(table: Table, files: FileNames) -> None:
    """Raise ``BenchmarkError`` for a column that names images, each in several rows (questions and answers, say)."""
    for column, values in table.columns.items():
        named = [number for value in values if (number := files.find(value)) is not None]
        if len(named) >= MOST * table.rows and has_ending(values[0]):
            raise BenchmarkError(
                f'{table.name}: the column "{column}" names {len(set(named))} images in {len(named)} rows, '
                "but one row for each image is needed, with its event and its description. Save such a table."
            )


def _fits(found: Sequence[int | None], values: Sequence[str], files: FileNames) -> bool:
    """Most rows have an image of their own, and no bare number in the column is unknown as a file name."""
    hits = [n for n in found if n is not None]
    if len(hits) < MOST * len(values) or len(set(hits)) < NEARLY_ALL * len(hits):
        return False
    return all(files.known(value) for value in set(values) if value.isdigit())  # else counted from another start


def _compatible(readings: Sequence[tuple[int | None, ...]]) -> bool:
    """Whether no two readings give a row different images."""
    return all(len(set(row) - {None}) <= 1 for row in zip(*readings, strict=True))


def _how(table: Table, column: str, person: str | None) -> str:
    values = table.columns[column]
    kind = "paths" if sum("/" in v or "\\" in v for v in values) > len(values) / 2 else "names"
    return f"{kind} of the image files" + (f', with "{person}"' if person else "")


def _agrees(table: Table, files: FileNames, column: str, found: Sequence[int | None]) -> bool:
    pairs = [
        (normalise(v), files.folder(n)) for v, n in zip(table.columns[column], found, strict=True) if n is not None
    ]
    return sum(a == b for a, b in pairs) >= NEARLY_ALL * len(pairs)


def _same_reading(table: Table, role: str, columns: Sequence[str]) -> str:
    """The best spelled of columns that say the same; refuses columns that differ."""
    readings = {tuple(map(normalise, table.columns[column])) for column in columns}
    if len(readings) > 1:
        refuse(table.name, role, [Candidate(c, "names the folders") for c in columns], table.columns)
    return min(columns, key=lambda column: sum("_" in value for value in table.columns[column]))


def _called(table: Table, files: FileNames, found: Sequence[int | None]) -> str | None:
    """The column with one name (two words or more) in nearly every row of a folder, and another in each.

    Only asked where the folders themselves are not names.
    """
    fitting = []
    for column, values in table.columns.items():
        by_folder: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for value, number in zip(values, found, strict=True):
            if value and number is not None and files.folder(number):
                by_folder[files.folder(number)][normalise(value)] += 1
        usual = {folder: names.most_common(1)[0] for folder, names in by_folder.items()}
        own = len({name for name, _ in usual.values()}) >= NEARLY_ALL * max(1, len(usual))
        rows = sum(sum(names.values()) for names in by_folder.values())
        constant = rows > 0 and sum(count for _, count in usual.values()) >= NEARLY_ALL * rows
        named = sum(_like_a_name(value) and len(normalise(value).split()) > 1 for value in values)
        if len(usual) > 1 and own and constant and named >= NEARLY_ALL * rows >= MOST * table.rows:
            fitting.append(column)
    if len(fitting) > 1:
        why = "one name per folder"
        refuse(table.name, "person", [Candidate(column, why) for column in fitting], table.columns)
    return fitting[0] if fitting else None


def _like_a_name(text: str) -> bool:
    return (
        any(map(str.isalpha, text)) and not any(map(str.isdigit, text)) and len(normalise(text).split()) <= NAME_WORDS
    )


def _by_folder(files: FileNames, folders: Sequence[str], image: Found, found: list[int | None]) -> Located:
    if len(files.folders) < 2 or not all(any(map(str.isalpha, folder)) for folder in folders):
        raise BenchmarkError(
            "Nothing says who is in an image: no column names people, and the folders "
            f"({', '.join(folders[:3])}...) hold no names. Add --columns person=COLUMN."
        )
    people = ["" if n is None else files.folder(n) for n in found]
    return Located(image, Found(None, "the folder of the image", folders[0]), found, people, _spelling(folders), set())


def _spelling(values: Sequence[str]) -> dict[str, str]:
    """How each name is written most often, underscores read as spaces."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for value in values:
        if value:
            counts[normalise(value)][" ".join(value.replace("_", " ").split())] += 1
    return {plain: max(spelled, key=lambda name: (spelled[name], name)) for plain, spelled in counts.items()}
