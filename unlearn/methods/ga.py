"""Gradient ascent (GA) on the forget set, as in arXiv 2310.10683.

    loss = -NLL(D^f)

NLL is the mean over answer tokens, the end token included.
"""

from unlearn.answers import Answers, Terms


def ga(forget: Answers) -> Terms:
    """Make the answers on the forget set less likely; nothing holds the rest of the model in place."""
    yield "forget", -forget.nll()
