import pytest
from made_results import record

from pebench_tasks.results.record import ResultRecord, UsedGoal


def test_what_a_file_says_is_kept_word_for_word_and_in_its_order() -> None:
    said = {"later": 1, **record().json, "model": {"seed": 0}, "generation": None}
    assert list(ResultRecord.from_json(said).json.items()) == list(said.items())
    changed = ResultRecord.from_json(said).changed(n=3, later=2)
    assert list(changed.json.items()) == [*({**said, "later": 2}).items(), ("n", 3)]
    assert changed.n == 3


@pytest.mark.parametrize("name", ["data", "split", "template", "forget", "target", "judge", "withheld"])
def test_every_result_says_what_was_asked_and_who_judged(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        ResultRecord.from_json({key: one for key, one in record().json.items() if key != name})


def test_results_of_earlier_versions_lack_the_rest() -> None:
    old = record()
    assert (old.slices, old.statistics.slices, old.statistics.neighbours, old.goal, old.goal_weights) == (
        {}, {}, None, None, [],
    )  # fmt: skip
    assert (old.model.weights, old.benchmark.name, old.image_size, old.real_documents) == (None,) * 4


def test_the_goals_stand_in_the_order_of_the_file() -> None:
    goal = {"directory": "goals", "base": "b", "runs": [{"weights": "2", "results": "r"}, {"weights": "1"}]}
    scored = record(goal=goal)
    assert scored.goal is not None
    assert scored.goal.runs[0] == UsedGoal("2", "r")
    assert scored.goal_weights == ["2", "1"]
    assert record().with_goals_of(scored).json["goal"] == goal


def test_an_interval_varies_unless_it_is_a_point_or_missing() -> None:
    rows = {"a": {"low": 0.1, "high": 0.2}, "b": {"low": 0.1, "high": 0.1}, "c": {"low": None, "high": None}}
    slices = record(
        statistics={"slices": {name: {"value": 0.1, **row} for name, row in rows.items()}}
    ).statistics.slices
    assert [name for name, row in slices.items() if row.varies] == ["a"]
