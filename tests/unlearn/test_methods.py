"""Losses against values derived by hand, and methods against losses, on tensors small enough to check on paper."""

from math import log

import pytest
import torch
from torch import Tensor

from pebench_tasks.errors import BenchmarkError
from unlearn import losses, methods
from unlearn.answers import Terms
from unlearn.methods.ga import ga
from unlearn.methods.gd import gd

IGNORED = losses.IGNORED
KNOWN_SETS = {"everything", "remaining", "forget", "retain"}


def three_tokens() -> tuple[Tensor, Tensor]:
    """The answer "b a c" over the vocabulary (a, b, c), where c ends an answer.

    Logits (0, 0, 0) give 1/3 to every token, so p(b) = 1/3. Logits (log 2, 0, 0) give odds 2:1:1, so p(a) = 1/2.
    Logits (0, 0, log 2) give odds 1:1:2, so p(c) = 1/2. Hence logp = -(log 3 + log 2 + log 2) = -log 12 and
    nll = log 12 / 3.
    """
    logits = torch.tensor([[[0.0, 0.0, 0.0], [log(2), 0.0, 0.0], [0.0, 0.0, log(2)]]])  # (1, 3, 3)
    return logits, torch.tensor([[1, 0, 2]])


class FixedAnswers:
    """Answers whose model is one number: nll is ``value``; counts how often it is asked."""

    def __init__(self, value: float) -> None:
        self.value = torch.tensor(value, requires_grad=True)
        self.asked = 0

    def nll(self) -> Tensor:
        self.asked += 1
        return self.value * 1

    def logp(self) -> Tensor:
        self.asked += 1
        return -self.value[None]


def values(terms: Terms) -> dict[str, float]:
    return {name: term.item() for name, term in terms}


def test_nll_is_the_mean_over_the_three_answer_tokens() -> None:
    """Derived in ``three_tokens``: log 12 / 3 = 0.828302."""
    assert losses.nll(*three_tokens()).item() == pytest.approx(log(12) / 3)


def test_logp_is_the_sum_over_the_three_answer_tokens() -> None:
    """Derived in ``three_tokens``: -log 12 = -2.484907."""
    assert losses.logp(*three_tokens()).tolist() == pytest.approx([-log(12)])


def test_the_end_token_counts() -> None:
    """Without the last token the mean is (log 3 + log 2) / 2 = log 6 / 2."""
    logits, labels = three_tokens()
    assert losses.nll(logits[:, :2], labels[:, :2]).item() == pytest.approx(log(6) / 2)


def test_ignored_positions_change_nothing_whatever_their_logits() -> None:
    logits, labels = three_tokens()
    prompt = torch.tensor([[[9.0, -9.0, 3.0], [1e4, 0.0, 0.0]]])  # (1, 2, 3)
    logits = torch.cat([prompt, logits, prompt], dim=1)
    ignored = torch.full((1, 2), IGNORED)
    labels = torch.cat([ignored, labels, ignored], dim=1)
    assert losses.nll(logits, labels).item() == pytest.approx(log(12) / 3)
    assert losses.logp(logits, labels).tolist() == pytest.approx([-log(12)])


def test_the_mean_runs_over_tokens_and_not_over_samples() -> None:
    """Samples "b a c" and "c" (at p = 1/2): (log 12 + log 2) / 4 tokens, not the mean of log 12 / 3 and log 2."""
    logits, labels = three_tokens()
    logits = logits.repeat(2, 1, 1)
    labels = torch.tensor([[1, 0, 2], [IGNORED, IGNORED, 2]])
    assert losses.nll(logits, labels).item() == pytest.approx(log(24) / 4)
    assert losses.logp(logits, labels).tolist() == pytest.approx([-log(12), -log(2)])


def test_the_order_of_samples_never_matters() -> None:
    logits = torch.randn(4, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, 6, IGNORED, IGNORED], [3, 6, IGNORED, IGNORED, IGNORED], [0, 1, 2, 3, 6], [6] * 5])
    order = [2, 0, 3, 1]
    assert losses.nll(logits[order], labels[order]).item() == pytest.approx(losses.nll(logits, labels).item())
    assert losses.logp(logits[order], labels[order]).tolist() == pytest.approx(
        losses.logp(logits, labels)[order].tolist()
    )


def test_nll_divides_by_the_tokens_it_is_told() -> None:
    assert losses.nll(*three_tokens(), tokens=6).item() == pytest.approx(log(12) / 6)


def test_low_precision_logits_are_summed_in_float32() -> None:
    logits, labels = three_tokens()
    assert losses.nll(logits.bfloat16(), labels).dtype == torch.float32
    assert losses.logp(logits.bfloat16(), labels).dtype == torch.float32


def test_the_gradient_of_nll_is_the_finite_difference() -> None:
    logits, labels = three_tokens()
    logits.requires_grad_()
    losses.nll(logits, labels).backward()
    assert logits.grad is not None
    step = torch.zeros_like(logits)
    step[0, 1, 2] = 1e-2
    with torch.no_grad():
        difference = (losses.nll(logits + step, labels) - losses.nll(logits - step, labels)) / 2e-2
    assert logits.grad[0, 1, 2].item() == pytest.approx(difference.item(), abs=1e-4)


def test_ga_is_the_negative_nll_of_the_forget_set() -> None:
    assert values(ga(FixedAnswers(0.7))) == pytest.approx({"forget": -0.7})


def test_gd_adds_the_weighted_nll_of_the_retain_set() -> None:
    """-0.7 and 2 * 0.3."""
    terms = gd(FixedAnswers(0.7), FixedAnswers(0.3), retain_weight=2.0)
    assert values(terms) == pytest.approx({"forget": -0.7, "retain": 0.6})


def test_gd_without_retain_is_ga() -> None:
    assert values(gd(FixedAnswers(0.7), FixedAnswers(0.3), retain_weight=0.0)) == values(ga(FixedAnswers(0.7)))


def test_a_term_of_weight_zero_is_never_computed() -> None:
    retain = FixedAnswers(0.3)
    list(gd(FixedAnswers(0.7), retain, retain_weight=0.0))
    assert retain.asked == 0


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_names_known_sets_and_yields_a_term_for_each(key: str) -> None:
    method = methods.METHODS[key]
    needed = methods.needed_sets(method)
    assert set(needed) <= KNOWN_SETS
    assert [name for name, _ in method(**{name: FixedAnswers(1.0) for name in needed})] == needed


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_computes_a_term_only_when_asked_for_it(key: str) -> None:
    answers = {name: FixedAnswers(1.0) for name in methods.needed_sets(methods.METHODS[key])}
    terms = methods.METHODS[key](**answers)
    for done in range(len(answers)):
        assert sum(answer.asked for answer in answers.values()) == done
        next(terms)


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_says_its_formula(key: str) -> None:
    method = methods.METHODS[key]
    module = __import__(method.__module__, fromlist=["x"])
    assert "loss = " in module.__doc__
    assert "arXiv" in module.__doc__
    assert method.__doc__


def test_an_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match=r"'gdd'. Known: finetune, goal, ga, gd. Did you mean 'gd'"):
        methods.find("gdd")


def test_an_option_of_another_method_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"'ga' has no option retain_weight. Its own options: none"):
        methods.resolve_hyperparameters(ga, {"retain_weight": 1.0})


def test_hyperparameters_are_the_defaults_overlaid_with_the_given_ones() -> None:
    assert methods.resolve_hyperparameters(gd, {}) == {"retain_weight": 1.0}
    assert methods.resolve_hyperparameters(gd, {"retain_weight": 0.5}) == {"retain_weight": 0.5}
