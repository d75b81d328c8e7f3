"""What an image processor made of an image serves every question about it, and no model reads anything else."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from PIL import Image

from pebench_tasks.backend import families
from pebench_tasks.backend.processed_images import ProcessedImages
from pebench_tasks.backend.prompts import Prompt

QUESTIONS = ("Who is the person in this image?", "Describe the scene in detail.", "What?")
COPIED = {"idefics2"}  # whose processor gives copies to its image processor: nothing is remembered
PADDED = {"pixtral", "mistral3", "phi4_multimodal"}  # whose smaller images are padded to the largest of a batch


def prompt(image: int, question: int, size: tuple[int, int] = (64, 64)) -> Prompt:
    """Every image is read anew, as the harness does it."""
    torch.manual_seed(image)
    picture = Image.fromarray(torch.randint(0, 256, (*size[::-1], 3), dtype=torch.uint8).numpy())
    content = [{"type": "image", "image": picture}, {"type": "text", "text": QUESTIONS[question]}]
    return Prompt(b"", [{"role": "user", "content": content}], (bytes([image, *size]),), {})


def assert_as_before(processor: Any, processed: ProcessedImages, prompts: Sequence[Prompt]) -> None:
    found = processed.inputs(prompts)
    whole = families.generation_inputs(processor, [prompt.messages for prompt in prompts])
    assert list(found) == list(whole)
    for name, value in whole.items():
        assert found[name].dtype == value.dtype, name
        assert torch.equal(found[name], value), name


BATCHES = (
    [prompt(1, 0), prompt(2, 1), prompt(1, 1), prompt(3, 2)],  # one twice
    [prompt(3, 0), prompt(4, 0), prompt(2, 2)],  # one is new
    [prompt(4, 2), prompt(1, 2)],  # none is
    [prompt(5, 0)],
)


@pytest.mark.parametrize("key", list(FAMILIES))
def test_a_batch_with_remembered_images_is_the_batch_made_as_a_whole(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding included. Four images go through the image processor, and the first batch a second time, as a check."""
    _, processor = FAMILIES[key].build(QUESTIONS)
    processed = ProcessedImages(processor)
    images: list[int] = []
    real = processed._real
    monkeypatch.setattr(
        processed, "_real", lambda given, **options: images.append(len(given)) or real(given, **options)
    )
    for batch in BATCHES:
        assert_as_before(processor, processed, batch)
    assert processed.usable
    assert images == ([4, 3, 2, 1] if key in COPIED else [3, 4, 1, 1])


MIXED = (
    [prompt(1, 0, (96, 48)), prompt(2, 1), prompt(1, 1, (96, 48))],
    [prompt(2, 0), prompt(2, 2)],  # no longer beside a larger one
    [prompt(3, 0, (48, 96)), prompt(2, 0)],
    [prompt(2, 0), prompt(1, 0, (96, 48)), prompt(6, 0, (200, 40)), prompt(7, 0, (30, 30))],
    [prompt(2, 2), prompt(8, 0)],
    [prompt(1, 2, (96, 48)), prompt(6, 2, (200, 40))],
)


@pytest.mark.parametrize("key", list(FAMILIES))
def test_images_of_several_sizes_are_what_they_are_as_a_whole(key: str) -> None:
    """One may be padded for the sake of another, which then is no part of what is remembered of it."""
    _, processor = FAMILIES[key].build(QUESTIONS)
    processed = ProcessedImages(processor)
    for batch in MIXED:
        assert_as_before(processor, processed, batch)
    assert processed.usable == (key not in PADDED)


class Contrasted:
    """An image processor that makes of an image what the others of its batch decide."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __call__(self, images: Any, **options: Any) -> Any:
        output = self.real(images, **options)
        output["pixel_values"] = output["pixel_values"] - output["pixel_values"].mean()
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_an_image_processor_that_looks_at_all_images_of_a_batch_is_found_out() -> None:
    """The first batch that is put together is compared with the whole; after it nothing is remembered."""
    _, processor = FAMILIES["llava"].build(QUESTIONS)
    processor.image_processor = Contrasted(processor.image_processor)
    processed = ProcessedImages(processor)
    for batch in BATCHES:
        assert_as_before(processor, processed, batch)
    assert not processed.usable


def test_what_is_remembered_of_images_is_bounded() -> None:
    """64 x 64 pixels of 3 colours in float32 are 49,152 bytes: of two images, room is for the last."""
    _, processor = FAMILIES["llava"].build(QUESTIONS)
    processed = ProcessedImages(processor, limit=50_000)
    processed.inputs([prompt(1, 0), prompt(2, 0)])
    assert processed._kept.get(prompt(1, 0).images[0]) is None
    assert processed._kept.get(prompt(2, 0).images[0]) is not None


def test_texts_without_an_image_are_made_as_before() -> None:
    _, processor = FAMILIES["llava"].build(QUESTIONS)
    alone = Prompt(b"", [{"role": "user", "content": [{"type": "text", "text": QUESTIONS[0]}]}], (), {})
    assert_as_before(processor, ProcessedImages(processor), [alone])
