"""The pixels of an encoded image as a viewer shows them: what every model is trained on and asked about."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageFile, ImageOps

MOST_OBLONG = 200  # times as long as wide; Qwen2-VL's image processor refuses more
LEAST_SIDE = 4  # pixels; of an array of 1 or 3 rows an image processor cannot tell rows from colours
UNDECODED = "an image that cannot be decoded"


_TOLD = threading.RLock()


def as_seen(content: bytes) -> Image.Image:
    """The RGB image in these bytes: upright, on white where it is transparent, 16 bits a pixel reduced to 8."""
    with Image.open(io.BytesIO(content)) as stored:
        image = ImageOps.exif_transpose(stored)
        if image.mode.startswith("I;16"):  # Pillow would cut off what is brighter than 255
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


@contextmanager
def truncation_refused() -> Iterator[None]:
    """Let Pillow refuse what is cut off, also in a process of lmms-eval, which tells it to fill up with grey.

    One thread at a time: what it is told holds for all.
    """
    with _TOLD:
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def why_unusable(content: bytes) -> str:
    """Why these bytes are no image for a benchmark; empty where they are one, whole if ``truncation_refused``."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, (width, height) = image.mode, image.size
        as_seen(content)
    except Exception:  # Pillow's errors on broken files are of many kinds
        return UNDECODED
    if mode in ("I", "F"):
        return "an image of 32 bits a pixel, whose white the file does not say"
    if min(width, height) < LEAST_SIDE or max(width, height) > MOST_OBLONG * min(width, height):
        return "an image too narrow for an image processor"
    return ""
