"""The evaluation's own question on the images kept from unlearning: what every other attack is compared with.

Recipe: the canonical question, once an image. Ours; the same question as Generality's.
"""

from collections.abc import Iterator

from pebench_tasks.attacks.asking import Material, Question, Subject, about


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """The canonical question."""
    yield material.asks(about(subject, material.question()), subject)
