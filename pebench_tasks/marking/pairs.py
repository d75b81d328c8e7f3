"""One question in two forms, with the image and in text alone: in which of them a model shows the knowledge.

After UMU-Bench's accounting: with a and b the shares that are known of the image and in text,

    leak = (a^2 + b^2) / (a + b)      retain = 2 a b / (a + b)

The first, the mean weighted by itself, is near the larger one: what either form still gives away counts. The second,
the harmonic mean, is near the smaller one: what must stay has to be there in both.
"""

from collections.abc import Iterable
from typing import NamedTuple

KNOWS = 0.5  # known, 0-1, from which on a question counts as answered


class Pairs(NamedTuple):
    """How many pairs are known in which form, and the two figures, 0-1."""

    both: int
    image_only: int
    text_only: int
    neither: int
    leak: float
    retain: float


def account(pairs: Iterable[tuple[float, float]]) -> Pairs:
    """Pairs of ``known`` (0-1): of the image, in text alone. Both figures are 0 where nothing is known at all.

    ValueError without any pair.
    """
    found = [(image >= KNOWS, text >= KNOWS) for image, text in pairs]
    if not found:
        raise ValueError("no pairs: there is nothing to account for")
    a, b = sum(image for image, _ in found) / len(found), sum(text for _, text in found) / len(found)
    whole = a + b
    return Pairs(
        both=found.count((True, True)),
        image_only=found.count((True, False)),
        text_only=found.count((False, True)),
        neither=found.count((False, False)),
        leak=(a * a + b * b) / whole if whole else 0.0,
        retain=2 * a * b / whole if whole else 0.0,
    )
