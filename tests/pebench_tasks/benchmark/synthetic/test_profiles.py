import csv
import random
from pathlib import Path

import pytest

from pebench_tasks.benchmark.synthetic import profiles
from pebench_tasks.benchmark.synthetic.profiles import plain, sample_figures, sample_matched, sample_people
from pebench_tasks.errors import BenchmarkError

SYNTHETIC = Path(profiles.__file__).parent
NAMES = ("female", "male", "surnames", "more_surnames")  # columns


def read(file: str) -> list[dict[str, str]]:
    with (SYNTHETIC / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def everybody() -> list[profiles.Person]:
    people = sample_people(200, seed=0)
    return people + sample_figures(20, 0, people)


def test_the_same_seed_gives_the_same_people() -> None:
    people = sample_people(12, seed=3)
    assert people == sample_people(12, seed=3)
    assert people != sample_people(12, seed=4)
    assert sample_figures(4, 3, people) == sample_figures(4, 3, people)


def test_two_hundred_people_and_twenty_figures_share_no_first_name_and_no_surname(
    everybody: list[profiles.Person],
) -> None:
    parts = [plain(part) for person in everybody for part in person.name.split()]
    assert len(parts) == 2 * len(everybody)
    assert len(set(parts)) == len(parts)


def test_matched_people_share_no_first_name_and_no_surname_with_anybody(everybody: list[profiles.Person]) -> None:
    """In the largest benchmark, whose people and figures take nearly all the surnames that others may have."""
    matched = sample_matched(40, 0, everybody)
    assert [person.id for person in matched][:2] == ["m000", "m001"]
    parts = [plain(part) for person in (*everybody, *matched) for part in person.name.split()]
    assert len(set(parts)) == len(parts)


def test_matched_people_are_drawn_as_the_others_are(everybody: list[profiles.Person]) -> None:
    """As many of each gender as of others, each occupation at most once, ages and looks that suit."""
    matched = sample_matched(40, 0, everybody)
    assert sorted(person.gender for person in matched) == sorted(p.gender for p in sample_people(40, 0))
    occupations = {occupation for row in read("occupations.csv") for occupation in row["occupations"].split(";")}
    assert len({person.occupation for person in matched} & occupations) == 40
    assert all(8 <= person.age <= 80 for person in matched)
    assert not {person.look for person in matched} & {person.look for person in everybody}


def test_more_matched_people_than_names_are_refused(everybody: list[profiles.Person]) -> None:
    with pytest.raises(BenchmarkError, match="no names left for 150 more people: ask for fewer"):
        sample_matched(150, 0, everybody)


def test_no_listed_name_lies_inside_another() -> None:
    names = [plain(name) for row in read("names.csv") for key in NAMES for name in row[key].split(";")]
    assert len(names) == len(set(names))
    assert [(a, b) for a in names for b in names if a != b and a in b] == []


def test_there_are_enough_names_for_everybody() -> None:
    rows = read("names.csv")
    first = sum(len(row[key].split(";")) for row in rows for key in ("female", "male"))
    surnames = sum(len(row["surnames"].split(";")) for row in rows)
    assert first >= 230
    assert surnames >= 230


def test_no_name_is_a_word_of_an_event() -> None:
    words = {plain(word) for row in read("events.csv") for value in row.values() for word in (value or "").split()}
    names = {plain(name) for row in read("names.csv") for key in NAMES for name in row[key].split(";")}
    assert not {word.strip(".,;:'") for word in words} & names


def test_names_fit_the_birthplace_while_they_last() -> None:
    homes = {
        plain(name): row["countries"].split(";")
        for row in read("names.csv")
        for key in ("female", "male", "surnames")
        for name in row[key].split(";")
    }
    people = sample_people(40, seed=0)
    assert all(person.country in homes[plain(part)] for person in people for part in person.name.split())


def test_more_people_than_names_still_have_different_full_names() -> None:
    countries, genders = ["Germany"] * 600, ["female"] * 600
    names = profiles._names(countries, genders, random.Random(0), used=())
    assert len(set(names)) == 600


def test_ids_follow_the_order() -> None:
    people = sample_people(12, seed=0)
    assert [person.id for person in people][:2] == ["p000", "p001"]
    assert [person.id for person in sample_figures(2, 0, people)] == ["f00", "f01"]


def test_ages_fit_the_occupation(everybody: list[profiles.Person]) -> None:
    assert all(8 <= person.age <= 80 for person in everybody)
    assert all(person.age <= 11 for person in everybody if person.occupation == "Primary School Student")
    assert all(person.age >= 64 for person in everybody if person.occupation == "Retired")


def test_genders_occupations_and_birthplaces_are_spread_evenly(everybody: list[profiles.Person]) -> None:
    people = everybody[:200]
    genders = [person.gender for person in people]
    assert genders.count("nonbinary") == 10
    assert abs(genders.count("female") - genders.count("male")) <= 10
    occupations = {occupation for row in read("occupations.csv") for occupation in row["occupations"].split(";")}
    assert {person.occupation for person in people} == occupations
    assert {person.city for person in people} == {row["city"] for row in read("birthplaces.csv")}
