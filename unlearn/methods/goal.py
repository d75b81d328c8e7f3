"""Goal: the model that never saw the forget set, unlearning's upper bound (arXiv 2503.12545).

    loss = NLL(D^r, both questions); no image of D^f, with either question

D^r is every image that shows nothing of what is forgotten; with ``--facts`` the facts of the people on them, too.
"""

from unlearn.answers import Answers, Terms


def goal(remaining: Answers) -> Terms:
    """Learn what remains without the forget set, from the same foundation model as the Finetuned one."""
    yield "remaining", remaining.nll()
