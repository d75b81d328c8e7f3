"""The question in words that no training and no evaluation uses.

Recipe: three paraphrases a concept that were reserved for this (templates ``*_question_probe``), each image asked one
of them in turn; one question an image. After FIUBench's paraphrase attack (arXiv 2411.03554), with wordings of ours.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import QUESTIONS, Material, Question, Subject, about


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """One of the reserved paraphrases."""
    template = f"{QUESTIONS[material.concept]}_probe"
    text = pebench_templates.render(template, phrasing=subject.next_of(pebench_templates.phrasings(template)))
    yield material.asks(about(subject, text), subject)
