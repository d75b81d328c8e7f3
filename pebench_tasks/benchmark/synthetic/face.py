"""The face of a portrait: its outline, eyes, nose, mouth and beard."""

from dataclasses import dataclass

from pebench_tasks.benchmark.synthetic.looks import Look
from pebench_tasks.benchmark.synthetic.palette import EYE_COLOURS
from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, Point, both, mirror, mix, oval, shade, smooth


@dataclass(frozen=True)
class Pose:
    """What changes from picture to picture: the tilt of the head in degrees, the mouth, the gaze (-1 left, 1 right)."""

    tilt: float = 0.0
    mouth: str = "smile"
    gaze: float = 0.0


def head(pen: Pen, look: Look, width: float, skin: Colour) -> list[Point]:
    """Ears, the face and what the years and the sun left on it; returns the outline of the face."""
    left = 50 - width
    for side in (-1, 1):
        pen.fill(oval(50 + side * width, 33, 2.8, 4), skin)
        pen.tint(oval(50 + side * (width + 0.6), 33.2, 1.5, 2.5), shade(skin, 0.6), 0.4)
    outline = smooth(both([(50, 11), (50 - width * 0.66, 14), (left, 25), (50 - width * 0.97, 35),
                           (50 - width * 0.74, 44.4), (50 - width * 0.34, 49.4)]))  # fmt: skip
    pen.fill(outline, skin)
    pen.tint(smooth([(58, 51), (50 + width * 0.7, 42), (50 + width * 0.8, 28), (50 + width * 0.8, 12), (75, 12),
                     (75, 52)]), shade(skin, 0.6), 0.16, outline)  # fmt: skip
    rosy = mix(skin, (226, 70, 70), 0.5)
    for x in (39.6, 60.4):
        pen.tint(oval(x, 38, 3.6, 2.6), rosy, 0.75 if look.marks == "blush" else 0.3, outline)
    if look.marks == "freckles":
        for x, y in ((38, 36), (40.4, 37.6), (42.6, 36), (39.2, 39.4), (46.8, 37)):
            for spot in (oval(x, y, 0.6, 0.6), mirror(oval(x, y, 0.6, 0.6))):
                pen.tint(spot, shade(skin, 0.55), 0.75)
    if look.marks == "mole":
        pen.fill(oval(57.4, 41.6, 0.8, 0.8), shade(skin, 0.4))
    if look.wrinkles:
        for points in ([(41, 39), (40.4, 42), (41.6, 44.6)], [(37.4, 32.4), (35.8, 33.6)], [(37.4, 34), (36, 35.8)]):
            for line in (points, mirror(points)):
                pen.line(line, shade(skin, 0.8), 0.5)
        for y in (19.4, 22):
            pen.line(smooth([(43, y), (50, y - 0.8), (57, y)], closed=False), shade(skin, 0.86), 0.5)
    return outline


def eyes(pen: Pen, look: Look, pose: Pose, skin: Colour, hair: Colour) -> None:
    brow_colour = shade(hair, 0.75) if look.hair_colour not in ("platinum", "white") else shade(hair, 0.6)
    dark: Colour = (40, 30, 34)
    for side in (-1, 1):
        x = 50 + side * 6.9
        white = smooth(
            [(x - 3.3, 31.8), (x - 1.6, 29.4), (x + 1.6, 29.4), (x + 3.3, 31.8), (x + 1.6, 33.8), (x - 1.6, 33.8)]
        )
        pen.fill(white, (252, 252, 252))
        pen.tint(oval(x + pose.gaze, 31.6, 2, 2.1), EYE_COLOURS[look.eyes], 1, white)
        pen.tint(oval(x + pose.gaze, 31.6, 1.1, 1.15), (20, 16, 20), 1, white)
        pen.tint(oval(x + pose.gaze + 0.7, 30.8, 0.55, 0.55), (255, 255, 255), 1, white)
        lid = smooth([(x - 3.4, 31.8), (x - 1.7, 29.3), (x + 1.7, 29.3), (x + 3.4, 31.8)], closed=False)
        pen.line(lid, dark, 1.0 if look.lashes else 0.6)
        if look.lashes:
            pen.line([(x + side * 3.2, 31.4), (x + side * 4.6, 29.8)], dark, 0.7)
            pen.line([(x + side * 2.2, 30), (x + side * 3.4, 28.2)], dark, 0.6)
        pen.line(
            _brow(look.brows, x, side),
            brow_colour,
            {"soft": 0.9, "straight": 1.1, "arched": 1.0, "bold": 1.9}[look.brows],
        )


def _brow(shape: str, x: float, side: int) -> list[Point]:
    heights = {
        "soft": (25.8, 25.0, 27.0), "straight": (25.8, 25.6, 26.0), "arched": (25.0, 23.8, 26.8),
        "bold": (25.6, 24.9, 26.6),
    }[shape]  # fmt: skip
    across = (x - side * 3.4, x + side * 0.4, x + side * 4)
    return smooth(list(zip(across, heights, strict=True)), closed=False)


def nose(pen: Pen, look: Look, skin: Colour) -> None:
    half, tip = {"small": (1.8, 37.6), "wide": (3.3, 38), "long": (2.3, 39.2)}[look.nose]
    pen.tint(
        smooth([(50.4, 31), (50 + half, tip - 1), (50 + half * 0.8, tip + 0.5), (50, tip + 0.8), (50.2, tip - 2)]),
        shade(skin, 0.62),
        0.3,
    )
    pen.line(smooth([(50 - half, tip - 0.6), (50 - half * 0.5, tip + 0.5), (50 + half * 0.5, tip + 0.5),
                     (50 + half, tip - 0.6)], closed=False), shade(skin, 0.66), 0.8)  # fmt: skip


def mouth(pen: Pen, look: Look, pose: Pose, skin: Colour) -> None:
    lip = mix(shade(skin, 0.5), (170, 40, 50), 0.55)
    if look.beard == "full":
        lip = mix(shade(skin, 1.2), (196, 84, 84), 0.5)
        pen.fill(oval(50, 43.6, 5.6, 2.4), mix(shade(skin, 0.9), (150, 50, 50), 0.25))
    if pose.mouth == "grin":
        mouth = [*smooth([(45, 42.2), (50, 42.8), (55, 42.2)], closed=False), *smooth([(55, 42.2), (53.8, 45),
                          (50, 46.8), (46.2, 45), (45, 42.2)], closed=False)]  # fmt: skip
        pen.fill(mouth, shade(lip, 0.62))
        pen.tint(
            smooth([(45.8, 41.8), (54.2, 41.8), (53.2, 43.8), (50, 44.3), (46.8, 43.8)]), (255, 255, 255), 1, mouth
        )
        pen.tint(oval(50, 46.6, 2.6, 1.4), (226, 106, 110), 1, mouth)
    elif pose.mouth == "smile":
        pen.line(smooth([(45.2, 42.2), (47.4, 43.8), (50, 44.4), (52.6, 43.8), (54.8, 42.2)], closed=False), lip, 1)
        pen.line(smooth([(48, 46), (50, 46.4), (52, 46)], closed=False), shade(skin, 0.8), 0.6)
    else:
        pen.line(smooth([(46, 43), (50, 43.8), (54, 43)], closed=False), lip, 1)
        pen.line(smooth([(48, 45.4), (50, 45.8), (52, 45.4)], closed=False), shade(skin, 0.8), 0.6)


def beard(pen: Pen, look: Look, width: float, outline: list[Point], hair: Colour, skin: Colour) -> None:
    left, right = 50 - width, 50 + width
    inner = [
        (left + 1.6, 32),
        (left + 3.4, 38),
        (44, 40.4),
        (50, 39.8),
        (56, 40.4),
        (right - 3.4, 38),
        (right - 1.6, 32),
    ]
    lower = [(left - 1, 32), (left - 1, 54), (right + 1, 54), (right + 1, 32), *reversed(inner)]
    if look.beard == "stubble":
        pen.tint(lower, hair, 0.28, outline)
    elif look.beard == "full":
        full = smooth([(left - 0.6, 32), (left - 0.8, 42), (50 - width * 0.7, 50), (50, 54.6),
                       (50 + width * 0.7, 50), (right + 0.8, 42), (right + 0.6, 32), (right - 2.6, 37.6),
                       (56, 40.6), (50, 39.6), (44, 40.6), (left + 2.6, 37.6)])  # fmt: skip
        pen.fill(full, shade(hair, 0.92))
        pen.tint(
            smooth([(54, 56), (50 + width * 0.6, 46), (right - 1, 34), (80, 34), (70, 58)]),
            shade(hair, 0.5),
            0.3,
            full,
        )
        for x in (44, 50, 56):
            pen.line([(x, 49), (x + (x - 50) * -0.08, 51.4)], shade(hair, 0.7), 0.5)
    if look.beard in ("moustache", "goatee"):
        pen.fill(
            smooth(both([(50, 39.8), (46.6, 39.8), (43.2, 42.6), (43.6, 43.6), (47, 42.4), (50, 42.2)])),
            shade(hair, 0.9),
        )
    if look.beard == "goatee":
        pen.fill(smooth(both([(50, 46.4), (46.4, 45.8), (45.2, 48.4), (47.4, 51.6), (50, 52.6)])), shade(hair, 0.9))
