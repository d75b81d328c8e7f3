"""What a frozen vision tower makes of an image, computed once in a run and given to whoever asks next.

A tower is here what nothing is trained of: the outermost such modules of the vision part or, where a trained projector
lies among them (Qwen's merger), the layers before it. Of what they return, that is kept which the rest of the model
reads: of CLIP one of 25 hidden states. While a ``Reader`` runs the model, calls of these modules are answered from
what is kept.

An image is computed by itself and not in the batch that it comes in, so what is kept is a function of its pixels, and
a run that was interrupted goes on with the very same values. That a batch's features are those of its images, one
behind another, is tried out before a family is served (``prove``), and a call that has not the shape of such a batch
is the tower's own.

What is kept is on the CPU: a device's memory is for activations, and to bring a megabyte back takes a tenth of a
millisecond, where the tower takes some. What was used longest ago goes when there is too much.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from pebench_tasks.backend.bounded_cache import BoundedCache
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, pictured_rows, take
from unlearn.tensors.feature_folder import FeatureFolder

KEPT_BYTES = 4 << 30  # of a machine: 3,600 images of LLaVA-1.5-7B in bfloat16, 450 of Gemma3's at 896 px
LEAST_SHARE = 1 / 8  # of the tower's weights; what is smaller, such as an embedding of patches, costs little
ROUNDING = {torch.float32: 1e-3}  # how far features of a batch and of its images alone may be apart, by their size
ROUNDING_OF_16_BITS = 3e-2


class Features(NamedTuple):
    """What is read of one image's features, and the shape of the first tensor that the tower was given."""

    read: list[Tensor]
    given: tuple[int, ...]


class Place(NamedTuple):
    """Which leaf of which call's output a tensor is."""

    call: int
    leaf: int


class Output(NamedTuple):
    """What a call returned, taken apart."""

    leaves: list[Any]
    structure: TreeSpec


class Read(NamedTuple):
    """A tensor that is read: where it stands in outputs, and along which axis those of several images are joined."""

    places: list[Place]
    axis: int


class Layout(NamedTuple):
    """What passes read of a tower, and what its calls return, with an empty tensor for one that is not read."""

    reads: list[Read]
    outputs: list[Output]

    @property
    def last(self) -> int:
        """The last call of which something is read."""
        return max(place.call for read in self.reads for place in read.places)


class TowerFeatures:
    """The features of the images that were read last, in memory and, where there is one, in a folder.

    ``read`` runs ``core`` on a batch. At most ``limit`` bytes are kept by the ``processes`` of a machine together.
    """

    def __init__(self, core: Any, read: Callable[[Batch], Any], limit: int = KEPT_BYTES, processes: int = 1) -> None:
        self.towers = frozen_towers(core)
        self.layout: Layout | None = None  # None where the tower reads every image anew
        self.counts = {"computed": 0, "reused": 0}  # of images that passes asked for
        self._core, self._read = core, read
        self._processes = processes
        self._folder: FeatureFolder | None = None
        self._kept: BoundedCache[str, Features] = BoundedCache(limit // processes)

    def clear(self) -> None:
        """Forget all images."""
        self._kept.clear()

    def prove(self, batch: Batch) -> bool:
        """Whether the features of a batch about several images are those of its images; if so, they are kept from now.

        Not so where a tower's output cannot be taken apart, or depends on what is trained, or where the model refuses
        such a batch: it may be trained on one image at a time.
        """
        try:
            self.layout = self._proven_layout(batch)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError):
            self.layout = None
        return self.layout is not None

    def _proven_layout(self, batch: Batch) -> Layout | None:
        pass_ = _Pass()
        with torch.no_grad(), _replaced(self.towers, pass_), _Reads(pass_) as reads:
            self._read(batch)
        last = max((place.call for place in reads.places), default=0)
        with torch.enable_grad():  # where a tower stands behind what is trained, its outputs carry gradients
            alone = [self._alone(take(batch, [row]), last) for row in pictured_rows(batch)]
        return _layout(pass_, sorted(reads.places), alone)

    def keep_in(self, directory: Path, precision: str) -> None:
        """Keep features in a folder too; ``precision`` is that in which the model runs."""
        assert self.layout is not None
        facts = {
            "tower": tower_fingerprint(self._core),
            "precision": precision,
            "read": json.dumps(self.layout.reads),
            "device": next(self._core.parameters()).device.type,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        self._folder = FeatureFolder(directory, facts, processes=self._processes)

    @contextmanager
    def serving(self, batch: Batch) -> Iterator[None]:
        """Answer the towers' calls while the model runs on this batch."""
        images = self.of(batch) if self.layout else []
        if self.layout is None or not images:
            yield
            return
        with _replaced(self.towers, _Answers(self.layout, images, batch["labels"].device)):
            yield

    def of(self, batch: Batch) -> list[Features]:
        """The features of a batch's images, in the order of its rows."""
        pictures = batch["pictures"].cpu()  # (rows, 2)
        return [self._of_row(batch, row, pictures[row]) for row in pictured_rows(batch)]

    def _of_row(self, batch: Batch, row: int, picture: Tensor) -> Features:
        key = _key(picture, batch)
        found = self._kept.get(key)
        if found is None and self._folder and (filed := self._folder.get(key)):
            found = Features(*filed)
        self.counts["computed" if found is None else "reused"] += 1
        if found is None:
            found = self._compute(take(batch, [row]))
            if self._folder:
                self._folder.put(key, *found)
        self._kept.put(key, found, sum(tensor.nbytes for tensor in found.read))
        return found

    def _compute(self, batch: Batch) -> Features:
        assert self.layout is not None
        # What runs beside the tower draws nothing for a dropout: a resumed run would draw otherwise.
        with torch.no_grad(), parts.evaluation_mode(self._core):
            alone = self._alone(batch, self.layout.last)
        assert alone.first is not None
        read = [alone[read.places[0]].to("cpu", copy=True).contiguous() for read in self.layout.reads]
        return Features(read, tuple(alone.first.shape))

    def _alone(self, batch: Batch, last: int) -> "_Pass":
        """The calls up to ``last`` of a pass on the batch, which then ends."""
        pass_ = _Pass(last)
        with suppress(_Enough), _replaced(self.towers, pass_):
            self._read(batch)
        return pass_


def frozen_towers(core: nn.Module) -> list[nn.Module]:
    """The modules to answer for: none where anything of the vision part is trained."""
    vision = {name: p for name, p in core.named_parameters() if parts.part_of(name) == "vision"}
    if any(parameter.requires_grad for parameter in vision.values()):
        return []
    frozen = [module for name, module in parts.frozen(core) if parts.part_of(name) == "vision"]
    sizes = [sum(parameter.numel() for parameter in module.parameters()) for module in frozen]
    large = [module for module, size in zip(frozen, sizes, strict=True) if size >= LEAST_SHARE * sum(sizes)]
    return [layer for module in large for layer in (module if isinstance(module, nn.ModuleList) else [module])]


def tower_fingerprint(core: Any) -> str:
    """16 hexadecimal digits over the vision part's weights, buffers and configuration."""
    config = getattr(core.config, "vision_config", core.config)
    described = {**config.to_dict(), "_name_or_path": "", "attention": config._attn_implementation}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    tensors = {**core.state_dict(), **dict(core.named_buffers())}  # of buffers, those that are not saved as well
    for name in sorted(tensors):
        if parts.part_of(name) == "vision":
            digest.update(name.removeprefix("base_model.model.").encode())
            digest.update(tensors[name].cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _key(picture: Tensor, batch: Batch) -> str:
    """An image as it is in this batch: filled up to the shape of a larger one, it is another one to the tower."""
    shapes = {key: list(batch["inputs"][key].shape[1:]) for key in sorted(batch["image_rows"])}
    return hashlib.sha256(picture.numpy().tobytes() + json.dumps(shapes).encode()).hexdigest()[:32]


# Passes whose calls of a tower are watched, or answered

Forward = Callable[..., Any]


class _Enough(Exception):
    """A pass has called all that is asked of it."""


@contextmanager
def _replaced(towers: Sequence[nn.Module], answer: Callable[..., Any]) -> Iterator[None]:
    """For the time being, ``answer(forward, ...)`` is what a tower's call returns; ``forward`` is its own."""
    before = [vars(tower).get("forward") for tower in towers]  # of an instance, as accelerate sets it
    for tower in towers:
        tower.forward = partial(answer, tower.forward)
    try:
        yield
    finally:
        for tower, own in zip(towers, before, strict=True):
            del tower.forward
            if own is not None:
                tower.forward = own


class _Pass:
    """Runs a tower's calls and keeps what they return; ends the pass behind the call ``last``."""

    def __init__(self, last: int | None = None) -> None:
        self.first: Tensor | None = None  # that the tower was given
        self.outputs: list[Output] = []
        self.running = False
        self._last = last

    def __call__(self, forward: Forward, *args: Any, **kwargs: Any) -> Any:
        if not self.outputs:
            self.first = _first_tensor(args, kwargs)
        self.running = True
        output = forward(*args, **kwargs)
        self.running = False
        self.outputs.append(Output(*tree_flatten(output)))
        if len(self.outputs) - 1 == self._last:
            raise _Enough
        return output

    def __getitem__(self, place: Place) -> Tensor:
        found: Tensor = self.outputs[place.call].leaves[place.leaf]
        return found


class _Reads(TorchFunctionMode):
    """Notes which tensors of a tower's outputs the rest of the model reads."""

    def __init__(self, pass_: _Pass) -> None:
        super().__init__()
        self.places: set[Place] = set()
        self._pass = pass_

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self._pass.running:
            given = {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
            for call, output in enumerate(self._pass.outputs):
                self.places |= {Place(call, number) for number, leaf in enumerate(output.leaves) if id(leaf) in given}
        return func(*args, **kwargs)


class _Answers:
    """Gives the features of a batch's images for a tower's calls, where the first one has the shape of that batch."""

    def __init__(self, layout: Layout, images: Sequence[Features], device: torch.device) -> None:
        self._layout, self._images, self._device = layout, images, device
        self._call = 0
        self._fits = False

    def __call__(self, forward: Forward, *args: Any, **kwargs: Any) -> Any:
        if self._call == 0:
            self._fits = self._fit(_first_tensor(args, kwargs))
        if not self._fits:
            return forward(*args, **kwargs)
        leaves, structure = self._layout.outputs[self._call]
        leaves = list(leaves)
        for number, read in enumerate(self._layout.reads):
            if here := [place for place in read.places if place.call == self._call]:
                # Of a single one a copy, too: a model may write into it.
                joined = torch.cat([image.read[number].to(self._device) for image in self._images], read.axis)
                for place in here:
                    leaves[place.leaf] = joined
        self._call += 1
        return tree_unflatten(leaves, structure)

    def _fit(self, first: Tensor | None) -> bool:
        shapes = [image.given for image in self._images]
        expected = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        return first is not None and first.shape == expected and len({shape[1:] for shape in shapes}) == 1


def _first_tensor(args: Any, kwargs: Any) -> Tensor | None:
    return next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dim()), None)


def _layout(whole: _Pass, places: Sequence[Place], alone: Sequence[_Pass]) -> Layout | None:
    """How a batch's features are made of its images', each of whose passes is one of ``alone``; None if they are not.

    What the tower was given must be its images' one behind another as well, so that their order is known.
    """
    firsts = [one.first for one in alone]
    if not places or len(alone) < 2 or whole.first is None or _joined(whole.first, firsts) != 0:
        return None
    outputs = [_without_tensors(output) for output in whole.outputs]
    for one in alone:
        if [_without_tensors(output) for output in one.outputs] != outputs[: len(one.outputs)]:
            return None
    together: dict[int, list[Place]] = {}  # of each tensor
    for place in places:
        together.setdefault(id(whole[place]), []).append(place)
    reads = []
    for same in together.values():
        tensors = [one[same[0]] for one in alone]
        axis = _joined(whole[same[0]], tensors)
        if axis is None or any(tensor.requires_grad for tensor in tensors):
            return None
        reads.append(Read(same, axis))
    empty = torch.empty(0)
    return Layout(reads, [Output([empty if x is Tensor else x for x in leaves], spec) for leaves, spec in outputs])


def _without_tensors(output: Output) -> Output:
    return output._replace(leaves=[Tensor if isinstance(leaf, Tensor) else leaf for leaf in output.leaves])


def _joined(whole: Tensor, parts_: Sequence[Tensor | None]) -> int | None:
    """The axis along which ``whole`` is its parts, within rounding; None if there is none."""
    tensors = [part for part in parts_ if part is not None and part.dim() == whole.dim()]
    for axis in range(whole.dim()) if len(tensors) == len(parts_) else ():
        others = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in tensors}
        if others == {(*whole.shape[:axis], *whole.shape[axis + 1 :])} and whole.shape[axis] == sum(
            part.shape[axis] for part in tensors
        ):
            apart = (torch.cat(tensors, axis).float() - whole.float()).norm()
            return axis if apart <= ROUNDING.get(whole.dtype, ROUNDING_OF_16_BITS) * whole.float().norm() else None
    return None
