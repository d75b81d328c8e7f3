"""SimNPO: NPO without a reference, on each answer's mean instead of its sum (arXiv 2410.07163).

    loss = -(2/b) log sigmoid(b NLL(D^f) - gamma) + retain_weight * NLL(D^r)

The first NLL is each answer's own mean over its tokens, the loss the mean over samples.
"""

from unlearn.answers import Answers, Terms


def simnpo(
    forget: Answers, retain: Answers, *, beta: float = 4.5, gamma: float = 0.0, retain_weight: float = 1.0
) -> Terms:
    """``beta`` 4.5 and ``gamma`` 0 are the authors' for forgetting 10 % of TOFU, and open-unlearning's.

    For 5 % theirs is ``beta`` 2.5. They weight the forget term with 0.125 (0.1375 for 5 %) and the retain term with 1;
    up to the scale of the whole loss that is ``retain_weight`` 8 (7.3). 1 is ours, as in the other methods.
    """
    from unlearn import losses

    yield "forget", 2 / beta * losses.neg_log_sigmoid(beta * forget.nll_each() - gamma).mean()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()
