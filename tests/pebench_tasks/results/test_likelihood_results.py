"""Likelihoods of a model set against those of Goal, by hand on made-up records."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.likelihood_record import LikelihoodRecord
from pebench_tasks.results.likelihoods import distances, figures, leaks, likelihood_samples, membership


def records(slice_name: str, means: Sequence[float], **changes: str) -> list[LikelihoodRecord]:
    """Documents of one token each, of a person each; R is 1 for all but matched ones."""
    known = {"restated": -1.0, "perturbed": (-1.0,), "telling": 0, "false": (-2.0,)} if slice_name != "matched" else {}
    same = {"concept": "person", "kind": "name", "data": "d", "split": "s", "template": "t", "forget": "f"}
    return [
        LikelihoodRecord(
            **{**same, "target": "person", "slice": slice_name, **changes},
            key=f"{slice_name}{number:02}/e00/name/likelihood",
            cluster=f"{slice_name}{number:02}",
            logps=(mean,),
            ranks=(1,),
            **known,
        )  # type: ignore[arg-type]
        for number, mean in enumerate(means)
    ]


MEMBERS, OTHERS = [-1.0, -2.0], [-3.0, -1.5]


def test_a_distance_is_over_the_documents_that_both_have() -> None:
    """D of (-1, -2) and (-2, -3) is a half; the third document has no twin. Both ratios are always 1."""
    model, goal = records("forget_test", [-1.0, -2.0, -9.0]), records("forget_test", [-2.0, -3.0])
    found = distances(model, goal)["forget_test"]
    assert (found["ks"].value, found["ks"].n, found["ks_ratio"].value) == (0.5, 2, 0.0)
    assert found["ks"].low <= 0.5 <= found["ks"].high
    assert found["ks"].note == "over documents, conditional on these 2 people"


def test_from_ten_people_on_the_interval_is_over_people() -> None:
    values = [-float(number) for number in range(10)]
    found = distances(records("retain", values), records("retain", values))["retain"]["js"]
    assert (found.unit, found.clusters, found.note) == ("person", 10, "")


def test_membership_and_what_leaks_relative_to_goal() -> None:
    """The model: of four pairs (-1, -2 by -3, -1.5) three are won. Goal: two of four, so PrivLeak is a half."""
    model = records("forget_train", MEMBERS) + records("matched", OTHERS)
    goal = records("forget_train", [-1.0, -4.0]) + records("matched", OTHERS)
    assert {found.value for found in membership(model).values()} == {0.75}
    assert {found.value for found in membership(goal).values()} == {0.5}
    assert {name: found.value for name, found in leaks(model, goal).items()} == {"loss": 0.5, "min_k": 0.5}


def test_without_matched_people_or_with_a_goal_of_no_auc_nothing_leaks() -> None:
    model = records("forget_train", MEMBERS)
    assert (membership(model), leaks(model, model)) == ({}, {})
    nothing = records("forget_train", [-9.0]) + records("matched", OTHERS)
    assert leaks(nothing, nothing) == {}


@pytest.mark.parametrize("field", ["data", "split", "template", "target"])
def test_other_questions_are_not_compared(field: str) -> None:
    with pytest.raises(BenchmarkError, match="of the same answers"):
        distances(records("retain", [-1.0]), records("retain", [-1.0], **{field: "other"}))


def test_shares_have_limits_and_numbers_without_an_end_have_none() -> None:
    found = figures(records("forget_test", [-1.0, -3.0]))
    assert found["choice"]["value"] == 0.5  # -1 is likelier than the false one's -2, -3 is not
    assert 0 <= found["choice"]["low"] < 0.5 < found["choice"]["high"] <= 1
    assert found["loss"] == {"value": 2.0}
    assert set(found["truth_ratio"]) == {"value", "low", "high"}


def test_a_line_that_is_no_sample_is_named(tmp_path: Path) -> None:
    good = {"provenance": records("retain", [-1.0])[0].as_json()}
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({"provenance": {}}) + "\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="line 2 is no sample of a likelihood task"):
        likelihood_samples(path)
