from pathlib import Path

import pytest
from made_boards import FINETUNED, GOAL, board, result

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scoring import FIGURES, PERCENT
from pebench_tasks.pages.entries import boards
from pebench_tasks.pages.facts import in_short
from pebench_tasks.pages.sections import accounting, footnotes, in_cell, marks, warnings


def test_finetuned_comes_first_and_goal_last_whatever_the_order() -> None:
    found = board(result("g", GOAL, method="goal"), result("m", GOAL), result("f", FINETUNED, method="finetune"))
    assert [(entry.name, entry.role) for entry in found.entries] == [("f", "finetuned"), ("m", "model"), ("g", "goal")]
    assert found.columns == ["efficacy", "generality", "retain", "scope", "real", "world"]
    bounds = found.bound("finetuned"), found.bound("goal")
    assert [bound.name for bound in bounds if bound] == ["f", "g"]


def test_forget_quality_and_utility_are_means_of_shares() -> None:
    figures = {"efficacy": 80.0, "generality": 60.0, "retain": 50.0, "scope": 0.7, "real": 40.0, "world": 80.0}
    (entry,) = board(result("m", figures)).entries
    assert entry.forget_quality == pytest.approx(0.7)  # (0.8 + 0.6) / 2
    assert entry.utility == pytest.approx(0.6)  # (0.5 + 0.7 + 0.4 + 0.8) / 4


def test_the_distance_is_to_the_goal_of_the_page() -> None:
    worse = GOAL | {"efficacy": 80.0, "retain": 58.0}
    found = board(result("m", worse), result("g", GOAL, method="goal"))
    distance = found.entries[0].distance
    assert distance is not None
    assert distance.forget == pytest.approx(0.1)  # (0.2 + 0) / 2
    assert distance.utility == pytest.approx(0.1)  # (0.4 + 0 + 0 + 0) / 4
    assert distance.distance == pytest.approx(0.1)
    goal = found.entries[1].distance
    assert goal is not None
    assert goal.distance == 0


def test_without_goal_there_is_no_distance() -> None:
    assert board(result("m", GOAL)).entries[0].distance is None


@pytest.mark.parametrize("other", [{"target": "event"}, {"split": "6" * 16}, {"data": "e" * 16}])
def test_a_goal_of_another_target_forget_set_or_benchmark_is_no_bound(other: dict[str, str]) -> None:
    goal = result("g", GOAL, method="goal")
    model = goal.provenance.json["model"] | other
    found = board(result("m", GOAL), goal._replace(provenance=goal.provenance.changed(model=model)))
    assert [entry.role for entry in found.entries] == ["model", "model"]
    assert found.entries[1].notes == ["a Goal of another target or forget set: no bound here"]
    assert found.entries[0].distance is None


def test_the_goal_that_the_scores_rest_on_comes_before_other_goals() -> None:
    used = {"runs": [{"weights": "second"}]}
    figures = dict.fromkeys(FIGURES["event"], 1.0)
    goals = [result(name, figures, "event", "goal", goal=used) for name in ("first", "second")]
    assert [entry.name for entry in board(*goals).entries] == ["second", "first"]


def test_the_joint_target_has_two_rows_a_model_and_no_scope() -> None:
    figures = {name: 90.0 if name in PERCENT["joint"] else 0.5 for name in FIGURES["joint"]}
    found = board(result("m", figures, "joint"))
    assert found.columns == ["efficacy", "generality", "retain", "real", "world"]
    people, events = found.rows
    assert [row.concept for row in found.rows] == ["person", "event"]
    assert [figure.name for figure in people.figures if figure] == [
        "person_efficacy", "person_generality", "person_retain", "person_real", "world",
    ]  # fmt: skip
    assert [figure.text for figure in events.figures if figure] == ["0.500", "0.500", "0.500", "0.500", "90.0"]
    assert found.entries[0].forget_quality == pytest.approx(0.7)  # two of 0.9, two of 0.5


def test_a_benchmark_without_public_figures_or_world_has_no_such_columns() -> None:
    figures = {"efficacy": 100.0, "generality": 100.0, "retain": 50.0, "scope": 0.5}
    found = board(result("m", figures))
    assert found.columns == ["efficacy", "generality", "retain", "scope"]
    assert found.entries[0].utility == 0.5


def test_without_goal_answers_the_columns_say_truth_only() -> None:
    figures = {"efficacy_truth_only": 0.9, "generality_truth_only": 0.7, "retain": 1.0, "scope": 50.0, "world": 50.0}
    found = board(result("m", figures, "event"), result("g", figures, "event", "goal"))
    assert found.columns[:2] == ["efficacy_truth_only", "generality_truth_only"]
    assert found.entries[0].forget_quality == pytest.approx(0.8)
    assert found.entries[0].distance is None
    assert marks(found.entries[0]) == ["no Goal"]


def test_withheld_scores_are_a_row_of_dashes_beside_the_others() -> None:
    withheld = result("w", {}, withheld="The images of 3 documents were never read.")
    found = board(withheld, result("m", GOAL))
    entry = found.entries[0]
    assert [figure.value for figure in entry.figures.values()] == [None] * 6
    assert [figure.text for figure in entry.figures.values()] == ["–"] * 6
    assert (entry.forget_quality, entry.utility, entry.distance) == (None, None, None)
    assert marks(entry) == ["withheld"]
    assert warnings(found) == ["w: scores withheld: The images of 3 documents were never read."]


def test_a_figure_whose_judge_failed_leaves_no_summary_of_its_half() -> None:
    lacking = {name: value for name, value in GOAL.items() if name != "real"}
    found = board(result("m", GOAL), result("lacking", lacking, slices=result("m", GOAL).provenance.slices))
    lacking_entry = found.entries[1]
    assert lacking_entry.forget_quality == 1.0
    assert lacking_entry.utility is None


def test_models_called_alike_are_told_apart_by_as_much_of_their_paths_as_needed() -> None:
    first, second = result("gd", GOAL), result("gd", GOAL)
    first = first._replace(samples_file=Path("/scores/a/seed-1/gd/s.jsonl"))
    second = second._replace(samples_file=Path("/scores/b/seed-2/gd/s.jsonl"))
    names = [entry.name for entry in board(first, second, result("ga", GOAL)).entries]
    assert names == ["seed-1/gd", "seed-2/gd", "ga"]


def test_one_result_given_twice_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"s\.jsonl is given twice"):
        board(result("gd", GOAL), result("gd", GOAL))


def test_results_of_different_settings_are_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"do not belong in one table\. They differ in judge"):
        board(result("a", GOAL), result("b", GOAL, judge="openai:x"))


def test_an_api_model_without_run_record_is_a_model() -> None:
    one = result("gpt", GOAL, model={})
    (entry,) = board(one).entries
    assert (entry.name, entry.role, entry.notes) == ("gpt", "model", [])


def test_names_are_given_by_the_caller_where_it_has_better_ones() -> None:
    (one,) = boards([result("a", GOAL)], ["The first"])
    assert one.entries[0].name == "The first"


def test_intervals_over_few_people_are_said_once_below_the_table() -> None:
    note = "over documents, conditional on these 4 people"
    found = board(*(result(name, GOAL, notes={"efficacy": note, "generality": note}) for name in ("a", "b")))
    assert footnotes(found) == [f"Intervals of efficacy, generality: {note}."]
    figure = found.entries[0].figures["efficacy"]
    assert figure.note == note
    shown = in_cell(figure)
    assert shown is not None
    assert shown.note == ""
    assert warnings(found) == []


def test_a_warning_of_several_models_is_said_once() -> None:
    found = board(result("a", GOAL, never_learned=True), result("b", GOAL, never_learned=True), result("c", GOAL))
    assert warnings(found) == ["a, b: Retain under half: never learned the benchmark, or unlearning destroyed it"]
    assert marks(found.entries[0]) == ["Retain under half"]


def test_mostly_empty_responses_are_said_in_the_cell() -> None:
    slices = {**result("a", GOAL).provenance.slices, "retain": {"n": 20, "empty": 15}}
    one = result("a", GOAL, mostly_empty=["retain"], slices=slices)
    figure = in_cell(board(one).entries[0].figures["retain"])
    assert figure is not None
    assert figure.note == "mostly empty: 15 of 20"


def test_a_failed_backend_is_said_in_the_cell_and_beside_the_name() -> None:
    size = {"image": [64, 64], "made": 256, "own": 16, "unit": "patches"}
    facts = {"mostly_echoed": ["retain"], "echoed": {"retain": 11}, "unanswered": {"retain": 1}, "image_size": size}
    entry = board(result("a", GOAL, **facts)).entries[0]
    figure = in_cell(entry.figures["retain"])
    assert figure is not None
    assert figure.note == "mostly echoed: 11 of 20; failed requests: 1 of 20"
    assert marks(entry) == ["mostly echoed", "failed requests", "wrong image size"]


def test_the_accounting_has_the_columns_that_occur() -> None:
    counts = accounting(board(result("a", {"retain": 50.0})).entries)
    assert counts.columns == ["n", "recognised"]
    assert counts.rows == [("a", "retain", [20, 3])]
    counts = accounting(board(result("a", {"retain": 50.0}, echoed={"retain": 11})).entries)
    assert counts.columns == ["n", "recognised", "echoed"]
    assert counts.rows == [("a", "retain", [20, 3, 11])]


def test_many_forgotten_names_are_cut() -> None:
    found = board(result("a", GOAL))
    assert "P1, P2, P3. 120 questions a model" in in_short(found, ["P1", "P2", "P3"])
    assert "P11 and 8 more." in in_short(found, [f"P{number}" for number in range(20)])
