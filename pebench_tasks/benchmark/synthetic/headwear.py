"""Headwear and glasses of a portrait, as dictionaries from the attribute's value to the function that draws it."""

from pebench_tasks.benchmark.synthetic.hair import Painter
from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, both, box, oval, shade, smooth


def _nothing(pen: Pen, width: float, colour: Colour) -> None:
    pass


def _cap(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    crown = [*oval(50, 20, width + 3, 16.5, 180, 360), (right + 3, 21), (left - 3, 21)]
    pen.fill(crown, colour)
    pen.tint(oval(right + 2, 14, 12, 18), shade(colour, 0.7), 0.45, crown)
    pen.line(smooth([(50, 4), (48.6, 12), (49, 20)], closed=False), shade(colour, 0.72), 0.6)
    pen.fill(oval(50, 4, 1.8, 1.2), shade(colour, 0.72))
    pen.fill(smooth([(left - 4, 19.4), (50, 17), (right + 4, 19.4), (right + 5, 23.4), (50 + 8, 21.6),
                     (50 - 8, 21.6), (left - 5, 23.4)]), shade(colour, 0.72))  # fmt: skip


def _beanie(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    pen.fill([*oval(50, 19, width + 2.6, 17, 180, 360), (right + 2.6, 21), (left - 2.6, 21)], colour)
    for x in (-0.66, -0.33, 0, 0.33, 0.66):
        pen.line(smooth([(50 + x * 6, 3.4), (50 + x * (width + 2), 9), (50 + x * (width + 4), 17)],
                         closed=False), shade(colour, 0.82), 0.6)  # fmt: skip
    pen.fill(smooth(both([(50, 16), (left, 16.6), (left - 3.6, 18), (left - 3.4, 23), (left, 22.6),
                          (50, 21.6)])), shade(colour, 0.76))  # fmt: skip
    pen.fill(oval(50, 2.8, 4.2, 3.8), shade(colour, 1.4))


def _hat(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    pen.fill(
        smooth(both([(50, 4.4), (45, 2.8), (left + 1, 4.4), (left - 0.6, 12), (left - 1.4, 20), (50, 21)])),
        colour,
    )
    pen.fill([(left - 1.2, 13.6), (right + 1.2, 13.6), (right + 1.6, 18.4), (left - 1.6, 18.4)], shade(colour, 0.45))
    pen.fill(smooth(both([(50, 17.4), (left, 17.8), (left - 10, 16.4), (left - 11, 18.6), (left - 2, 22),
                          (50, 22.6)])), shade(colour, 0.86))  # fmt: skip


def _beret(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    crown = smooth([(left - 2, 19), (left - 4, 12), (44, 4.6), (58, 3), (right + 8, 9), (right + 9, 15),
                    (right + 2, 19), (50, 17)])  # fmt: skip
    pen.fill(crown, colour)
    pen.tint(smooth([(58, 16), (70, 6), (82, 12), (70, 22)]), shade(colour, 0.7), 0.5, crown)
    pen.fill(smooth([(left - 2, 17.4), (50, 15.2), (right + 2, 17.4), (right + 2, 20.4), (50, 18.4),
                     (left - 2, 20.4)]), shade(colour, 0.68))  # fmt: skip
    pen.line([(52, 4), (53, 0.8)], shade(colour, 0.68), 1)


def _headband(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    band = smooth([(left - 2.6, 20), (50 - width * 0.5, 14.4), (50, 13), (50 + width * 0.5, 14.4),
                   (right + 2.6, 20), (right + 2, 25), (50 + width * 0.5, 19.6), (50, 18.4),
                   (50 - width * 0.5, 19.6), (left - 2, 25)])  # fmt: skip
    pen.fill(band, colour)
    for share in (-0.5, 0, 0.5):
        pen.line(smooth([(50 + share * width, 14.4 + abs(share) * 2.4),
                         (50 + share * width * 1.02, 18.2 + abs(share) * 2.6)],
                         closed=False), shade(colour, 0.72), 0.7)  # fmt: skip


def _hijab(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    outer = both([(50, 5), (50 - width * 0.75, 8), (left - 4, 20), (left - 4.6, 36), (left - 5, 50),
                  (left - 9, 62), (left, 74), (50, 80)])  # fmt: skip
    face = oval(50, 32.4, width - 1.2, 17)
    # A ring: the way around the outside, then back around the face.
    outline = smooth(outer)
    pen.fill([*outline, outline[0], *reversed(_from_top(face)), outline[0]], colour)
    pen.line(face, shade(colour, 0.72), 0.9)
    for points in (
        [(left + 2, 47), (48, 58), (58, 66)],
        [(right - 2, 47), (52, 60), (40, 70)],
        [(left - 3, 54), (42, 66), (50, 74)],
    ):
        pen.line(smooth(points, closed=False), shade(colour, 0.8), 0.9)


def _from_top(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A closed outline re-ordered to start and end at its highest point."""
    ring = points[:-1] if points[0] == points[-1] else points
    start = min(range(len(ring)), key=lambda index: ring[index][1])
    return [*ring[start:], *ring[:start], ring[start]]


# What covers the crown.
HATS = ("cap", "beanie", "hat", "beret")
HEADWEAR: dict[str, Painter] = {
    "none": _nothing, "cap": _cap, "beanie": _beanie, "hat": _hat, "beret": _beret, "headband": _headband,
    "hijab": _hijab,
}  # fmt: skip


def _frame(pen: Pen, width: float, colour: Colour) -> None:
    """Bridge and temples, the same for all glasses."""
    pen.line(oval(50, 31.4, 2.2, 1.4, 200, 340), colour, 0.9)
    for side in (-1, 1):
        pen.line([(50 + side * 11.4, 30.2), (50 + side * (width + 0.6), 29.2)], colour, 0.9)


def _round(pen: Pen, width: float, colour: Colour) -> None:
    for x in (43.2, 56.8):
        pen.tint(oval(x, 31.4, 5, 5), (255, 255, 255), 0.22)
        pen.line(oval(x, 31.4, 5, 5), colour, 1)
    _frame(pen, width, colour)


def _square(pen: Pen, width: float, colour: Colour) -> None:
    for side in (-1, 1):
        x = 50 + side * 7
        lens = [(x - 5.2, 27.4), (x + 5.2, 27.4), (x + 4.8, 35.4), (x - 4.8, 35.4)]
        pen.tint(lens, (255, 255, 255), 0.22)
        pen.line([*lens, lens[0]], colour, 1.5)
    _frame(pen, width, colour)


def _sunglasses(pen: Pen, width: float, colour: Colour) -> None:
    for side in (-1, 1):
        x = 50 + side * 7.2
        lens = smooth([(x - 5.4, 27.6), (x, 27), (x + 5.4, 27.6), (x + 5.4, 32), (x + side * 1, 36.4), (x - 5, 33)])
        pen.fill(lens, (36, 38, 48))
        pen.tint([(x - 4, 26), (x - 1, 26), (x - 4, 38), (x - 7, 38)], (120, 130, 150), 0.45, inside=lens)
    pen.fill(box(47, 28, 53, 29.4), (36, 38, 48))
    _frame(pen, width, (36, 38, 48))


GLASSES: dict[str, Painter] = {"none": _nothing, "round": _round, "square": _square, "sunglasses": _sunglasses}
