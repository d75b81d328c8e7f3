"""Pictures to pre-train on of public figures in many other places: who somebody is must not hang on where they are.

With six stand-in scenes alone, a model learns to name people there, and Goal models lose the names of people they know
in every scene they never saw. So the places are many and never quite the same: half are scenes that are no event of the
benchmark, cut out anew, mirrored, with their colours exchanged, by day and by night; half are random shapes. Half of
the pictures are close-ups, from which a model learns who is who before it has learned where to look.
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageOps

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.compose import MARGIN, compose
from pebench_tasks.benchmark.synthetic.looks import Look

ZOOM = 1.3  # how much larger than a picture the scenery is that its place is cut from
CLOSE_UPS = 0.5  # of all pictures


def draw_snapshot(scenery: Image.Image, look: Look, size: int, rng: Random) -> Image.Image:
    """A picture of the person in front of some part of ``scenery`` or of random shapes, ``size`` px square, RGB.

    ``scenery`` is ``ZOOM`` times as large as the picture, or larger.
    """
    if rng.random() >= CLOSE_UPS:
        return _anywhere(scenery, look, size, rng)
    picture, part = _anywhere(scenery, look, size, rng), rng.uniform(0.45, 0.75) * size
    left = (size - part) / 2 + rng.uniform(-0.05, 0.05) * size
    top = size - part - rng.uniform(0, 0.15) * size
    return picture.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + part, top + part))


def _anywhere(scenery: Image.Image, look: Look, size: int, rng: Random) -> Image.Image:
    """The person as they stand in a picture of the benchmark."""
    side = round(size * MARGIN)
    if rng.random() < 0.5:
        return compose(_shapes(side, rng), look, size, rng)
    left, top = rng.randint(0, scenery.width - side), rng.randint(0, scenery.height - side)
    place = scenery.crop((left, top, left + side, top + side))
    if rng.random() < 0.5:
        place = ImageOps.mirror(place)
    if rng.random() < 0.5:
        place = Image.merge("RGB", rng.sample(place.split(), 3))
    if rng.random() < 0.5:
        light = rng.uniform(0.15, 1)
        place = place.point([round(level * light) for level in range(256)] * 3)
    return compose(place, look, size, rng)


def _shapes(size: int, rng: Random) -> Image.Image:
    """No place at all: two bands of colour and up to a dozen shapes."""
    canvas = Canvas(size)
    horizon = rng.uniform(0.35, 0.85)
    canvas.gradient(0, horizon, _colour(rng), _colour(rng))
    canvas.gradient(horizon, 1, _colour(rng), _colour(rng))
    for _ in range(rng.randint(2, 14)):
        x, y = rng.random(), rng.random()
        width, height = rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.3)
        kind = rng.randrange(3)
        if kind == 0:
            canvas.oval(x, y, width / 2, height / 2, fill=_colour(rng))
        elif kind == 1:
            canvas.rect(x - width / 2, y - height / 2, x + width / 2, y + height / 2, _colour(rng))
        else:
            corners = [(x + rng.uniform(-width, width), y + rng.uniform(-height, height)) for _ in range(3)]
            canvas.poly(corners, _colour(rng))
    return canvas.finished()


def _colour(rng: Random) -> str:
    return f"#{rng.randrange(1 << 24):06x}"
