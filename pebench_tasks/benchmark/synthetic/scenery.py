"""Pieces that several scenes share: land and sky, plants, bystanders, city and room furniture.

Every function draws on a `Canvas` in unit coordinates; `y` is where a thing stands, so heights grow upwards from it.
What looks random comes from `random.Random` with a string seed: the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas

BOOKS = ("#b5493b", "#d9a441", "#3f6c8c", "#5d8a5a", "#7a4a6b", "#e3d3b0", "#31465e", "#a8643a")
PARTY = ("#f2545b", "#f9c74f", "#43aa8b", "#4d96d9", "#b56cc9")


# Land and sky
def hills(c: Canvas, y: float, height: float, fill: str, seed: str) -> None:
    """A rolling ridge whose mean height is `y`, filled down to the bottom edge."""
    rng = Random("hills:" + seed)
    waves = [(rng.uniform(0.6, 1.4) * n, rng.uniform(0, math.tau), 1 / n) for n in (1, 2, 4)]
    ridge = []
    for step in range(81):
        x = step / 80
        rise = sum(share * math.sin(math.tau * n * x + phase) for n, phase, share in waves)
        ridge.append((x, y - height * rise / 1.75))
    c.poly([*ridge, (1, 1), (0, 1)], fill)


def peak(c: Canvas, x: float, y: float, width: float, height: float, fill: str, shade: str, snow: str = "") -> None:
    """A mountain with a shaded right flank and, if a colour is given, a snow cap."""
    top = (x, y - height)
    c.poly([(x - width / 2, y), top, (x + width / 2, y)], fill)
    c.poly([top, (x + width / 2, y), (x + width * 0.1, y), (x - width * 0.05, y - height * 0.45)], shade)
    if snow:
        w, h = width * 0.16, height * 0.32
        zigzag = [(x + w, y - height + h), (x + w * 0.45, y - height + h * 0.75), (x + w * 0.1, y - height + h * 1.15)]
        zigzag += [(x - w * 0.4, y - height + h * 0.8), (x - w, y - height + h)]
        c.poly([top, *zigzag], snow)


def cloud(c: Canvas, x: float, y: float, width: float, fill: str = "#ffffffd0") -> None:
    """A flat-bottomed cloud."""
    solid, w = fill[:7], width / 2
    for dx, dy, r in ((-0.5, 0, 0.32), (0, -0.16, 0.46), (0.5, -0.02, 0.34)):
        c.oval(x + dx * w, y + dy * w, r * w, fill=solid)
    c.rect(x - 0.82 * w, y - 0.02 * w, x + 0.84 * w, y + 0.32 * w, solid, radius=0.16 * w)


def speckles(
    c: Canvas, x0: float, y0: float, x1: float, y1: float, n: int, r: float, fills: Sequence[str], seed: str
) -> None:
    """Many small dots in a rectangle: stars, snow, confetti, flowers."""
    rng = Random("speckles:" + seed)
    for _ in range(n):
        c.oval(rng.uniform(x0, x1), rng.uniform(y0, y1), r * rng.uniform(0.5, 1.3), fill=rng.choice(fills))


def blades(c: Canvas, x0: float, x1: float, y: float, height: float, n: int, fill: str, seed: str) -> None:
    """Grass, reeds or ferns: thin leaves that grow up from a line."""
    rng = Random("blades:" + seed)
    for _ in range(n):
        x, h = rng.uniform(x0, x1), height * rng.uniform(0.5, 1.0)
        lean = h * rng.uniform(-0.4, 0.4)
        c.poly([(x - h * 0.05 - 0.002, y), (x + lean, y - h), (x + h * 0.05 + 0.002, y)], fill)


# Plants
def pine(c: Canvas, x: float, y: float, height: float, fill: str, snow: str = "") -> None:
    """A conifer of four tiers, each with snow on it if a colour is given."""
    c.rect(x - height * 0.03, y - height * 0.15, x + height * 0.03, y, "#5b4332")
    for tier in range(4):
        bottom, top = y - height * (0.1 + 0.2 * tier), y - height * (0.46 + 0.18 * tier)
        half = height * (0.27 - 0.05 * tier)
        c.poly([(x - half, bottom), (x, top), (x + half, bottom)], fill)
        if snow:
            c.poly(
                [(x - half * 0.8, bottom - height * 0.03), (x, top), (x + half * 0.35, bottom - height * 0.16)], snow
            )


def tree(c: Canvas, x: float, y: float, height: float, crown: str, light: str, trunk: str = "#6b4a32") -> None:
    """A broad-leaved tree with a lit side."""
    w = height * 0.05
    c.poly([(x - w, y), (x - w * 0.6, y - height * 0.5), (x + w * 0.6, y - height * 0.5), (x + w, y)], trunk)
    for dx, dy, r in ((-0.17, 0.55, 0.19), (0.17, 0.56, 0.18), (0, 0.73, 0.25), (0, 0.55, 0.2)):
        c.oval(x + dx * height, y - dy * height, r * height, fill=crown)
    for dx, dy, r in ((-0.18, 0.62, 0.08), (-0.06, 0.82, 0.11), (0.12, 0.63, 0.06)):
        c.oval(x + dx * height, y - dy * height, r * height, fill=light)


def potted(c: Canvas, x: float, y: float, height: float, leaf: str = "#3f8f5f", pot: str = "#b8704a") -> None:
    """A house plant."""
    for dx in (-0.42, -0.24, 0.0, 0.24, 0.42):
        top = y - height * (1 - abs(dx) * 0.7)
        c.poly(
            [(x - height * 0.07, y - height * 0.3), (x + dx * height, top), (x + height * 0.07, y - height * 0.3)], leaf
        )
    w = height * 0.17
    c.poly([(x - w, y - height * 0.32), (x + w, y - height * 0.32), (x + w * 0.7, y), (x - w * 0.7, y)], pot)


# Bystanders
def person(
    c: Canvas, x: float, y: float, h: float, top: str, legs: str = "#39404f", *, skin: str = "", pose: str = "stand"
) -> None:
    """A small faceless passer-by of height `h`.

    Poses: stand, walk, cheer, reach left, reach right (one arm up), sit (on a seat at 0.3 h).
    """
    rng = Random(f"person:{x:.3f}:{y:.3f}")
    skin = skin or rng.choice(("#e8b996", "#c98d62", "#8d5a3b", "#f0cba8"))
    hair = rng.choice(("#3a2a20", "#20202a", "#7a4e2a", "#a5712f"))
    w = h * 0.11
    if pose == "sit":
        c.line([(x, y - h * 0.3), (x + h * 0.2, y - h * 0.28), (x + h * 0.2, y)], legs, h * 0.09)
    else:
        stride = h * (0.12 if pose == "walk" else 0.05)
        c.line([(x - w * 0.3, y - h * 0.45), (x - stride, y)], legs, h * 0.085)
        c.line([(x + w * 0.3, y - h * 0.45), (x + stride, y)], legs, h * 0.085)
    low = y - h * (0.26 if pose == "sit" else 0.42)
    c.rect(x - w, y - h * 0.82, x + w, low, top, radius=h * 0.08)
    arms = {
        "walk": ((0.16, 0.55), (-0.15, 0.52)),
        "cheer": ((0.2, 1.02), (-0.2, 1.02)),
        "reach left": ((0.14, 0.48), (-0.14, 1.08)),
        "reach right": ((0.14, 1.08), (-0.14, 0.48)),
    }
    for dx, dy in arms.get(pose, ((0.14, 0.48), (-0.14, 0.48))):
        c.line([(x + math.copysign(w * 0.8, dx), y - h * 0.76), (x + dx * h, y - dy * h)], top, h * 0.06)
        c.oval(x + dx * h, y - dy * h, h * 0.032, fill=skin)
    c.oval(x, y - h * 0.92, h * 0.085, h * 0.095, fill=skin)
    c.pie(x, y - h * 0.935, h * 0.095, h * 0.09, 180, 360, hair)


def crowd(
    c: Canvas,
    y: float,
    r: float,
    fill: str,
    seed: str,
    *,
    n: int = 12,
    x0: float = 0.0,
    x1: float = 1.0,
    hands: int = 0,
) -> None:
    """A row of heads and shoulders seen from behind, `hands` of them with an arm up; filled down to the bottom edge."""
    rng = Random("crowd:" + seed)
    for k in range(n):
        x = x0 + (k + 0.5) * (x1 - x0) / n + rng.uniform(-0.3, 0.3) * r
        dy = rng.uniform(-0.4, 0.4) * r
        c.oval(x, y + dy, r * 0.62, r * 0.75, fill=fill)
        c.rect(x - r * 1.15, y + dy + r * 0.75, x + r * 1.15, 1.0, fill, radius=r * 0.7)
        if k < hands or (hands and rng.random() < hands / n):
            side = rng.choice((-1, 1))
            wrist = (x + side * r * rng.uniform(1.2, 1.7), y + dy - r * rng.uniform(1.4, 2.4))
            c.line([(x + side * r, y + dy + r * 1.2), wrist], fill, r * 0.42)
            c.oval(*wrist, r * 0.3, fill=fill)


# City
def skyline(
    c: Canvas,
    y: float,
    low: float,
    high: float,
    fill: str,
    seed: str,
    *,
    lit: str = "",
    x0: float = 0.0,
    x1: float = 1.0,
) -> None:
    """Houses side by side that stand on `y`; `lit` is the colour of their windows."""
    rng = Random("skyline:" + seed)
    x = x0
    while x < x1 - 0.01:
        w = min(rng.uniform(0.06, 0.12), x1 - x)
        top = y - rng.uniform(low, high)
        c.rect(x, top, x + w, y, fill)
        if rng.random() < 0.3:
            c.rect(x + w * 0.45, top - 0.04, x + w * 0.52, top, fill)
        if lit:
            columns = max(1, int(w / 0.022))
            for row in range(int((y - top - 0.02) / 0.035)):
                for column in range(columns):
                    if rng.random() < 0.7:
                        wx, wy = x + (column + 0.3) * w / columns, top + 0.015 + row * 0.035
                        c.rect(wx, wy, wx + 0.45 * w / columns, wy + 0.018, lit)
        x += w


def bicycle(c: Canvas, x: float, y: float, s: float, fill: str, tyre: str = "#26292f") -> None:
    """A bicycle of length `s` in side view, its wheels on `y`."""
    r = s * 0.24
    back, front, hub = (x - s * 0.27, y - r), (x + s * 0.27, y - r), (x - s * 0.03, y - r)
    seat, bar = (x - s * 0.12, y - r * 2.3), (x + s * 0.17, y - r * 2.3)
    for wheel in (back, front):
        c.ring(*wheel, r, fill=tyre, width=s * 0.035)
        c.ring(*wheel, r * 0.82, fill="#ffffff60", width=s * 0.012)
    c.line([back, hub, seat, back], fill, s * 0.035)
    c.line([hub, bar, seat], fill, s * 0.035)
    c.line([front, bar, (bar[0] - s * 0.01, bar[1] - r * 0.45), (bar[0] + s * 0.08, bar[1] - r * 0.5)], fill, s * 0.035)
    c.line([(seat[0] - s * 0.07, seat[1] - r * 0.15), (seat[0] + s * 0.06, seat[1] - r * 0.15)], tyre, s * 0.045)


# Rooms and parties
def bookshelf(
    c: Canvas, x0: float, y0: float, x1: float, y1: float, rows: int, wood: str, back: str, seed: str,
    books: Sequence[str] = BOOKS,
) -> None:  # fmt: skip
    """A bookcase with books of many colours, some leaning."""
    rng = Random("bookshelf:" + seed)
    c.rect(x0, y0, x1, y1, wood)
    step = (y1 - y0) / rows
    for row in range(rows):
        top, bottom = y0 + row * step + 0.01, y0 + (row + 1) * step - 0.008
        c.rect(x0 + 0.01, top, x1 - 0.01, bottom, back)
        x = x0 + 0.013
        while x < x1 - 0.03:
            w, h = rng.uniform(0.012, 0.026), (bottom - top) * rng.uniform(0.65, 0.92)
            fill = rng.choice(books)
            if rng.random() < 0.08:
                c.poly(
                    [(x + 0.012, bottom), (x + 0.03, bottom - h), (x + 0.03 + w, bottom - h), (x + 0.012 + w, bottom)],
                    fill,
                )
                x += 0.036
            else:
                c.rect(x, bottom - h, x + w - 0.002, bottom, fill)
                c.rect(x, bottom - h * 0.8, x + w - 0.002, bottom - h * 0.7, "#ffffff55")
            x += w


def framed(c: Canvas, x0: float, y0: float, x1: float, y1: float, wood: str, fill: str, width: float = 0.012) -> None:
    """A picture, board or screen in its frame."""
    c.rect(x0 + 0.006, y0 + 0.008, x1 + 0.006, y1 + 0.008, "#00000030")
    c.rect(x0, y0, x1, y1, wood)
    c.rect(x0 + width, y0 + width, x1 - width, y1 - width, fill)


def window(
    c: Canvas,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    frame: str,
    *,
    columns: int = 2,
    rows: int = 2,
    width: float = 0.01,
) -> None:
    """The frame and bars of a window: draw the view first, this over it."""
    for column in range(columns + 1):
        x = x0 + (x1 - x0) * column / columns
        c.rect(x - width / 2, y0, x + width / 2, y1, frame)
    for row in range(rows + 1):
        y = y0 + (y1 - y0) * row / rows
        c.rect(x0 - width / 2, y - width / 2, x1 + width / 2, y + width / 2, frame)


def pendant(c: Canvas, x: float, y: float, r: float, shade: str, light: str = "#ffe9b0") -> None:
    """A lamp that hangs from the ceiling, its shade's rim at `y`."""
    c.line([(x, 0), (x, y - r)], "#2b2622", 0.005)
    c.glow(x, y + r * 0.3, r * 3.2, light, 0.75)
    c.pie(x, y, r, r * 1.1, 180, 360, shade)
    c.oval(x, y, r * 0.55, r * 0.2, fill="#fff6d8")


def beam(c: Canvas, x: float, y: float, to_x: float, to_y: float, spread: float, fill: str) -> None:
    """A spotlight's cone; `fill` should be transparent."""
    c.poly([(x - 0.008, y), (x + 0.008, y), (to_x + spread, to_y), (to_x - spread, to_y)], fill)


def boards(c: Canvas, y: float, near: str, far: str, seam: str, n: int = 14) -> None:
    """A floor of boards that run to a vanishing point above the middle of `y`."""
    c.gradient(y, 1.0, far, near)
    for k in range(-n, n + 1):
        c.line([(0.5 + k * 0.06, y), (0.5 + k * 0.16, 1.0)], seam, 0.003)


def bunting(
    c: Canvas, x0: float, y0: float, x1: float, y1: float, sag: float, n: int, fills: Sequence[str] = PARTY
) -> None:
    """A cord of small flags between two points."""

    def at(share: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share + sag * 4 * share * (1 - share)

    c.line([at(k / 20) for k in range(21)], "#5a4a42", 0.004)
    half = abs(x1 - x0) / n * 0.36
    for k in range(n):
        x, y = at((k + 0.5) / n)
        c.poly([(x - half, y), (x + half, y), (x, y + half * 2.1)], fills[k % len(fills)])
