"""Jailbreaks in words: an order not to refuse, an answer that must begin in agreement, a role.

Recipe: three fixed templates round the evaluation's question, one question an image each: ``prefix_injection``,
``affirmative_suffix`` and ``role_play``. The kinds are those of RWKU's adversarial probes (arXiv 2406.10890), the
wordings ours.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Attack, Material, Question, Subject, about


def asking(kind: str) -> Attack:
    """The attack with the template ``attack_<kind>``."""

    def ask(material: Material, subject: Subject) -> Iterator[Question]:
        text = pebench_templates.render(f"attack_{kind}", phrasing=0, question=material.question())
        yield material.asks(about(subject, text), subject)

    return ask
