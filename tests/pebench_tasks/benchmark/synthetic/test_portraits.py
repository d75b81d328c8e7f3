import random
from itertools import combinations, product

import numpy as np
import pytest
from PIL import Image

from pebench_tasks.benchmark.synthetic import looks
from pebench_tasks.benchmark.synthetic.casting import sample_looks
from pebench_tasks.benchmark.synthetic.clothes import ACCESSORIES, NECKLINES, PATTERNS
from pebench_tasks.benchmark.synthetic.compose import compose
from pebench_tasks.benchmark.synthetic.hair import BACK, FRONT
from pebench_tasks.benchmark.synthetic.headwear import GLASSES, HEADWEAR
from pebench_tasks.benchmark.synthetic.likeness import signature
from pebench_tasks.benchmark.synthetic.looks import Look, visible_differences
from pebench_tasks.benchmark.synthetic.portraits import POSES, Pose, draw_person
from pebench_tasks.benchmark.synthetic.profiles import sample_figures, sample_people

GROUND = (200, 215, 225)


def on_plain_ground(look: Look, pose: Pose) -> np.ndarray:
    """One person on one colour, (64, 64, 3)."""
    picture = Image.new("RGB", (64, 64), GROUND)
    sprite = draw_person(look, 64, pose=pose)
    picture.paste(sprite, (0, 0), sprite)
    return np.asarray(picture).astype(np.int16)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def registered_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The distance after the shift of up to 4 px that fits best: where a person stands is not how they look."""
    return min(
        distance(first[4:-4, 4:-4], np.roll(second, shift, (0, 1))[4:-4, 4:-4])
        for shift in product(range(-4, 5), repeat=2)
    )


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_two_drawings_of_a_person_differ_by_less_than_half_the_distance_to_the_nearest_other(count: int) -> None:
    people = sample_people(count, seed=0)
    # Two poses of everybody; with 20 people all of them.
    poses = POSES if count == 20 else POSES[:2]
    drawn = np.array([[on_plain_ground(person.look, pose).ravel() for pose in poses] for person in people])
    for index, own in enumerate(drawn):
        same = max(distance(a, b) for a, b in combinations(own, 2))
        apart = np.abs(drawn[:, 1] - own[0]).sum(1, dtype=np.int64) / own[0].size
        assert same < np.delete(apart, index).min() / 2, people[index].id


def test_a_person_is_recognised_wherever_they_stand_in_a_picture() -> None:
    people = sample_people(10, seed=0)
    scene = Image.new("RGB", (68, 68), GROUND)
    drawn = [
        [
            np.asarray(compose(scene, person.look, 64, random.Random(f"{person.id}/{k}"))).astype(np.int16)
            for k in (0, 1)
        ]
        for person in people
    ]
    for index, own in enumerate(drawn):
        same = registered_distance(*own)
        nearest = min(registered_distance(own[0], other[1]) for other in drawn if other is not own)
        assert same < nearest / 2, people[index].id


def test_any_two_people_differ_in_four_visible_attributes() -> None:
    people = sample_people(120, seed=0)
    people += sample_figures(12, 0, people)
    assert min(visible_differences(a.look, b.look) for a, b in combinations(people, 2)) >= 4


def test_every_option_of_every_attribute_can_be_drawn() -> None:
    assert set(FRONT) == set(BACK) == set(looks.HAIR_STYLES)
    assert set(HEADWEAR) == set(looks.HEADWEAR)
    assert set(GLASSES) == set(looks.GLASSES)
    assert set(PATTERNS) == set(looks.PATTERNS)
    assert set(NECKLINES) == set(looks.NECKLINES)
    assert set(ACCESSORIES) == set(looks.ACCESSORIES)


def test_the_same_look_gives_the_same_bytes() -> None:
    look = sample_looks([(30, "female")], seed=1)[0]
    assert draw_person(look, 64, pose=POSES[0]).tobytes() == draw_person(look, 64, pose=POSES[0]).tobytes()


def test_a_portrait_is_cut_off_by_the_lower_edge_and_free_elsewhere() -> None:
    for person in sample_people(20, seed=0):
        alpha = np.asarray(draw_person(person.look, 100, pose=POSES[0]).getchannel("A"))
        assert alpha[-1].any(), person.id
        assert not alpha[:, 0].any(), person.id
        assert not alpha[:, -1].any(), person.id


def test_old_people_have_grey_or_white_hair_and_children_no_beard() -> None:
    old = sample_looks([(75, "male")] * 10, seed=0)
    young = sample_looks([(9, "male")] * 10, seed=0)
    assert {look.hair_colour for look in old} <= {"grey", "white"}
    assert {look.beard for look in young} == {"none"}


def test_looks_keep_away_from_the_looks_to_avoid() -> None:
    taken = sample_looks([(30, "female")] * 20, seed=0)
    apart = sample_looks([(30, "female")] * 5, seed=0, avoid=taken)
    assert min(np.abs(signature(a) - signature(b)).sum() for a in apart for b in taken) > 0
    # Without `avoid` the same seed draws the very same looks again.
    assert sample_looks([(30, "female")] * 5, seed=0) == taken[:5]


def test_a_picture_is_the_scene_with_the_person_in_front() -> None:
    look = sample_looks([(30, "female")], seed=1)[0]
    scene = Image.new("RGB", (68, 68), GROUND)
    picture = compose(scene, look, 64, random.Random("a"))
    assert (picture.mode, picture.size) == ("RGB", (64, 64))
    assert picture.getpixel((1, 1)) == GROUND
    assert picture.getpixel((32, 62)) != GROUND
    assert scene.getcolors() == [(68 * 68, GROUND)]
    assert picture.tobytes() == compose(scene, look, 64, random.Random("a")).tobytes()


def test_a_scene_smaller_than_the_picture_is_refused() -> None:
    look = sample_looks([(30, "female")], seed=1)[0]
    with pytest.raises(ValueError, match="draw it at 64 px or more"):
        compose(Image.new("RGB", (60, 68)), look, 64, random.Random("a"))
