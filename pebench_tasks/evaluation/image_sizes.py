"""Whether a stock backend shows the model our images in the checkpoint's own resolution.

Some backends replace the checkpoint's image settings by their own, when they load the processor, at every call, or by
resizing the image before; a model then sees another number of patches than it was trained on and loses much of what it
knows. ``ImageSizes`` observes every image processor of transformers in this process: what it makes of our images is
compared with what the checkpoint's processor makes of the same images when ``pebench_hf`` calls it. Models behind an
API, and backends that do not use transformers' image processors, cannot be observed.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from PIL import Image

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.failures import ImageSize, resolution_note

CALLS = 8  # of each image processor that are compared: the settings of a run do not change
LARGEST = 256  # images of one batch that are compared where the backend resized them before

Size = tuple[int, int]  # width, height in pixels


class Made(NamedTuple):
    """What an image processor made of some images: patches where it returns them in a row, else pixel values."""

    amount: int
    unit: str


class ImageSizes:
    """What was seen of image processors since the run started.

    ``found`` are the first images that came out otherwise than the checkpoint's settings have it, else the last that
    did not, the amounts per image; None where no image processor was seen. ``say`` is told of the first that differ.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._watching = False
        self._sources: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # image processor: its checkpoint
        self._lock = threading.RLock()
        self._own = threading.local()  # .made: a list while the checkpoint's own processing runs
        self.start(False)

    def start(self, on: bool) -> None:
        """A new run: forget what was seen of earlier ones; ``on`` where the backend is to be watched."""
        with self._lock:
            self._on = on
            self.found: ImageSize | None = None
            self._calls: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
            self._sizes: deque[Size] = deque(maxlen=LARGEST + 1)  # handed out since the last call
            self._known: set[Size] = set()
            self._amounts: dict[tuple[str, tuple[Size, ...]], Made | None] = {}
            self._processors: dict[str, Any] = {}

    def watch(self) -> None:
        """Observe the image processors that are loaded from now on; does nothing the second time."""
        if self._watching:
            return
        from transformers.image_processing_base import ImageProcessingMixin
        from transformers.image_processing_utils import BaseImageProcessor

        self._watching = True
        loaded: Any = ImageProcessingMixin
        called: Any = BaseImageProcessor
        loaded.from_pretrained = classmethod(self._loading(loaded.from_pretrained.__func__))
        called.__call__ = self._calling(called.__call__)

    def handed_out(self, size: Size) -> None:
        """Called with the size of every image that a backend reads."""
        with self._lock:
            self._sizes.append(size)
            self._known.add(size)

    def _loading(self, from_pretrained: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(from_pretrained)
        def load(cls: type, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
            loaded = from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs)
            processor = loaded[0] if isinstance(loaded, tuple) else loaded
            self._sources[processor] = str(pretrained_model_name_or_path)
            return loaded

        return load

    def _calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def observed(processor: Any, images: Any, *args: Any, **kwargs: Any) -> Any:
            features = call(processor, images, *args, **kwargs)
            made = getattr(self._own, "made", None)
            if made is not None:
                made.append(_made(features))
            elif self._on and processor in self._sources:
                with suppress(Exception):  # a stock backend would take it for its own failure, and answer ""
                    self._compare(processor, _flat(images), features)
            return features

        return observed

    def _compare(self, processor: Any, images: list[Any], features: Mapping[str, Any]) -> None:
        """Compare a call with the checkpoint's own, unless enough of them were; says once what differs."""
        with self._lock:
            count = self._calls.get(processor, 0)
            sizes = self._original_sizes(images)
            made = _made(features)
            if count >= CALLS or not sizes or made is None or (self.found and resolution_note(self.found)):
                return
            self._calls[processor] = count + 1
            alike = len(set(sizes)) == 1  # then one of them tells what becomes of all
            own = self._own_amount(self._sources[processor], tuple(sizes[:1] if alike else sizes))
            if own is None or own.unit != made.unit:
                return
            per_image = [round(made.amount / len(sizes)), round(own.amount / (1 if alike else len(sizes)))]
            width, height = sizes[0]
            self.found = {"image": [width, height], "made": per_image[0], "own": per_image[1], "unit": made.unit}
            if note := resolution_note(self.found):
                self._say(f"WRONG IMAGE SIZE: {note}. Pass the values of the training in --model_args.")

    def _original_sizes(self, images: list[Any]) -> list[Size]:
        """The sizes in which we handed these images out; none for images that are not ours.

        A backend that resized them before has read exactly as many of ours since the last call.
        """
        handed_out = list(self._sizes)
        self._sizes.clear()
        sizes = [getattr(image, "size", None) for image in images]
        if all(size in self._known for size in sizes):
            return sizes  # type: ignore[return-value]
        return handed_out if len(handed_out) == len(sizes) else []

    def _own_amount(self, source: str, sizes: tuple[Size, ...]) -> Made | None:
        """What the checkpoint's own processor makes of blank images of these sizes; None where it cannot be loaded."""
        if (source, sizes) not in self._amounts:
            self._amounts[source, sizes] = self._measured(source, sizes)
        return self._amounts[source, sizes]

    def _measured(self, source: str, sizes: tuple[Size, ...]) -> Made | None:
        from pebench_tasks.backend import families  # loads torch

        try:
            if source not in self._processors:
                self._processors[source] = families.load_processor(source)
        except BenchmarkError:  # code that the checkpoint brings along, or no chat template
            return None
        blank = [{"type": "image", "image": Image.new("RGB", size)} for size in sizes]
        messages = [[{"role": "user", "content": [image, {"type": "text", "text": "?"}]}] for image in blank]
        made: list[Made | None] = []
        self._own.made = made
        try:
            families.generation_inputs(self._processors[source], messages)
        finally:
            self._own.made = None
        seen = [one for one in made if one is not None]
        return Made(sum(one.amount for one in seen), seen[0].unit) if seen else None


def _flat(images: Any) -> list[Any]:
    if isinstance(images, list | tuple):
        return [image for part in images for image in _flat(part)]
    return [images]


def _made(features: Mapping[str, Any]) -> Made | None:
    """The largest of the returned arrays, which holds the pixels; None without any."""
    amounts = {name: _amount(value) for name, value in features.items()}
    name = max(amounts, key=lambda name: amounts[name], default=None)
    if name is None or not amounts[name]:
        return None
    value = features[name]
    in_a_row = hasattr(value, "shape") and len(value.shape) == 2  # (patches, values of a patch)
    return Made(int(value.shape[0]), "patches") if in_a_row else Made(amounts[name], "pixel values")


def _amount(value: Any) -> int:
    if hasattr(value, "shape"):
        amount = 1
        for length in value.shape:
            amount *= int(length)
        return amount
    if isinstance(value, list | tuple):
        return sum(_amount(part) for part in value)
    return 0
