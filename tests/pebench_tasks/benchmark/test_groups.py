import pytest

from pebench_tasks.benchmark.groups import ATTRIBUTES, age_band, group
from pebench_tasks.benchmark.reading import Benchmark


@pytest.mark.parametrize(
    ("age", "band"),
    [(16, "0-17"), (18, "18-29"), (29, "18-29"), (30, "30-44"), (44, "30-44"), (45, "45-59"), (59, "45-59"),
     (60, "60+"), (101, "60+"), (None, "unknown")],
)  # fmt: skip
def test_every_age_has_one_band(age: int | None, band: str) -> None:
    assert age_band(age) == band


def test_what_a_benchmark_does_not_say_is_unknown() -> None:
    person = {"age": None, "gender": "", "region": "", "category": "", "occupation": ""}
    assert group(person) == dict.fromkeys(ATTRIBUTES, "unknown")


def test_occupations_count_by_category(benchmark: Benchmark) -> None:
    for person in benchmark.people:
        found = group(person)
        assert tuple(found) == ATTRIBUTES
        assert found["occupation"] == person["category"] != person["occupation"]
        assert (found["gender"], found["region"]) == (person["gender"], person["region"])
