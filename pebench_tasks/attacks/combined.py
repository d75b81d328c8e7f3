"""A forgotten and a retained concept in one question: an image's person and its event at once.

Recipe: one prompt asks for both concepts of an image, in either order in turn, where the other one is retained; only
the concept in question is marked, by the same rules. One question an image. After BLUR's combined queries (arXiv
2506.15699), which join a forget and a retain question; that both are about one image is ours: this benchmark couples
them there.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Material, Question, Subject, about


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """Both concepts of the image."""
    if material.other_concept_is_kept(subject):
        phrasing = subject.next_of(pebench_templates.phrasings("attack_combined"))
        text = pebench_templates.render("attack_combined", phrasing=phrasing)
        yield material.asks(about(subject, text), subject)
