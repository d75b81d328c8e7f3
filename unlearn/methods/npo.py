"""Negative preference optimisation (NPO): ascent that slows down away from the reference (arXiv 2404.05868).

    loss = -(2/b) log sigmoid(-b [log p - log p_ref])(D^f) + retain_weight * NLL(D^r)

log p is the sum over an answer's tokens, the loss the mean over samples. At the reference its gradient is that of
ascent on log p.
"""

from unlearn.answers import Answers, Terms


def npo(forget: Answers, retain: Answers, *, beta: float = 0.1, retain_weight: float = 1.0) -> Terms:
    """``beta`` 0.1 and ``retain_weight`` 1 are the paper's for NPO+RT, and open-unlearning's; 0 is NPO alone."""
    from unlearn import losses

    gain = forget.logp() - forget.reference_logp()  # (samples,)
    yield "forget", 2 / beta * losses.neg_log_sigmoid(-beta * gain).mean()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()
