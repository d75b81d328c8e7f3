"""The README's table of the demo is that of the committed run, which keeps what the README claims."""

import csv
from collections.abc import Callable

import demo_table
import pytest
from demo_claims import CLAIMS, Table
from demo_table import KEPT, README, block, read, rewritten

RUN = read()
TABLE = {(row.method, row.target): row.figures for row in RUN.rows}


def test_the_readme_shows_the_committed_run_and_names_its_processor() -> None:
    text = README.read_text(encoding="utf-8")
    assert block(RUN) in text
    assert RUN.machine["processor"] in text


def test_the_committed_tables_are_of_one_run() -> None:
    with KEPT.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = {(row.pop("method"), row.pop("target")): row for row in csv.DictReader(file)}
    assert {key: {name: float(value) for name, value in row.items() if value} for key, row in rows.items()} == TABLE


@pytest.mark.parametrize("holds", CLAIMS.values(), ids=CLAIMS)
def test_the_committed_run_keeps_what_the_readme_claims(holds: Callable[[Table], bool]) -> None:
    assert holds(TABLE)


def test_another_run_takes_the_place_of_the_table_and_of_nothing_else() -> None:
    other = demo_table.Run([row._replace(distance=0.99) for row in RUN.rows], RUN.machine)
    text = README.read_text(encoding="utf-8")
    changed = rewritten(text, other)
    assert "0.99" in changed
    assert rewritten(changed, RUN) == text
