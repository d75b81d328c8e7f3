"""Finetuning: the Finetuned model, where unlearning starts (arXiv 2503.12545).

    loss = NLL(all images, both questions)

NLL is the mean over answer tokens, of a name and of a description in one batch; with ``--facts`` of a fact, too.
"""

from unlearn.answers import Answers, Terms


def finetune(everything: Answers) -> Terms:
    """Learn the whole benchmark: no target, no forget ratio."""
    yield "everything", everything.nll()
