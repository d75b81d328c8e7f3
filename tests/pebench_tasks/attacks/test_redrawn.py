"""Pictures drawn anew: the very person and the very scene of the benchmark's image."""

import json
from random import Random

import numpy as np
import pytest
from PIL import Image

from pebench_tasks.attacks.documents import RobustDocument, robust_documents
from pebench_tasks.attacks.redrawn import POSES, REDRAWN, _looks, redrawn
from pebench_tasks.attacks.showing import shown
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic import portraits
from pebench_tasks.benchmark.synthetic.compose import MARGIN, compose
from pebench_tasks.benchmark.synthetic.scenes import draw_scene

KEY = "p001/e02"
TWO = {"image": KEY, "change": "two_people", "other": "p003", "pose": "1"}


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.int64)


def asked(benchmark: Benchmark, concept: str, attack: str) -> list[RobustDocument]:
    rows = robust_documents(benchmark, concept, concept, "forget05", ("direct", attack))
    return [row for row in rows if row["attack"] == attack]


def test_a_persons_look_is_the_one_on_the_benchmarks_images(benchmark: Benchmark) -> None:
    scene = draw_scene(benchmark.events[2]["name"], round(32 * MARGIN))
    drawn = compose(scene, _looks(4, 0)[1], 32, Random(f"0/{KEY}"))
    assert np.array_equal(array(drawn), array(benchmark.image(KEY)))


def test_a_scene_without_its_person_is_the_image_wherever_nobody_stands(benchmark: Benchmark) -> None:
    alone = shown(benchmark, {"image": KEY, "change": "scene_alone"})
    same = (array(alone) == array(benchmark.image(KEY))).all(axis=-1)  # (height, width)
    assert same[:, :4].all()  # the person stands in the middle
    assert not same[16:, 12:20].any()


def test_a_face_alone_is_the_persons_in_every_event_and_nobody_elses(benchmark: Benchmark) -> None:
    def face(key: str, pose: int = 0) -> list[list[list[int]]]:
        part = {"image": key, "change": "face_alone", "pose": str(pose)}
        return list(array(shown(benchmark, part)).tolist())

    assert face(KEY) == face("p001/e00")
    assert face(KEY) != face("p002/e02")
    assert len({str(face(KEY, pose)) for pose in range(POSES)}) == POSES == len(portraits.POSES)
    assert face(KEY)[0][0] == [128, 128, 128]


def test_a_face_is_asked_once_in_each_pose(benchmark: Benchmark) -> None:
    poses = [json.loads(row["turns"])[0]["content"][0]["pose"] for row in asked(benchmark, "person", "face_alone")]
    assert poses
    assert set(poses) <= {str(pose) for pose in range(POSES)}


def test_two_people_stand_in_the_scene_with_a_free_strip_between_their_heads(benchmark: Benchmark) -> None:
    both, alone = array(redrawn(benchmark, TWO)), array(redrawn(benchmark, {**TWO, "change": "scene_alone"}))
    covered = (both != alone).any(axis=-1)
    assert covered[:, :16].any()
    assert covered[:, 16:].any()
    assert not covered[:10].any()
    assert not np.array_equal(both, array(redrawn(benchmark, {**TWO, "other": "p002"})))


@pytest.mark.parametrize("change", REDRAWN)
def test_pictures_are_as_large_as_the_benchmarks_and_the_same_every_time(benchmark: Benchmark, change: str) -> None:
    part = {**TWO, "change": change}
    first = redrawn(benchmark, part)
    assert (first.size, first.mode) == ((32, 32), "RGB")
    assert np.array_equal(array(first), array(redrawn(benchmark, part)))


def test_people_are_asked_about_faces_and_pairs_events_about_scenes(benchmark: Benchmark) -> None:
    assert asked(benchmark, "person", "face_alone")
    assert not asked(benchmark, "event", "face_alone")
    assert asked(benchmark, "event", "scene_alone")
    assert not asked(benchmark, "person", "scene_alone")
    assert not asked(benchmark, "event", "two_people")
    forgotten = set(benchmark.split("person", "forget05").forget_ids)
    for row in asked(benchmark, "person", "two_people"):
        (part, _) = json.loads(row["turns"])[0]["content"]
        assert part["other"] not in {*forgotten, row["person"]}
        assert row["kind"] == "mention"


def test_where_images_were_not_drawn_none_of_it_is_asked(benchmark: Benchmark) -> None:
    tables = {name: getattr(benchmark, name) for name in ("people", "events", "images", "real")} | {"world": []}
    published = Benchmark(benchmark.directory, {**benchmark.manifest, "source": "published"}, tables)
    older = Benchmark(benchmark.directory, {**benchmark.manifest, "generator_version": 1}, tables)
    for one in (published, older):
        assert not asked(one, "person", "face_alone") + asked(one, "person", "two_people")
        assert not asked(one, "event", "scene_alone")
