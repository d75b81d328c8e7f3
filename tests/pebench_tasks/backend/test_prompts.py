from collections.abc import Sequence
from typing import Any

import datasets
from lmms_eval.api.instance import Instance
from PIL import Image

from pebench_tasks.backend.prompts import ALIKE, WINDOW, _digest, in_order


def requests(texts: Sequence[str]) -> list[Instance]:
    return [
        Instance(
            request_type="generate_until",
            arguments=(text, None, {}, i, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": i, "repeats": 1},
        )
        for i, text in enumerate(texts)
    ]


def order(texts: Sequence[str], **columns: Sequence[Any]) -> list[int]:
    documents = datasets.Dataset.from_dict({"text": list(texts), **{k: list(v) for k, v in columns.items()}})
    return list(in_order(requests(texts), {"task": {"test": documents}}))


def test_questions_about_one_image_come_together() -> None:
    assert order(["who"] * 6, image=["a", "b", "c", "b", "a", "b"]) == [0, 4, 1, 3, 5, 2]


def test_any_column_that_names_the_image_will_do() -> None:
    assert order(["who"] * 4, image_source=[7, 8, 8, 7]) == [0, 3, 1, 2]


def test_without_such_a_column_documents_stay_in_their_order() -> None:
    assert order(["who"] * 4) == [0, 1, 2, 3]
    documents = [{"text": "who"}] * 3
    assert list(in_order(requests(["who"] * 3), {"task": {"test": documents}})) == [0, 1, 2]


def test_long_texts_come_first_in_a_window_and_alike_ones_stay() -> None:
    long, short = "x" * 5 * ALIKE, "x"
    assert order([short, long, short + "y", long]) == [1, 3, 0, 2]


def test_every_request_comes_once_and_windows_bound_how_far_it_moves() -> None:
    texts = ["x" * (ALIKE * (i % 7)) for i in range(3 * WINDOW + 5)]
    found = order(texts)
    assert sorted(found) == list(range(len(texts)))
    assert all(place // WINDOW == i // WINDOW for place, i in enumerate(found))


def test_images_of_other_colours_are_other_images() -> None:
    """Their pixels are the same places in two palettes."""
    images = [Image.new("P", (2, 2)) for _ in range(3)]
    for image, red in zip(images, (1, 2, 2), strict=True):
        image.putpalette([red, 0, 0])
    first, second, third = map(_digest, images)
    assert first != second == third
