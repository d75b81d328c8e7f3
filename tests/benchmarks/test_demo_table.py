"""The README's table of the demo is that of the committed run, which keeps what the README claims."""

import csv

import demo_claims
import demo_table
import pytest
from demo_claims import CLAIMS, Claim
from demo_table import KEPT, README, block, read, rewritten

from pebench_tasks.marking.scoring import PERCENT
from unlearn.protocol.rows import METRICS

RUN = read()
TABLE = {(row.method, row.target): row.figures for row in RUN.rows}


def test_the_readme_shows_the_committed_run_and_names_its_processor() -> None:
    text = README.read_text(encoding="utf-8")
    assert block(RUN) in text
    assert RUN.machine["processor"] in text


def test_the_committed_tables_are_of_one_run() -> None:
    with KEPT.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = {(row.pop("method"), row.pop("target")): row for row in csv.DictReader(file)}
    figures = {key: {name: float(row[name]) for name in METRICS if row[name]} for key, row in rows.items()}
    assert figures == TABLE


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_the_committed_run_keeps_what_the_readme_claims(claim: Claim) -> None:
    assert claim.holds(TABLE), claim.figures(TABLE)


def test_a_table_that_breaks_a_claim_is_said_to() -> None:
    """Every claim fails on figures that are the wrong way round."""
    inverted = {
        (method, target): {name: (100 if name in PERCENT[target] else 1) - value for name, value in figures.items()}
        for (method, target), figures in TABLE.items()
    }
    for claim in CLAIMS:
        assert not claim.holds(inverted), claim.text


def test_the_page_of_claims_is_that_of_the_committed_table() -> None:
    seeds = demo_claims.read_seeds()
    assert list(seeds) == [0, 1, 2, 3, 4]
    assert demo_claims.PAGE.read_text(encoding="utf-8") == demo_claims.page(seeds)


def test_another_run_takes_the_place_of_the_table_and_of_nothing_else() -> None:
    other = demo_table.Run([row._replace(distance=0.99) for row in RUN.rows], RUN.machine)
    text = README.read_text(encoding="utf-8")
    changed = rewritten(text, other)
    assert "0.99" in changed
    assert rewritten(changed, RUN) == text
