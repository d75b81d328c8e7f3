"""Clothes and accessories of a portrait, as dictionaries from the attribute's value to the function that draws it."""

from collections.abc import Callable

from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, Point, both, box, mirror, mix, oval, shade, smooth

SHOULDERS = {"slim": 24.5, "medium": 28.0, "broad": 31.5}


def torso(build: str) -> list[Point]:
    """The outline of the upper body, down past the lower edge of the picture."""
    reach = SHOULDERS[build]
    return both( [ *smooth([(43.4, 53), (41, 57.4), (50 - reach * 0.62, 60.6), (50 - reach + 1, 64.4),
                            (50 - reach - 2.6, 72), (50 - reach - 4.6, 86), (50 - reach - 5.4, 102)],
                            closed=False), ] )  # fmt: skip


Pattern = Callable[[Pen, list[Point], float, Colour, Colour], None]


def _plain(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    pass


def _stripes(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    for y in (62, 74, 86, 98):
        pen.tint(
            smooth([(5, y - 1), (50, y + 1.4), (95, y - 1), (95, y + 5), (50, y + 7.4), (5, y + 5)]), accent, 1, body
        )


def _bars(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    for x in range(14, 90, 12):
        pen.tint(box(x, 50, x + 6, 102), accent, 1, body)


def _dots(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    for row in range(5):
        for column in range(9):
            pen.tint(oval(10 + column * 10 + row % 2 * 5, 60 + row * 9.4, 2.9, 2.9), accent, 1, body)


def _block(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    pen.tint(box(0, 80, 100, 102), accent, 1, body)
    pen.tint(box(0, 78, 100, 80), mix(accent, (255, 255, 255), 0.6), 1, body)


def _sash(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    pen.tint([(18, 52), (38, 52), (92, 102), (66, 102)], accent, 1, body)


def _check(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    for x in range(8, 96, 14):
        pen.tint(box(x, 50, x + 5, 102), accent, 0.6, body)
    for y in range(60, 102, 13):
        pen.tint(box(0, y, 100, y + 5), accent, 0.6, body)


def _jacket(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    pen.tint([(42, 52), (58, 52), (54.5, 102), (45.5, 102)], accent, 1, body)
    lapel = [(42, 53), (38, 58), (36, 67), (40, 68), (38, 71), (47, 92), (46.5, 74)]
    for side in (lapel, mirror(lapel)):
        pen.tint(side, shade(top, 0.78), 1, body)
    pen.tint(oval(43, 96, 1.2, 1.2), shade(top, 0.5), 1, body)


def _dungarees(pen: Pen, body: list[Point], reach: float, top: Colour, accent: Colour) -> None:
    pen.tint([(32, 76), (68, 76), (72, 102), (28, 102)], accent, 1, body)
    for side in (-1, 1):
        x = 50 + side * 14
        pen.tint([(x - 3 + side * 1.4, 55), (x + 3 + side * 1.4, 55), (x + 3, 78), (x - 3, 78)], accent, 1, body)
        pen.tint(oval(x, 79, 1.6, 1.6), (246, 214, 110), 1, body)
    pen.tint(box(41, 84, 59, 96), shade(accent, 0.84), 1, body)


PATTERNS: dict[str, Pattern] = {
    "plain": _plain, "stripes": _stripes, "bars": _bars, "dots": _dots, "block": _block, "sash": _sash,
    "check": _check, "jacket": _jacket, "dungarees": _dungarees,
}  # fmt: skip


def folds(pen: Pen, body: list[Point], reach: float, top: Colour) -> None:
    """Sleeves, folds and the shade of the right side."""
    dark = shade(top, 0.35)
    left = 50 - reach
    pen.tint(
        smooth(
            [(left + 4, 78), (left + 6.4, 82), (left + 5.2, 92), (left + 4.8, 103), (left + 3.2, 103), (left + 4, 90)]
        ),
        dark,
        0.4,
        body,
    )
    right = 50 + reach
    pen.tint(smooth([(right - 4, 78), (right - 6.4, 82), (right - 5.2, 92), (right - 4.8, 103),
                     (right - 3.2, 103), (right - 4, 90)]), dark, 0.4, body)  # fmt: skip
    pen.tint(
        smooth([(right - 6, 62), (right - 1, 74), (right, 102), (right + 12, 102), (right + 12, 60)]), dark, 0.2, body
    )
    pen.tint(smooth([(left + 1, 66), (left + 6, 63), (left + 3, 72), (left - 0.6, 80)]), (255, 255, 255), 0.18, body)


Collar = Callable[[Pen, Colour, Colour, Colour], None]


def _crew(pen: Pen, top: Colour, accent: Colour, skin: Colour) -> None:
    pen.fill(oval(50, 55, 8.6, 6, 0, 180), skin)
    pen.line(oval(50, 55, 8.6, 6, 0, 180), shade(top, 0.7), 1.5)


def _v(pen: Pen, top: Colour, accent: Colour, skin: Colour) -> None:
    pen.fill([(42.4, 54), (57.6, 54), (50, 68)], skin)
    pen.line([(41.6, 55), (50, 68.6), (58.4, 55)], shade(top, 0.7), 1.5)


def _collar(pen: Pen, top: Colour, accent: Colour, skin: Colour) -> None:
    pen.fill([(43.4, 54), (56.6, 54), (50, 63)], skin)
    flap = [(43, 52.6), (39, 58), (43.6, 65.4), (50, 61.4)]
    for side in (flap, mirror(flap)):
        pen.fill(side, shade(accent, 1.25))
        pen.line([*side[1:]], shade(accent, 0.7), 0.6)


def _turtleneck(pen: Pen, top: Colour, accent: Colour, skin: Colour) -> None:
    pen.fill(smooth(both([(50, 49), (42, 49.4), (41, 56), (40, 60), (50, 62)])), shade(top, 0.88))
    pen.line(smooth([(41, 56), (50, 58.4), (59, 56)], closed=False), shade(top, 0.68), 0.7)


def _hood(pen: Pen, top: Colour, accent: Colour, skin: Colour) -> None:
    pen.fill(
        smooth(both([(50, 66), (41, 63.4), (33, 57.4), (36, 52.6), (41, 53), (45, 59), (50, 61)])), shade(top, 0.8)
    )
    for side in (-1, 1):
        pen.line([(50 + side * 5, 64), (50 + side * 5.6, 76)], shade(accent, 1.2), 1)
        pen.fill(oval(50 + side * 5.6, 76.6, 1.1, 1.3), shade(accent, 1.2))


NECKLINES: dict[str, Collar] = {"crew": _crew, "v": _v, "collar": _collar, "turtleneck": _turtleneck, "hood": _hood}

Accessory = Callable[[Pen, Colour], None]


def _nothing(pen: Pen, colour: Colour) -> None:
    pass


def _scarf(pen: Pen, colour: Colour) -> None:
    pen.fill([(54, 58), (62, 57), (66, 86), (56, 87)], shade(colour, 0.86))
    for x in (57, 59.6, 62.2, 64.8):
        pen.line([(x, 86), (x + 0.3, 90)], shade(colour, 0.86), 1)
    pen.fill(smooth(both([(50, 53), (42, 51), (36.6, 54), (37.6, 61), (44, 65), (50, 66)])), colour)
    pen.line(smooth([(39, 57), (48, 61.4), (60, 58)], closed=False), shade(colour, 0.72), 0.8)
    pen.line(smooth([(41, 62), (50, 63.6), (56, 62)], closed=False), shade(colour, 0.72), 0.8)


def _necktie(pen: Pen, colour: Colour) -> None:
    pen.fill([(47.4, 60), (52.6, 60), (51.6, 64.4), (48.4, 64.4)], shade(colour, 0.8))
    pen.fill([(48.4, 64.4), (51.6, 64.4), (54.6, 88), (50, 94), (45.4, 88)], colour)
    pen.line([(46.8, 78), (53, 74)], shade(colour, 1.4), 1)
    pen.line([(46.2, 84), (53.8, 80)], shade(colour, 1.4), 1)


def _bow_tie(pen: Pen, colour: Colour) -> None:
    wing = [(50, 61.4), (42, 57.6), (41, 66), (50, 62.6)]
    for side in (wing, mirror(wing)):
        pen.fill(smooth(side), colour)
    pen.fill(oval(50, 62, 2, 2.2), shade(colour, 0.72))


def _necklace(pen: Pen, colour: Colour) -> None:
    for angle in range(15, 166, 15):
        (x, y), *_ = oval(50, 56, 10.6, 13, angle, angle)
        pen.fill(oval(x, y, 1.5, 1.5), colour)
    pen.fill(smooth([(50, 68), (47.6, 71), (50, 75.4), (52.4, 71)]), shade(colour, 0.8))


def _lanyard(pen: Pen, colour: Colour) -> None:
    pen.line([(41.4, 57), (50, 80), (58.6, 57)], colour, 1.6)
    pen.fill(box(44.6, 80, 55.4, 94), (250, 250, 250))
    pen.fill(box(44.6, 80, 55.4, 83.4), colour)
    pen.fill(box(46.6, 85, 50, 90), (170, 178, 188))
    for y in (86, 88.6):
        pen.line([(51.4, y), (54, y)], (170, 178, 188), 0.7)


ACCESSORIES: dict[str, Accessory] = {
    "none": _nothing, "earrings": _nothing, "scarf": _scarf, "necktie": _necktie, "bow tie": _bow_tie,
    "necklace": _necklace, "lanyard": _lanyard,
}  # fmt: skip
