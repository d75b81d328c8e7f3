from pathlib import Path

from unlearn.protocol.rows import METRICS, Row, console_table, markdown, write_csv

DOCUMENTS = dict.fromkeys(METRICS, 20)


def row(method: str, target: str = "person", **figures: float) -> Row:
    return Row(method, target, figures, DOCUMENTS, {"efficacy": 3}, {}, 0.25 if len(figures) == 6 else None)


FULL = row("gd", efficacy=100.0, generality=97.5, retain=62.5, scope=0.875, real=90.0, world=84.2)
PART = row("stock", efficacy=100.0)


def test_the_csv_has_the_papers_columns_and_full_precision(tmp_path: Path) -> None:
    write_csv([FULL, row("gd", "event", efficacy=1 / 3)], tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().splitlines() == [
        "method,target,efficacy,generality,retain,scope,real,world",
        "gd,person,100.0,97.5,62.5,0.875,90.0,84.2",
        "gd,event,0.3333333333333333,,,,,",
    ]


def test_what_was_withheld_is_a_dash_and_never_a_zero() -> None:
    assert "| stock | 100.00 | - | - | - | - | - | - |" in markdown([PART])


def test_markdown_shows_n_and_the_empty_responses_behind_a_figure() -> None:
    assert "| gd | 20 (3 empty) | 20 | 20 | 20 | 20 | 20 |" in markdown([FULL])


def test_units_stand_in_the_header() -> None:
    text = markdown([FULL, row("gd", "event", efficacy=0.5)])
    assert "| method | efficacy % | generality % | retain % | scope | real % | world % | distance to Goal |" in text
    assert "| method | efficacy | generality | retain | scope % | real | world % | distance to Goal |" in text


def test_the_terminal_table_holds_only_its_target() -> None:
    table = console_table([FULL, row("ga", "event", efficacy=0.5)], "event")
    assert list(table.columns[0].cells) == ["ga", "[dim]n[/dim]"]
