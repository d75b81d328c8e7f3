import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from pebench_tasks.backend.journal import Journal, identify
from pebench_tasks.errors import BenchmarkError

KEYS = [bytes([i]) * 32 for i in range(4)]
TEXTS = ["Ann Lee", "", "two\nlines\u2028 and half a pair \ud800", "日本"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def begin(checkpoint: Path, tmp_path: Path) -> Callable[..., Journal]:
    """Opens the journal of the checkpoint as it is now, and asks the first question."""

    def begin(rank: int = 0, dtype: str = "float32") -> Journal:
        journal = Journal(tmp_path / "kept", identify(str(checkpoint), dtype=dtype), rank)
        journal.known(KEYS[0])
        return journal

    return begin


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def test_answers_come_back_as_they_were(begin: Callable[..., Journal]) -> None:
    first = begin()
    for i, (key, text) in enumerate(zip(KEYS, TEXTS, strict=True)):
        assert first.known(key) is None
        first.add(key, text, i)
    first.close()
    second = begin()
    assert [second.known(key) for key in KEYS] == [(text, i) for i, text in enumerate(TEXTS)]


def test_it_says_how_many_answers_are_there(begin: Callable[..., Journal], capsys: pytest.CaptureFixture[str]) -> None:
    first = begin()
    first.add(KEYS[0], "a", 1)
    first.add(KEYS[1], "b", 1)
    assert capsys.readouterr().err == ""
    first.close()
    begin(rank=1)
    assert capsys.readouterr().err == ""  # one process speaks for all
    begin()
    assert "pebench: going on: 2 answers are there already, in" in capsys.readouterr().err


def test_without_a_folder_nothing_is_kept(checkpoint: Path) -> None:
    journal = Journal(None, identify(str(checkpoint)), 0)
    assert journal.known(KEYS[0]) is None
    journal.add(KEYS[0], "a", 1)
    assert journal.known(KEYS[0]) is None
    journal.discard()


def test_before_the_first_question_nothing_is_written(checkpoint: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "kept", identify(str(checkpoint)), 0)
    journal.close()
    assert not (tmp_path / "kept").exists()


def test_a_question_after_the_end_opens_nothing(begin: Callable[..., Journal], tmp_path: Path) -> None:
    """The thread that reads ahead may ask once more; another scoring with the same model begins again."""
    journal = begin()
    journal.add(KEYS[0], "a", 1)
    journal.discard()
    assert journal.known(KEYS[0]) is None
    assert not (tmp_path / "kept").exists()
    journal.begin()
    assert journal.known(KEYS[0]) is None
    assert len(files(tmp_path / "kept")) == 1


def test_answers_may_lie_in_the_checkpoints_own_folder(checkpoint: Path) -> None:
    before = identify(str(checkpoint))
    Journal(checkpoint / "unfinished", before, 0).known(KEYS[0])
    assert identify(str(checkpoint)) == before


def test_files_are_locked_in_a_way_that_works_over_nfs(
    begin: Callable[..., Journal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There an exclusive lock needs a file that is open for writing."""
    lock = fcntl.flock

    def over_nfs(file: IO[Any], operation: int) -> None:
        if not file.writable():
            raise OSError(errno.EBADF, "Bad file descriptor")
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", over_nfs)
    live, other = begin(), begin()
    other.discard()
    assert len(files(tmp_path / "kept")) == 1
    live.discard()


def test_every_answer_is_on_disk_before_the_next_one(begin: Callable[..., Journal], tmp_path: Path) -> None:
    journal = begin()
    for count, key in enumerate(KEYS, 1):
        journal.add(key, "answer", 1)
        (file,) = files(tmp_path / "kept")
        assert file.read_bytes().count(b"\n") == count + 1  # the identity is the first line


@pytest.mark.parametrize("cut", [1, 5, 10_000])
def test_a_last_line_that_was_cut_off_is_passed_over(begin: Callable[..., Journal], tmp_path: Path, cut: int) -> None:
    journal = begin()
    journal.add(KEYS[0], "whole", 1)
    journal.add(KEYS[1], "torn", 1)
    journal.close()
    (file,) = files(tmp_path / "kept")
    content = file.read_bytes()
    file.write_bytes(content[: max(len(content) - cut, 3)])  # 10,000: even the first line
    second = begin()
    assert second.known(KEYS[0]) == (None if cut == 10_000 else ("whole", 1))
    assert second.known(KEYS[1]) is None


def test_all_processes_read_what_every_process_answered(begin: Callable[..., Journal]) -> None:
    """The next run may have another number of processes."""
    for rank in (0, 1):
        journal = begin(rank)
        journal.add(KEYS[rank], f"of {rank}", 1)
        journal.close()
    for rank in (0, 1, 2):
        journal = begin(rank)
        assert [journal.known(key) for key in KEYS[:3]] == [("of 0", 1), ("of 1", 1), None]


def rewrite(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"WEIGHTS")  # as many bytes


def touch(checkpoint: Path) -> None:
    os.utime(checkpoint / "model.safetensors", ns=(1, 1))


def add_a_template(checkpoint: Path) -> None:
    (checkpoint / "chat_template.jinja").write_text("{{ messages }}")


def add_code_in_a_folder(checkpoint: Path) -> None:
    (checkpoint / "model").mkdir()
    (checkpoint / "model" / "modeling.py").write_text("")


@pytest.mark.parametrize("change", [rewrite, touch, add_a_template, add_code_in_a_folder])
def test_a_checkpoint_that_was_written_again_does_not_get_the_old_answers(
    begin: Callable[..., Journal],
    checkpoint: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = begin()
    old.add(KEYS[0], "of the old weights", 1)
    old.close()
    change(checkpoint)
    new = begin()
    assert new.known(KEYS[0]) is None
    assert f"{checkpoint} was written again since answers of it were kept" in capsys.readouterr().err
    new.discard()
    assert not (tmp_path / "kept").exists()  # the old ones are gone too


def test_an_adapter_whose_base_was_written_again_does_not_get_the_old_answers(checkpoint: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(checkpoint)}))
    before = identify(str(adapter))
    assert identify(str(adapter)) == before
    touch(checkpoint)
    assert identify(str(adapter)) != before


def test_a_copy_of_a_checkpoint_is_another_one(checkpoint: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(checkpoint, tmp_path / "copy")
    assert identify(str(copied)) != identify(str(checkpoint))


def test_a_hub_id_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    identities = []
    for commit in ("a" * 40, "b" * 40):
        cached = tmp_path / "models--owner--name"
        for folder in (cached / "refs", cached / "snapshots" / commit):
            folder.mkdir(parents=True, exist_ok=True)
        (cached / "refs" / "main").write_text(commit)
        (cached / "snapshots" / commit / "config.json").write_text("{}")
        identities.append(identify("owner/name"))
    assert identities[0] != identities[1]
    with pytest.raises(BenchmarkError, match="neither a folder nor in the hub's cache"):
        identify("owner/other")


def test_other_settings_start_anew_and_leave_the_rest_alone(
    begin: Callable[..., Journal], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = begin()
    exact.add(KEYS[0], "exact", 1)
    exact.close()
    short = begin(dtype="bfloat16")
    assert short.known(KEYS[0]) is None
    assert "were given with another dtype; they are not used" in capsys.readouterr().err
    short.discard()
    assert begin().known(KEYS[0]) == ("exact", 1)


def test_nothing_is_left_when_the_results_are_written(begin: Callable[..., Journal], tmp_path: Path) -> None:
    for rank in (0, 1):
        journal = begin(rank)
        journal.add(KEYS[rank], "a", 1)
        journal.close()
    journal = begin()
    journal.discard()
    assert not (tmp_path / "kept").exists()


def test_foreign_files_beside_the_answers_stay(begin: Callable[..., Journal], tmp_path: Path) -> None:
    (tmp_path / "kept" / "mine").mkdir(parents=True)
    mine = [tmp_path / "kept" / name for name in ("notes.jsonl", "mine/notes.jsonl")]
    for file in mine:
        file.write_text("not of ours\n")
    journal = begin()
    journal.add(KEYS[0], "a", 1)
    journal.discard()
    assert files(tmp_path / "kept") == sorted(mine)


def test_a_foreign_file_among_the_answers_is_refused(begin: Callable[..., Journal], tmp_path: Path) -> None:
    begin().close()
    (file,) = files(tmp_path / "kept")
    (file.parent / "notes.jsonl").write_text("not of ours\n")
    with pytest.raises(BenchmarkError, match=r"notes\.jsonl holds no answers of this version, or is damaged"):
        begin()


def test_a_folder_that_is_a_file_is_refused_before_anything_is_asked(
    begin: Callable[..., Journal], tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(BenchmarkError, match=r"answers cannot be kept in .*kept"):
        begin()


WRITER = """
import resource, sys
from pathlib import Path
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.backend.journal import Journal
journal = Journal(Path(sys.argv[1]), {"checkpoint": "model", "files": "f"}, 0)
journal.known(b"a")
"""
KEEP = 'journal.add(b"of the other run", "kept", 1); print("there", flush=True); sys.stdin.read()'
FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # the file system refuses what is beyond
try:
    for i in range(1000):
        journal.add(i.to_bytes(4, "big"), "an answer", 2)
except BenchmarkError as error:
    print(i, error)
"""


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER + code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_two_runs_at_the_same_time_do_no_harm(tmp_path: Path) -> None:
    """The one that ends deletes its own answers; the other goes on, and could be interrupted and resumed."""
    other = python(KEEP, tmp_path / "kept")
    assert other.stdout is not None
    assert other.stdout.readline() == "there\n"
    ours = Journal(tmp_path / "kept", {"checkpoint": "model", "files": "f"}, 0)
    assert ours.known(b"of the other run") == ("kept", 1)
    ours.add(b"ours", "o", 1)
    assert len(files(tmp_path / "kept")) == 2
    ours.discard()
    assert len(files(tmp_path / "kept")) == 1
    other.kill()
    other.wait()
    again = Journal(tmp_path / "kept", {"checkpoint": "model", "files": "f"}, 0)
    assert again.known(b"of the other run") == ("kept", 1)
    assert again.known(b"ours") is None
    again.discard()
    assert not (tmp_path / "kept").exists()


def test_a_full_disk_stops_the_run_and_loses_no_answer(tmp_path: Path) -> None:
    full = python(FULL, tmp_path / "kept")
    printed, _ = full.communicate()
    count, _, message = printed.partition(" ")
    assert message.startswith(f"The answers cannot be kept in {tmp_path / 'kept'}")
    assert "Make room" in message
    journal = Journal(tmp_path / "kept", {"checkpoint": "model", "files": "f"}, 0)
    answers = [journal.known(i.to_bytes(4, "big")) for i in range(1000)]
    assert answers == [("an answer", 2)] * int(count) + [None] * (1000 - int(count))
    assert int(count) > 10
