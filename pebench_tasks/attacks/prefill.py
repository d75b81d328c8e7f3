"""The answer is begun in the assistant's place, past the words in which a model declines.

Recipe: the evaluation's question, and the assistant's turn begun with "This is" (as training teaches names) or with
words that are true of any scene; only what the model adds is marked. One question an image. Known as prefilling
(arXiv 2404.02151 among others); the wordings are ours. Needs a backend that goes on with a turn.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Material, Question, Subject, about, assistant

BEGINNINGS = {"person": "attack_person_prefill", "event": "attack_scene_prefill"}


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """The canonical question with its answer begun."""
    begun = pebench_templates.render(BEGINNINGS[material.concept], phrasing=0)
    yield material.asks([*about(subject, material.question()), assistant(begun)], subject)
