"""Which columns say what happens in an image: the event's name, its keywords, and the description of the scene.

An event is known by its pattern, not by a header: nearly every person has it, and has it once. Several columns with the
same pattern (a name, a number, a description for all of its images) are the same events in other words.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pebench_tasks.benchmark.published.columns import NEARLY_ALL, Given, Located
from pebench_tasks.benchmark.published.events import PAPER, match_images, without_names
from pebench_tasks.benchmark.published.filenames import has_ending
from pebench_tasks.benchmark.published.mapping import Candidate, Found, missing, refuse
from pebench_tasks.benchmark.published.table import Table
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

HALF = 0.5  # an event is shown by at least half of the people
EVENT_ROWS = 0.7  # of the rows belong to an event: portraits and gaps are fewer
LONG_TEXT = 7  # words on average, and more: a description; fewer: a name


class Scenes(NamedTuple):
    """For every row its event (a normalised value; "" for none), its description and its keywords."""

    event: Found
    description: Found
    keywords: Found
    events: list[str]
    names: list[str]  # the event's name as written in the row; "" where the table has none
    descriptions: list[str]
    keyword_lists: list[str]


def read_scenes(table: Table, located: Located, given: Given) -> Scenes:
    """Find the event's columns, or take those of ``given``.

    Where no column names events, images with the same description show the same event; where every description is
    different, they are matched to the paper's events if that is clear. Raises ``BenchmarkError`` where no column or
    several different ones fit, and where there is no description: it is the truth that scene answers are scored by.
    """
    free = {name: v for name, v in table.columns.items() if name != located.person.column and not _names_files(v)}
    rows = [row for row, n in enumerate(located.files) if n is not None and located.people[row]]
    patterns = {name: p for name, values in free.items() if (p := _pattern(values, located.people, rows))}
    keywords = _keywords(table, free, patterns, given)
    description = _description(table, free, patterns, located, rows, keywords, given)
    taken = {keywords.column, description.column}
    others = {name: values for name, values in free.items() if name not in taken}
    event = _event(table, {name: v for name, v in others.items() if name != located.image.column}, patterns, given)
    if event.column is None and "event" not in given:
        event = _event(table, others, patterns, given)  # images may be named after their events
    texts = table.columns[str(description.column)]
    blank = [""] * table.rows
    lists = table.columns[keywords.column] if keywords.column else blank
    if event.column is not None:
        names = table.columns[event.column]
        events = [normalise(name) for name in names]
        names = [name if any(map(str.isalpha, name)) else "" for name in names]
        return Scenes(event, description, keywords, events, names, texts, lists)
    if description.column in patterns:
        found = Found(None, "images with the same description")
        return Scenes(found, description, keywords, [normalise(text) for text in texts], blank, texts, lists)
    masked = [without_names(text, [person]) for text, person in zip(texts, located.people, strict=True)]
    if _pattern(masked, located.people, rows):
        found = Found(None, "images with the same description but for the person's name")
        return Scenes(found, description, keywords, masked, blank, texts, lists)
    names = match_images([texts[row] for row in rows], [located.people[row] for row in rows])
    by_row = dict(zip(rows, names, strict=True))
    names = [by_row.get(row, "") for row in range(table.rows)]
    found = Found(None, "the paper's event whose keywords the description holds")
    return Scenes(found, description, keywords, list(names), names, texts, lists)


def _pattern(values: Sequence[str], people: Sequence[str], rows: Sequence[int]) -> frozenset[str] | None:
    """The events of a column, if it has the pattern of events."""
    cells = Counter((normalise(values[row]), people[row]) for row in rows if values[row])
    shown = Counter(value for value, _ in cells)
    enough = max(2, HALF * len({people[row] for row in rows}))
    events = frozenset(value for value, count in shown.items() if count >= enough)
    inside = [count for (value, _), count in cells.items() if value in events]
    alone = sum(count == 1 for count in inside)
    if len(events) < 2 or sum(inside) < EVENT_ROWS * len(rows) or alone < NEARLY_ALL * len(inside):
        return None
    return events


def _event(table: Table, free: Mapping[str, list[str]], patterns: Mapping[str, frozenset[str]], given: Given) -> Found:
    """The column with the events' names: those of the paper's names first, then words, then numbers."""
    if "event" in given:
        column = given["event"]
        if column is not None and _words(table.columns[column]) >= LONG_TEXT:
            raise BenchmarkError(
                f'--columns: event="{column}" holds texts, not names. Name it as the description: images with the same '
                "description show the same event."
            )
        return Found(column, "--columns")
    fitting = [name for name in free if name in patterns and _words(free[name]) < LONG_TEXT]
    papers = [name for name in fitting if sum(e in PAPER for e in patterns[name]) > len(patterns[name]) / 2]
    worded = [name for name in fitting if any(any(map(str.isalpha, event)) for event in patterns[name])]
    chosen = papers or worded or fitting
    same = {tuple(map(normalise, free[name])): name for name in reversed(chosen)}
    if len(same) > 1 and not (chosen is fitting and _one_grouping([free[name] for name in same.values()])):
        candidates = [Candidate(name, "every person has each value about once") for name in reversed(same.values())]
        refuse(table.name, "event", candidates, table.columns)
    if not chosen:
        return Found(None, "no column of names that every person has once")
    why = f"{len(patterns[chosen[0]])} values that every person has about once"
    return Found(chosen[0], why + (", names of the paper" if papers else ""))


def _description(
    table: Table,
    free: Mapping[str, list[str]],
    patterns: Mapping[str, frozenset[str]],
    located: Located,
    rows: Sequence[int],
    keywords: Found,
    given: Given,
) -> Found:
    if "description" in given:
        if given["description"] is None:
            raise BenchmarkError("--columns: description needs a column; it is what scene answers are scored by.")
        return Found(given["description"], "--columns")
    fitting = [
        name
        for name, values in free.items()
        if name != keywords.column
        and name != given.get("event")
        and _words(values) >= LONG_TEXT
        and not _listed(values)
        and not _tells_about_people(values, located.people, rows)
    ]
    same = {tuple(table.columns[name]): name for name in reversed(fitting)}
    if len(same) > 1:
        candidates = [Candidate(name, _kind(name, patterns)) for name in reversed(same.values())]
        refuse(table.name, "description", candidates, table.columns)
    if not fitting:
        needs = (
            f"texts of {LONG_TEXT} words or more that describe the scene; they are the truth that scene answers are "
            "scored by, and event names alone cannot take their place"
        )
        raise missing(table.name, "description", needs, table.columns)
    return Found(fitting[0], _kind(fitting[0], patterns))


def _keywords(
    table: Table, free: Mapping[str, list[str]], patterns: Mapping[str, frozenset[str]], given: Given
) -> Found:
    """A column of lists, one for each event; without one, keywords come from elsewhere, so nothing is refused."""
    if "keywords" in given:
        return Found(given["keywords"], "--columns")
    taken = {given.get("description"), given.get("event")}
    fitting = [name for name in patterns if _listed(free[name]) and name not in taken]
    if len(fitting) != 1:
        return Found(None, "several columns hold lists" if fitting else "no column of lists")
    return Found(fitting[0], "a list for every event")


def _kind(name: str, patterns: Mapping[str, frozenset[str]]) -> str:
    return "texts that tell the events apart" if name in patterns else "texts, different between images"


def _names_files(values: Sequence[str]) -> bool:
    paths = sum(has_ending(value) or ("/" in value and len(value.split()) < LONG_TEXT) for value in values)
    return paths > HALF * len(values)


def _words(values: Sequence[str]) -> float:
    filled = [value for value in values if value]
    return sum(len(value.replace("_", " ").split()) for value in filled) / max(1, len(filled))


def split_list(value: str) -> list[str]:
    """The items of ``a; b``, ``a, b`` or ``['a', 'b']``."""
    separator = ";" if ";" in value else "|" if "|" in value else ","
    return [item for part in value.strip("[](){}").split(separator) if (item := part.strip(" '\""))]


def _listed(values: Sequence[str]) -> bool:
    """Whether values are mostly lists of three or more items of at most three words on average, no sentences."""
    filled = [value for value in values if value]
    lists = 0
    for value in filled:
        items = split_list(value)
        words = sum(len(item.split()) for item in items)
        lists += len(items) >= 3 and words <= 3 * len(items) and not re.search(r"[.!?]\s*$", value)
    return bool(filled) and lists >= NEARLY_ALL * len(filled)


def _tells_about_people(values: Sequence[str], people: Sequence[str], rows: Sequence[int]) -> bool:
    """Whether nearly all rows of a person say the same: a biography, not a scene."""
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if values[row]:
            said[people[row]][values[row]] += 1
    usual = sum(texts.most_common(1)[0][1] for texts in said.values())
    return usual >= NEARLY_ALL * sum(sum(texts.values()) for texts in said.values())


def _one_grouping(columns: Sequence[Sequence[str]]) -> bool:
    """Whether columns divide the rows in the same way."""
    first = columns[0]
    return all(len(set(zip(first, c, strict=True))) == len(set(first)) == len(set(c)) for c in columns[1:])
