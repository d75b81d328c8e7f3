"""A key-value cache that is written in place.

transformers' ``DynamicLayer`` copies all keys and values of a layer for every new token. Here they lie in buffers with
room for the answer, so that a token costs its own row alone; what the model sees is the same.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class RoomyLayer(DynamicLayer):
    """A ``DynamicLayer`` whose keys and values are views of buffers with room for ``room`` more tokens."""

    def __init__(self, room: int) -> None:
        """``room``: tokens that will follow the prompt."""
        super().__init__()
        self.room = room
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None  # (rows, heads, tokens with room, size) each

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new tokens' states behind those that are there; returns all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        length = before + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < length:
            old = (self.keys, self.values) if before else (None, None)
            keys, values = (
                _with_room(kept, new, length + self.room)
                for kept, new in zip(old, (key_states, value_states), strict=True)
            )
        else:
            keys, values = self._buffers
        keys[..., before:length, :] = key_states
        values[..., before:length, :] = value_states
        return self._show(keys, values, length)

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Keep these rows, and the room behind them."""
        if self._buffers is None:
            return
        length = self.get_seq_length()
        rows = beam_idx.to(self._buffers[0].device)
        keys, values = (buffer.new_empty((len(rows), *buffer.shape[1:])) for buffer in self._buffers)
        for new, old in zip((keys, values), self._buffers, strict=True):
            torch.index_select(old[..., :length, :], 0, rows, out=new[..., :length, :])
        self._show(keys, values, length)

    def copy_rows(self, other: "RoomyLayer", places: Sequence[tuple[int, int]], rows: int) -> None:
        """Begin with what another layer holds: ``places`` are pairs of a row there and one of the ``rows`` here."""
        states = cast(tuple[torch.Tensor, torch.Tensor], (other.keys, other.values))
        length = other.get_seq_length()
        if self._buffers is None:
            self.lazy_initialization(*states)
            keys, values = (
                _with_room(None, one[:1].expand(rows, *one.shape[1:]), length + self.room) for one in states
            )
            self._show(keys, values, length)
        assert self._buffers is not None
        for buffer, one in zip(self._buffers, states, strict=True):
            for there, here in places:
                buffer[here, ..., :length, :] = one[there]

    def _show(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep these buffers; what the model sees of them."""
        self._buffers = keys, values
        self.keys, self.values = shown = keys[..., :length, :], values[..., :length, :]
        return shown


def _with_room(kept: torch.Tensor | None, new: torch.Tensor, tokens: int) -> torch.Tensor:
    buffer = new.new_empty((*new.shape[:-2], tokens, new.shape[-1]))
    if kept is not None:
        buffer[..., : kept.shape[-2], :] = kept
    return buffer


def give_room(cache: Cache, room: int) -> None:
    """Let the ordinary layers of an unused cache be written in place; sliding and linear ones stay as they are."""
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if cache.layer_class_to_replicate is DynamicLayer:  # layers are added as the model comes to them
        cache.layer_class_to_replicate = cast(Any, partial(RoomyLayer, room))


def keeps_all(cache: Any) -> bool:
    """Whether every layer of a cache keeps each token's keys and values, and the tokens in their places."""
    return (
        type(cache) is DynamicCache
        and bool(cache.layers)
        and all(type(layer) in (DynamicLayer, RoomyLayer) for layer in cache.layers)
    )


def rows_can_be_dropped(cache: Any) -> bool:
    """Whether ``keep_rows`` works on a cache: one that grows, not one of fixed shape or of an encoder-decoder."""
    return type(cache) is DynamicCache


def written_in_place(cache: Any) -> bool:
    """Whether every layer of a cache in use is one of those that ``give_room`` put there."""
    return rows_can_be_dropped(cache) and all(type(layer) is RoomyLayer for layer in cache.layers)


def keep_rows(cache: Cache, rows: torch.Tensor) -> None:
    """Keep these rows of the batch alone; also of layers that hold the states of linear attention or convolutions."""
    cache.reorder_cache(cast(torch.LongTensor, rows))
