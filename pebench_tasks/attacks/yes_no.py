"""Yes/no probes: is this NAME, is this such an event?

Recipe: two questions an image, one with the true name and one with a false one of the same side and gender where there
is one, so that half of the truths are "yes" and a model that always says the same gets half; without yes or no the
answer is wrong. After POPE (arXiv 2305.10355), whose answers are read by the same rules.
"""

from collections.abc import Iterator

import pebench_templates

from pebench_tasks.attacks.asking import Material, Question, Subject, about


def ask(material: Material, subject: Subject) -> Iterator[Question]:
    """The true name, then a false one."""
    template = f"attack_{material.concept}_yes_no"
    for name, truth in ((material.row(subject)["name"], "yes"), (material.others(subject)[0], "no")):
        text = pebench_templates.render(template, phrasing=0, name=name)
        yield Question(about(subject, text), truth, "yesno")
