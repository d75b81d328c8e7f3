"""The next items are made while the caller works on the one before."""

import threading
from collections.abc import Generator, Iterable
from queue import Empty, Full, Queue
from typing import NamedTuple, TypeVar

T = TypeVar("T")
POLL = 0.1  # seconds between looks at whether the other side is still there


class _Failure(NamedTuple):
    error: BaseException


class _End(NamedTuple):
    pass


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """The items in their order, made by one background thread, two of them in advance: one waits, one is held.

    What ``items`` raises, ``SystemExit`` too, is raised here in its place. When the caller stops early, by an error of
    its own or Ctrl-C, the thread ends after the item it is at; it never keeps the program from ending.
    """
    ready: Queue[T | _Failure | _End] = Queue(maxsize=1)
    stopped = threading.Event()

    def put(item: T | _Failure | _End) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=POLL)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_End())
        except BaseException as error:
            put(_Failure(error))

    thread = threading.Thread(target=work, name="pebench-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _take(ready, thread), _End):
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join(timeout=10 * POLL)


def _take(ready: "Queue[T | _Failure | _End]", thread: threading.Thread) -> T | _Failure | _End:
    while True:
        try:
            return ready.get(timeout=POLL)
        except Empty:
            if not thread.is_alive() and ready.empty():  # the interpreter is ending
                return _End()
