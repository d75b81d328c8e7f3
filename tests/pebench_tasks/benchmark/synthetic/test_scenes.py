"""The scenes: one for every event, the same every time, and none like another."""

import hashlib
import os
import subprocess
import sys
from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageStat

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.events import EVENTS, STAND_INS
from pebench_tasks.benchmark.synthetic.scenes import SCENES, draw_scene


@pytest.fixture(scope="module")
def thumbnails() -> dict[str, Image.Image]:
    return {name: draw_scene(name, 64) for name in SCENES}


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean absolute difference of two pictures over pixels and channels, 0-255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def round_the_person(picture: Image.Image) -> Image.Image:
    """The picture with the box that a person covers painted over: the lower 75 % of the middle 45 %."""
    size = picture.width
    covered = picture.copy()
    covered.paste("grey", (round(0.275 * size), round(0.25 * size), round(0.725 * size), size))
    return covered


def test_every_event_and_stand_in_has_a_scene() -> None:
    assert list(SCENES) == [event.name for event in (*EVENTS, *STAND_INS)]


@pytest.mark.parametrize("size", [64, 160, 272])
def test_a_scene_has_the_size_asked_for(size: int) -> None:
    picture = draw_scene("museum tour", size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no scene is called 'moon walk'.*beach relaxing.*magazine shoot"):
        draw_scene("moon walk", 64)


def test_a_scene_is_drawn_the_same_every_time(thumbnails: dict[str, Image.Image]) -> None:
    for name, picture in thumbnails.items():
        assert draw_scene(name, 64).tobytes() == picture.tobytes(), name


def test_a_scene_does_not_depend_on_the_hash_seed(thumbnails: dict[str, Image.Image]) -> None:
    program = (
        "import hashlib; from pebench_tasks.benchmark.synthetic.scenes import SCENES, draw_scene; "
        "print(hashlib.sha256(b''.join(draw_scene(name, 64).tobytes() for name in SCENES)).hexdigest())"
    )
    here = hashlib.sha256(b"".join(picture.tobytes() for picture in thumbnails.values())).hexdigest()
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    assert subprocess.check_output([sys.executable, "-c", program], env=env, text=True).strip() == here


@pytest.mark.parametrize("name", SCENES)
def test_every_pixel_is_painted(name: str, thumbnails: dict[str, Image.Image]) -> None:
    canvas = Canvas(64)
    canvas.image.paste("white", (0, 0, canvas.side, canvas.side))  # a canvas is black before it is drawn on
    SCENES[name](canvas)
    assert canvas.finished().tobytes() == thumbnails[name].tobytes()


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_the_same_place_at_every_size(name: str, thumbnails: dict[str, Image.Image]) -> None:
    # Measured: 3.9 at most; the closest two scenes are 44 apart.
    assert distance(draw_scene(name, 256).reduce(4), thumbnails[name]) < 6


def test_any_two_scenes_look_different(thumbnails: dict[str, Image.Image]) -> None:
    pairs = {pair: distance(thumbnails[pair[0]], thumbnails[pair[1]]) for pair in combinations(SCENES, 2)}
    closest = min(pairs, key=lambda pair: pairs[pair])
    assert pairs[closest] > 40, f"{closest}: {pairs[closest]:.1f}"  # measured: 44


def test_any_two_scenes_look_different_round_the_person(thumbnails: dict[str, Image.Image]) -> None:
    seen = {name: round_the_person(picture) for name, picture in thumbnails.items()}
    pairs = {pair: distance(seen[pair[0]], seen[pair[1]]) for pair in combinations(SCENES, 2)}
    closest = min(pairs, key=lambda pair: pairs[pair])
    assert pairs[closest] > 27, f"{closest}: {pairs[closest]:.1f}"  # measured: 30


def test_the_ten_scenes_of_the_demo_differ_most(thumbnails: dict[str, Image.Image]) -> None:
    first = [event.name for event in EVENTS[:10]]
    assert (
        min(distance(thumbnails[one], thumbnails[other]) for one, other in combinations(first, 2)) > 55
    )  # measured: 58
