"""The judge's memory on disk: whole, shared, and silent about what was asked."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.cache import JudgeCache, cache_folder, key_of


def test_a_record_is_found_again_by_whoever_opens_the_folder(tmp_path: Path) -> None:
    record = {"weights": {"4": 0.1 + 0.2}, "source": "logprobs"}
    assert JudgeCache(tmp_path / "a" / "b").put("key", record) == record
    again = JudgeCache(tmp_path / "a" / "b")
    assert again.get("key") == record
    assert again.get("other") is None


def test_the_first_record_stays(tmp_path: Path) -> None:
    cache = JudgeCache(tmp_path)
    cache.put("key", {"failed": "empty"})
    assert cache.put("key", {"failed": "later"}) == {"failed": "empty"}


def test_a_key_tells_its_parts_apart() -> None:
    assert key_of("a", "bc") != key_of("ab", "c")
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})


def test_the_folder_is_the_users_cache_or_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder({}).parts[-2:] == ("pebench", "judge")
    assert cache_folder({"PEBENCH_JUDGE_CACHE": str(tmp_path / "mine")}) == tmp_path / "mine"


def test_threads_share_it(tmp_path: Path) -> None:
    cache = JudgeCache(tmp_path)
    threads = [threading.Thread(target=lambda i=i: cache.put(f"{i % 10}", {"failed": str(i)})) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(cache.get(str(i)) is not None for i in range(10))


def test_processes_share_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pebench_tasks.judge.cache import JudgeCache\n"
        "cache = JudgeCache(Path(sys.argv[1]))\n"
        "for i in range(40): cache.put(sys.argv[2] + str(i), {'failed': 'x' * 1000})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("a", "b")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    cache = JudgeCache(tmp_path)
    assert all(cache.get(f"{name}{i}") for name in ("a", "b") for i in range(40))


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "judgements.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(BenchmarkError, match=r"judgements\.sqlite cannot be used .*Delete it"):
        JudgeCache(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match=r"cannot be written .*PEBENCH_JUDGE_CACHE"):
        JudgeCache(tmp_path / "file" / "cache")
