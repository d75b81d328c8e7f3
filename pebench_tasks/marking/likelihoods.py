"""What the likelihood of given answers says of a model's knowledge: pure functions of log-probabilities.

All go over an answer's own tokens: no image, no question, no end token. Logarithms are natural.

- Probability: exp of the mean log-probability of the true answer's tokens, P(a|q)^(1/|a|) of TOFU (arXiv 2401.06121).
- Rank: of a token, 1 + how many of all tokens the model finds likelier; the mean over the answer, and that of the first
  token in which a false answer in the same words differs: an answer's own first words tell nothing.
- Loss: minus that mean.
- Min-K %: the mean of the lowest 20 % of the tokens' log-probabilities (arXiv 2310.16789), of one token at least.
- Truth ratio: R = mean over the perturbed answers of P(a~|q)^(1/|a~|) / P(a^|q)^(1/|a^|), with a^ the true answer in
  other words and a~ the same words with something false. The mean is geometric, as in TOFU's code and in that of
  open-unlearning: R = exp(mean of log P(a~)/|a~| - log P(a^)/|a^|). What is forgotten is best at R = 1,
  min(R, 1/R); what is kept at R = 0, max(0, 1 - R).
- Choice: whether of the answers in the words of training the true one is the likeliest, token for token.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

MIN_K = 0.2


class TokenScores(NamedTuple):
    """What a model says of an answer's tokens, in their order."""

    logps: tuple[float, ...]  # natural logarithms
    ranks: tuple[int, ...]  # 1: no token was likelier
    tokens: tuple[int, ...] = ()  # the tokens themselves

    @property
    def greedy(self) -> bool:
        """Whether greedy decoding writes this answer."""
        return max(self.ranks) == 1


def mean_logp(logps: Sequence[float]) -> float:
    """The mean log-probability of an answer's tokens; ``ZeroDivisionError`` without any."""
    return math.fsum(logps) / len(logps)


def min_k(logps: Sequence[float], share: float = MIN_K) -> float:
    """The mean of the lowest share of the tokens' log-probabilities, rounded down to whole tokens, of one at least."""
    return mean_logp(sorted(logps)[: max(1, int(share * len(logps)))])


def truth_ratio(restated: float, perturbed: Sequence[float]) -> float:
    """R, from the mean log-probabilities of the true answer in other words and of the false ones in the same words.

    A model that finds the true one impossible has R = inf. ValueError without a false one.
    """
    if not perturbed:
        raise ValueError("a truth ratio needs a false answer")
    try:
        return math.exp(mean_logp(perturbed) - restated)
    except OverflowError:
        return math.inf


def forgotten_ratio(ratio: float) -> float:
    """How far the truth is no likelier, and no less likely, than what is false: 1 at R = 1, 0 at either end."""
    return min(ratio, 1 / ratio) if ratio else 0.0


def kept_ratio(ratio: float) -> float:
    """How far the truth is likelier than what is false: 1 at R = 0, 0 from R = 1 on."""
    return max(0.0, 1.0 - ratio)


def chooses(true: float, false: Sequence[float]) -> float:
    """1 where the true answer is likelier than every false one, else 0."""
    return float(all(true > other for other in false))


def first_telling(true: Sequence[int], false: Sequence[Sequence[int]]) -> int:
    """The place of the first token in which one of the false answers differs; that of the last where none does."""
    for place in range(len(true)):
        if any(other[place : place + 1] != true[place : place + 1] for other in false):
            return place
    return len(true) - 1
