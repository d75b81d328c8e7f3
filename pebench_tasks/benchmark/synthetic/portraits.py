"""Draws a person: head, shoulders and torso in a flat style, the same features in every pose."""

from PIL import Image

from pebench_tasks.benchmark.synthetic import clothes, face
from pebench_tasks.benchmark.synthetic.face import Pose
from pebench_tasks.benchmark.synthetic.hair import BACK, FRONT, UNDER_HATS
from pebench_tasks.benchmark.synthetic.headwear import GLASSES, HATS, HEADWEAR
from pebench_tasks.benchmark.synthetic.looks import Look
from pebench_tasks.benchmark.synthetic.palette import CLOTH_COLOURS, HAIR_COLOURS, SKINS
from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, Point, both, oval, shade, smooth

# A handful, so that a person's pictures share few drawings.
POSES = (Pose(-3, "smile", -0.5), Pose(2.5, "grin", 0.4), Pose(-1, "grin", 0.5), Pose(1.5, "calm", -0.2))
_FACE_WIDTHS = {"narrow": 14.2, "medium": 15.6, "wide": 17.0}
_NECK: Point = (50, 52)


def draw_person(look: Look, size: int, *, pose: Pose) -> Image.Image:
    """The upper body on a transparent ground, `size` px square, RGBA; the body is cut off by the lower edge."""
    pen = Pen(size * (3 if size >= 100 else 4))
    skin, hair = SKINS[look.skin], HAIR_COLOURS[look.hair_colour]
    top, accent = CLOTH_COLOURS[look.top], CLOTH_COLOURS[look.accent]
    extra, hat = CLOTH_COLOURS[look.accessory_colour], CLOTH_COLOURS[look.headwear_colour]
    width = _FACE_WIDTHS[look.face]
    style = UNDER_HATS.get(look.hair_style, look.hair_style) if look.headwear in HATS else look.hair_style

    pen.turn(pose.tilt, _NECK)
    BACK[style](pen, width, hair)

    pen.turn(0, _NECK)
    body, reach = clothes.torso(look.build), clothes.SHOULDERS[look.build]
    pen.fill(body, top)
    clothes.PATTERNS[look.pattern](pen, body, reach, top, accent)
    clothes.folds(pen, body, reach, top)
    _neck(pen, skin)
    clothes.NECKLINES[look.neckline](pen, top, accent, skin)
    clothes.ACCESSORIES[look.accessory](pen, extra)

    pen.turn(pose.tilt, _NECK)
    outline = face.head(pen, look, width, skin)
    face.eyes(pen, look, pose, skin, hair)
    face.nose(pen, look, skin)
    face.beard(pen, look, width, outline, hair, skin)
    face.mouth(pen, look, pose, skin)
    FRONT[style](pen, width, hair)
    GLASSES[look.glasses](pen, width, _frame_colour(look))
    HEADWEAR[look.headwear](pen, width, hat)
    if look.accessory == "earrings":
        for side in (-1, 1):
            x = 50 + side * (width + 1)
            pen.fill(oval(x, 37.8, 0.9, 0.9), extra)
            pen.fill(smooth([(x, 38.4), (x - 1.7, 41.6), (x, 43.8), (x + 1.7, 41.6)]), extra)
    return pen.sprite(size)


def _neck(pen: Pen, skin: Colour) -> None:
    neck = both([(43.6, 44), (43.4, 53), (41, 57), (46, 60)])
    pen.fill(neck, skin)
    pen.tint(oval(50, 46, 10, 8), shade(skin, 0.55), 0.4, neck)


def _frame_colour(look: Look) -> Colour:
    """Gold on dark skin, dark on light skin: the frame of the glasses must be seen."""
    return (222, 176, 74) if look.skin in ("deep", "ebony") else (60, 52, 58)
