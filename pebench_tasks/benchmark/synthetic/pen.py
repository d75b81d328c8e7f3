"""A pen that fills and shades smooth shapes given in hundredths of the picture."""

import math
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` darkened (`factor` < 1) towards black or lightened (`factor` > 1, at most 2) towards white."""
    if factor <= 1:
        red, green, blue = (round(value * factor) for value in colour)
    else:
        red, green, blue = (round(value + (255 - value) * (factor - 1)) for value in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour that lies `share` of the way from `first` to `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def oval(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360) -> list[Point]:
    """Points along an ellipse from `start` to `stop` degrees, clockwise on the page from three o'clock."""
    steps = max(6, int(abs(stop - start) / 8))
    angles = (math.radians(start + (stop - start) * step / steps) for step in range(steps + 1))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """The four corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def mirror(points: Sequence[Point]) -> list[Point]:
    """The points reflected at the middle of the picture, x = 50."""
    return [(100 - x, y) for x, y in points]


def both(points: Sequence[Point]) -> list[Point]:
    """A closed outline from its left half, given from top to bottom."""
    # A point on the axis is its own mirror image; twice in a row it would bend the curve into a knob.
    return [*points, *(point for point in reversed(mirror(points)) if point[0] != 50)]


def smooth(points: Sequence[Point], closed: bool = True) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(max(index + shift, 0), count - 1)] for shift in (-1, 0, 1, 2))
        for step in range(8):
            t = step / 8
            curve.append(
                (
                    _catmull_rom(a[0], b[0], c[0], d[0], t),
                    _catmull_rom(a[1], b[1], c[1], d[1], t),
                )
            )
    return curve if closed else [*curve, points[-1]]


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)


class Pen:
    """Draws on a transparent square; coordinates run from 0 to 100, whatever the size in pixels.

    Colour and transparency are kept apart: `fill` and `line` make their shape opaque, `tint` only colours what is
    opaque already, so that shading never spills over an outline.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self.unit = pixels / 100
        self.colours = Image.new("RGB", (pixels, pixels))
        self.opaque = Image.new("L", (pixels, pixels))
        self._colour_draw = ImageDraw.Draw(self.colours)
        self._opaque_draw = ImageDraw.Draw(self.opaque)
        self.turn(0, (50, 50))

    def turn(self, degrees: float, pivot: Point) -> None:
        """Rotate everything drawn from now on by `degrees` (clockwise) about `pivot`."""
        self._cos, self._sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        self._pivot = pivot

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill the outline with an opaque colour."""
        pixels = self._place(points)
        self._colour_draw.polygon(pixels, fill=colour)
        self._opaque_draw.polygon(pixels, fill=255)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw an opaque line with round ends."""
        pixels, thick = self._place(points), max(1, round(width * self.unit))
        for draw, ink in ((self._colour_draw, colour), (self._opaque_draw, 255)):
            draw.line(pixels, fill=ink, width=thick, joint="curve")
            for x, y in (pixels[0], pixels[-1]):
                draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=ink)

    def tint(
        self, points: Sequence[Point], colour: Colour, opacity: float = 1, inside: Sequence[Point] | None = None
    ) -> None:
        """Blend a colour into the part of the outline that is opaque already and lies in the outline `inside`."""
        pixels = self._place(points)
        left, top = (max(0, math.floor(min(pixel[axis] for pixel in pixels))) for axis in (0, 1))
        right, bottom = (min(self.pixels, math.ceil(max(pixel[axis] for pixel in pixels)) + 1) for axis in (0, 1))
        if right <= left or bottom <= top:
            return
        area = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(area).polygon([(x - left, y - top) for x, y in pixels], fill=round(255 * opacity))
        area = ImageChops.multiply(area, self.opaque.crop((left, top, right, bottom)))
        if inside is not None:
            limits = Image.new("L", area.size)
            ImageDraw.Draw(limits).polygon([(x - left, y - top) for x, y in self._place(inside)], fill=255)
            area = ImageChops.multiply(area, limits)
        self.colours.paste(colour, (left, top), area)

    def sprite(self, size: int) -> Image.Image:
        """What was drawn, `size` px square, RGBA."""
        whole = self.colours.convert("RGBA")
        whole.putalpha(self.opaque)
        return whole.resize((size, size), Image.Resampling.BOX)

    def _place(self, points: Sequence[Point]) -> list[Point]:
        (px, py), unit, cos, sin = self._pivot, self.unit, self._cos, self._sin
        return [
            ((px + (x - px) * cos - (y - py) * sin) * unit, (py + (x - px) * sin + (y - py) * cos) * unit)
            for x, y in points
        ]
