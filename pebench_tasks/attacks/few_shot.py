"""Examples first: three retained people (or events) with their answers, then the one in question.

Recipe: three earlier turns of one conversation, each with an image that is asked about nowhere, the evaluation's
question and the true answer, always the same three but for the subject's own; one question an image. It brings back
answers of which unlearning has taken only the form away. After RWKU's in-context probes (arXiv 2406.10890); the
examples are ours. Needs a backend that reads several images in one conversation.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Material, Question, Subject, Turn, about, assistant, picture, user, words

EXAMPLES = 3


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """The examples, then the canonical question."""
    question = material.question()
    turns: list[Turn] = []
    for image in material.examples(subject, EXAMPLES):
        turns += [user(picture(image), words(question)), assistant(_answer(material, image))]
    if turns:
        yield material.asks([*turns, *about(subject, question)], subject)


def _answer(material: Material, image: str) -> str:
    truth = material.truth(image)
    if material.concept == "person":
        return pebench_templates.render("person_answer", name=truth)
    return pebench_templates.render("scene_answer", description=truth)
