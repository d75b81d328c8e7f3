from pebench_tasks.backend.bounded_cache import BoundedCache


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    cache: BoundedCache[str, int] = BoundedCache(limit=10)
    for place, key in enumerate("abc"):
        cache.put(key, place, 4 if key != "c" else 2)
    assert cache.get("a") == 0  # 10 bytes: all are there
    cache.put("d", 3, 1)
    assert [cache.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_no_more_values_than_said_are_kept() -> None:
    cache: BoundedCache[str, int] = BoundedCache(limit=10, most=1)
    cache.put("a", 0, 1)
    cache.put("b", 1, 1)
    assert [cache.get("a"), cache.get("b")] == [None, 1]


def test_a_value_that_takes_the_place_of_another_is_counted_once() -> None:
    cache: BoundedCache[str, int] = BoundedCache(limit=10)
    for _ in range(3):
        cache.put("a", 0, 6)
    cache.put("b", 1, 4)
    assert [cache.get("a"), cache.get("b")] == [0, 1]


def test_a_value_larger_than_the_memory_is_not_kept() -> None:
    cache: BoundedCache[str, int] = BoundedCache(limit=10)
    cache.put("a", 0, 11)
    assert cache.get("a") is None


def test_what_is_cleared_takes_no_memory() -> None:
    cache: BoundedCache[str, int] = BoundedCache(limit=10)
    cache.put("a", 0, 10)
    cache.clear()
    cache.put("b", 1, 10)
    assert [cache.get("a"), cache.get("b")] == [None, 1]
