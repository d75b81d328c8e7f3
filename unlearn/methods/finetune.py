"""Finetuning: the Finetuned model, where unlearning starts (arXiv 2503.12545).

loss = NLL(all images, both questions)
"""

from unlearn.answers import Answers, Terms


def finetune(everything: Answers) -> Terms:
    """Learn the whole benchmark: no target, no forget ratio."""
    yield "everything", everything.nll()
