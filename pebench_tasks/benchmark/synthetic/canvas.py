"""A square picture drawn in unit coordinates: (0, 0) is the top left corner, (1, 1) the bottom right one.

Drawn larger than asked for and averaged down, so that edges are smooth at 64 px as well as at 512 px. Colours are
"#rrggbb" or "#rrggbbaa"; what is drawn later lies in front.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw

Point = tuple[float, float]


class Canvas:
    """The drawing surface of one scene of `size` x `size` pixels."""

    def __init__(self, size: int) -> None:
        self.factor = 2 if size >= 256 else 3 if size >= 128 else 4
        self.side = size * self.factor
        self.image = Image.new("RGB", (self.side, self.side))
        self._draw = ImageDraw.Draw(self.image, "RGBA")  # this mode blends transparent fills

    def finished(self) -> Image.Image:
        """The picture at the size asked for."""
        return self.image.reduce(self.factor)

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
        return (round(x0 * self.side), round(y0 * self.side), round(x1 * self.side) - 1, round(y1 * self.side) - 1)

    def _width(self, width: float) -> int:
        return max(1, round(width * self.side))

    def gradient(self, y0: float, y1: float, *colours: str, x0: float = 0.0, x1: float = 1.0) -> None:
        """Fill a rectangle with evenly spaced colours that blend from top to bottom."""
        left, top, right, bottom = self._box(x0, y0, x1, y1)
        stops = [ImageColor.getrgb(colour)[:3] for colour in colours]
        rows = max(2, bottom - top + 1)
        column = Image.new("RGB", (1, rows))
        for row in range(rows):
            place = row / (rows - 1) * (len(stops) - 1)
            below = min(int(place), len(stops) - 2)
            share = place - below
            first, second = stops[below], stops[below + 1]
            column.putpixel((0, row), tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True)))
        self.image.paste(column.resize((right - left + 1, rows)), (left, top))

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: str, radius: float = 0.0) -> None:
        """A rectangle between two corners, with rounded corners if asked for."""
        box = self._box(x0, y0, x1, y1)
        if box[2] < box[0] or box[3] < box[1]:  # thinner than a pixel
            box = (box[0], box[1], max(box[0], box[2]), max(box[1], box[3]))
        self._draw.rounded_rectangle(box, round(radius * self.side), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, *, fill: str) -> None:
        """An ellipse round its centre; a circle if one radius is given."""
        ry = rx if ry is None else ry
        self._draw.ellipse([v * self.side for v in (x - rx, y - ry, x + rx, y + ry)], fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float | None = None, *, fill: str, width: float = 0.006) -> None:
        """The outline of an ellipse, drawn inwards."""
        ry = rx if ry is None else ry
        box = [v * self.side for v in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.ellipse(box, outline=fill, width=self._width(width))

    def pie(self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: str) -> None:
        """A slice of an ellipse; degrees clockwise from three o'clock, so 180 to 360 is the upper half."""
        self._draw.pieslice([v * self.side for v in (x - rx, y - ry, x + rx, y + ry)], start, end, fill=fill)

    def arc(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: str, width: float = 0.006
    ) -> None:
        """A part of an ellipse's outline; degrees as in `pie`."""
        box = [v * self.side for v in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.arc(box, start, end, fill=fill, width=self._width(width))

    def poly(self, points: Sequence[Point], fill: str) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], fill: str, width: float = 0.006) -> None:
        """A stroke through points, joined smoothly."""
        pixels = [(x * self.side, y * self.side) for x, y in points]
        self._draw.line(pixels, fill=fill, width=self._width(width), joint="curve")

    def glow(self, x: float, y: float, radius: float, fill: str, strength: float = 1.0) -> None:
        """Light that is strongest at its centre and gone at `radius`."""
        side = max(2, round(2 * radius * self.side))
        # Pillow's gradient is 0 at the centre and 181 at the middle of each edge.
        fade = Image.radial_gradient("L")
        fade = fade.point([round(max(0.0, 1 - value / 180) ** 1.6 * 255 * strength) for value in range(256)])
        corner = (round((x - radius) * self.side), round((y - radius) * self.side))
        self.image.paste(
            ImageColor.getrgb(fill)[:3], (*corner, corner[0] + side, corner[1] + side), fade.resize((side, side))
        )
