"""What likelihoods say of a model's knowledge, each formula by hand."""

import math
from typing import Any

import pytest

from pebench_tasks.marking.likelihood_record import NO_NUMBER, NOT_ASKED, LikelihoodRecord
from pebench_tasks.marking.likelihoods import (
    TokenScores,
    chooses,
    first_telling,
    forgotten_ratio,
    kept_ratio,
    mean_logp,
    min_k,
    truth_ratio,
)

DOCUMENT = dict.fromkeys(("data", "split", "template", "forget", "target"), "x") | {
    "key": "p000/e00/name/likelihood", "slice": "forget_test", "concept": "person", "cluster": "p000", "kind": "name",
}  # fmt: skip


def answer(*probabilities: float, ranks: tuple[int, ...] = ()) -> TokenScores:
    return TokenScores(tuple(map(math.log, probabilities)), ranks or (1,) * len(probabilities))


def test_the_truth_ratio_is_the_geometric_mean_of_what_is_false_over_what_is_true() -> None:
    """Tokens of 1/2 and 1/8 have the geometric mean 1/4; false answers of 1/2 and 1/8 likewise, so R = 1."""
    restated = mean_logp(answer(1 / 2, 1 / 8).logps)
    assert truth_ratio(restated, [math.log(1 / 2), math.log(1 / 8)]) == pytest.approx(1)
    assert truth_ratio(restated, [math.log(1 / 16)]) == pytest.approx(1 / 4)
    assert truth_ratio(-1e6, [0.0]) == math.inf
    with pytest.raises(ValueError, match="needs a false answer"):
        truth_ratio(0.0, [])


@pytest.mark.parametrize(
    ("ratio", "forgotten", "kept"),
    [(0.0, 0.0, 1.0), (0.25, 0.25, 0.75), (1.0, 1.0, 0.0), (4.0, 0.25, 0.0), (math.inf, 0.0, 0.0)],
)
def test_forgotten_is_best_at_one_and_kept_at_zero(ratio: float, forgotten: float, kept: float) -> None:
    assert (forgotten_ratio(ratio), kept_ratio(ratio)) == (forgotten, kept)


def test_min_k_is_the_mean_of_the_lowest_fifth_and_of_one_token_at_least() -> None:
    """A fifth of ten tokens are two, of nine is one, and so it is of three."""
    ten = [-1.0, -2.0, -9.0, -3.0, -7.0, -1.0, -1.0, -1.0, -1.0, -1.0]
    assert min_k(ten) == -8
    assert min_k(ten[:9]) == -9
    assert min_k([-1.0, -4.0, -2.0]) == -4


def test_the_true_answer_is_chosen_where_it_is_likelier_than_every_false_one() -> None:
    assert chooses(-1.0, [-2.0, -3.0]) == 1
    assert chooses(-1.0, [-2.0, -0.5]) == 0
    assert chooses(-1.0, [-1.0]) == 0


def test_a_documents_figures_follow_from_its_record_alone() -> None:
    """True: tokens of 1/2 and 1/8, so 1/4; false: 1/5. The second token tells them apart; its rank is 3.

    In other words the true one has 1/4 a token and the false one 1/16, so R = 1/4.
    """
    true = TokenScores((math.log(1 / 2), math.log(1 / 8)), (1, 3), (7, 8))
    false = TokenScores((math.log(1 / 5),) * 2, (1, 1), (7, 9))
    scores = [true, false, answer(1 / 4), answer(1 / 16, 1 / 16)]
    record = LikelihoodRecord.of(DOCUMENT, scores)
    assert LikelihoodRecord.from_json(record.as_json()) == record
    assert record.logps == (-0.69315, -2.07944)
    assert record.figures() == pytest.approx(
        {
            "probability": 1 / 4, "rank": 2, "first_rank": 3, "loss": math.log(4), "min_k": math.log(1 / 8),
            "truth_ratio": 1 / 4, "choice": 1,
        },
        abs=1e-5,
    )  # fmt: skip
    kept = LikelihoodRecord.of({**DOCUMENT, "slice": "retain"}, scores)
    assert kept.figures()["truth_ratio"] == pytest.approx(3 / 4, abs=1e-5)


def test_the_first_telling_token_is_the_first_in_which_a_false_answer_differs() -> None:
    assert first_telling([5, 6, 7], [[5, 6, 8], [5, 9, 7]]) == 1
    assert first_telling([5, 6, 7], [[5, 6]]) == 2
    assert first_telling([5, 6], [[5, 6, 7]]) == 1  # it only ends earlier


def test_of_matched_people_the_true_answer_alone_is_known() -> None:
    record = LikelihoodRecord.of({**DOCUMENT, "slice": "matched"}, [answer(1 / 2)])
    assert record.ratio is None
    assert set(record.figures()) == {"probability", "rank", "loss", "min_k"}


def test_what_was_not_asked_or_is_no_number_has_no_likelihood() -> None:
    broken = LikelihoodRecord.of(DOCUMENT, [TokenScores((math.nan,), (1,))])
    for record, outcome in ((broken, NO_NUMBER), (LikelihoodRecord.without(DOCUMENT, NOT_ASKED), NOT_ASKED)):
        assert (record.outcome, record.logps) == (outcome, ())
        assert LikelihoodRecord.from_json(record.as_json()) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 1}, {"ranks": [1]}, {"logps": [], "ranks": []}, {"logps": [-1.0, float("nan")]}, {"outcome": NOT_ASKED},
        {"perturbed": None}, {"restated": "much"},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(changes: dict[str, Any]) -> None:
    said = LikelihoodRecord.of(DOCUMENT, [answer(1 / 2, 1 / 2)] + [answer(1 / 4)] * 3).as_json()
    with pytest.raises((ValueError, TypeError, KeyError)):
        LikelihoodRecord.from_json({**said, **changes})
