import random
from collections import Counter

import numpy as np
import pytest

from pebench_tasks.benchmark.synthetic.objects import (
    KINDS,
    PAIR_WEIGHTS,
    SPLITS,
    draw_objects,
    frequency,
    plan_world,
    plan_world_pretrain,
    together,
)


def test_half_of_every_split_is_yes() -> None:
    questions = plan_world(500, seed=0)
    assert Counter((question.split, question.truth) for question in questions) == {
        (split, truth): 250 for split in SPLITS for truth in ("yes", "no")
    }


def test_the_truth_says_whether_the_object_is_there() -> None:
    for question in plan_world(100, seed=0) + plan_world_pretrain(50, seed=0):
        assert (question.object in question.kinds) == (question.truth == "yes")
        assert len(set(question.kinds)) == 2


def test_a_picture_and_an_object_name_one_question() -> None:
    questions = plan_world(100, seed=0)
    assert len({(question.image, question.object) for question in questions}) == len(questions)
    assert {question.image for question in questions} == set(range(150))


def test_popular_asks_for_the_most_frequent_absent_kind() -> None:
    assert {kind: frequency(kind) for kind in KINDS} == {"ball": 12, "house": 10, "tree": 9, "star": 13}
    for question in plan_world(200, seed=0):
        if question.split == "popular" and question.truth == "no":
            assert frequency(question.object) == max(frequency(kind) for kind in KINDS if kind not in question.kinds)


def test_adversarial_asks_for_the_usual_companion_of_the_object_of_the_yes_question() -> None:
    questions = [question for question in plan_world(200, seed=0) if question.split == "adversarial"]
    for yes, no in zip(questions[::2], questions[1::2], strict=True):
        assert (yes.image, yes.truth, no.truth) == (no.image, "yes", "no")
        absent = [kind for kind in KINDS if kind not in yes.kinds]
        assert together(yes.object, no.object) == max(together(yes.object, kind) for kind in absent)


def test_popular_and_adversarial_are_often_not_the_same_kind() -> None:
    pictures = [
        (weight, pair, present, [kind for kind in KINDS if kind not in pair])
        for pair, weight in PAIR_WEIGHTS.items()
        for present in pair
    ]
    same = sum(
        weight
        for weight, _, present, absent in pictures
        if max(absent, key=frequency) == max(absent, key=lambda kind, one=present: together(kind, one))
    )
    assert same / sum(weight for weight, *_ in pictures) == pytest.approx(26 / 44)


def test_pre_training_asks_about_every_kind_in_every_picture() -> None:
    questions = plan_world_pretrain(30, seed=0)
    assert len(questions) == 120
    for image in range(30):
        asked = [question for question in questions if question.image == image]
        assert [question.object for question in asked] == list(KINDS)
        assert Counter(question.truth for question in asked) == {"yes": 2, "no": 2}


def test_plans_follow_the_seed() -> None:
    assert plan_world(20, seed=1) == plan_world(20, seed=1)
    assert plan_world(20, seed=1) != plan_world(20, seed=2)
    assert plan_world_pretrain(20, seed=1) != plan_world_pretrain(20, seed=2)


def test_an_odd_number_of_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="even number"):
        plan_world(15, seed=0)


def test_the_same_seed_draws_the_same_picture() -> None:
    first, second, third = (draw_objects(("ball", "tree"), 64, random.Random(seed)) for seed in ("a", "a", "b"))
    assert (first.mode, first.size) == ("RGB", (64, 64))
    assert first.tobytes() == second.tobytes() != third.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_each_object_covers_a_fair_part_of_the_picture(kind: str) -> None:
    other = KINDS[KINDS.index(kind) - 1]
    with_both = np.asarray(draw_objects((kind, other), 64, random.Random("a"))).reshape(-1, 3)
    # The ground has two colours; everything else is an object or its edge.
    ground = {colour for colour, _ in Counter(map(tuple, with_both)).most_common(2)}
    covered = sum(tuple(pixel) not in ground for pixel in with_both) / len(with_both)
    assert covered > 0.12
