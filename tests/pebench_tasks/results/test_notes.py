from pathlib import Path
from typing import Any

import pytest
from made_results import record

from pebench_tasks.marking.failures import SIGNS
from pebench_tasks.results.files import Result
from pebench_tasks.results.learning import finetuned_of, ignorant, retain_note
from pebench_tasks.results.notes import (
    RAISE,
    accounted,
    failing,
    failing_slices,
    missing_answers,
    notes,
    shown_counts,
    wrong_questions,
)
from pebench_tasks.results.record import ResultRecord


def result(**facts: Any) -> ResultRecord:
    slices = {name: {"n": 4, "other": 4, "empty": 3} for name in ("retain", "real", "world")}
    return record(**{"slices": slices, "mostly_empty": [], **facts})


def test_every_sign_names_its_slices() -> None:
    found = result(mostly_empty=["retain"], mostly_echoed=["real"], echoed={"real": 3}, unanswered={"world": 1})
    assert [(one.sign, one.slice_name, one.responses, one.n) for one in failing(found)] == [
        (SIGNS["empty"], "retain", 3, 4),
        (SIGNS["echoed"], "real", 3, 4),
        (SIGNS["unanswered"], "world", 1, 4),
    ]
    assert list(failing_slices(found).values()) == [["retain"], ["real"], ["world"]]
    assert accounted(found)["real"] == {"n": 4, "other": 4, "empty": 3, "echoed": 3, "unanswered": 0}


def test_results_of_earlier_versions_have_only_empty_slices() -> None:
    assert failing(result()) == []
    assert [one.slice_name for one in failing(result(mostly_empty=["world"]))] == ["world"]
    assert failing(result(mostly_empty=["world"], slices={}))[0][1:] == ("world", 0, 0)  # withheld: no counts
    assert accounted(result())["real"]["echoed"] == 0


@pytest.mark.parametrize(
    ("target", "name", "possible"),
    [
        ("person", "efficacy", {"recognised", "partial", "empty"}),
        ("person", "scope", {"empty"}),
        ("person", "world", {"empty", "invalid"}),
        ("event", "efficacy", {"empty", "near", "failed"}),
        ("event", "retain", {"empty", "failed"}),
        ("event", "scope", {"recognised", "partial", "empty"}),
        ("joint", "person_real", {"recognised", "partial", "empty"}),
        ("joint", "event_generality", {"empty", "near", "failed"}),
    ],
)
def test_what_no_answer_of_a_slice_can_be_is_no_count(target: str, name: str, possible: set[str]) -> None:
    counts = dict.fromkeys(("recognised", "partial", "empty", "near", "invalid", "failed"), 0)
    shown = shown_counts(record(target=target, slices={name: {"n": 4, **counts}}))[name]
    assert {kind for kind in counts if shown[kind] is not None} == possible
    assert shown["n"] == 4


# Retain under half


def low(method: str | None = "gd", *, never: bool = True, n: int = 20, **facts: Any) -> ResultRecord:
    """A result of a model with this method, its Retain of ``n`` documents under half if ``never``."""
    rows = {"retain": {"value": 20.0 if never else 90.0, "n": n}, "scope": {"value": 0.1, "n": 4}}
    model = {"method": method, "data": "d" * 16, **facts.pop("model", {})}
    return record(never_learned=never, statistics={"slices": rows}, model=model, **facts)


FINETUNED = low("finetune", never=False)


@pytest.mark.parametrize(
    ("result", "finetuned", "said"),
    [
        (low(never=False), None, ""),
        (low(), None, "Retain under half: never learned the benchmark, or unlearning destroyed it"),
        (low(None), None, "Retain under half: never learned the benchmark, or unlearning destroyed it"),
        (low(), FINETUNED, "Retain under half: unlearning destroyed it, for Finetuned had learned the benchmark"),
        (low(), low("finetune"), "Retain under half: never learned the benchmark, as Finetuned did not"),
        (low("finetune"), low("finetune"), "Retain under half: never learned the benchmark"),
        (low("goal"), FINETUNED, "Retain under half: never learned the benchmark"),
        (low(n=9), None, "Retain under half, of 9 documents: too few to say that it never learned the benchmark"),
        (low(n=9), FINETUNED, "Retain under half, of 9 documents: too few to say that it never learned the benchmark"),
        (low(n=10), FINETUNED, "Retain under half: unlearning destroyed it, for Finetuned had learned the benchmark"),
    ],
)
def test_a_low_retain_says_whether_it_never_learned_or_was_destroyed_where_finetuned_is_there(
    result: ResultRecord, finetuned: ResultRecord | None, said: str
) -> None:
    assert retain_note(result, finetuned) == said


def test_of_the_joint_targets_two_retains_the_low_one_counts() -> None:
    rows = {"person_retain": {"value": 90.0, "n": 400}, "event_retain": {"value": 0.2, "n": 8}}
    few = record(target="joint", never_learned=True, statistics={"slices": rows}, model={"method": "ga"})
    assert "of 8 documents: too few" in retain_note(few)
    rows["event_retain"]["n"] = 16
    assert ignorant(record(target="joint", never_learned=True, statistics={"slices": rows}))


def test_a_result_without_statistics_is_believed() -> None:
    assert ignorant(record(never_learned=True))
    assert not ignorant(record(never_learned=None))


def test_finetuned_counts_where_it_was_asked_the_same_and_is_of_the_same_base() -> None:
    of_base = [low("finetune", never=False, model={"base": base}) for base in ("a", "b")]
    assert finetuned_of(low(model={"base": "b"}), of_base) is of_base[1]
    assert finetuned_of(low(), [low(), FINETUNED]) is FINETUNED
    for changed in ({"split": "x"}, {"data": "x"}, {"target": "event"}, {"model": {"base": "a"}}):
        assert finetuned_of(low(model={"base": "b"}), [low("finetune", never=False, **changed)]) is None


# Wrong questions


def test_a_model_that_was_made_for_another_target_is_flagged_in_results_of_earlier_versions_too() -> None:
    said = ["made for the target event, but asked about person: these are not its forgetting scores"]
    assert wrong_questions(record(other_target="event")) == said
    assert wrong_questions(record(model={"target": "event"})) == said
    assert wrong_questions(record(model={"target": "person"})) == []
    assert wrong_questions(record(model={"target": ""})) == []
    assert wrong_questions(record(other_split="forget05")) == ["made for forget05, but asked about forget20"]


def test_generation_settings_that_shape_answers_are_said() -> None:
    made = record(model={"pretrained": "m", "generation": {"suppress_tokens": [5], "repetition_penalty": 1.2}})
    found = notes(Result("m", "pebench_people", "1.1", {}, made, Path("r.json"), Path("s.jsonl")))
    assert found == [
        "answers shaped by generation settings of the checkpoint's own: repetition_penalty, suppress_tokens"
    ]


def test_responses_that_are_cut_or_never_end_are_said_with_what_to_raise() -> None:
    kinds = {"cut": 0, "unfinished": 0}
    slices = {
        "efficacy": {"n": 40, **kinds, "cut": 3},
        "retain": {"n": 40, **kinds, "cut": 2},  # of 40 no more than 5 %
        "real": {"n": 10, **kinds, "cut": 1},
        "world": {"n": 20, **kinds, "unfinished": 2},
    }
    made = record(slices=slices, generation={"max_new_tokens": 256}, cut_unknown={"retain": 2, "world": 20})
    assert missing_answers(made) == [
        f"responses are thoughts without an end, the figures are withheld: world 2 of 20. {RAISE}",
        f"responses were cut at 256 tokens: efficacy 3 of 40, real 1 of 10. {RAISE}",
        "world: the backend does not say whether responses were cut at 256 tokens",
    ]
    assert "--max_new_tokens N  (lmms-eval: --gen_kwargs max_new_tokens=N)" in RAISE
