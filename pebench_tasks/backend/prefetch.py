"""The next item is made while the caller works on the one before."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREAD = "pebench-prefetch"


class _End:
    pass


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """The items in their order, each made by a background thread while the caller has the one before.

    What ``items`` raises, ``SystemExit`` too, is raised here in its place. When the caller stops early, by an error of
    its own or Ctrl-C, the thread ends after the item it is at, and nobody waits for it but the end of the program.
    """
    source, end = iter(items), _End()
    thread = ThreadPoolExecutor(1, THREAD)
    try:
        following = thread.submit(next, source, end)
        while not isinstance(item := following.result(), _End):
            following = thread.submit(next, source, end)
            yield item
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
