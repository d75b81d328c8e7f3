"""Yes/no questions about drawn objects: the offline stand-in for POPE (Li et al., arXiv 2305.10355).

Two objects of different kinds in every picture. As in POPE, half of the questions are about an object that is there,
and the absent objects are chosen in three ways, which are the three splits:

- random: any absent kind,
- popular: the absent kind that is most frequent over all pictures,
- adversarial: the absent kind that most often accompanies the object of the same picture's yes-question.

So that the three differ, neither kinds nor pairs are equally frequent (`PAIR_WEIGHTS`): with these weights the
popular and the adversarial kind are the same in 59 % of the pictures, the least that small weights allow.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from PIL import Image

from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, box, oval, shade, smooth

KINDS: tuple[str, ...] = ("ball", "house", "tree", "star")
SPLITS: tuple[str, ...] = ("random", "popular", "adversarial")
# How often two kinds share a picture, out of 22. Frequencies follow: star 13, ball 12, house 10, tree 9.
PAIR_WEIGHTS: dict[tuple[str, str], int] = {
    ("ball", "house"): 2,
    ("ball", "tree"): 4,
    ("ball", "star"): 6,
    ("house", "tree"): 3,
    ("house", "star"): 5,
    ("tree", "star"): 2,
}


class WorldQuestion(NamedTuple):
    """One yes/no question: is there an `object` in picture number `image`, which shows the two `kinds`?"""

    image: int
    kinds: tuple[str, str]
    object: str
    truth: str  # "yes" or "no"
    split: str  # one of SPLITS; "" for pre-training


def plan_world(count_per_split: int, seed: int) -> list[WorldQuestion]:
    """The evaluation questions: per split `count_per_split`, half of them yes, two about each picture.

    No picture serves two splits, so picture and object name a question. Raises ValueError for an odd count.
    """
    if count_per_split < 2 or count_per_split % 2:
        raise ValueError(f"{count_per_split} questions per split: ask for an even number, half are yes and half no")
    questions = []
    for number, split in enumerate(SPLITS):
        for index in range(count_per_split // 2):
            image = number * (count_per_split // 2) + index
            rng = random.Random(f"world/{seed}/{split}/{index}")
            kinds = _pair(rng)
            present = rng.choice(kinds)
            absent = _absent_kind(split, kinds, present, rng)
            questions.append(WorldQuestion(image, kinds, present, "yes", split))
            questions.append(WorldQuestion(image, kinds, absent, "no", split))
    return questions


def plan_world_pretrain(images: int, seed: int) -> list[WorldQuestion]:
    """Pre-training questions: each picture is asked about every kind, two yes and two no."""
    questions = []
    for image in range(images):
        rng = random.Random(f"world-pretrain/{seed}/{image}")
        first, second = rng.sample(KINDS, 2)
        for kind in KINDS:
            truth = "yes" if kind in (first, second) else "no"
            questions.append(WorldQuestion(image, (first, second), kind, truth, ""))
    return questions


def frequency(kind: str) -> int:
    """In how many of 22 pictures a kind occurs."""
    return sum(weight for pair, weight in PAIR_WEIGHTS.items() if kind in pair)


def together(first: str, second: str) -> int:
    """In how many of 22 pictures two kinds occur together."""
    return PAIR_WEIGHTS.get((first, second), 0) + PAIR_WEIGHTS.get((second, first), 0)


def _pair(rng: random.Random) -> tuple[str, str]:
    first, second = rng.choices(list(PAIR_WEIGHTS), list(PAIR_WEIGHTS.values()))[0]
    return (first, second) if rng.random() < 0.5 else (second, first)


def _absent_kind(split: str, kinds: Sequence[str], present: str, rng: random.Random) -> str:
    absent = [kind for kind in KINDS if kind not in kinds]
    if split == "random":
        return rng.choice(absent)
    if split == "popular":
        return max(absent, key=frequency)
    return max(absent, key=lambda kind: together(kind, present))


_GROUNDS: tuple[Colour, ...] = (
    (214, 230, 240), (240, 228, 208), (222, 236, 216), (234, 220, 236), (232, 232, 230), (250, 238, 196),
)  # fmt: skip
# Each kind has a range of colours of its own, as things do; so a small model learns to tell them apart quickly.
_PAINTS: tuple[Colour, ...] = ((212, 58, 58), (226, 70, 96), (240, 110, 60))
_ROOFS: tuple[Colour, ...] = ((52, 112, 208), (122, 80, 186), (70, 70, 170))
_LEAVES: tuple[Colour, ...] = ((58, 140, 74), (112, 164, 60), (30, 106, 84))
_GOLDS: tuple[Colour, ...] = ((248, 200, 48), (250, 170, 52), (236, 224, 96))


def draw_objects(kinds: tuple[str, str], size: int, rng: random.Random) -> Image.Image:
    """The two objects on a plain ground, `size` px square, RGB; places, sizes and colours come from `rng`."""
    ground = rng.choice(_GROUNDS)
    picture = Image.new("RGB", (size, size), ground)
    picture.paste(shade(ground, 0.9), (0, round(size * rng.uniform(0.62, 0.8)), size, size))
    along = [rng.uniform(0.24, 0.28), rng.uniform(0.72, 0.76)]
    across = [rng.uniform(0.26, 0.74) for _ in range(2)]
    upright = rng.random() < 0.3
    for kind, a, b in zip(kinds, along, across, strict=True):
        x, y = (b, a) if upright else (a, b)
        pixels = round(size * rng.uniform(0.4, 0.48))
        pen = Pen(pixels * (3 if pixels >= 160 else 6))
        _PAINTERS[kind](pen, rng)
        sprite = pen.sprite(pixels)
        picture.paste(sprite, (round(x * size - pixels / 2), round(y * size - pixels / 2)), sprite)
    return picture


def _ball(pen: Pen, rng: random.Random) -> None:
    colour = rng.choice(_PAINTS)
    disc = oval(50, 50, 46, 46)
    pen.fill(disc, colour)
    pen.turn(rng.uniform(-60, 60), (50, 50))
    pen.tint(smooth([(0, 38), (50, 46), (100, 38), (100, 60), (50, 70), (0, 60)]), (250, 250, 250), 1, disc)
    pen.turn(0, (50, 50))
    pen.tint([*oval(50, 50, 46, 46, -60, 130), *oval(40, 42, 46, 46, 110, -45)], (20, 20, 40), 0.25, disc)
    pen.tint(oval(33, 28, 9, 6), (255, 255, 255), 0.7, disc)


def _house(pen: Pen, rng: random.Random) -> None:
    wall, roof = rng.choice(((246, 236, 216), (250, 214, 150), (206, 220, 232), (240, 180, 160))), rng.choice(_ROOFS)
    pen.fill(box(70, 10, 80, 40), shade(roof, 0.6))
    pen.fill(box(14, 42, 86, 97), wall)
    pen.tint(box(66, 42, 86, 97), (40, 40, 60), 0.14)
    pen.fill([(3, 48), (50, 5), (97, 48)], roof)
    pen.tint([(50, 5), (97, 48), (66, 48)], (20, 20, 40), 0.2)
    pen.fill(box(42, 64, 60, 97), shade(roof, 0.5))
    pen.fill(oval(56, 82, 1.6, 1.6), (248, 214, 90))
    for x in (20, 66):
        pen.fill(box(x, 60, x + 15, 77), (250, 250, 250))
        pen.fill(box(x + 2, 62, x + 13, 75), (110, 176, 220))
        pen.line([(x + 7.5, 61), (x + 7.5, 76)], (250, 250, 250), 1.6)


def _tree(pen: Pen, rng: random.Random) -> None:
    leaves = rng.choice(_LEAVES)
    pen.fill(box(43, 74, 57, 99), (122, 80, 50))
    pen.tint(box(51, 74, 57, 99), (40, 20, 20), 0.25)
    for top, bottom, half, light in ((36, 82, 42, 0.84), (19, 60, 34, 0.93), (2, 38, 25, 1.0)):
        tier = [(50, top), (50 + half, bottom), (50 - half, bottom)]
        pen.fill(tier, shade(leaves, light))
        pen.tint([(50, top), (50 + half, bottom), (56, bottom)], (10, 20, 40), 0.18, tier)


def _star(pen: Pen, rng: random.Random) -> None:
    colour = rng.choice(_GOLDS)
    pen.turn(rng.uniform(-14, 14), (50, 50))
    outer, inner = oval(50, 52, 48, 48, -90, 270), oval(50, 52, 21, 21, -90, 270)
    corners = [(outer if index % 2 == 0 else inner)[round(index * (len(outer) - 1) / 10)] for index in range(10)]
    pen.fill(corners, colour)
    for index in range(0, 10, 2):
        pen.tint([corners[index], corners[(index + 1) % 10], (50, 52)], shade(colour, 0.7), 0.6)


_PAINTERS: dict[str, Callable[[Pen, random.Random], None]] = {
    "ball": _ball, "house": _house, "tree": _tree, "star": _star,
}  # fmt: skip
