from pathlib import Path
from typing import Any

import pytest
from made_results import record

from pebench_tasks.leaderboard.check.board import Verified
from pebench_tasks.leaderboard.site.ranking import Listed, Unlike, rank, tables
from pebench_tasks.marking.scoring import SLICES, Distance
from pebench_tasks.pages.entries import Board, Entry, Figure
from pebench_tasks.results.files import Result


def entry(role: str, distance: float | None, **facts: Any) -> Entry:
    provenance = record(**{
        "target": "event", "judge": "lexical", "retain_documents": "the fixed subset",
        "world_documents": "the fixed subset", "never_learned": False,
        "model": {"base": "b" * 16, "method": "ga", "weights": facts.pop("weights", f"{role} weights")}, **facts,
    })  # fmt: skip
    result = Result("a", "pebench_events", "1.1", {}, provenance, Path("a.json"), Path("a.gz"))
    figures = {name: Figure(name, 0.5, None, None, 1, False, "") for name in SLICES}
    away = None if distance is None else Distance(distance, distance, distance)
    return Entry(role, role, result, figures, away, 0.5, 0.5, [])


def listed(
    name: str,
    distance: float | None,
    *,
    finetuned: Entry | None = None,
    goal: Entry | None = None,
    bounds: str = "0",
    **facts: Any,
) -> Listed:
    entries = [finetuned or entry("finetuned", 0.5), entry("model", distance, **facts), goal or entry("goal", 0.0)]
    board = Board("pebench_events", "event", "Events", list(SLICES), entries)
    model, lower, upper = ({"record": {}} for _ in range(3))
    runs = {"model": model, "finetuned": lower, "goals": [upper]}
    return Listed(name, {"base": {"name": "a base"}, "runs": runs}, board, None, bounds)


def ranks(*members: Listed) -> list[tuple[str, int | None]]:
    return [(row.listed.name, row.rank) for row in rank(members)]


def test_nearest_to_goal_comes_first() -> None:
    assert ranks(listed("far", 0.4), listed("near", 0.1), listed("middle", 0.2)) == [
        ("near", 1), ("middle", 2), ("far", 3),
    ]  # fmt: skip


def test_equal_distances_share_a_rank_and_the_next_one_is_left_out() -> None:
    tied = listed("b", 0.2), listed("a", 0.2 + 1e-12), listed("c", 0.3), listed("first", 0.1)
    assert ranks(*tied) == [("first", 1), ("a", 2), ("b", 2), ("c", 4)]


def test_the_order_does_not_depend_on_the_order_of_files() -> None:
    members = [listed("a", 0.2), listed("b", 0.2), listed("c", None), listed("d", 0.1)]
    assert ranks(*members) == ranks(*reversed(members))


def test_without_a_distance_there_is_no_rank() -> None:
    assert ranks(listed("none", None), listed("some", 0.9)) == [("some", 1), ("none", None)]


def test_where_finetuned_or_goal_never_learned_there_is_no_rank_and_it_says_why() -> None:
    ignorant = listed("ignorant", 0.0, finetuned=entry("finetuned", 0.0, never_learned=True))
    ignorant_goal = listed("ignorant-goal", 0.0, goal=entry("goal", 0.0, never_learned=True))
    rows = rank([ignorant, ignorant_goal, listed("honest", 0.4)])
    assert [(row.listed.name, row.rank) for row in rows] == [("honest", 1), ("ignorant", None), ("ignorant-goal", None)]
    assert "nothing to forget" in rows[1].notes[0]
    assert "Goal never learned" in rows[2].notes[0]


def test_a_model_that_unlearning_destroyed_is_ranked_and_says_so() -> None:
    (row,) = rank([listed("destroyed", 0.3, never_learned=True)])
    assert (row.rank, row.notes) == (
        1, ["Retain under half: unlearning destroyed it, for Finetuned had learned the benchmark"],
    )  # fmt: skip


def test_where_a_goal_gave_no_answers_there_is_no_rank_and_poor_answers_are_said() -> None:
    """Eight of ten are no answers; three of five say nothing, which leaves the rank."""
    silent = entry("goal", 0.0, slices={"efficacy": {"n": 5, "empty": 5}, "generality": {"n": 5}},
                   echoed={"generality": 3})  # fmt: skip
    poor = entry("goal", 0.0, slices={"efficacy": {"n": 5, "degenerate": 3}})
    rows = rank([listed("silent", 0.1, goal=silent), listed("poor", 0.2, goal=poor)])
    assert [(row.listed.name, row.rank) for row in rows] == [("poor", 1), ("silent", None)]
    assert rows[0].notes == ["its Goal: of its 5 answers about forgotten scenes 3 say nothing (degenerate)"]
    assert rows[1].notes == [
        "not ranked: its Goal gave no answers, so being near it means nothing",
        "its Goal: of its 10 answers about forgotten scenes 5 are empty, 3 repeat the question",
    ]


def test_a_model_that_was_asked_about_another_target_says_so() -> None:
    (row,) = rank([listed("other", 0.1, model={"base": "b" * 16, "method": "ga", "weights": "w", "target": "person"})])
    assert row.notes == ["made for the target person"]


def test_further_from_goal_than_doing_nothing_stands_at_the_row() -> None:
    (row,) = rank([listed("worse", 0.6)])
    assert row.notes == ["further from Goal than Finetuned, which did nothing"]


def test_what_was_asked_or_marked_otherwise_stands_in_another_table() -> None:
    facts: list[dict[str, Any]] = [
        {}, {"judge": "openai:m/1"}, {"forget": "forget20", "split": "x" * 16}, {"data": "e" * 16},
        {"template": "u" * 16}, {"retain_documents": "all"}, {"world_documents": "all"},
    ]  # fmt: skip
    members = [listed(f"m{number}", 0.1, **fact) for number, fact in enumerate(facts)]
    found = tables([*members, listed("same", 0.2)])
    assert sorted(len(table.rows) for table in found) == [1, 1, 1, 1, 1, 1, 2]
    assert len({table.slug for table in found}) == 7


def test_a_submission_with_other_bounds_is_ranked_apart_and_says_so() -> None:
    """Each submission brings its own Goal: a weak or forged one gives no rank among honest rows, and bounds nobody."""
    forged = entry("goal", 0.0, weights="w" * 16)
    honest, weak = tables([listed("weak", 0.0, goal=forged, bounds="w"), listed("a", 0.4), listed("b", 0.2)])
    assert [(row.listed.name, row.rank) for row in honest.rows] == [("b", 1), ("a", 2)]
    assert [row.listed.name for row in weak.rows] == ["weak"]
    assert forged not in honest.bounds
    assert (honest.unlike, weak.unlike) == (None, Unlike("t1", "another Goal model"))


def test_what_other_bounds_are_is_said_in_words() -> None:
    others = {
        "other answers of the same Finetuned and Goal models": listed("answers", 0.1, bounds="1"),
        "another Finetuned model": listed("f", 0.1, bounds="2", finetuned=entry("finetuned", 0.5, weights="x")),
        "another base model, with a Goal model of its own": listed("base", 0.1, bounds="3", model={"base": "c" * 16}),
    }
    found = tables([listed("a", 0.1), listed("b", 0.1), *others.values()])
    assert {table.rows[0].listed.name: table.unlike and table.unlike.why for table in found[1:]} == {
        one.name: why for why, one in others.items()
    }


def test_a_table_has_its_bounds_once() -> None:
    (table,) = tables([listed("second", 0.2), listed("best", 0.1)])
    assert [(bound.role, bound.result.provenance.model.weights) for bound in table.bounds] == [
        ("finetuned", "finetuned weights"), ("goal", "goal weights"),
    ]  # fmt: skip


def test_tables_with_more_submissions_come_first() -> None:
    facts = [("a", "lexical"), ("b", "openai:m/1"), ("c", "openai:m/1")]
    found = tables(listed(name, 0.1, judge=judge) for name, judge in facts)
    assert [(table.slug, [row.listed.name for row in table.rows]) for table in found] == [
        ("t1", ["b", "c"]), ("t2", ["a"]),
    ]  # fmt: skip


def test_of_tables_that_ask_the_same_a_verified_one_comes_first() -> None:
    word = Verified("0" * 64, "a maintainer", "2026-01-02", "")
    found = tables([listed("other", 0.1, bounds="0"), listed("verified", 0.2, bounds="1")._replace(verified=word)])
    assert [table.rows[0].listed.name for table in found] == ["verified", "other"]


def test_a_list_of_public_figures_stands_in_a_table_of_its_own_and_says_how_many() -> None:
    known = {"list": "1" * 16, "known": 1, "asked": 24, "base": "b" * 16}
    found = tables([listed("a", 0.3), listed("b", 0.2), listed("one-figure", 0.1, real_documents=known)])
    assert [[row.listed.name for row in table.rows] for table in found] == [["b", "a"], ["one-figure"]]
    assert [table.real for table in found] == ["all public figures", f"1 of 24 public figures (list {'1' * 16})"]


@pytest.mark.parametrize("value", [True, "true", "True", 1])
def test_training_with_what_is_asked_stands_at_the_row(value: object) -> None:
    one = listed("a", 0.1)
    for run in (one.submission["runs"]["model"], one.submission["runs"]["goals"][0]):
        run["record"]["arguments"] = {"retain_overlap": value}
    one.submission["runs"]["model"]["record"]["arguments"]["retain_scope"] = value
    assert rank([one])[0].notes == [
        "trained on the images that Retain asks about (retain_overlap)",
        "trained on what Scope asks about (retain_scope)",
        "Goal trained on the images that Retain asks about (retain_overlap)",
    ]


@pytest.mark.parametrize("value", [False, "false", None, "", 0])
def test_training_without_it_does_not(value: object) -> None:
    one = listed("a", 0.1)
    one.submission["runs"]["model"]["record"]["arguments"] = {"retain_overlap": value, "retain_scope": value}
    assert rank([one])[0].notes == []
