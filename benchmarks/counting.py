"""What a model of any size would compute and hold, counted without its numbers.

Under ``NoNumbers`` floating-point tensors have memory that is never written, so that it is never there: an operator
that would compute them only makes its output. Integers and booleans are real: tokens, masks and lengths are what they
are, so code whose course depends on them runs as it does with real weights. ``Operations`` counts operations on such
tensors, ``Held`` the bytes that are held at once.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.initialization import no_init_weights

aten = torch.ops.aten
EMPTY = (aten.empty.memory_format, aten.empty_strided.default, aten.rand.default, aten.randn.default)
INDEXED = (aten.index, aten.index_put, aten.index_put_)
VIEWS = (aten._unsafe_view.default, aten.detach.default, aten.alias.default)  # whatever their schema says


class Made(NamedTuple):
    """What an operator makes."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


class Storages:
    """Storages that are alive, each with something known about it."""

    def __init__(self, gone: Callable[[Any], None] = lambda known: None) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._gone = gone

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor.untyped_storage()) in self._known

    def __getitem__(self, tensor: Tensor) -> Any:
        return self._known[id(tensor.untyped_storage())][1]

    def __setitem__(self, tensor: Tensor, value: Any) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        self._known[key] = (weakref.ref(storage, lambda _: self._gone(self._known.pop(key)[1])), value)


class NoNumbers(TorchDispatchMode):
    """What is made empty or at random has no numbers, and so has whatever is computed of it; all else is real."""

    _made: ClassVar[dict[Any, Any]] = {}  # by operator and what its arguments look like

    def __init__(self) -> None:
        super().__init__()
        self._without = Storages()
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not any(tensor in self._without for tensor in _tensors(args, kwargs.values())):
            out = func(*args, **kwargs)
            if func in EMPTY and out.is_floating_point():
                self._without[out] = True
            return out
        if func is aten._local_scalar_dense.default:
            return 1.0  # a loss, a norm: no number that a step depends on, but for its being finite
        if func is aten.argmax.default:  # a token: nothing counted depends on which one
            return torch.zeros(args[0].shape[:-1], dtype=torch.long)
        way = _way(func)
        if way == "view":
            return func(*args, **kwargs)
        if way == "in place":
            written = kwargs.get("out", args[0])
            for tensor in _tensors((written,)):
                self._without[tensor] = True
            return written if func._schema.returns else None
        if func.overloadpacket in INDEXED:
            args = (args[0], _numbers(args[1]), *args[2:])
        return self._make(self._outputs(func, args, kwargs))

    def _outputs(self, func: Any, args: Any, kwargs: Any) -> Any:
        key = (func, _look(args), _look(tuple(kwargs.items())), torch.is_inference_mode_enabled())
        if key not in self._made:
            with self._fake:
                out = func(*self._faked(args), **{name: self._faked((value,))[0] for name, value in kwargs.items()})
            self._made[key] = _described(out)
        return self._made[key]

    def _faked(self, values: Sequence[Any]) -> list[Any]:
        return [
            torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
            if isinstance(value, Tensor) and value in self._without
            else self._faked(value)
            if isinstance(value, (list, tuple))
            else value
            for value in values
        ]

    def _make(self, outputs: Any) -> Any:
        if isinstance(outputs, Made):
            tensor = torch.empty_strided(outputs.shape, outputs.stride, dtype=outputs.dtype)
            self._without[tensor] = True
            return tensor
        return type(outputs)(map(self._make, outputs)) if isinstance(outputs, (list, tuple)) else outputs


@cache
def _way(func: Any) -> str:
    """Whether an operator makes a "view", works "in place", or makes something "new"."""
    returned = [value.alias_info for value in func._schema.returns]
    if func in VIEWS or any(alias is not None and not alias.is_write for alias in returned):
        return "view"
    written = [value.alias_info for value in func._schema.arguments]
    return "in place" if any(alias is not None and alias.is_write for alias in written) else "new"


def _look(values: Sequence[Any]) -> tuple[Any, ...]:
    """What the output of an operator depends on, among its arguments."""
    return tuple(
        (value.shape, value.stride(), value.dtype)
        if isinstance(value, Tensor)
        else _look(value)
        if isinstance(value, (list, tuple))
        else (value, type(value))
        for value in values
    )


def _described(out: Any) -> Any:
    if isinstance(out, Tensor):
        return Made(out.shape, out.stride(), out.dtype)
    return type(out)(map(_described, out)) if isinstance(out, (list, tuple)) else out


def _tensors(*arguments: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among an operator's arguments, in lists too."""
    for some in arguments:
        for value in some:
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, (list, tuple)):
                yield from _tensors(value)


def _numbers(indices: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Indices, masks among them turned to numbers: how much a mask picks is only known of a real one."""
    found: list[Tensor | None] = []
    for index in indices:
        found += index.nonzero().unbind(1) if index is not None and index.dtype == torch.bool else [index]
    return found


@contextmanager
def no_numbers() -> Iterator[None]:
    """``NoNumbers``, and models are built without drawing weights."""
    with NoNumbers(), no_init_weights():
        yield


class Operations(FlopCounterMode):
    """The counter without its attribution to modules, whose hooks hold on to what a backward pass is done with."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker: Any = _NoModules()


class _NoModules:
    parents = ("Global",)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        pass


class Held(TorchDispatchMode):
    """Bytes of what was made since this began and is still held, by kind, at the peak of each phase.

    A tensor counts as "logits" if its last axis is ``vocabulary`` long, else as "activations"; ``gradient`` says that
    it is neither. What an operator takes for itself while it runs is not seen.
    """

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.now = {"activations": 0, "logits": 0, "gradients": 0}
        self.peaks = [dict(self.now)]
        self._storages = Storages(self._remove)

    def next_phase(self) -> None:
        """From here on a peak of its own."""
        self.peaks.append(dict(self.now))

    def gradient(self, tensor: Tensor) -> None:
        """Count what a tensor lies in as a gradient from now on."""
        if tensor in self._storages:
            kind, size = self._storages[tensor]
            self._storages[tensor] = ("gradients", size)
            self.now[kind] -= size
            self.now["gradients"] += size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        given = {id(tensor.untyped_storage()) for tensor in _tensors(args, kwargs.values())}
        for tensor in _tensors(out if isinstance(out, (list, tuple)) else (out,)):
            if id(tensor.untyped_storage()) not in given:
                self._add(tensor)
        return out

    def _add(self, tensor: Tensor) -> None:
        if tensor in self._storages:
            return
        kind = "logits" if tensor.dim() > 1 and tensor.shape[-1] == self.vocabulary else "activations"
        size = tensor.untyped_storage().nbytes()
        self._storages[tensor] = (kind, size)
        self.now[kind] += size
        if sum(self.now.values()) > sum(self.peaks[-1].values()):
            self.peaks[-1] = dict(self.now)

    def _remove(self, known: tuple[str, int]) -> None:
        kind, size = known
        self.now[kind] -= size
