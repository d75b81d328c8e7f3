"""The paper's figures, as the package ships them."""

from pebench_tasks.marking.scoring import SLICES
from pebench_tasks.results.paper import published_rows


def test_every_row_of_both_tables_is_there_once() -> None:
    """Table 1: eight rows on each target; Table 2: six for each concept."""
    rows = published_rows()
    assert [(row.table, row.target) for row in rows].count(("1", "person")) == 8
    assert [(row.table, row.target) for row in rows].count(("1", "event")) == 8
    assert [(row.table, row.target) for row in rows].count(("2", "event")) == 6
    assert len({row[:3] for row in rows}) == len(rows) == 28


def test_table_2_has_no_scope() -> None:
    assert all((set(row.figures) == set(SLICES)) == (row.table == "1") for row in published_rows())


def test_ga_destroys_person_retain() -> None:
    (row,) = [row for row in published_rows() if row[:3] == ("1", "ga", "person")]
    assert row.figures["retain"] == 3.89
