"""What the table tells about the people beside their names, for the breakdown by group."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pebench_tasks.benchmark.published.mapping import FACTS, Found
from pebench_tasks.benchmark.published.table import Table
from pebench_tasks.marking.words import normalise

HEADER_WORDS = {
    "age": {"age"},
    "gender": {"gender", "sex"},
    "occupation": {"occupation", "job", "profession", "career"},
    "birthplace": {"birthplace", "birth", "hometown", "origin", "born"},
    "city": {"city"},
    "country": {"country", "nationality"},
    "region": {"region", "continent"},
}
GENDERS = {"f": "female", "woman": "female", "girl": "female", "m": "male", "man": "male", "boy": "male"}
OLDEST = 120
CONSTANT = 0.9  # of a person's rows say the same, if they say anything


def find_facts(
    table: Table, people: Sequence[str], given: Mapping[str, str | None], taken: Sequence[str]
) -> dict[str, Found]:
    """The column of every fact: its header has a word for it, and it says one thing about each person.

    Nothing is refused here: with two columns for a fact it stays unknown, which the report says.
    """
    found = {}
    for role in FACTS:
        if role in given:
            found[role] = Found(given[role], "--columns")
            continue
        fitting = [
            name
            for name, values in table.columns.items()
            if name not in taken and HEADER_WORDS[role] & _header_words(name) and _constant(values, people)
        ]
        if role == "age":
            fitting = [name for name in fitting if all(_age(value) for value in table.columns[name] if value)]
        why = "its header, and one value for each person"
        ambiguous = f"two columns or more fit: {', '.join(fitting)}"
        found[role] = (
            Found(fitting[0], why) if len(fitting) == 1 else Found(None, ambiguous if fitting else "no column")
        )
    return found


def person_facts(table: Table, people: Sequence[str], found: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """The facts of every person (normalised name): age (None where unknown), and texts ("" where unknown).

    A person's most frequent value counts. The category of an occupation, and the country and region of a city, are
    filled in from the paper's lists.
    """
    said: dict[str, defaultdict[str, Counter[str]]] = {role: defaultdict(Counter) for role in FACTS}
    for role in FACTS:
        if (column := found[role].column) is not None:
            for person, value in zip(people, table.columns[column], strict=True):
                if person and value and value.lower() not in ("nan", "none", "null", "unknown"):
                    said[role][person][value] += 1
    facts = {}
    for person in set(people) - {""}:
        texts = {role: values[person].most_common(1)[0][0] if values[person] else "" for role, values in said.items()}
        city, country = _place(texts)
        home = _CITIES.get(normalise(city), {})
        gender = normalise(texts["gender"])
        facts[person] = {
            "age": _age(texts["age"]),
            "gender": GENDERS.get(gender, gender),
            "occupation": texts["occupation"],
            "category": _CATEGORIES.get(normalise(texts["occupation"]), ""),
            "city": city,
            "country": country or home.get("country", ""),
            "region": texts["region"] or home.get("region", "") or _REGIONS.get(normalise(country), ""),
        }
    return facts


def _place(texts: Mapping[str, str]) -> tuple[str, str]:
    """City and country, from columns of their own or from a birthplace such as "Toronto, Canada"."""
    parts = [part.strip() for part in texts["birthplace"].split(",")] if texts["birthplace"] else []
    city = texts["city"] or (parts[0] if parts else "")
    return city, texts["country"] or (parts[-1] if len(parts) > 1 else "")


def _age(text: str) -> int | None:
    number = re.fullmatch(r"\D{0,12}?(\d{1,3})(\.0)?(\s*(years?|yrs?|y/?o)\b.*)?", text.strip())
    return int(number[1]) if number and 0 < int(number[1]) <= OLDEST else None


def _header_words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower().split())


def _constant(values: Sequence[str], people: Sequence[str]) -> bool:
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for person, value in zip(people, values, strict=True):
        if person and value:
            said[person][value] += 1
    total = sum(sum(counts.values()) for counts in said.values())
    return total > 0 and sum(counts.most_common(1)[0][1] for counts in said.values()) >= CONSTANT * total


def _read(name: str) -> list[dict[str, str]]:
    text = files("pebench_tasks.benchmark.synthetic").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


_PLACES = _read("birthplaces.csv")
_CITIES = {normalise(row["city"]): row for row in _PLACES}
_REGIONS = {normalise(row["country"]): row["region"] for row in _PLACES}
_CATEGORIES = {
    normalise(job): row["category"] for row in _read("occupations.csv") for job in row["occupations"].split(";")
}
