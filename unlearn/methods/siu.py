"""Single image unlearning (SIU): new answers for the concept, the old ones for everything else (arXiv 2405.12523).

    loss = mean over the kinds of sample of (nll_weight * NLL + kl_weight * DMK)

Published: fine-tuning on one image of the concept for a few steps; data with four aims, namely that the concept is
taken for an unseen one, that it gets a new visual description, that facts about it stay, and that other knowledge
stays; cross entropy together with a dual masked KL (DMK; ``losses.dual_masked_kl``), which leaves out the tokens that
contradict the old knowledge and, from the vocabulary, the words of the concept.

Ours, because this is a reconstruction from second-hand descriptions of the paper and not from its code: the kinds
``swapped`` (a wrong name; for an event, another scene's description), ``retain`` (samples of D^r), ``facts`` (text-only
questions; none where a benchmark knows only names) and ``invented`` (an invented look; none for an event) stand for the
four aims; each kind has the same weight, whatever its number of tokens; DMK is neither renormalised nor clamped.
"""

from unlearn.answers import Answers, Terms


def siu(
    swapped: Answers,
    retain: Answers,
    facts: Answers | None = None,
    invented: Answers | None = None,
    *,
    nll_weight: float = 0.9,
    kl_weight: float = 0.75,
) -> Terms:
    """The weights 0.9 and 0.75 are reported as the paper's. One term a kind, so that both losses share a forward."""
    kinds = {"swapped": swapped, "retain": retain, "facts": facts, "invented": invented}
    present = {name: answers for name, answers in kinds.items() if answers is not None}
    for name, answers in present.items():
        parts = []
        if nll_weight:
            parts.append(nll_weight * answers.nll())
        if kl_weight:
            parts.append(kl_weight * answers.dual_masked_kl())
        if parts:
            yield name, sum(parts[1:], start=parts[0]) / len(present)
