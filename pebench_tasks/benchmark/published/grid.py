"""From rows and files to the grid of people and events: what is used, what is left out, and why."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pebench_tasks.benchmark.published.columns import Located
from pebench_tasks.benchmark.published.events import (
    PAPER,
    content_words,
    is_portrait,
    name_by_description,
    without_names,
)
from pebench_tasks.benchmark.published.scan import ImageFile, Skipped
from pebench_tasks.benchmark.published.scenes import HALF, Scenes, split_list
from pebench_tasks.benchmark.published.table import Table
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

UNUSABLE_SHARE = 0.05
FEWEST = {"people": 4, "events": 3}

Row = dict[str, Any]


class Cell(NamedTuple):
    """One image of the benchmark."""

    person: str  # id
    event: str  # id
    file: ImageFile
    description: str  # "" where it is the event's

    @property
    def key(self) -> str:
        return f"{self.person}/{self.event}"


class Grid(NamedTuple):
    people: list[Row]  # id, name, and the normalised name under "plain"
    events: list[Row]
    cells: list[Cell]  # sorted by key
    left_out: list[Skipped]  # the image of each person that shows no event
    skipped: list[Skipped]
    duplicates: list[str]  # rows that say again what another said


def build_grid(table: Table, images: Sequence[ImageFile], located: Located, scenes: Scenes) -> Grid:
    """Give every person and event its image.

    Where half of the people or more have an image more than there are events, one of each person may show none (a
    portrait): it is left out. All else that cannot be used is skipped with its reason. Raises ``BenchmarkError`` for
    rows that contradict each other, and for fewer than 4 people or 3 events.
    """
    events = _shown_events(located, scenes)
    of_file, skipped, duplicates = _rows_of_files(table, images, located, scenes, events)
    owner = _owners(images, located)
    cells: dict[tuple[str, str], int] = {}
    without: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, image in enumerate(images):
        row = of_file.get(number)
        if row is None:
            without[owner.get(number, "")].append((number, "an image without a row"))
        elif row in located.conflicts:
            skipped.append(Skipped("an image whose row names another person than its folder", image.name))
        elif not located.people[row]:
            skipped.append(Skipped("an image whose row names no person", image.name))
        elif scenes.events[row] not in events:
            without[located.people[row]].append((number, _no_event(scenes.events[row], events)))
        elif not scenes.descriptions[row]:
            skipped.append(Skipped("an image without a description", image.name))
        elif image.problem:
            skipped.append(Skipped(image.problem, image.name))
        elif (cell := (located.people[row], scenes.events[row])) in cells:
            skipped.append(Skipped("a second image of a person in an event", image.name))
        else:
            cells[cell] = number
    left_out, more = _one_each(without, owner, images, of_file, scenes, len(events))
    skipped += more
    people = _people(cells, located)
    rows = _event_rows(cells, of_file, scenes, [row["plain"] for row in people])
    for label, found in (("people", people), ("events", rows)):
        if len(found) < FEWEST[label]:
            raise BenchmarkError(
                f"Only {len(found)} {label} were found, {FEWEST[label]} are needed: {table.name} was probably read "
                f"wrongly (image: {located.image.column}, person: {located.person.column or 'the folder'}, event: "
                f"{scenes.event.column or scenes.event.why}). Say which columns are which with --columns."
            )
    person_ids = {row["plain"]: row["id"] for row in people}
    event_ids = {row.pop("plain"): row["id"] for row in rows}
    usual = {row["id"]: row["description"] for row in rows}
    placed = []
    for (person, event), number in cells.items():
        text = scenes.descriptions[of_file[number]]
        own = "" if text == usual[event_ids[event]] else text
        placed.append(Cell(person_ids[person], event_ids[event], images[number], own))
    return Grid(people, rows, sorted(placed, key=lambda cell: cell.key), sorted(left_out), sorted(skipped), duplicates)


def check_unusable(skipped: Sequence[Skipped], used: int) -> None:
    """Raise ``BenchmarkError`` where more than 5 % of what should be usable is not."""
    if len(skipped) <= UNUSABLE_SHARE * (len(skipped) + used):
        return
    counts = Counter(item.reason for item in skipped)
    listed = "; ".join(
        f"{count} x {reason} (such as {next(item.name for item in skipped if item.reason == reason)})"
        for reason, count in counts.most_common()
    )
    raise BenchmarkError(
        f"{len(skipped)} of {len(skipped) + used} images or rows cannot be used, more than "
        f"{100 * UNUSABLE_SHARE:.0f} %: {listed}. Complete or repair the copy (or download it again)."
    )


def _no_event(event: str, events: set[str]) -> str:
    if not event:
        return "an image without an event"
    if is_portrait(event):
        return "a portrait"
    return "an event beside the paper's" if events == set(PAPER) else "an event that few others have"


def _shown_events(located: Located, scenes: Scenes) -> set[str]:
    """The events that at least half of the people are shown in, without portraits."""
    cells = {
        (scenes.events[row], located.people[row])
        for row, number in enumerate(located.files)
        if number is not None and scenes.events[row]
    }
    shown = Counter(event for event, _ in cells)
    people = len({person for _, person in cells})
    frequent = {event for event, count in shown.items() if count >= HALF * people and not is_portrait(event)}
    return set(PAPER) if frequent > set(PAPER) else frequent  # all 40 of the paper and another: that one is no event


def _rows_of_files(
    table: Table, images: Sequence[ImageFile], located: Located, scenes: Scenes, events: set[str]
) -> tuple[dict[int, int], list[Skipped], list[str]]:
    """The row of every image; rows that have none, unless they tell of no event; rows that repeat another."""
    of_file: dict[int, int] = {}
    skipped = [Skipped("a row of another width than the header", f"line {line}") for line in table.odd]
    duplicates = []
    said = (located.people, scenes.events, scenes.descriptions)
    for row, number in enumerate(located.files):
        named = table.columns[str(located.image.column)][row]
        if number is None:
            if scenes.events[row] in events:
                skipped.append(Skipped("a row without an image file", f"row {row + 1}: {named or 'no name'}"))
        elif number not in of_file:
            of_file[number] = row
        elif differ := [values for values in said if values[row] != values[of_file[number]]]:
            first, second = differ[0][of_file[number]], differ[0][row]
            raise BenchmarkError(
                f"{table.name}: rows {of_file[number] + 1} and {row + 1} are about the same image "
                f'{images[number].name}, but one says "{first[:80]}", the other "{second[:80]}". Remove the wrong one.'
            )
        else:
            duplicates.append(f"row {row + 1}: {images[number].name}")
    return of_file, skipped, duplicates


def _owners(images: Sequence[ImageFile], located: Located) -> dict[int, str]:
    """Whose image every file is: its row's person, else the person of most rows of its folder."""
    by_folder: defaultdict[str, Counter[str]] = defaultdict(Counter)
    owner = {}
    for row, number in enumerate(located.files):
        if number is not None and located.people[row] and row not in located.conflicts:
            owner[number] = located.people[row]
            by_folder[images[number].folder][located.people[row]] += 1
    for number, image in enumerate(images):
        if number not in owner and by_folder[image.folder]:
            owner[number] = by_folder[image.folder].most_common(1)[0][0]
    return owner


def _people(cells: Iterable[tuple[str, str]], located: Located) -> list[Row]:
    names = sorted({person for person, _ in cells})
    return [
        {"id": f"p{number:03d}", "name": located.spelling[name], "plain": name} for number, name in enumerate(names)
    ]


def _event_rows(
    cells: dict[tuple[str, str], int], of_file: dict[int, int], scenes: Scenes, people: Sequence[str]
) -> list[Row]:
    """Events sorted by name: the commonest spelling and description, the paper's name and keywords where known."""
    spelled: defaultdict[str, Counter[str]] = defaultdict(Counter)
    texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    lists: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (_, event), number in sorted(cells.items()):
        row = of_file[number]
        texts[event][scenes.descriptions[row]] += 1
        if name := " ".join(scenes.names[row].replace("_", " ").split()):
            spelled[event][name] += 1
        if scenes.keyword_lists[row]:
            lists[event][scenes.keyword_lists[row]] += 1
    description = {event: counts.most_common(1)[0][0] for event, counts in texts.items()}
    derived = content_words({event: without_names(text, people) for event, text in description.items()})
    rows: list[Row] = []
    for event, text in description.items():
        name = spelled[event].most_common(1)[0][0] if spelled[event] else name_by_description(text, derived[event])
        if paper := PAPER.get(normalise(name)):
            name, keywords = paper.name, list(paper.keywords)
        else:
            own = split_list(lists[event].most_common(1)[0][0]) if lists[event] else []
            keywords = list(dict.fromkeys(own)) or derived[event]
        rows.append({"name": name, "keywords": keywords, "description": text, "plain": event})
    rows.sort(key=lambda row: (normalise(row["name"]), row["plain"]))
    seen: Counter[str] = Counter()
    for event_row in rows:  # events that the table does not name may begin with the same words
        seen[event_row["name"]] += 1
        if (count := seen[event_row["name"]]) > 1:
            event_row["name"] += f" {count}"
    return [{"id": f"e{number:02d}", **row} for number, row in enumerate(rows)]


def _one_each(
    without: dict[str, list[tuple[int, str]]],
    owner: dict[int, str],
    images: Sequence[ImageFile],
    of_file: dict[int, int],
    scenes: Scenes,
    events: int,
) -> tuple[list[Skipped], list[Skipped]]:
    """Of every person's images without an event the one to leave out, and the others.

    The portrait is the one whose name or row says so, else the one named like those of most others.
    """
    counts = Counter(owner.values())
    spare = sum(count > events for count in counts.values()) >= HALF * len(counts)
    alike = Counter(normalise(images[number].parts[-1]) for extra in without.values() for number, _ in extra)

    def portrait_first(item: tuple[int, str]) -> tuple[bool, int, int]:
        name, row = normalise(images[item[0]].parts[-1]), of_file.get(item[0])
        said = is_portrait(name) or (row is not None and is_portrait(scenes.events[row]))
        return not said, -alike[name], item[0]

    left_out: list[Skipped] = []
    others: list[Skipped] = []
    for person, extra in without.items():
        for place, (number, reason) in enumerate(sorted(extra, key=portrait_first)):
            (left_out if person and spare and place == 0 else others).append(Skipped(reason, images[number].name))
    return left_out, others
