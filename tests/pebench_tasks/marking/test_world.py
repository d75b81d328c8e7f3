from collections.abc import Callable

import pytest

from pebench_tasks.marking.words import Text
from pebench_tasks.marking.yes_no import (
    Answer,
    YesNo,
    predicted,
    read_answer,
    world_accuracy,
    world_f1,
    world_invalid_rate,
    world_yes_ratio,
)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Yes", "yes"),
        ("yes.", "yes"),
        ("  NO, there is not.", "no"),
        ("**Yes**, a dog", "yes"),
        ("Nope, nothing of the kind.", "no"),
        ("No... yes", "no"),  # the first clause answers
        ("Yes and no", "yes"),
        ("There is no dog.", "no"),
        ("I can see no dog here.", "no"),
        ("No dog is visible.", "no"),
        ("There is a dog.", "invalid"),
        ("There is no doubt about it.", "invalid"),
        ("I have no way to tell.", "invalid"),
        ("There are no cars, but there is a dog. So yes.", "yes"),  # the conclusion
        ("A cat and a dog. The answer is: no", "no"),
        ("Is it yes or no? I would say yes.", "yes"),
        ("yesterday at noon", "invalid"),
        ("There is not.", "invalid"),
        ("", "invalid"),
    ],
)
def test_an_answer_is_the_first_clause_or_the_conclusion(response: str, answer: str) -> None:
    assert read_answer(Text.of(response)) == answer


def documents(split: str, *pairs: tuple[str, Answer]) -> list[YesNo]:
    return [YesNo(split=split, truth=truth, answer=answer) for truth, answer in pairs]


@pytest.mark.parametrize(("truth", "counted"), [("yes", "no"), ("no", "yes")])
def test_an_invalid_answer_counts_as_the_opposite_of_the_truth(truth: str, counted: str) -> None:
    assert predicted(documents("random", (truth, "invalid"))[0]) == counted


RANDOM = documents("random", ("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "yes"))
POPULAR = documents("popular", ("yes", "yes"), ("no", "invalid"), ("yes", "invalid"))


def test_f1_is_the_mean_of_the_splits() -> None:
    """random: TP 1, FN 1, FP 1: 2/(2+1+1) = 50. popular: TP 1, FP 1 and FN 1 (both invalid): 50, and with one more
    right yes TP 2: 4/6 = 66.67. The mean is (50 + 66.67)/2 = 58.33; pooled it would be 6/10."""
    assert world_f1(RANDOM) == pytest.approx(50)
    assert world_f1(RANDOM + POPULAR + documents("popular", ("yes", "yes"))) == pytest.approx(58.3333333)


def test_f1_is_between_nothing_and_all() -> None:
    assert world_f1(documents("random", ("yes", "yes"), ("no", "no"))) == 100
    assert world_f1(documents("random", ("yes", "no"), ("no", "yes"))) == 0


def test_f1_of_gibberish_is_zero() -> None:
    assert world_f1(documents("random", ("yes", "invalid"), ("no", "invalid"))) == 0


def test_f1_with_nothing_to_find_and_nothing_claimed_is_100() -> None:
    assert world_f1(documents("random", ("no", "no"))) == 100
    assert world_f1(documents("random", ("no", "no"), ("no", "yes"))) == 0


def test_accuracy_counts_right_answers() -> None:
    """Right: two of random's four, one of popular's three: 3/7."""
    assert world_accuracy(RANDOM + POPULAR) == pytest.approx(300 / 7)


def test_invalid_rate_counts_responses_without_yes_or_no() -> None:
    assert world_invalid_rate(RANDOM + POPULAR) == pytest.approx(2 / 7)


def test_yes_ratio_is_of_what_was_answered_not_of_the_truth() -> None:
    """Answered yes: random 2; popular 1, and the invalid answer whose truth is no: 4/7 (the truth has 4/7 too; with
    every answer yes the truth stays at a half and the ratio is 1)."""
    assert world_yes_ratio(RANDOM + POPULAR) == pytest.approx(4 / 7)
    assert world_yes_ratio(documents("random", ("yes", "yes"), ("no", "yes"))) == 1


@pytest.mark.parametrize("aggregate", [world_f1, world_accuracy, world_invalid_rate, world_yes_ratio])
def test_no_documents_have_no_figure(aggregate: Callable[[list[YesNo]], float]) -> None:
    with pytest.raises(ValueError, match="no World documents"):
        aggregate([])
