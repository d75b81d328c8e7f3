"""Functions of lmms-eval that do more while our tasks run: each extended once, and only where it is as we know it."""

import inspect
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def extend(owner: Any, name: str, extended: Callable[[Function], Function], fits: Callable[[list[str]], bool]) -> bool:
    """Put ``extended(function)`` in the place of a module's or class's function; the second time this does nothing.

    False, and nothing done, where there is no such function or ``fits`` says that its parameters are not those that
    were tested.
    """
    function: Any = getattr(owner, name, None)
    if function is None or not fits(list(inspect.signature(function).parameters)):
        return False
    if not hasattr(function, "pebench"):
        ours: Any = extended(function)
        ours.pebench = True
        setattr(owner, name, ours)
    return True
