"""Each change of an image, by its own measure."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from pebench_tasks.attacks import QUESTION_ATTACKS
from pebench_tasks.attacks.image_changes import CHANGES, changed, written
from pebench_tasks.benchmark.reading import Benchmark


@pytest.fixture
def image(benchmark: Benchmark) -> Image.Image:
    return benchmark.image("p000/e00")


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


def change(name: str, image: Image.Image, key: str = "p000/e00") -> Image.Image:
    return changed(image, {"image": key, "change": name})


def test_every_change_is_an_attack() -> None:
    assert {f"image_{name}" for name in CHANGES} <= QUESTION_ATTACKS.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_alters_the_pixels_keeps_the_size_and_is_the_same_every_time(name: str, image: Image.Image) -> None:
    before = array(image).copy()
    found = change(name, image)
    assert (found.size, found.mode) == (image.size, "RGB")
    assert not np.array_equal(array(found), before)
    assert np.array_equal(array(found), array(change(name, image)))
    assert np.array_equal(array(image), before)


@pytest.mark.parametrize("name", ["noise", "occlusion"])
def test_what_is_random_differs_from_image_to_image(name: str, image: Image.Image) -> None:
    assert not np.array_equal(array(change(name, image)), array(change(name, image, "p000/e01")))


def test_no_change_is_the_image_itself(image: Image.Image) -> None:
    assert changed(image, {"image": "p000/e00", "change": ""}) is image


def test_noise_has_a_fiftieth_of_the_range_as_its_spread() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    assert (array(change("noise", grey)) - 128).std() == pytest.approx(0.02 * 255, rel=0.02)


def test_brightness_is_eighty_five_percent() -> None:
    assert change("brightness", Image.new("RGB", (4, 4), (200, 100, 40))).getpixel((0, 0)) == (170, 85, 34)


def test_contrast_goes_fifteen_percent_of_the_way_to_the_mean() -> None:
    halves = Image.new("RGB", (2, 1), (50, 50, 50))
    halves.putpixel((1, 0), (150, 150, 150))  # the mean is 100
    found = change("contrast", halves)
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(57, 57, 57), (142, 142, 142)]


def test_a_crop_keeps_the_middle() -> None:
    framed = ImageOps.expand(Image.new("RGB", (90, 90), "white"), 5, "black")
    assert array(change("crop", framed)).min() > 200


def test_a_flip_exchanges_left_and_right(image: Image.Image) -> None:
    assert np.array_equal(array(change("flip", image)), array(image)[:, ::-1])


def test_occlusion_covers_eighteen_percent_with_the_mean() -> None:
    halves = Image.new("RGB", (100, 100), "white")
    halves.paste((0, 0, 0), (0, 0, 50, 100))
    covered = (array(change("occlusion", halves)) == 128).all(axis=-1)
    assert covered.mean() == pytest.approx(0.18, abs=0.01)


def test_a_question_is_written_below_the_picture_which_stays_as_it_is(image: Image.Image) -> None:
    found = changed(image, {"image": "p000/e00", "change": "written", "written": "Who is the person in this image?"})
    assert found.width == image.width
    assert found.height > image.height
    assert np.array_equal(array(found)[: image.height], array(image))
    below = array(found)[image.height :]
    assert below.min() < 100 < 250 < below.max()


def test_a_long_question_takes_more_lines(image: Image.Image) -> None:
    assert written(image, "Who is the person in this image?").height > written(image, "Who?").height
