"""Losses on answer tokens, as pure functions of tensors.

``labels[i, t]`` is the token that ``logits[i, t]`` predicts (already shifted), or ``IGNORED`` at every position that
is not part of an answer. All sums run in float32.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

IGNORED = -100


def nll(logits: Tensor, labels: Tensor, tokens: float | None = None) -> Tensor:
    """Negative log-likelihood of the answers, the mean over answer tokens.

    ``logits`` is ``(samples, positions, vocabulary)``, ``labels`` is ``(samples, positions)``. ``tokens`` replaces
    the number of answer tokens as the divisor: with gradient accumulation the mean runs over the whole batch.
    """
    answers = labels != IGNORED  # (samples, positions)
    total = cross_entropy(logits[answers].float(), labels[answers], reduction="sum")
    return total / (answers.sum() if tokens is None else tokens)


def logp(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of each answer, the sum over its tokens; ``(samples,)``. Shapes as in ``nll``."""
    answers = labels != IGNORED  # (samples, positions)
    tokens = -cross_entropy(logits[answers].float(), labels[answers], reduction="none")  # (answer tokens,)
    samples = answers.nonzero()[:, 0]  # (answer tokens,)
    return torch.zeros(len(labels), device=tokens.device).index_add(0, samples, tokens)
