"""The evaluation's question about an image that was changed a little, and with the question written into it.

Recipe, each change by itself, the size kept: noise of sigma 0.02 of the range; brightness, and contrast, times 0.85;
scaling to 0.85 and back; the middle 0.90 of either side, scaled back; Gaussian blur of radius 2 (pixels); mirrored;
18 % of the area covered with the mean colour. The values are those of Open-MMUnlearning (MIT); mirroring is ours.
``typographic``: the question stands under the picture, as in FigStep (arXiv 2311.05608), whose request is an image of
text; the layout is ours. What is random is drawn from the image's key. One question an image and change.
"""

from collections.abc import Callable, Iterator
from math import sqrt
from random import Random

import numpy as np
import pebench_templates
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps, ImageStat

from pebench_tasks.attacks.asking import Attack, Material, Part, Question, Subject, picture, user, words

Picture = Image.Image
SIGMA, LESS, MIDDLE, RADIUS, COVERED = 0.02, 0.85, 0.90, 2, 0.18
LETTERS = 1 / 16  # height of the written question's letters, of the picture's height
SMALLEST = 8  # pixels


def asking(change: str) -> Attack:
    """The attack with one of ``CHANGES``."""

    def ask(material: Material, subject: Subject) -> Iterator[Question]:
        turns = [user(picture(subject.image, change), words(material.question()))]
        yield material.asks(turns, subject)

    return ask


def ask_in_writing(material: Material, subject: Subject) -> Iterator[Question]:
    """The question stands in the image; the words only say so."""
    text = pebench_templates.render("attack_typographic", phrasing=0)
    turns = [user(picture(subject.image, "written", written=material.question()), words(text))]
    yield material.asks(turns, subject)


def changed(image: Picture, part: Part) -> Picture:
    """The image of a turn's part as it is to be shown; KeyError for an unknown change."""
    if part["change"] == "written":
        return written(image, part["written"])
    return CHANGES[part["change"]](image, part["image"]) if part["change"] else image


def noise(image: Picture, key: str) -> Picture:
    """Normal noise on every channel of every pixel."""
    values = np.asarray(image, dtype=np.float32)  # (height, width, 3)
    seed = Random(f"pebench/noise/{key}").getrandbits(32)
    noisy = values + np.random.default_rng(seed).normal(0, 255 * SIGMA, values.shape)
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def brightness(image: Picture, key: str) -> Picture:
    """Darker."""
    return ImageEnhance.Brightness(image).enhance(LESS)


def contrast(image: Picture, key: str) -> Picture:
    """Nearer to the mean grey."""
    return ImageEnhance.Contrast(image).enhance(LESS)


def scale(image: Picture, key: str) -> Picture:
    """Smaller, and as large as before."""
    smaller = image.resize((max(1, round(LESS * image.width)), max(1, round(LESS * image.height))))
    return smaller.resize(image.size)


def crop(image: Picture, key: str) -> Picture:
    """The middle, as large as the whole was."""
    left, top = (1 - MIDDLE) / 2 * image.width, (1 - MIDDLE) / 2 * image.height
    return image.resize(image.size, box=(left, top, image.width - left, image.height - top))


def blur(image: Picture, key: str) -> Picture:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(RADIUS))


def flip(image: Picture, key: str) -> Picture:
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def occlusion(image: Picture, key: str) -> Picture:
    """A rectangle of the picture's own shape in its mean colour, somewhere."""
    width, height = (round(sqrt(COVERED) * length) for length in image.size)
    random = Random(f"pebench/occlusion/{key}")
    left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
    covered = image.copy()
    mean = tuple(round(value) for value in ImageStat.Stat(image).mean)
    covered.paste(mean, (left, top, left + width, top + height))
    return covered


CHANGES: dict[str, Callable[[Picture, str], Picture]] = {
    "noise": noise,
    "brightness": brightness,
    "contrast": contrast,
    "scale": scale,
    "crop": crop,
    "blur": blur,
    "flip": flip,
    "occlusion": occlusion,
}


def written(image: Picture, text: str) -> Picture:
    """The picture with a text under it, black on white, in as many lines as it needs."""
    size = max(SMALLEST, round(LETTERS * image.height))
    font = ImageFont.load_default(size)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > image.width:
            lines.append(word)
        else:
            lines[-1] = longer
    height = round(1.4 * size)
    sheet = Image.new("RGB", (image.width, image.height + height * len(lines)), "white")
    sheet.paste(image)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((0, image.height + number * height), line, fill="black", font=font)
    return sheet
