from pathlib import Path
from typing import Any

from pebench_tasks.leaderboard.ranking import Listed, rank, tables
from pebench_tasks.pages.entries import Board, Entry, Figure
from pebench_tasks.results import Result
from pebench_tasks.scoring import SLICES, Distance


def entry(role: str, distance: float | None, **facts: Any) -> Entry:
    provenance = {
        "data": "d" * 16, "forget": "forget05", "split": "s" * 16, "judge": "lexical", "template": "t" * 16,
        "retain_documents": "the fixed subset", "world_documents": "the fixed subset", "never_learned": False,
        "mostly_empty": [], "other_split": "", "model": {"base": "b" * 16, "method": "ga"},
    } | facts  # fmt: skip
    result = Result("a", "pebench_events", "1.1", {}, provenance, Path("a.json"), Path("a.gz"))
    figures = {name: Figure(name, 0.5, None, None, 1, False, "") for name in SLICES}
    away = None if distance is None else Distance(distance, distance, distance)
    return Entry(role, role, result, figures, away, 0.5, 0.5, [])


def listed(
    name: str, distance: float | None, *, finetuned: Entry | None = None, goal: Entry | None = None, **facts: Any
) -> Listed:
    entries = [finetuned or entry("finetuned", 0.5), entry("model", distance, **facts), goal or entry("goal", 0.0)]
    board = Board("pebench_events", "event", "Events", list(SLICES), entries)
    return Listed(name, {"base": {"name": "a base"}}, board, None)


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
    assert (row.rank, row.notes) == (1, ["Retain under half"])


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


def test_a_base_model_has_its_bounds_once_from_its_best_submission() -> None:
    other = {"model": {"base": "c" * 16, "method": "ga"}}
    (table,) = tables([listed("second", 0.2), listed("best", 0.1), listed("other", 0.15, **other)])
    assert [(bound.role, bound.base[0], bound.listed.name) for bound in table.bounds] == [
        ("finetuned", "b", "best"), ("goal", "b", "best"), ("finetuned", "c", "other"), ("goal", "c", "other"),
    ]  # fmt: skip
