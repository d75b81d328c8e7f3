"""Which groups a person belongs to, so that a figure can be given for each: age, gender, region, occupation."""

from collections.abc import Mapping
from typing import Any

ATTRIBUTES = ("age", "gender", "region", "occupation")
AGE_BANDS = ((18, "0-17"), (30, "18-29"), (45, "30-44"), (60, "45-59"))  # ours: (below this age, band)
OLDEST = "60+"
UNKNOWN = "unknown"
SMALL = 5  # people; a cell with fewer says next to nothing (ours)


def group(person: Mapping[str, Any]) -> dict[str, str]:
    """The cell of each attribute for a row of the people table; ``unknown`` where the benchmark does not say.

    Occupations count by their category ("Healthcare & Medicine"), regions as the benchmark has them.
    """
    return {
        "age": age_band(person["age"]),
        "gender": person["gender"] or UNKNOWN,
        "region": person["region"] or UNKNOWN,
        "occupation": person["category"] or UNKNOWN,
    }


def age_band(age: int | None) -> str:
    """The band of an age in years."""
    if age is None:
        return UNKNOWN
    return next((band for limit, band in AGE_BANDS if age < limit), OLDEST)
