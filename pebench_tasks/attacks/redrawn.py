"""Pictures that only a drawn benchmark can give: a face alone, a scene without its person, two people in one picture.

Recipe: drawn anew from the benchmark's own seed. ``face_alone``: the head on plain grey, with the name question, once
in each of four poses. ``scene_alone``: the image's scenery where nobody stands, with the scene question.
``two_people``: the person and a retained one side by side in the image's scene, both asked for at once; of a retained
person, too, any mention counts, since a right answer names both. The latter two once an image. Absent where the
images were not drawn. Ours.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

import pebench_templates
from PIL import Image

from pebench_tasks.attacks.asking import Material, Part, Question, Subject, picture, user, words
from pebench_tasks.benchmark.reading import Benchmark

if TYPE_CHECKING:
    from pebench_tasks.benchmark.synthetic.looks import Look

GREY = (128, 128, 128)
POSES = 4  # in which a person is drawn
HEAD = 0.56  # of a drawn person's width: a square at the middle of the upper edge holds the head
BESIDE = 0.58  # of the picture's height: each of two people


def ask_face(material: Material, subject: Subject) -> Iterator[Question]:
    """Whose face is it? Once in each pose."""
    if material.drawn and material.concept == "person" and subject.turn < POSES:
        part = picture(subject.image, "face_alone", pose=str(subject.turn))
        yield material.asks([user(part, words(material.question()))], subject)


def ask_scene(material: Material, subject: Subject) -> Iterator[Question]:
    """What happens where nobody stands?"""
    if material.drawn and material.concept == "event":
        part = picture(subject.image, "scene_alone")
        yield material.asks([user(part, words(material.question()))], subject)


def ask_for_both(material: Material, subject: Subject) -> Iterator[Question]:
    """Who are these two?"""
    others = material.examples(subject, 1)
    if material.drawn and material.concept == "person" and others:
        part = picture(subject.image, "two_people", other=others[0].split("/")[0])
        text = pebench_templates.render("attack_two_people", phrasing=0)
        yield Question([user(part, words(text))], material.truth(subject.image), "mention")


def redrawn(benchmark: Benchmark, part: Part) -> Image.Image:
    """The picture of a turn's part; KeyError for one that is none of ``REDRAWN``."""
    return REDRAWN[part["change"]](benchmark, part)


def face_alone(benchmark: Benchmark, part: Part) -> Image.Image:
    """The head, as large as the image."""
    size = _size(benchmark)
    person = _person(benchmark, part["image"].split("/")[0], round(size / HEAD), int(part["pose"]))
    whole = Image.new("RGB", person.size, GREY)
    whole.paste(person, (0, 0), person)
    left = (1 - HEAD) / 2 * whole.width
    return whole.resize((size, size), box=(left, 0, whole.width - left, HEAD * whole.height))


def scene_alone(benchmark: Benchmark, part: Part) -> Image.Image:
    """The very piece of scenery that lies behind the person."""
    from pebench_tasks.benchmark.synthetic.compose import MARGIN
    from pebench_tasks.benchmark.synthetic.scenes import draw_scene

    size, event = _size(benchmark), part["image"].split("/")[1]
    (name,) = (row["name"] for row in benchmark.events if row["id"] == event)
    scene = draw_scene(name, round(size * MARGIN))
    random = Random(f"{benchmark.manifest['seed']}/{part['image']}")  # as the image was composed
    left, top = random.randint(0, scene.width - size), random.randint(0, scene.height - size)
    return scene.crop((left, top, left + size, top + size))


def two_people(benchmark: Benchmark, part: Part) -> Image.Image:
    """Both side by side in the scene, on sides that are drawn."""
    size = _size(benchmark)
    together = scene_alone(benchmark, part)
    ids = [part["image"].split("/")[0], part["other"]]
    Random(f"pebench/two_people/{part['image']}").shuffle(ids)
    for middle, one in zip((0.27, 0.73), ids, strict=True):
        person = _person(benchmark, one, round(BESIDE * size))
        together.paste(person, (round(middle * size - person.width / 2), size - person.height), person)
    return together


REDRAWN: Mapping[str, Callable[[Benchmark, Part], Image.Image]] = {
    "face_alone": face_alone,
    "scene_alone": scene_alone,
    "two_people": two_people,
}


def _size(benchmark: Benchmark) -> int:
    return int(benchmark.manifest["image_size"])


def _person(benchmark: Benchmark, one: str, size: int, pose: int = 0) -> Image.Image:
    from pebench_tasks.benchmark.synthetic import portraits

    place = [row["id"] for row in benchmark.people].index(one)
    look = _looks(len(benchmark.people), benchmark.manifest["seed"])[place]
    return portraits.draw_person(look, size, pose=portraits.POSES[pose])


@lru_cache(maxsize=2)
def _looks(people: int, seed: int) -> "list[Look]":
    from pebench_tasks.benchmark.synthetic.profiles import sample_people

    return [person.look for person in sample_people(people, seed)]
