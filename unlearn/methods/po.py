"""Preference optimisation (PO): learn to refuse on the forget set, keep the retain set (arXiv 2401.06121).

    loss = NLL(refusal given the prompts of D^f) + retain_weight * NLL(D^r)

The refusals are those of the templates, drawn by image; each NLL is the mean over answer tokens.
"""

from unlearn.answers import Answers, Terms


def po(refusal: Answers, retain: Answers, *, retain_weight: float = 1.0) -> Terms:
    """``retain_weight`` is 1 in TOFU (arXiv 2401.06121), which adds the two losses (``idk`` in its code)."""
    yield "refusal", refusal.nll()
    if retain_weight:
        yield "retain", retain_weight * retain.nll()
