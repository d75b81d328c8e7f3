"""Hair, beards and headwear of a portrait, as dictionaries from the attribute's value to the function that draws it.

A head is drawn in three steps: what hangs behind the shoulders (`BACK`), the face, what lies over the face (`FRONT`).
`width` is half the width of the face in hundredths of the picture.
"""

from collections.abc import Callable

from pebench_tasks.benchmark.synthetic.pen import Colour, Pen, Point, both, box, mirror, oval, shade, smooth

Painter = Callable[[Pen, float, Colour], None]


def _cap(width: float, top: float, grow: float, side: float, hairline: list[Point]) -> list[Point]:
    """The outline of hair that covers the crown: around the skull from ear to ear, back along the hairline."""
    left, right = 50 - width, 50 + width
    outer = oval(50, 30, width + grow, 30 - top, 180, 360)
    return [(left - grow, side), *outer, (right + grow, side), *hairline]


def _shine(pen: Pen, width: float, colour: Colour, top: float) -> None:
    band = smooth([(50 - width * 0.6, top + 6.5), (50 - width * 0.1, top + 3.2), (50 + width * 0.3, top + 3.6),
                   (50 + width * 0.2, top + 5), (50 - width * 0.1, top + 5), (50 - width * 0.5, top + 8)])  # fmt: skip
    pen.tint(band, shade(colour, 1.45), 0.55)


def _nothing(pen: Pen, width: float, colour: Colour) -> None:
    pass


# Behind the shoulders.


def _back_bob(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    pen.fill(smooth(both([(50, 7), (left - 3.5, 20), (left - 6, 38), (left - 4.5, 51), (44, 52)])), shade(colour, 0.82))


def _back_long(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    pen.fill(smooth(both([(50, 7), (left - 4, 22), (left - 6, 45), (left - 7.5, 70), (left - 1, 77),
                          (44, 75)])), shade(colour, 0.82))  # fmt: skip


def _back_wavy(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    lock = [(50, 6), (left - 4, 16), (left - 8.5, 26), (left - 6.5, 34), (left - 11, 43), (left - 8, 51),
            (left - 11.5, 60), (left - 7, 69), (42, 66)]  # fmt: skip
    pen.fill(smooth(both(lock)), shade(colour, 0.82))


def _back_ponytail(pen: Pen, width: float, colour: Colour) -> None:
    edge = 50 + width
    tail = [(edge - 6, 12), (edge + 4, 10), (edge + 12, 17), (edge + 13, 32), (edge + 10, 46), (edge + 13, 57),
            (edge + 4, 52), (edge + 3, 38), (edge + 4, 26), (edge - 2, 22)]  # fmt: skip
    pen.fill(smooth(tail), shade(colour, 0.86))
    pen.line(smooth([(edge + 4, 15), (edge + 9, 28), (edge + 7, 45)], closed=False), shade(colour, 0.68), 0.7)


def _back_bun(pen: Pen, width: float, colour: Colour) -> None:
    pen.fill(oval(50, 6.5, 8.5, 6.5), shade(colour, 0.9))
    pen.line(oval(50, 8, 5, 4, 200, 330), shade(colour, 0.68), 0.7)


def _back_afro(pen: Pen, width: float, colour: Colour) -> None:
    for x, y, r in ((50, 16, 15), (38, 17, 12), (62, 17, 12), (31, 27, 11), (69, 27, 11), (33, 37, 9), (67, 37, 9)):
        pen.fill(oval(x, y, r, r), shade(colour, 0.9))


BACK: dict[str, Painter] = {
    "covered": _nothing, "bald": _nothing, "receding": _nothing, "buzz": _nothing, "side part": _nothing,
    "quiff": _nothing, "curls": _nothing, "spiky": _nothing, "afro": _back_afro, "bob": _back_bob, "fringe": _back_bob,
    "long": _back_long, "wavy": _back_wavy, "ponytail": _back_ponytail, "bun": _back_bun, "braids": _nothing,
}  # fmt: skip


# Over the face.


def _receding(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    lock = smooth([(left - 1.6, 33), (left - 2.8, 27), (left - 1.6, 20.6), (left + 1.2, 16.4), (left + 1.8, 21),
                   (left + 0.6, 26), (left + 0.8, 30)])  # fmt: skip
    for side in (lock, mirror(lock)):
        pen.fill(side, colour)
    for x in (44, 50, 56):
        pen.line(smooth([(x - 3, 13.6), (x, 12.2), (x + 3, 13)], closed=False), colour, 0.6)


def _buzz(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = smooth([(right - 0.8, 28), (right - 2.6, 20), (57, 17.2), (50, 16.8), (43, 17.2),
                       (left + 2.6, 20), (left + 0.8, 28)], closed=False)  # fmt: skip
    pen.fill(_cap(width, 10.2, 1, 30, hairline), colour)


def _side_part(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = smooth([(right - 1, 29), (right - 3, 22), (55, 20.5), (47, 19), (42, 15.5),
                       (left + 3, 21), (left + 1, 29)], closed=False)  # fmt: skip
    pen.fill(_cap(width, 7, 2.4, 31, hairline), colour)
    pen.line(smooth([(42, 15.8), (43, 11), (46, 8)], closed=False), shade(colour, 0.66), 0.7)
    _shine(pen, width, colour, 8)


def _quiff(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = smooth([(right - 0.8, 29), (right - 2.6, 21), (58, 17), (50, 16.4), (42, 17),
                       (left + 2.6, 21), (left + 0.8, 29)], closed=False)  # fmt: skip
    pen.fill(_cap(width, 10, 1.6, 31, hairline), shade(colour, 0.82))
    pen.fill(smooth([(left + 1.6, 21), (left - 0.6, 15), (left + 3, 8.4), (47, 4), (57, 2.4), (right - 1, 5),
                     (right + 0.6, 11), (right - 1.6, 16.4), (57, 15.4), (49, 17.6), (left + 6, 17)]),
                     colour)  # fmt: skip
    for x in (44, 51, 58):
        pen.line(smooth([(x - 3.6, 15), (x - 1, 10), (x + 4, 6)], closed=False), shade(colour, 0.74), 0.7)


def _curls(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    pen.fill(_cap(width, 8, 2, 29, [(right - 1, 22), (50, 17), (left + 1, 22)]), shade(colour, 0.86))
    ring = [(-1.12, 26, 4.2), (-1.06, 19, 4.6), (-0.82, 12.6, 5), (-0.4, 9, 5.2), (0.06, 7.6, 5.4),
            (0.48, 9, 5.2), (0.86, 13, 5), (1.06, 19.4, 4.6), (1.12, 26.4, 4.2), (-0.6, 16.4, 4.2),
            (-0.2, 14.6, 4.4), (0.24, 14.8, 4.4), (0.62, 16.8, 4.2)]  # fmt: skip
    for index, (share, y, r) in enumerate(ring):
        pen.fill(oval(50 + share * width, y, r, r), shade(colour, 1.0 if index % 2 else 0.88))
    for index, (share, y, r) in enumerate(ring):
        pen.line(
            oval(50 + share * width, y, r * 0.5, r * 0.5, 150, 330), shade(colour, 0.7 if index % 2 else 1.25), 0.6
        )


def _afro(pen: Pen, width: float, colour: Colour) -> None:
    for x, y, r in ((38, 14, 7), (45, 11.5, 7), (52, 11, 7), (59, 12, 7), (64, 16, 6), (35, 20, 4.5), (65.5, 21, 4)):
        pen.fill(oval(x, y, r, r * 0.9), colour)
    for x, y in ((33, 12), (42, 8), (53, 7), (63, 11), (69, 21), (28, 24), (47, 14), (58, 14.5), (37, 17)):
        pen.line(oval(x, y, 1.6, 1.6, 160, 330), shade(colour, 1.25), 0.6)


def _spiky(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = [(right - 2.4, 25), (right - 1.6, 20), (59, 17), (56.4, 20), (52, 16.4), (48, 20.4), (44.4, 16.6),
                (41, 19.4), (left + 2, 18), (left + 2.4, 25)]  # fmt: skip
    left, right = left - 1.6, right + 1.6
    spikes = [(left + 1, 30), (left - 2.5, 17), (left + 2, 17.5), (left + 0.5, 7.5), (left + 7.5, 11), (43, 2.6),
              (48, 8.6), (54, 1.4), (56.6, 8.6), (64, 3.6), (64, 11), (right + 1.4, 8.6), (right - 1.6, 17),
              (right + 2.4, 18), (right - 1, 30)]  # fmt: skip
    pen.fill([*spikes, *hairline], colour)
    for x in (44, 50, 56):
        pen.line([(x, 14.5), (x + 1, 8.5)], shade(colour, 0.74), 0.6)


def _centre_part(pen: Pen, width: float, colour: Colour, side: float) -> None:
    left = 50 - width
    lock = [(50, 7), (50 - width * 0.75, 10), (left - 3.2, 22), (left - 4, side * 0.6 + 14), (left - 2.5, side),
            (left + 1.2, side - 2), (left + 1, 30), (50 - width * 0.62, 22), (50, 13)]  # fmt: skip
    for curtain in (lock, mirror(lock)):
        pen.fill(smooth(curtain), colour)
    pen.line([(50, 7.6), (50, 13.2)], shade(colour, 0.66), 0.7)
    _shine(pen, width, colour, 8)


def _bob(pen: Pen, width: float, colour: Colour) -> None:
    _centre_part(pen, width, colour, 47)


def _fringe(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    lock = [(50, 7), (left - 3, 20), (left - 4.4, 38), (left - 2.4, 49), (left + 1.6, 46), (left + 1.4, 25),
            (left + 4, 23.6), (50, 24.4)]  # fmt: skip
    pen.fill(smooth(both(lock)), colour)
    for x in (42, 47, 53, 58):
        pen.line([(x, 16), (x + (x - 50) * 0.1, 23)], shade(colour, 0.74), 0.6)
    _shine(pen, width, colour, 7.6)


def _long(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = smooth([(right + 0.5, 36), (right - 2, 25), (56, 19), (45, 14), (50 - width * 0.7, 22),
                       (left + 0.8, 36)], closed=False)  # fmt: skip
    pen.fill(_cap(width, 6.6, 3.2, 40, hairline), colour)
    lock = [(left - 3.4, 34), (left - 5.6, 52), (left - 7, 71), (left - 0.4, 74), (left + 1.6, 60), (left + 0.4, 38)]
    for side in (lock, mirror(lock)):
        pen.fill(smooth(side), colour)
    _shine(pen, width, colour, 8)


def _wavy(pen: Pen, width: float, colour: Colour) -> None:
    left = 50 - width
    _centre_part(pen, width, colour, 44)
    lock = [(left - 3, 30), (left - 7, 41), (left - 4.6, 49), (left - 8.4, 59), (left - 5, 66), (left + 0.6, 61),
            (left - 1.4, 52), (left + 1, 42)]  # fmt: skip
    for side in (lock, mirror(lock)):
        pen.fill(smooth(side), colour)


def _tied(pen: Pen, width: float, colour: Colour) -> None:
    left, right = 50 - width, 50 + width
    hairline = smooth([(right - 0.4, 31), (right - 2.4, 22), (57, 15.6), (50, 14.4), (43, 15.6),
                       (left + 2.4, 22), (left + 0.4, 31)], closed=False)  # fmt: skip
    pen.fill(_cap(width, 8, 1.8, 31, hairline), colour)
    for x in (43, 50, 57):
        pen.line(
            smooth([(x + (x - 50) * 0.5, 15.6), (x, 11.6), (50 + (x - 50) * 0.4, 8.8)], closed=False),
            shade(colour, 0.74),
            0.6,
        )
    _shine(pen, width, colour, 8.6)


def _braids(pen: Pen, width: float, colour: Colour) -> None:
    _centre_part(pen, width, colour, 40)
    for side in (-1, 1):
        for step in range(7):
            x, y = 50 + side * (width + 3.2 + step * 0.35), 42 + step * 5
            pen.fill(oval(x, y, 3.6 - step * 0.12, 3.6), shade(colour, 0.92 if step % 2 else 1.0))
            pen.line([(x - 2.2, y - 1.6), (x + 0.6, y + 1.6)], shade(colour, 0.7), 0.6)
        pen.fill(box(x - 2.6, y + 2.2, x + 2.6, y + 4.2), (250, 208, 66))
        pen.fill([(x - 1.8, y + 4), (x + 1.8, y + 4), (x + 2.6, y + 8.4), (x - 2.6, y + 8.4)], colour)


FRONT: dict[str, Painter] = {
    "covered": _nothing, "bald": _nothing, "receding": _receding, "buzz": _buzz, "side part": _side_part,
    "quiff": _quiff, "curls": _curls, "spiky": _spiky, "afro": _afro, "bob": _bob, "fringe": _fringe, "long": _long,
    "wavy": _wavy, "ponytail": _tied, "bun": _tied, "braids": _braids,
}  # fmt: skip

# Hair that stands up would pierce what covers the crown; under a hat only its lower edge shows.
UNDER_HATS = dict.fromkeys(("side part", "quiff", "curls", "spiky", "afro", "bun"), "buzz")
