"""A dictionary that takes no more than so much memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Forgets what was used longest ago once it holds more than ``limit`` bytes, or than ``most`` values."""

    def __init__(self, limit: int, most: int | None = None) -> None:
        self._limit, self._most, self._bytes = limit, most, 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used now; None where it is not there."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep a value of ``size`` bytes, unless that alone is too much."""
        self._bytes += size - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = value, size
        while self._bytes > self._limit or (self._most is not None and len(self._kept) > self._most):
            self._bytes -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget all: the memory is needed."""
        self._kept.clear()
        self._bytes = 0
