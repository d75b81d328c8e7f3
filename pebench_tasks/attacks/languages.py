"""The question in German, Spanish, French and Chinese.

Recipe: one question an image and language. A scene's description is asked for in English, since it is compared with
an English truth; a name is the same in all of them. After RWKU's cross-lingual probes (arXiv 2406.10890); the wordings
are ours.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Attack, Material, Question, Subject, about

TEMPLATES = {"person": "attack_person_language", "event": "attack_scene_language"}


def asking(language: str) -> Attack:
    """The attack in one language: "de", "es", "fr" or "zh"."""

    def ask(material: Material, subject: Subject) -> Iterator[Question]:
        text = pebench_templates.render(TEMPLATES[material.concept], language=language)
        yield material.asks(about(subject, text), subject)

    return ask
