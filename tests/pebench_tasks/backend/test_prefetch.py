import threading
import time
from collections.abc import Iterator

import pytest

from pebench_tasks.backend.prefetch import THREAD, ahead


def numbers(made: list[int], end: int = 5) -> Iterator[int]:
    for number in range(end):
        made.append(number)
        yield number


def wait_for_the_end() -> None:
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith(THREAD)]:
        thread.join(10)
        assert not thread.is_alive()


def test_items_come_in_their_order() -> None:
    assert list(ahead(numbers([], 100))) == list(range(100))


def test_the_next_item_is_made_while_the_caller_works_and_no_more() -> None:
    made: list[int] = []
    items = ahead(numbers(made, 100))
    assert next(items) == 0
    while 1 not in made:
        time.sleep(0.01)  # the caller's work
    time.sleep(0.1)
    assert made == [0, 1]  # memory does not grow with the number of items
    items.close()


@pytest.mark.parametrize("error", [ValueError("no image"), SystemExit("error: the benchmark is damaged")])
def test_an_error_of_the_thread_is_raised_where_its_item_would_be(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise error

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(type(error), match=str(error)):
        next(found)
    wait_for_the_end()


def test_the_thread_ends_when_the_caller_stops() -> None:
    made: list[int] = []
    items = ahead(numbers(made, 10**9))
    next(items)
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt)
    wait_for_the_end()
    assert len(made) < 10
