"""Who the fictitious people are: name, age, occupation, birthplace and look, all drawn from a seed.

Occupations and birthplaces are those of the PEBench paper (Xu et al., arXiv 2503.12545, appendix); the names, ages
and looks are ours.
"""

import csv
import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pebench_tasks.benchmark.synthetic.casting import sample_looks
from pebench_tasks.benchmark.synthetic.looks import Look
from pebench_tasks.errors import BenchmarkError

_FOLDER = Path(__file__).parent
# Youngest and oldest age of the occupations that say something about age; everybody else is of working age.
_AGES = {
    "Primary School Student": (8, 11),
    "Junior High Student": (12, 15),
    "High School Junior": (16, 17),
    "Undergraduate Student": (18, 23),
    "Community College Student": (18, 28),
    "Technical School Student": (17, 24),
    "Apprentice": (17, 23),
    "Master's Student": (22, 29),
    "Doctoral Student": (24, 34),
    "Research Assistant": (22, 35),
    "Retired": (64, 80),
    "Judge": (42, 70),
    "Athlete": (19, 36),
    "Pilot": (27, 62),
    "Musician": (20, 78),
    "Painter": (20, 78),
    "Writer": (22, 78),
    "Artist": (20, 78),
}
_WORKING_AGE = (22, 66)
T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """A fictitious person; `look` is everything that a picture shows of them."""

    id: str
    name: str
    age: int
    gender: str  # "female", "male" or "nonbinary"
    occupation: str
    category: str
    city: str
    country: str
    region: str
    look: Look


def sample_people(count: int, seed: int) -> list[Person]:
    """`count` people with ids p000, p001, ...; up to 200 of them share no first name and no surname."""
    return _sample(count, f"people/{seed}", "p{:03d}", seed, used_names=(), used_looks=())


def sample_figures(count: int, seed: int, people: Sequence[Person]) -> list[Person]:
    """`count` public figures with ids f00, f01, ..., who share no name with `people` and look like none of them."""
    return _sample(
        count,
        f"figures/{seed}",
        "f{:02d}",
        seed + 1_000_003,
        used_names=[part for person in people for part in person.name.split()],
        used_looks=[person.look for person in people],
    )


def sample_matched(count: int, seed: int, others: Sequence[Person]) -> list[Person]:
    """`count` people with ids m000, m001, ..., drawn as `sample_people` draws, for comparison with those it drew.

    They share no first name and no surname with `others` (a model that learned half of a name could guess the rest) and
    look like none of them. Raises `BenchmarkError` where the lists hold no more names.
    """
    return _sample(
        count,
        f"matched/{seed}",
        "m{:03d}",
        seed + 2_000_003,
        used_names=[part for person in others for part in person.name.split()],
        used_looks=[person.look for person in others],
        surnames=("surnames", "more_surnames"),
        repeat_names=False,
    )


def plain(text: str) -> str:
    """Lower case without diacritics: what names are compared by."""
    # Dotless i and the stroked letters have no decomposition.
    text = text.replace("ı", "i").replace("ł", "l").replace("Ł", "L").replace("ø", "o")
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def _sample(
    count: int,
    stream: str,
    id_format: str,
    looks_seed: int,
    *,
    used_names: Iterable[str],
    used_looks: Sequence[Look],
    surnames: Sequence[str] = ("surnames",),
    repeat_names: bool = True,
) -> list[Person]:
    rng = random.Random(stream)
    birthplaces = _rows("birthplaces.csv")
    occupations = [
        (row["category"], occupation)
        for row in _rows("occupations.csv")
        for occupation in row["occupations"].split(";")
    ]
    places = _dealt(birthplaces, count, rng)
    jobs = _dealt(occupations, count, rng)
    genders = ["nonbinary" if index % 20 == 19 else ("female", "male")[index % 2] for index in range(count)]
    rng.shuffle(genders)
    ages = [rng.randint(*_AGES.get(job, _WORKING_AGE)) for _, job in jobs]
    countries = [place["country"] for place in places]
    names = _names(countries, genders, rng, used_names, surnames=surnames, repeat=repeat_names)
    looks = sample_looks(list(zip(ages, genders, strict=True)), looks_seed, avoid=used_looks)
    return [
        Person(
            id=id_format.format(index),
            name=names[index],
            age=ages[index],
            gender=genders[index],
            occupation=jobs[index][1],
            category=jobs[index][0],
            city=places[index]["city"],
            country=places[index]["country"],
            region=places[index]["region"],
            look=looks[index],
        )
        for index in range(count)
    ]


def _names(
    countries: Sequence[str],
    genders: Sequence[str],
    rng: random.Random,
    used: Iterable[str],
    *,
    surnames: Sequence[str] = ("surnames",),
    repeat: bool = True,
) -> list[str]:
    """One name each, fitting the country of birth while its names last, of other countries after that.

    Once every name of the lists is taken, first names and surnames come back in other combinations, unless `repeat` is
    false. `surnames` are the columns that hold them.
    """
    groups = _rows("names.csv")
    taken = set(used)
    names: list[str] = []

    def pick(country: str, columns: Sequence[str]) -> str:
        home = [group for group in groups if country in group["countries"].split(";")]
        if not home:
            raise BenchmarkError(f"names.csv lists no names for {country!r}: add the country to one of its groups")
        for rows in (home, groups):
            free = [name for row in rows for column in columns for name in row[column].split(";") if name not in taken]
            if free:
                return rng.choice(free)
        if not repeat:
            raise BenchmarkError(f"names.csv has no names left for {len(countries)} more people: ask for fewer.")
        return rng.choice([name for row in groups for column in columns for name in row[column].split(";")])

    for country, gender in zip(countries, genders, strict=True):
        columns = ("female", "male") if gender == "nonbinary" else (gender,)
        while True:
            first, surname = pick(country, columns), pick(country, surnames)
            if f"{first} {surname}" not in names:
                break
        taken |= {first, surname}
        names.append(f"{first} {surname}")
    return names


def _dealt(cards: Sequence[T], count: int, rng: random.Random) -> list[T]:
    """`count` of the cards, each dealt once before any is dealt again."""
    dealt: list[T] = []
    while len(dealt) < count:
        dealt += rng.sample(cards, len(cards))
    return dealt[:count]


def _rows(file: str) -> list[dict[str, str]]:
    with (_FOLDER / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
