"""Whatever is in the files: the loader returns what is there, valid by the schema, or raises ``BenchmarkError``."""

import contextlib
import copy
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from made_submissions import Made, make

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check import board
from pebench_tasks.leaderboard.entry.loader import read_samples, read_submission, validator
from pebench_tasks.leaderboard.entry.safe_json import parse

SETTINGS = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))

SPECIAL = st.sampled_from(
    ["", "model", "goal-1", "../x", "javascript:alert(1)", "https://a:b@c", "\u202e", "\0", "\ud800", "9" * 50, "NaN",
     "<script>", "forget05", "0" * 16, "a\nb", "x" * 400, "pebench-run/1", "lexical", "Made", "made"]
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.sampled_from([10**400, -(2**53), 2**53 - 1, 1e308, -0.0, 0, 1, 100])
)
ANY = st.recursive(
    st.one_of(st.none(), NUMBERS, st.text(), SPECIAL),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(), SPECIAL), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> Made:
    return make(benchmark, "event")


@pytest.fixture(scope="module")
def packed(valid: Made) -> bytes:
    return valid.packed()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("fuzzed"))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, item in inner for place in places(item, (*at, name)))]


def changed(draw: st.DataObject, value: Any) -> Any:
    """A JSON value with one part replaced, taken out, added or moved."""
    value = copy.deepcopy(value)
    place = draw.draw(st.sampled_from(places(value)))
    if not place:
        return draw.draw(ANY)
    inner = value
    for name in place[:-1]:
        inner = inner[name]
    match draw.draw(st.sampled_from(["replace", "remove", "add", "move"])):
        case "replace":
            inner[place[-1]] = draw.draw(ANY)
        case "remove":
            del inner[place[-1]]
        case "add" if isinstance(inner, dict):
            inner[draw.draw(st.one_of(st.text(), SPECIAL, st.sampled_from([*inner])))] = draw.draw(ANY)
        case "add":
            inner.append(draw.draw(ANY))
        case "move":
            other = value
            for name in draw.draw(st.sampled_from(places(value))):
                other = other[name]
            inner[place[-1]] = copy.deepcopy(other)
    return value


def check_message(text: str) -> None:
    assert text.isprintable()
    assert text.isascii()
    assert len(text) < 1000


def check(content: bytes, folder: Path) -> bool:
    """Whether ``content`` was taken as a submission; then it is what ``json.loads`` gives, and valid."""
    path = folder / "made.json"
    path.write_bytes(content)
    try:
        read = read_submission(path)
    except BenchmarkError as error:
        check_message(str(error))
        return False
    assert read == json.loads(content)
    assert validator().is_valid(read)
    json.dumps(read, allow_nan=False).encode()
    json.dumps(read, allow_nan=False, ensure_ascii=False).encode()
    return True


@SETTINGS
@given(data=st.data())
def test_a_changed_submission_is_read_as_it_is_or_refused(valid: Made, folder: Path, data: st.DataObject) -> None:
    value = changed(data, valid.submission)
    for _ in range(data.draw(st.integers(0, 2))):
        value = changed(data, value) if isinstance(value, dict) else value
    check(json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"), folder)


@SETTINGS
@given(value=ANY)
def test_any_json_is_read_as_it_is_or_refused(folder: Path, value: Any) -> None:
    assert not check(json.dumps(value).encode(), folder)


@SETTINGS
@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused(folder: Path, content: bytes) -> None:
    assert not check(content, folder)


@SETTINGS
@given(data=st.data())
def test_spliced_bytes_are_read_as_they_are_or_refused(valid: Made, folder: Path, data: st.DataObject) -> None:
    content = json.dumps(valid.submission).encode()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    new = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"NaN", b"1e999", b'"', b"}", b"[", b",", b"0"])))
    check(content[:start] + new + content[end:], folder)


@SETTINGS
@given(value=ANY)
def test_parse_gives_what_json_loads_gives_or_refuses(value: Any) -> None:
    content = json.dumps(value).encode()
    try:
        read = parse(content, "here")
    except BenchmarkError:
        return
    assert json.dumps(read) == json.dumps(json.loads(content))


@SETTINGS
@given(content=st.one_of(st.binary(max_size=300), ANY.map(lambda value: json.dumps(value).encode())))
def test_the_maintainers_files_are_read_or_refused(folder: Path, content: bytes) -> None:
    for name, read in (("board.json", board.read_board), ("verified.json", board.read_verified)):
        (folder / name).write_bytes(content)
        with contextlib.suppress(BenchmarkError):
            read(folder)


# Samples


def read_back(made: Made, content: bytes, folder: Path, documents: int) -> list[dict[str, Any]] | None:
    """The samples in these bytes, sealed as they are, or None where they were refused."""
    submission = copy.deepcopy(made.submission)
    digest = hashlib.sha256(content).hexdigest()
    submission["samples"] |= {"sha256": digest, "bytes": len(content), "documents": documents}
    path = folder / "made.samples.jsonl.gz"
    path.write_bytes(content)
    try:
        lines = list(read_samples(path, submission))
    except BenchmarkError as error:
        check_message(str(error))
        return None
    return [{name: value for name, value in line._asdict().items() if value is not None} for line in lines]


def sample_validator() -> Draft202012Validator:
    schema: Any = validator().schema
    return Draft202012Validator(schema["$defs"]["sample"])


@SETTINGS
@given(content=st.binary(max_size=300))
def test_any_bytes_are_no_samples(valid: Made, folder: Path, content: bytes) -> None:
    assert read_back(valid, content, folder, 1) is None


@SETTINGS
@given(data=st.data())
def test_spliced_samples_are_refused(valid: Made, packed: bytes, folder: Path, data: st.DataObject) -> None:
    content = packed
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    spliced = content[:start] + data.draw(st.binary(max_size=20)) + content[end:]
    read = read_back(valid, spliced, folder, len(valid.lines))
    # The header holds a date and other fields that mean nothing.
    assert read is None or read == read_back(valid, content, folder, len(valid.lines))


@SETTINGS
@given(data=st.data())
def test_a_changed_sample_is_read_as_it_is_or_refused(valid: Made, folder: Path, data: st.DataObject) -> None:
    judged = {"weights": {"1": 0.5, "4": 0.5}, "source": "text"}
    row = {"run": "model", "key": "k", "response": "x"} | data.draw(st.sampled_from([{}, {"judgement": judged}]))
    value = changed(data, row)
    line = json.dumps(value).encode()
    read = read_back(valid, gzip.compress(line + b"\n"), folder, 1)
    if read is not None:
        assert read == [json.loads(line)]
        assert sample_validator().is_valid(read[0])


@SETTINGS
@given(response=st.text(), failed=st.booleans())
def test_every_honest_text_comes_back(valid: Made, folder: Path, response: str, failed: bool) -> None:
    response = response.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    row: dict[str, Any] = {"run": "model", "key": "k", "response": response}
    row |= {"judgement": {"failed": "truncated"}} if failed else {}
    for ascii_only in (True, False):
        line = json.dumps(row, ensure_ascii=ascii_only).encode()
        assert read_back(valid, gzip.compress(line + b"\n"), folder, 1) == [row]
