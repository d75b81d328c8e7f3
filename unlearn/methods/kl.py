"""KL minimisation (KL): ascent on the forget set, the reference's predictions on the retain set (arXiv 2401.06121).

    loss = -NLL(D^f) + retain_weight * KL(reference || model)(D^r)

The KL is over the whole vocabulary and the mean over answer tokens; TOFU's own code takes it at prompt and padding
positions, too.
"""

from unlearn.answers import Answers, Terms


def kl(forget: Answers, retain: Answers, *, retain_weight: float = 1.0) -> Terms:
    """``retain_weight`` is 1 in TOFU (arXiv 2401.06121); 0 is gradient ascent."""
    yield "forget", -forget.nll()
    if retain_weight:
        yield "retain", retain_weight * retain.kl()
