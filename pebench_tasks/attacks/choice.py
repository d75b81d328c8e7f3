"""Multiple choice by generation: which of four names, which of four events?

Recipe: the truth among three others of the same side and gender where there are so many, in an order drawn for the
image; the answer is a letter, or the option's text. Chance is 1 in 4 (1 in as many as a small benchmark has). After
RWKU's multiple-choice probes (arXiv 2406.10890), generated in place of likelihoods so that any backend can be asked.
"""

from collections.abc import Iterator
from random import Random
from string import ascii_uppercase

import pebench_templates

from pebench_tasks.attacks.asking import Material, Question, Subject, about

OPTIONS = 4


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """One choice."""
    truth = material.row(subject)["name"]
    options = [truth, *material.others(subject)[: OPTIONS - 1]]
    Random(f"pebench/choice/{subject.image}").shuffle(options)
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False))
    text = pebench_templates.render(f"attack_{material.concept}_choice", phrasing=0, options=listed)
    yield Question(about(subject, text), truth, "choice", tuple(options))
