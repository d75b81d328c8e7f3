"""Whether it shows when a backend gives the model our images in another resolution than the checkpoint's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stock_runs import recorded, run
from transformers import AutoProcessor
from transformers.image_processing_base import ImageProcessingMixin
from transformers.image_processing_utils import BaseImageProcessor

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.image_sizes import ImageSizes, Made
from pebench_tasks.marking.failures import resolution_note

Untrained = Callable[[str], Path]
CPU = "pretrained={path},device=cpu,device_map=cpu"


def measured(backend: str, arguments: str, small: Benchmark, checkpoint: Path, batch_size: int = 4) -> Any:
    results = run(backend, arguments.format(path=checkpoint), small, batch_size, limit=4, gen_kwargs="max_new_tokens=2")
    return recorded(results)["image_size"]


# With the real harness


def test_qwen2_5_vl_replaces_the_resolution_unless_told_the_one_of_training(
    small: Benchmark, untrained: Untrained, capsys: pytest.CaptureFixture[str]
) -> None:
    path = untrained("qwen2_5_vl")
    assert measured("qwen2_5_vl", CPU, small, path) == {
        "image": [64, 64], "made": 56 * 56, "own": 8 * 8, "unit": "patches",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert said.count("WRONG IMAGE SIZE: the backend made 3136 patches of an image of 64 x 64 pixels, of which") == 2
    assert "Pass the values of the training in --model_args." in said
    same = measured("qwen2_5_vl", f"{CPU},min_pixels=4096,max_pixels=4096", small, path)
    assert (same["made"], same["own"]) == (64, 64)
    assert resolution_note(same) == ""
    assert "WRONG" not in capsys.readouterr().err


def test_gemma4_replaces_the_number_of_image_tokens_unless_told_the_one_of_training(
    small: Benchmark, untrained: Untrained
) -> None:
    path = untrained("gemma4")
    tokens = AutoProcessor.from_pretrained(path).image_processor.max_soft_tokens
    assert resolution_note(measured("gemma4", CPU, small, path)) != ""
    told = measured("gemma4", f"{CPU},max_soft_tokens={tokens}", small, path)
    assert told["made"] == told["own"]


@pytest.mark.parametrize("key", ["llava", "qwen2_5_vl", "gemma4", "idefics2"])
def test_a_backend_that_leaves_the_settings_alone_is_not_flagged(
    key: str, small: Benchmark, untrained: Untrained
) -> None:
    found = measured("lfm2_5_vl", "pretrained={path},device=cpu", small, untrained(key))
    assert found["made"] == found["own"] > 0


def test_our_own_backend_is_not_watched(small: Benchmark, untrained: Untrained) -> None:
    assert measured("pebench_hf", "pretrained={path},device=cpu", small, untrained("qwen2_5_vl")) is None


# The watch itself


class Watched:
    """An observer of image processors, and what it says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.sizes = ImageSizes(self.said.append)

    def shown(self, path: Path, sizes: list[tuple[int, int]], by: Any = None, **settings: Any) -> dict[str, Any] | None:
        """What is found when a backend reads images of these sizes, makes them ``by`` and calls the processor."""
        processor = AutoProcessor.from_pretrained(path, **settings)
        images = [Image.new("RGB", size) for size in sizes]
        for image in images:
            self.sizes.handed_out(image.size)
        processor.image_processor([image.resize(by) if by else image for image in images], return_tensors="pt")
        return self.sizes.found


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Image processors are watched during the test."""
    one = Watched()
    with pytest.MonkeyPatch.context() as patch:
        for where, name in ((ImageProcessingMixin, "from_pretrained"), (BaseImageProcessor, "__call__")):
            patch.setattr(where, name, vars(where)[name])  # put back afterwards
        one.sizes.watch()
        one.sizes.start(True)
        yield one


@pytest.mark.parametrize("key", ["llava", "llava_next", "qwen2_5_vl", "gemma4", "idefics2", "mllama", "internvl"])
def test_images_of_unlike_sizes_in_one_batch_are_not_flagged(key: str, watched: Watched, untrained: Untrained) -> None:
    path = untrained(key)
    processor = families.load_processor(str(path))
    images = [Image.new("RGB", size) for size in [(64, 64), (96, 48), (40, 120)]]
    for image in images:
        watched.sizes.handed_out(image.size)
    question = {"type": "text", "text": "?"}
    families.generation_inputs(
        processor, [[{"role": "user", "content": [{"type": "image", "image": image}, question]}] for image in images]
    )
    found = watched.sizes.found
    assert found is not None
    assert found["made"] == found["own"]
    assert watched.said == []


def test_images_that_the_backend_shrank_before_are_found(watched: Watched, untrained: Untrained) -> None:
    qwen = untrained("qwen2_5_vl")
    settings = {"min_pixels": 16 * 16, "max_pixels": 64 * 64}
    found = watched.shown(qwen, [(64, 64)] * 3, by=(32, 32), **settings)
    assert found == {"image": [64, 64], "made": 16, "own": 64, "unit": "patches"}
    assert len(watched.said) == 1


def test_what_differs_is_said_once_and_kept(watched: Watched, untrained: Untrained) -> None:
    qwen = untrained("qwen2_5_vl")
    first = watched.shown(qwen, [(64, 64)], min_pixels=16384, max_pixels=16384)
    assert first == watched.shown(qwen, [(64, 64)])
    assert first is not None
    assert (first["made"], first["own"]) == (256, 64)
    assert len(watched.said) == 1
    watched.sizes.start(True)
    assert watched.sizes.found is None


def test_images_that_are_not_ours_are_left_alone(watched: Watched, untrained: Untrained) -> None:
    """Such as a backend's own trial call before it has read any document."""
    processor = AutoProcessor.from_pretrained(untrained("qwen2_5_vl"), min_pixels=16384, max_pixels=16384)
    processor.image_processor([Image.new("RGB", (64, 64))], return_tensors="pt")
    assert watched.sizes.found is None


def test_images_of_another_task_are_not_taken_for_ours(watched: Watched, untrained: Untrained) -> None:
    """The second call's image is not ours; of the third call's two only one is."""
    processor = AutoProcessor.from_pretrained(untrained("qwen2_5_vl"))
    ours, foreign = Image.new("RGB", (64, 64)), Image.new("RGB", (300, 200))
    watched.sizes.handed_out(ours.size)
    processor.image_processor([ours], return_tensors="pt")
    found = watched.sizes.found
    processor.image_processor([foreign], return_tensors="pt")
    watched.sizes.handed_out(ours.size)
    processor.image_processor([ours, foreign], return_tensors="pt")
    assert watched.sizes.found == found
    assert found is not None
    assert watched.said == []


def test_amounts_of_different_units_are_not_compared(watched: Watched, untrained: Untrained) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched.sizes, "_own_amount", lambda source, sizes: Made(7, "pixel values"))
        assert watched.shown(untrained("qwen2_5_vl"), [(64, 64)]) is None
    assert watched.said == []


@pytest.mark.parametrize("error", [TypeError, ValueError, RuntimeError, OSError])
def test_what_fails_while_watching_does_not_reach_the_backend(
    error: type[Exception], watched: Watched, untrained: Untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(processor: Any, messages: Any) -> None:
        raise error("no such template")

    monkeypatch.setattr(families, "generation_inputs", fail)
    assert watched.shown(untrained("llava"), [(64, 64)]) is None
    assert watched.said == []


def test_nothing_is_known_where_the_checkpoint_cannot_be_asked(
    watched: Watched, untrained: Untrained, tmp_path: Path
) -> None:
    processor = AutoProcessor.from_pretrained(untrained("llava"))
    processor.image_processor.save_pretrained(tmp_path)  # no tokenizer, no chat template
    watched.sizes.handed_out((64, 64))
    type(processor.image_processor).from_pretrained(tmp_path)([Image.new("RGB", (64, 64))])
    assert watched.sizes.found is None
    assert watched.said == []
