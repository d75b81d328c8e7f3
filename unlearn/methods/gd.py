"""Gradient difference (GD): ascent on the forget set, descent on the retain set (Liu et al. 2022; arXiv 2401.06121).

    loss = -NLL(D^f) + retain_weight * NLL(D^r)

Each NLL is the mean over the answer tokens of its own set.
"""

from unlearn.answers import Answers, Terms


def gd(forget: Answers, retain: Answers, *, retain_weight: float = 1.0) -> Terms:
    """``retain_weight`` is 1 in TOFU (arXiv 2401.06121); 0 is gradient ascent."""
    yield "forget", -forget.nll()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()
