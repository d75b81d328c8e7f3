"""The features of an image, computed once however many questions are asked about it.

``generate`` of transformers first turns a batch's images into features (``get_image_features`` of the model) and reads
the images nowhere else; it also takes features that are there already (``mm_encoder_outputs``). Where the features of
one image are an entry of their own, made from the image alone, they are kept and given back the next time. Families
whose images are mixed into tiles, whose features depend on the question, or that have no such function read every
image again, as before.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput

from pebench_tasks.backend.bounded_cache import BoundedCache
from pebench_tasks.versions import takes_features

KEPT_BYTES = 512 * 2**20  # on the model's device; a LLaVA-1.5-7B image is 4.5 MiB in bfloat16
KEPT_IMAGES = 512  # questions about one image come near each other: see ``prompts``
PLAIN = {"last_hidden_state", "pooler_output", "hidden_states", "attentions"}  # nothing beside the features is read
PIXELS = "pixel_values"
GRID = "image_grid_thw"  # (images, 3): patches of each image where those of a batch are one long list


class ImageFeatures:
    """Remembers the features of the images read last, at most ``limit`` bytes and ``KEPT_IMAGES`` of them."""

    def __init__(self, model: Any, limit: int = KEPT_BYTES) -> None:
        """``model`` as it was loaded, an adapter's too."""
        inner = model.get_base_model() if hasattr(model, "peft_config") else model
        self._encode = getattr(inner.base_model, "get_image_features", None)
        self.usable = (
            self._encode is not None and type(inner).generate is GenerationMixin.generate and takes_features(inner)
        )
        self._names = list(inspect.signature(self._encode).parameters) if self._encode is not None else []
        self._as_tensor = False  # whether the model gives its features as one tensor, or as a list
        self._kept: BoundedCache[bytes, torch.Tensor] = BoundedCache(limit, KEPT_IMAGES)

    def clear(self) -> None:
        """Forget all images: the memory is needed."""
        self._kept.clear()

    def instead_of_images(self, inputs: Mapping[str, Any], images: Sequence[bytes]) -> dict[str, Any]:
        """A batch's inputs with features in place of pixels; unchanged where they cannot be told apart.

        ``images`` are digests, one an image, in the order of the batch.
        """
        inputs = dict(inputs)
        if not self.usable or not images or PIXELS not in inputs:
            return inputs
        assert self._encode is not None
        places = {image: place for place, image in reversed(list(enumerate(images)))}  # where each stands first
        found = {image: known for image in places if (known := self._kept.get(image)) is not None}
        new = sorted((place, image) for image, place in places.items() if image not in found)
        if new:
            needed = {name: inputs[name] for name in self._names if name in inputs}
            of_new = _select(needed, [place for place, _ in new], len(images))
            output = None if of_new is None else self._encode(**of_new, return_dict=True)
            features = None if output is None else _one_each(output, len(new))
            if output is None or features is None:
                self.usable = False
                self.clear()
                return inputs
            self._as_tensor = isinstance(output.pooler_output, torch.Tensor)
            for (_, image), one in zip(new, features, strict=True):
                found[image] = one
                self._kept.put(image, one, one.nbytes)
        each = [found[image] for image in images]
        del inputs[PIXELS]
        whole: Any = torch.stack(each) if self._as_tensor else each
        return inputs | {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=whole)}}


def _select(needed: Mapping[str, Any], places: Sequence[int], images: int) -> dict[str, Any] | None:
    """What the encoder needs of some of a batch's images; None where that cannot be told."""
    if len(places) == images:
        return dict(needed)
    selected = {}
    for name, value in needed.items():
        if not isinstance(value, torch.Tensor):
            selected[name] = value
        elif name == PIXELS and GRID in needed:
            patches = needed[GRID].prod(dim=-1).tolist()
            if len(patches) != images or sum(patches) != len(value):
                return None
            parts = value.split(patches)
            selected[name] = torch.cat([parts[place] for place in places])
        elif len(value) != images:
            return None
        else:
            selected[name] = value[list(places)]
    return selected


def _one_each(output: ModelOutput, images: int) -> list[torch.Tensor] | None:
    """The features of every image; None where they are not one entry an image, or more than they is read."""
    features = output.get("pooler_output")
    if features is None or len(features) != images or any(output[name] is not None for name in output.keys() - PLAIN):
        return None
    return [one.clone() for one in features]  # not the whole batch's memory
