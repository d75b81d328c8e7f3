"""Direct preference optimisation (DPO): prefer the refusal to the true answer on the forget set (arXiv 2305.18290).

    loss = -(2/b) log sigmoid(b [log p - log p_ref](refusal) - b [log p - log p_ref](true answer))(D^f)
           + retain_weight * NLL(D^r)

log p is the sum over an answer's tokens, the loss the mean over prompts. The factor 2/b is NPO's (arXiv 2404.05868),
under which NPO is this loss without the refusal; the DPO paper has 1.
"""

from unlearn.answers import Answers, Terms


def dpo(choices: Answers, retain: Answers, *, beta: float = 0.1, retain_weight: float = 0.0) -> Terms:
    """``choices`` holds of every prompt two samples in turn: the refusal, then the true answer.

    ``beta`` is 0.1 in the DPO paper (its default) and in TOFU's code, which has no retain term with DPO either.
    """
    from unlearn import losses

    gain = (choices.logp() - choices.reference_logp()).unflatten(0, (-1, 2))  # (prompts, 2)
    refusal, truth = gain.unbind(1)  # (prompts,), (prompts,)
    yield "choices", 2 / beta * losses.neg_log_sigmoid(beta * (refusal - truth)).mean()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()
