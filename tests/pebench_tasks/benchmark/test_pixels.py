"""Images as a viewer shows them; pixels by hand."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pebench_tasks.benchmark.pixels import UNDECODED, as_seen, truncation_refused, why_unusable

Colour = tuple[int, int, int]
WHITE, RED = (255, 255, 255), (255, 0, 0)


def stored(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rgb_of_16_bits(colour: Colour, size: int = 8) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + struct.pack(">3H", *colour) * size) * size
    head = struct.pack(">IIBBBBB", size, size, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def grey_of_16_bits(value: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), value, np.uint16))


def palette(colour: Colour) -> Image.Image:
    image = Image.new("P", (8, 8))
    image.putpalette(colour)
    return image


SEEN: dict[str, tuple[bytes, Colour]] = {
    "grey of 16 bits": (stored(grey_of_16_bits(0x8000)), (128, 128, 128)),
    "grey of 16 bits, TIFF": (stored(grey_of_16_bits(0x40FF), "TIFF"), (64, 64, 64)),
    "RGB of 16 bits": (rgb_of_16_bits((65535, 0x8000, 0x40FF)), (255, 128, 64)),
    "red under no opacity": (stored(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), WHITE),
    "red half seen": (stored(Image.new("RGBA", (8, 8), (255, 0, 0, 128))), (255, 127, 127)),
    "red wholly seen": (stored(Image.new("RGBA", (8, 8), (255, 0, 0, 255))), RED),
    "WebP without opacity": (
        stored(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "WEBP", lossless=True, exact=True),
        WHITE,
    ),
    "grey without opacity": (stored(Image.new("LA", (8, 8), (10, 0))), WHITE),
    "a palette's transparent colour": (stored(palette(RED), transparency=0), WHITE),
    "a GIF's transparent colour": (stored(palette(RED), "GIF", transparency=0), WHITE),
    "a palette": (stored(palette(RED)), RED),
    "a transparent grey": (stored(Image.new("L", (8, 8), 7), transparency=7), WHITE),
    "CMYK": (stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), RED),
    "CMYK, JPEG": (stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), (254, 0, 0)),
    "black and white": (stored(Image.new("1", (8, 8), 1)), WHITE),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_model_sees_what_a_viewer_shows(name: str) -> None:
    content, colour = SEEN[name]
    assert why_unusable(content) == ""
    seen = as_seen(content)
    assert (seen.mode, seen.size) == ("RGB", (8, 8))
    assert np.abs(np.asarray(seen).astype(int) - colour).max() <= 1


def test_a_photograph_taken_sideways_stands_upright() -> None:
    """Orientation 6: the first row of what is stored is the right edge of what is shown."""
    image = Image.new("RGB", (8, 4))
    image.paste(RED, (0, 0, 8, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = as_seen(stored(image, exif=exif))
    assert seen.size == (4, 8)
    assert [seen.getpixel((x, 4)) for x in range(4)] == [(0, 0, 0)] * 3 + [RED]


def test_plain_pixels_stay_to_the_last_bit() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(as_seen(stored(Image.fromarray(pixels)))), pixels)
    opaque = np.dstack([pixels, np.full((9, 7), 255, np.uint8)])
    assert np.array_equal(np.asarray(as_seen(stored(Image.fromarray(opaque)))), pixels)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (stored(Image.new("F", (8, 8), 0.5), "TIFF"), "whose white the file does not say"),
        (stored(Image.new("I", (8, 8), 1 << 20), "TIFF"), "whose white the file does not say"),
        (stored(Image.new("RGB", (700, 3))), "too narrow"),
        (stored(Image.new("RGB", (1, 1))), "too narrow"),
        (stored(Image.new("RGB", (1000, 4))), "too narrow"),
        (stored(Image.new("RGB", (64, 64), RED), "JPEG")[:-80], UNDECODED),
        (stored(Image.effect_noise((64, 64), 50))[:1000], UNDECODED),
        (b"", UNDECODED),
        (b"GIF89a", UNDECODED),
    ],
)  # fmt: skip
def test_what_no_model_can_be_shown_is_said(content: bytes, why: str) -> None:
    with truncation_refused():
        assert why in why_unusable(content)
