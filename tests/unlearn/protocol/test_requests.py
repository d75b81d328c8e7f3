"""The table of several requests, from documents made by hand."""

import pytest

from pebench_tasks.results.intervals import Observation
from unlearn.protocol.requests import AT_ONCE, BEFORE, Observed, Row, in_words, matrix, rows_of, summarise

SHARES = [("p0",), ("p1",)]


def named(figure: str, person: str, event: str, value: float | None, kind: str = "name") -> Observation:
    key = f"{person}/{event}/{kind}"
    return Observation(key, figure, value, person if kind == "name" else event, person, event, kind)


def answered(first: float, second: float, retain: float) -> Observed:
    """Two images of each forgotten person, on which all answers score alike, and two retained people."""
    return {
        "efficacy": [named("efficacy", "p0", "e0", first), named("efficacy", "p0", "e1", first),
                     named("efficacy", "p1", "e0", second), named("efficacy", "p1", "e1", second)],
        "scope": [named("scope", "p0", "e0", 0.25, "scene"), named("scope", "p1", "e0", 0.75, "scene")],
        "retain": [named("retain", "p8", "e0", retain), named("retain", "p9", "e0", retain)],
    }  # fmt: skip


STEPS = {
    BEFORE: answered(0.0, 0.0, 100.0),
    "1": answered(100.0, 0.0, 80.0),
    "2": answered(50.0, 100.0, 40.0),
    AT_ONCE: answered(100.0, 100.0, 70.0),
}


def table(target: str = "person") -> list[Row]:
    return [row for step, observed in STEPS.items() for row in rows_of(step, observed, target, SHARES)]


def test_a_request_has_the_documents_about_its_own_and_the_whole_set_all_of_them() -> None:
    """After the second step p0 scores 50 and p1 100; Retain is the checkpoint's, whatever was requested."""
    first, second, whole = rows_of("2", STEPS["2"], "person", SHARES)
    assert first.figures == {"efficacy": 50.0, "scope": 0.25, "retain": 40.0}
    assert second.figures == {"efficacy": 100.0, "scope": 0.75, "retain": 40.0}
    assert whole.figures == {"efficacy": 75.0, "scope": 0.5, "retain": 40.0}
    assert [row.documents["efficacy"] for row in (first, second, whole)] == [2, 2, 4]
    assert whole.cells() == {
        "target": "person", "step": "2", "request": "all", "efficacy": 75.0, "scope": 0.5, "retain": 40.0,
        "n_efficacy": 4, "n_scope": 2, "n_retain": 2,
    }  # fmt: skip


def test_a_joint_target_has_rows_about_people_and_about_events() -> None:
    """p0 and e1 are the first request's, p1 and e0 the second's: of three scenes one and two."""
    scenes = [("p5", "e0", 0.5), ("p6", "e0", 0.7), ("p5", "e1", 0.9)]
    observed = {
        "person_efficacy": [named("person_efficacy", "p0", "e0", 100.0), named("person_efficacy", "p1", "e1", 0.0)],
        "event_efficacy_truth_only": [named("", person, event, value, "scene") for person, event, value in scenes],
        "person_retain": [named("person_retain", "p8", "e8", 30.0)],
    }
    rows = rows_of("1", observed, "joint", [("p0", "e1"), ("p1", "e0")])
    found = {(row.target, row.request): row.figures for row in rows}
    assert found["joint person", "1"] == {"efficacy": 100.0, "retain": 30.0}
    assert found["joint person", "2"] == {"efficacy": 0.0, "retain": 30.0}
    assert found["joint event", "1"] == {"efficacy_truth_only": 0.9}
    assert found["joint event", "2"] == {"efficacy_truth_only": pytest.approx(0.6)}


def test_what_too_few_marks_were_given_for_has_no_figure() -> None:
    observed = {"efficacy": [named("efficacy", "p0", "e0", None), named("efficacy", "p1", "e0", 100.0)]}
    first, second, whole = rows_of("1", observed, "person", SHARES)
    assert (first.figures, second.figures, whole.figures) == ({}, {"efficacy": 100.0}, {})


def test_a_summary_holds_the_area_under_retain_and_what_is_left_of_each_request() -> None:
    """Retain 80 and 40: 60. Own steps 100 and 100: 100; at the end 50 and 100: 75, against 100 at once."""
    found = summarise(table(), STEPS, "person", "")
    assert (found.efficacy, found.retain_before, found.retain_mean) == ("efficacy", 100.0, 60.0)
    assert (found.own_step, found.last_step) == (100.0, 75.0)
    assert found.forgetting is not None
    assert found.retained is not None
    assert (found.forgetting.first, found.forgetting.second, found.forgetting.value) == (100.0, 75.0, -25.0)
    assert (found.retained.first, found.retained.second, found.retained.value) == (70.0, 40.0, -30.0)
    assert found.as_json()["retained"]["n"] == 2


def test_a_mean_that_a_step_has_no_figure_for_is_none() -> None:
    steps = {**STEPS, "1": {name: rows for name, rows in STEPS["1"].items() if name != "retain"}}
    rows = [row for step, observed in steps.items() for row in rows_of(step, observed, "person", SHARES)]
    assert summarise(rows, steps, "person", "").retain_mean is None
    without = {step: observed for step, observed in STEPS.items() if step != BEFORE}
    rows = [row for step, observed in without.items() for row in rows_of(step, observed, "person", SHARES)]
    assert summarise(rows, without, "person", "").retain_before is None


def test_the_matrix_shows_each_request_after_each_step_and_what_was_to_go_by_then_in_bold() -> None:
    found = matrix(table(), "person", "efficacy")
    columns = {str(column.header): [str(cell) for cell in column.cells] for column in found.columns}
    assert columns == {
        "after": ["before", "step 1", "step 2", "all at once"],
        "1": ["0.0", "100.0", "50.0", "100.0"],
        "2": ["0.0", "0.0", "100.0", "100.0"],
        "all": ["0.0", "50.0", "75.0", "100.0"],
        "retain": ["100.0", "80.0", "40.0", "70.0"],
    }
    bold = [[cell.style == "bold" for cell in column.cells] for column in found.columns[1:3]]  # type: ignore[union-attr]
    assert bold == [[False, True, True, True], [False, False, True, True]]


def test_what_a_run_comes_to_is_said_in_words() -> None:
    said = list(in_words(summarise(table(), STEPS, "person", ""), "person"))
    assert said[0] == "person: Retain is 60.0 in the mean of the steps (the area under it); it was 100.0 before."
    assert "100.0 right after its own step, 75.0 after the last one" in said[1]
    assert said[2].startswith("Efficacy: 75.0 one after the other, 100.0 at once; the difference is -25.0 (95 % ")
    assert said[3].startswith("Retain: 40.0 one after the other, 70.0 at once; the difference is -30.0 (95 % ")
