"""Submissions that were written to do harm: each is refused with its reason, quickly, in little memory."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from made_results import HOSTILE
from made_submissions import Made, make

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry import loader
from pebench_tasks.leaderboard.entry.loader import read_samples, read_submission

MEMORY = 128 << 20  # bytes that a refusal may take
SECONDS = 20.0  # of this process, whatever else the machine does; memory is traced, which takes three times as long


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> Made:
    return make(benchmark, "person")


@pytest.fixture
def made(valid: Made) -> Made:
    return valid.copy()


@pytest.fixture
def bounded() -> Iterator[None]:
    """Processor time and memory of the refusal stay within bounds; what the test made before does not count."""
    tracemalloc.start()
    start = process_time()
    yield
    seconds, (_, peak) = process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < SECONDS
    assert peak < MEMORY


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(BenchmarkError) as error:
        call()
    text = str(error.value)
    assert text.isprintable(), "a message holds no raw text of a stranger"
    assert text.isascii()
    assert len(text) < 1000
    return text


def of_json(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "made.json").write_bytes(content)
    return refusal(lambda: read_submission(tmp_path / "made.json"))


def seal(made: Made, content: bytes, tmp_path: Path, documents: int | None = None) -> Path:
    """Any bytes as samples, with their true hash and size in the submission."""
    made.submission["samples"] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    if documents is not None:
        made.submission["samples"]["documents"] = documents
    path = tmp_path / "made.samples.jsonl.gz"
    path.write_bytes(content)
    return path


def of_samples(made: Made, content: bytes, tmp_path: Path, documents: int | None = None) -> str:
    path = seal(made, content, tmp_path, documents)
    return refusal(lambda: list(read_samples(path, made.submission)))


def of_lines(made: Made, tmp_path: Path, *lines: bytes) -> str:
    return of_samples(made, gzip.compress(b"".join(lines)), tmp_path)


def line(key: str = "k", run: str = "model", response: str = "x") -> bytes:
    return json.dumps({"run": run, "key": key, "response": response}).encode() + b"\n"


# Files


def test_a_json_of_100_mb_is_refused_before_it_is_read(tmp_path: Path, bounded: None) -> None:
    with (tmp_path / "made.json").open("wb") as file:
        file.truncate(100_000_000)
    assert "100000000 bytes; at most 2097152" in refusal(lambda: read_submission(tmp_path / "made.json"))


def test_samples_beyond_the_limit_are_refused_before_they_are_read(made: Made, tmp_path: Path, bounded: None) -> None:
    with (tmp_path / "made.samples.jsonl.gz").open("wb") as file:
        file.truncate(10 << 30)
    assert "at most" in refusal(lambda: read_samples(tmp_path / "made.samples.jsonl.gz", made.submission))


def test_a_link_is_not_followed(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path / "there")
    for file in (path, path.with_name("made.samples.jsonl.gz")):
        (tmp_path / file.name).symlink_to(file)
    assert "is a link" in refusal(lambda: read_submission(tmp_path / "made.json"))
    assert "is a link" in refusal(lambda: read_samples(tmp_path / "made.samples.jsonl.gz", made.submission))
    (tmp_path / "dangling.json").symlink_to("/etc/passwd")
    assert "is a link" in refusal(lambda: read_submission(tmp_path / "dangling.json"))


def test_a_folder_a_pipe_and_a_device_are_no_files(made: Made, tmp_path: Path, bounded: None) -> None:
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")  # opening it would wait for ever
    os.mkfifo(tmp_path / "made.samples.jsonl.gz")
    for name in ("folder", "pipe"):
        assert "no regular file" in refusal(lambda name=name: read_submission(tmp_path / f"{name}.json"))
    assert "no regular file" in refusal(lambda: read_samples(tmp_path / "made.samples.jsonl.gz", made.submission))


def test_a_missing_file_is_an_error_of_ours(made: Made, tmp_path: Path) -> None:
    assert "cannot be read" in refusal(lambda: read_submission(tmp_path / "made.json"))
    assert "cannot be read" in refusal(lambda: read_samples(tmp_path / "made.samples.jsonl.gz", made.submission))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "a/../b", "c:\\x", "Made", "m\u0430de", "made\0", "x" * 5000]
)
def test_a_name_that_leads_elsewhere_is_refused(made: Made, tmp_path: Path, name: str) -> None:
    made.submission["name"] = name
    assert "at 'name'" in of_json(json.dumps(made.submission).encode(), tmp_path)
    made.submission["name"] = "made"
    for file in (name, f"{name}.samples.jsonl.gz", f"/etc/{name}.samples.jsonl.gz", "other.samples.jsonl.gz"):
        made.submission["samples"]["file"] = file
        assert "samples" in of_json(json.dumps(made.submission).encode(), tmp_path)


# JSON


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": -1e999}', "too large"),
        (b'{"a": ' + b"9" * 20 + b"}", "integer '9+' is too large"),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", "too large"),
        (b'{"a": 0.' + b"1" * 1_000_000 + b"}", "too large or too long"),
        (b'{"a": 1, "a": 1}', "the key 'a' occurs twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "the key 'b' occurs twice"),
        (b"[" * 100_000, "nested deeper than 24"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 24"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 24"),
        (b'"' + b"[" * 100_000, "nested deeper than 24"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"\\udfff": 1}', "half of a surrogate pair"),
        (b'{"a": "\\uD800\\uD800"}', "half of a surrogate pair"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"a": "\x00"}', "is no JSON"),
        (b"\x00" * 1000, "is no JSON"),
        (b"", "is no JSON"),
        (b"{}{}", "is no JSON"),
        (b"{} x", "is no JSON"),
        (b"{'a': 1}", "is no JSON"),
        (b"[]", "not of type 'object'"),
        (b"null", "not of type 'object'"),
        (b'"submission"', "not of type 'object'"),
        (b"[" + b"0," * 200_000 + b"0]", "values; at most"),
        (b'{"runs": [' + b"{}," * 100_000 + b"{}]}", "values; at most"),
    ],
)
def test_what_no_two_readers_of_json_agree_about_is_refused(
    tmp_path: Path, bounded: None, content: bytes, reason: str
) -> None:
    assert re.search(reason, of_json(content, tmp_path))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*at, name)
        yield from places(item, (*at, name))


def put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    for name in place[:-1]:
        value = value[name]
    value[place[-1]] = new


def get(value: Any, place: tuple[Any, ...]) -> Any:
    for name in place:
        value = value[name]
    return value


@pytest.mark.parametrize(
    "values", [("a b\n", [[]]), pytest.param((1.5, True, None, {"\n": {}}), marks=pytest.mark.slow)], ids=str
)
def test_a_value_of_another_type_is_refused_wherever_it_stands(
    made: Made, tmp_path: Path, values: tuple[Any, ...]
) -> None:
    path = made.write(tmp_path)
    scalars = {str, int, float, bool, type(None)}
    shapes = {(place[-1], place[0], len(place)): place for place in places(made.submission)}  # runs are all alike
    for place in shapes.values():
        before = get(made.submission, place)
        free = any(name in place for name in ("arguments", "generation"))  # hyper-parameters are any scalar
        for wrong in values:
            number = isinstance(before, int | float) and isinstance(wrong, int | float) and not isinstance(wrong, bool)
            kinds = type(wrong) is type(before) or number or (free and type(wrong) in scalars)
            if kinds or (wrong is None and place[-1] in ("value", "low", "high", "judge", "parent")):
                continue
            put(made.submission, place, wrong)
            path.write_text(json.dumps(made.submission))
            refusal(lambda: read_submission(path))
        put(made.submission, place, before)
    path.write_text(json.dumps(made.submission))
    assert read_submission(path) == made.submission


def test_thousands_of_errors_are_no_burden(made: Made, tmp_path: Path, bounded: None) -> None:
    path = made.write(tmp_path)
    many: dict[tuple[Any, ...], Any] = {
        ("real_known",): {"known": [0] * 25_000},
        ("runs", "goals"): [0] * 25_000,
        ("runs", "model", "intervals"): {f"k {i}": {} for i in range(25_000)},
    }
    for place, wrong in many.items():
        before = get(made.submission, place)
        put(made.submission, place, wrong)
        path.write_text(json.dumps(made.submission))
        refusal(lambda: read_submission(path))
        put(made.submission, place, before)


@pytest.mark.parametrize("text", HOSTILE)
def test_script_is_accepted_only_where_free_text_is_and_stays_text(made: Made, tmp_path: Path, text: str) -> None:
    path = made.write(tmp_path)
    accepted = set()
    for place in {(place[-1], place[0], len(place)): place for place in places(made.submission)}.values():
        before = get(made.submission, place)
        if not isinstance(before, str):
            continue
        put(made.submission, place, text)
        path.write_text(json.dumps(made.submission))
        with contextlib.suppress(BenchmarkError):
            assert get(read_submission(path), place) == text
            accepted.add(place[-1])
        put(made.submission, place, before)
    free = {"description", "judge", "pre_prompt", "post_prompt", "note", "template"}
    assert accepted <= free | {"name"}, "names are those of runs, benchmark and base: the submission's own is a slug"
    made.submission["name"] = text
    path.write_text(json.dumps(made.submission))
    refusal(lambda: read_submission(path))


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://a:b@example.org", "http://example.org", "data:,x"])
def test_a_link_that_is_code_or_holds_a_password_is_refused(made: Made, tmp_path: Path, link: str) -> None:
    made.submission["link"] = link
    assert "link" in of_json(json.dumps(made.submission).encode(), tmp_path)


# Samples


def test_a_forged_hash_is_refused(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path).with_name("made.samples.jsonl.gz")
    forged = json.loads(json.dumps(made.submission))
    forged["samples"]["sha256"] = "0" * 64
    assert "SHA-256 is another" in refusal(lambda: read_samples(path, forged))
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert "SHA-256 is another" in refusal(lambda: read_samples(path, made.submission))


def test_a_forged_size_or_number_is_refused(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path).with_name("made.samples.jsonl.gz")
    documents = made.submission["samples"]["documents"]
    for claimed, reason in ((documents - 1, "holds more than"), (documents + 1, f"holds {documents} documents")):
        made.submission["samples"]["documents"] = claimed
        assert reason in refusal(lambda: list(read_samples(path, made.submission)))
    made.submission["samples"]["bytes"] += 1
    assert "the submission says" in refusal(lambda: read_samples(path, made.submission))


def bomb(megabytes: int) -> bytes:
    """A gzip stream of so many megabytes of zeros: one compressed megabyte, again and again."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * megabytes + packer.flush() + bytes(8)


def test_a_zip_bomb_never_unfolds(made: Made, tmp_path: Path, bounded: None) -> None:
    assert "a line of more than" in of_samples(made, bomb(1024), tmp_path)


def test_a_zip_bomb_of_lines_is_stopped_by_what_it_unpacks_to(
    made: Made, tmp_path: Path, bounded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "RATIO_FREE", 1 << 20)
    monkeypatch.setattr(loader, "MAX_RATIO", 20)
    lines = b"".join(line(f"k{i:06}", response="x" * 1000) for i in range(2000))
    assert "so much is not read" in of_samples(made, gzip.compress(lines), tmp_path, documents=2000)
    monkeypatch.setattr(loader, "MAX_RATIO", 1000)
    monkeypatch.setattr(loader, "MAX_UNPACKED", 1 << 20)
    assert "so much is not read" in of_samples(made, gzip.compress(lines), tmp_path, documents=2000)


def test_a_line_of_100_mb_is_refused(made: Made, tmp_path: Path) -> None:
    content = gzip.compress(line(response="x" * 100_000_000), 1)
    tracemalloc.start()
    assert "a line of more than" in of_samples(made, content, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < MEMORY
    tracemalloc.stop()


def test_a_million_lines_are_refused(made: Made, tmp_path: Path) -> None:
    content = gzip.compress(b"".join(b'{"run":"model","key":"%07d","response":""}\n' % i for i in range(1_000_000)), 1)
    start = process_time()
    assert "holds more than the 10 documents" in of_samples(made, content, tmp_path, documents=10)
    assert process_time() - start < SECONDS
    made.submission["samples"]["documents"] = 1_000_000
    assert "greater than the maximum" in of_json(json.dumps(made.submission).encode(), tmp_path)


def test_only_one_whole_gzip_stream_is_read(made: Made, tmp_path: Path) -> None:
    content = made.packed()
    assert "goes on after its end" in of_samples(made, content + b"more", tmp_path)
    assert "goes on after its end" in of_samples(made, content + b"\0", tmp_path)
    assert "goes on after its end" in of_samples(made, content + gzip.compress(b"x\n"), tmp_path)
    for cut in (len(content) - 1, len(content) - 8, len(content) // 2, 11, 10, 5, 1):
        assert "cut" in of_samples(made, content[:cut], tmp_path)
    assert "damaged" in of_samples(made, content[:-6] + b"\0" + content[-5:], tmp_path)
    for other in (b"not gzip", zlib.compress(b"x\n"), b"BZh91AY&SY", b"\x1f\x8b\x08"):
        refusal(lambda other=other: list(read_samples(seal(made, other, tmp_path), made.submission)))
    assert "does not end with a line feed" in of_samples(made, gzip.compress(line()[:-1]), tmp_path)
    assert "holds 0 documents" in of_samples(made, gzip.compress(b""), tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}\n", "no sample"),
        (b"[]\n", "no sample"),
        (b"\n", "is no JSON"),
        (b'{"run": "model", "key": "k", "response": "x", "score": 1}\n', "no sample"),
        (b'{"run": "model", "key": "k", "response": 1}\n', "are texts"),
        (b'{"run": "model", "key": ["k"], "response": "x"}\n', "are texts"),
        (b'{"run": null, "key": "k", "response": "x"}\n', "are texts"),
        (b'{"run": "model", "key": "k", "key": "k", "response": "x"}\n', "occurs twice"),
        (b'{"run": "model", "key": "k", "response": NaN}\n', "no JSON number"),
        (b'{"run": "model", "key": "k", "response": "\\ud800"}\n', "half of a surrogate"),
        (b'{"run": "model", "key": "k", "response": "\\u0000"}\n', "U\\+0000"),
        (b'{"run": "model", "key": "k\\u202e", "response": "x"}\n', "U\\+202E"),
        (b'{"run": "model", "key": "k", "response": "\xff"}\n', "not UTF-8"),
        (b'\xef\xbb\xbf{"run": "model", "key": "k", "response": "x"}\n', "byte-order mark"),
        (b"[" * 100_000 + b"\n", "nested deeper"),
        (line(key=""), "1 to 300"),
        (line(key="k" * 301), "1 to 300"),
        (line(response="x" * 60_001), "at most 60000"),
        (line(run="goal-1"), "no run 'goal-1'"),
        (line(run="goal-99999999999999999999"), "at most"),
        (line(run="../model"), "no run"),
        (line("b") + line("a"), "out of order"),
        (line("a", run="model") + line("a", run="finetuned"), "out of order"),
        (line("a") + line("a"), "occurs twice"),
    ],
)
def test_a_line_that_is_no_sample_is_refused(made: Made, tmp_path: Path, content: bytes, reason: str) -> None:
    assert re.search(reason, of_lines(made, tmp_path, content))


def test_a_response_may_be_any_text_else(made: Made, tmp_path: Path) -> None:
    texts = [*HOSTILE, "", "\x1b[31m", "\u202e", "\ufffd", "\U0001f600", "a\r\nb"]
    content = gzip.compress(b"".join(line(f"k{i:02}", response=text) for i, text in enumerate(texts)))
    path = seal(made, content, tmp_path, documents=len(texts))
    assert [sample.response for sample in read_samples(path, made.submission)] == texts
