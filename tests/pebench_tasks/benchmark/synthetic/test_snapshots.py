"""Public figures in places that are no scene of the benchmark, and never quite the same."""

from random import Random

import pytest
from PIL import Image, ImageChops

from pebench_tasks.benchmark.synthetic.profiles import sample_figures, sample_people
from pebench_tasks.benchmark.synthetic.scenes import draw_scene
from pebench_tasks.benchmark.synthetic.snapshots import CLOSE_UPS, ZOOM, draw_snapshot

ONE, OTHER = (figure.look for figure in sample_figures(2, 0, sample_people(4, 0)))


@pytest.mark.parametrize("size", [32, 64, 200])
def test_a_snapshot_is_as_large_as_asked_for_and_the_same_again(size: int) -> None:
    scenery = draw_scene("red carpet arrival", round(size * ZOOM))
    for seed in range(6):
        picture = draw_snapshot(scenery, ONE, size, Random(seed))
        assert (picture.size, picture.mode) == ((size, size), "RGB")
        assert picture.tobytes() == draw_snapshot(scenery, ONE, size, Random(seed)).tobytes()


def test_no_two_places_are_the_same() -> None:
    scenery = draw_scene("red carpet arrival", round(64 * ZOOM))
    corners = {draw_snapshot(scenery, ONE, 64, Random(seed)).crop((0, 0, 12, 24)).tobytes() for seed in range(60)}
    assert len(corners) >= 55


def differing(seed: int) -> Image.Image:
    """Where pictures of two people in the same place differ: 1-bit, 64 px square."""
    scenery = draw_scene("talk show", round(64 * ZOOM))
    one, other = (draw_snapshot(scenery, look, 64, Random(seed)) for look in (ONE, OTHER))
    return ImageChops.difference(one, other).convert("L").point(bool, "1")


def test_in_the_same_place_another_person_is_another_picture_only_where_they_stand() -> None:
    wide = [seed for seed in range(20) if Random(seed).random() >= CLOSE_UPS]
    for changed in map(differing, wide):
        assert changed.getbbox() is not None
        assert changed.crop((0, 0, 64, 10)).getbbox() is None
        assert changed.crop((0, 0, 8, 64)).getbbox() is None


def test_a_person_fills_more_of_a_close_up() -> None:
    shares: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(40):
        shares[Random(seed).random() < CLOSE_UPS].append(sum(differing(seed).get_flattened_data()) / 255 / 64**2)
    assert 10 < len(shares[True]) < 30
    assert min(shares[True]) > 1.1 * max(shares[False])
