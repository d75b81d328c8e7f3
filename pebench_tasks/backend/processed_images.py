"""What an image processor makes of an image, made once however many questions are asked about it.

A processor gives its images to its image processor, and writes its texts around what comes back: as many image tokens
as a size or a grid says. Here one stands in that place which remembers. Of a batch it lets the real one process only
the images that it has not seen, those of one size at a time, and puts the batch together from what was made of each.
So texts are the processor's own, and tensors are what they would be, because

- an image is padded for the sake of larger ones at most, and none of its own size is: where images of several sizes
  come back in several shapes, they are left to the real one from then on;
- the first batch that is put together is compared with what the real one makes of it as a whole. Where they differ, or
  where it cannot be told which part belongs to which image, all is left to the real one; so is an image that is none
  of the prompts', such as a copy.
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import BatchFeature, ProcessorMixin

from pebench_tasks.backend import families
from pebench_tasks.backend.bounded_cache import BoundedCache
from pebench_tasks.backend.image_features import GRID, PIXELS
from pebench_tasks.backend.prompts import Prompt

KEPT_BYTES = 256 * 2**20  # in the machine's memory; an image of LLaVA-1.5-7B is 1.3 MiB
Part = dict[str, Any]  # of one image: tensors and lists with a row for it, or a row for each of its patches


class ProcessedImages:
    """Makes the inputs of prompts, and remembers what the image processor made of the images read last."""

    def __init__(self, processor: ProcessorMixin, limit: int = KEPT_BYTES) -> None:
        self.processor: Any = processor
        self.usable = hasattr(processor, "image_processor")
        if self.usable:
            self.processor = copy.copy(processor)
            self._real = self.processor.image_processor
            self.processor.image_processor = _StandIn(self._real, self._process)
        self._compared = False  # whether what was put together once is what the real one makes
        self._kept: BoundedCache[bytes, Part] = BoundedCache(limit)
        self._digests: dict[int, bytes] = {}  # of the images of the prompts that are being read, by their identity

    def clear(self) -> None:
        """Forget all images."""
        self._kept.clear()

    def inputs(self, prompts: Sequence[Prompt]) -> BatchFeature:
        """The batch from which a model generates the answers to some prompts; see ``families.generation_inputs``."""
        pictures = families.pictures([prompt.messages for prompt in prompts])
        digests = [digest for prompt in prompts for digest in prompt.images]
        self._digests = dict(zip([id(one) for row in pictures for one in row], digests, strict=True))
        return families.generation_inputs(self.processor, [prompt.messages for prompt in prompts])

    def _process(self, images: Sequence[Any], **options: Any) -> BatchFeature:
        """What the real image processor makes of ``images``, one a prompt, each in a list of its own or not."""
        alone = [row[0] if isinstance(row, list | tuple) and len(row) == 1 else row for row in images]
        if not self.usable or any(id(one) not in self._digests for one in alone):
            return self._real(images, **options)
        digests = [self._digests[id(one)] for one in alone]
        found = {digest: part for digest in digests if (part := self._kept.get(digest))}
        for places in _new_of_one_size(alone, digests, found):
            output = self._real([images[place] for place in places], **options)
            parts = _parts(output, len(places))
            if parts is None:
                return self._give_up(images, options)
            for place, part in zip(places, parts, strict=True):
                found[digests[place]] = part
                self._kept.put(digests[place], part, _bytes(part))
            if len(places) == len(images):
                return output  # nothing to put together
        whole = _joined([found[digest] for digest in digests])
        if whole is None or not (self._compared or _equal(whole, self._real(images, **options))):
            return self._give_up(images, options)
        self._compared = True
        return BatchFeature(whole)

    def _give_up(self, images: Sequence[Any], options: Mapping[str, Any]) -> BatchFeature:
        self.usable = False
        self.clear()
        return self._real(images, **options)


class _StandIn:
    """Is called in the place of an image processor, and is that one in all else."""

    def __init__(self, real: Any, process: Any) -> None:
        self._real, self._process = real, process

    def __call__(self, images: Sequence[Any], **options: Any) -> BatchFeature:
        return self._process(images, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _new_of_one_size(images: Sequence[Any], digests: Sequence[bytes], known: Mapping[bytes, Part]) -> list[list[int]]:
    """The places where images stand that are not known, each once, those of one size together."""
    first = {digest: place for place, digest in reversed(list(enumerate(digests))) if digest not in known}
    of_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in sorted(first.values()):
        of_size[images[place].size].append(place)
    return list(of_size.values())


def _parts(output: Mapping[str, Any], images: int) -> list[Part] | None:
    """What belongs to each of so many images, as copies; None where that cannot be told."""
    parts: list[Part] = [{} for _ in range(images)]
    for name, value in output.items():
        lengths = [1] * images
        if name == PIXELS and GRID in output:
            lengths = torch.as_tensor(output[GRID]).prod(dim=-1).tolist()
        if not isinstance(value, torch.Tensor | list) or len(lengths) != images or sum(lengths) != len(value):
            return None
        start = 0
        for part, length in zip(parts, lengths, strict=True):
            rows = value[start : start + length]
            part[name] = rows.clone() if isinstance(rows, torch.Tensor) else copy.deepcopy(rows)
            start += length
    return parts


def _joined(parts: Sequence[Part]) -> Part | None:
    """A batch of these parts; None where they have several shapes."""
    whole: Part = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        if not isinstance(first, torch.Tensor):
            whole[name] = [copy.deepcopy(row) for value in values for row in value]
        elif all(value.shape[1:] == first.shape[1:] for value in values):
            whole[name] = torch.cat(values)
        else:
            return None
    return whole


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], value) if isinstance(value, torch.Tensor) else one[name] == value
        for name, value in other.items()
    )


def _bytes(part: Part) -> int:
    return sum(value.nbytes for value in part.values() if isinstance(value, torch.Tensor))
