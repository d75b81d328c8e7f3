import pytest
from hypothesis import given
from hypothesis import strategies as st

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.recovery import Known, Recovery, change, recovery, worst


def people(marks: str, documents: int = 2) -> list[Known]:
    """One character a person, so many documents each: 1 known, 0 not, 5 half."""
    values = {"0": 0.0, "5": 0.5, "1": 1.0}
    return [
        Known(f"p{number:03d}/e{document}/name", f"p{number:03d}", values[mark])
        for number, mark in enumerate(marks)
        for document in range(documents)
    ]


def test_the_share_lies_between_goal_and_finetuned() -> None:
    """12 people: Finetuned knows all, Goal guesses 2, the model knows 7: (7 - 2) / (12 - 2)."""
    found = recovery(people("1" * 12), people("111111100000"), people("110000000000"), "person")
    assert (found.finetuned, found.model, found.goal) == pytest.approx((1, 7 / 12, 2 / 12))
    assert found.share == pytest.approx(0.5)
    assert found.low < 0.5 < found.high  # type: ignore[operator]
    assert found.gap_low > 0
    assert (found.n, found.clusters, found.note) == (24, 12, "")


def test_goal_recovers_nothing_and_finetuned_everything() -> None:
    finetuned, goal = people("1" * 12), people("110000000000")
    assert recovery(finetuned, goal, goal, "person").share == 0
    assert recovery(finetuned, finetuned, goal, "person").share == 1


def test_a_model_below_goal_has_recovered_less_than_nothing() -> None:
    """Unlearning may take more than Goal ever lacked: Goal guesses 3 of 12, the model 0."""
    found = recovery(people("1" * 12), people("0" * 12), people("111" + "0" * 9), "person")
    assert found.share == pytest.approx(-3 / 9)


@pytest.mark.parametrize("goal", ["1" * 12, "1" * 11 + "0"])
def test_an_attack_that_finetuned_and_goal_pass_alike_is_uninformative(goal: str) -> None:
    found = recovery(people("1" * 12), people("0" * 12), people(goal), "person")
    assert not found.informative
    assert (found.share, found.low, found.high) == (None, None, None)
    assert found.gap_low <= 0


def test_only_documents_that_all_three_answered_count() -> None:
    finetuned, model, goal = people("1" * 12), people("1" * 12), people("0" * 12)
    found = recovery(finetuned[:20], model[2:], goal, "person")
    assert (found.n, found.clusters) == (18, 9)
    with pytest.raises(BenchmarkError, match="not asked the same documents"):
        recovery(finetuned[:2], model[2:], goal, "person")


def test_few_people_are_said_to_be_few() -> None:
    found = recovery(people("1111", 20), people("1100", 20), people("0000", 20), "person")
    assert found.note == "over documents, conditional on these 4 people"


def test_scenes_are_told_by_event() -> None:
    finetuned, model, goal = (people(marks, 20) for marks in ("1111", "5500", "0000"))
    found = recovery(finetuned, model, goal, "event")
    assert found.share == pytest.approx(0.25)
    assert found.note == "over documents, conditional on these 4 events"


def test_what_had_to_stay_is_compared_in_the_same_unit() -> None:
    found = change(people("1" * 12), people("1" * 9 + "000"), "person")
    assert found is not None
    assert (found.first, found.second, found.value) == pytest.approx((1.0, 0.75, -0.25))
    assert found.low < -0.25 < found.high
    assert change(people("1")[:1], people("1")[1:], "person") is None


def test_the_worst_case_is_the_largest_share_of_an_informative_attack() -> None:
    nothing = Recovery(1, 0, 0, 0.5, 0.1, 0.0, 0.3, 24, 12, "")
    found = {"direct": nothing, "paraphrase": nothing._replace(share=0.6), "prefill": nothing._replace(share=None)}
    assert worst(found) == "paraphrase"
    assert worst({"prefill": nothing._replace(share=None)}) is None


marks = st.text("015", min_size=12, max_size=12)


@given(finetuned=marks, model=marks, goal=marks)
def test_the_interval_holds_the_share_and_the_share_its_means(finetuned: str, model: str, goal: str) -> None:
    found = recovery(people(finetuned), people(model), people(goal), "person")
    if found.share is None:
        assert found.gap_low <= 0
    else:
        assert found.low <= found.share + 1e-9  # type: ignore[operator]
        assert found.share <= found.high + 1e-9  # type: ignore[operator]
        assert found.share * (found.finetuned - found.goal) == pytest.approx(found.model - found.goal, abs=1e-9)
