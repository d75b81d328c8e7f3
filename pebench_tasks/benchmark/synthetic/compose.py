"""Puts a person in front of a scene."""

import random
from functools import lru_cache

from PIL import Image, ImageFilter

from pebench_tasks.benchmark.synthetic.looks import Look
from pebench_tasks.benchmark.synthetic.portraits import POSES, draw_person

MARGIN = 1.06  # how much larger than a picture the scene is, so that it can be shifted
_HEIGHT = 0.76  # of the picture's height, the sprite of a person
_SHADOW = (24, 24, 38)
_SHADOW_STRENGTH = 0.6


def compose(scene: Image.Image, look: Look, size: int, rng: random.Random) -> Image.Image:
    """A picture of the person in the scene, `size` px square, RGB.

    `scene` is a little larger than the picture (about `MARGIN` times): where it is cut out, where the person stands and
    how they hold their head come from `rng`.
    """
    if min(scene.size) < size:
        raise ValueError(f"the scene is {scene.size[0]} x {scene.size[1]} px: draw it at {size} px or more")
    left, top = rng.randint(0, scene.width - size), rng.randint(0, scene.height - size)
    picture = scene.crop((left, top, left + size, top + size))
    sprite = _shadowed(look, size, rng.randrange(len(POSES)))
    across = (size - sprite.width) / 2 + rng.uniform(-0.025, 0.025) * size
    down = size - sprite.height + rng.uniform(0, 0.03) * size
    picture.paste(sprite, (round(across), round(down)), sprite)
    return picture


# Pictures are built person by person, so a few people's poses are enough.
@lru_cache(maxsize=32)
def _shadowed(look: Look, size: int, pose: int) -> Image.Image:
    """The person for a picture of `size` px with a soft shadow around all sides but the lowest, RGBA."""
    height = round(size * _HEIGHT)
    figure = draw_person(look, height, pose=POSES[pose])
    blur = max(1.0, size / 90)
    margin = round(blur * 3)
    whole = Image.new("RGBA", (height + 2 * margin, height + margin))
    whole.paste(figure, (margin, margin))
    # The body goes on below the lower edge, or the shadow would fade there.
    outline = figure.getchannel("A")
    solid = Image.new("L", (whole.width, whole.height + margin))
    solid.paste(outline, (margin, margin))
    solid.paste(outline.crop((0, height - 1, height, height)).resize((height, margin)), (margin, whole.height))
    soft = solid.filter(ImageFilter.GaussianBlur(blur)).crop((0, 0, *whole.size))
    shadow = Image.new("RGBA", whole.size, _SHADOW)
    shadow.putalpha(soft.point([round(value * _SHADOW_STRENGTH) for value in range(256)]))
    return Image.alpha_composite(shadow, whole)
