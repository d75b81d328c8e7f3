"""Names beside the points of a plot, so that none covers another: a fixed rule, the same picture for the same points.

Each point in turn takes the first free place: right, left, above, below, across; the same a little further away; then
anywhere in the frame, the nearest first.
"""

from collections.abc import Sequence
from typing import NamedTuple

LETTER = 0.58  # of the font size: the width of a letter, on average and a little generous
LINE = 1.25  # of the font size: the height of a line
LONGEST = 24  # letters; longer names are cut
DISTANCES = (10, 18, 28)  # pixels from the point to the label
GRID = (12, 8)  # pixels between the places further away, across and down
DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (0.8, -0.8), (0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8))
FAR = 20  # pixels; a label further away is joined to its point by a line


class Box(NamedTuple):
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether the two share an area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )  # fmt: skip

    def within(self, other: "Box") -> bool:
        """Whether this one lies inside the other."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )  # fmt: skip


class Label(NamedTuple):
    """Where a name stands: ``x`` is its left end, middle or right end by ``align``, ``y`` its middle."""

    text: str
    x: float
    y: float
    align: str
    joined: tuple[float, float] | None  # where a line from the point ends, if the label is too far away to do without


def place(points: Sequence[tuple[float, float, str]], frame: Box, *, size: float, radius: float) -> list[Label]:
    """A label for every (x, y, name), in pixels, inside ``frame``; ``radius`` is that of the marks.

    Where nothing is free the first place is taken.
    """
    taken = [Box(x - radius, y - radius, x + radius, y + radius) for x, y, _ in points]
    labels = []
    for x, y, name in points:
        text = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
        places = _places(text, x, y, size, frame)
        label, box = next((one for one in places if not any(one[1].overlaps(other) for other in taken)), places[0])
        taken.append(box)
        labels.append(label)
    return labels


def _places(text: str, x: float, y: float, size: float, frame: Box) -> list[tuple[Label, Box]]:
    """Where a label may stand, the best place first; all inside the frame, but for a name that is wider."""
    width, half = LETTER * size * len(text), LINE * size / 2
    wanted = []
    for distance in DISTANCES:
        for across, down in DIRECTIONS:
            align = {1: "left", 0: "center", -1: "right"}[(across > 0) - (across < 0)]
            wanted.append((x + across * distance, y + down * (distance + half / 2), align))
    grid = [
        (frame.left + width / 2 + column * GRID[0], frame.top + half + row * GRID[1], "center")
        for column in range(int((frame.right - frame.left - width) / GRID[0]) + 1)
        for row in range(int((frame.bottom - frame.top - 2 * half) / GRID[1]) + 1)
    ]
    wanted += sorted(grid, key=lambda place: (max(abs(place[0] - x) - width / 2, 0) + abs(place[1] - y), place))
    found = []
    for at_x, at_y, align in wanted:
        left = {"left": at_x, "center": at_x - width / 2, "right": at_x - width}[align]
        box = Box(left, at_y - half, left + width, at_y + half)
        near = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
        far = abs(near[0] - x) + abs(near[1] - y) > FAR
        found.append((Label(text, at_x, at_y, align, near if far else None), box))
    return [one for one in found if one[1].within(frame)] or found
