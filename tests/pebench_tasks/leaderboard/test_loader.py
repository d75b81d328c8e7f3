"""What a submission may be, and that reading one gives what was written."""

import json
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from made_submissions import Made, make

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check import board
from pebench_tasks.leaderboard.entry import loader
from pebench_tasks.leaderboard.entry.loader import check_link, check_name, read_samples, read_submission
from pebench_tasks.leaderboard.entry.safe_json import parse
from pebench_tasks.marking.scoring import FIGURES
from pebench_tasks.results.files import TASKS


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> Made:
    return make(benchmark, "event")


@pytest.fixture
def made(valid: Made) -> Made:
    return valid.copy()


def refused(made: Made, folder: Path) -> str:
    with pytest.raises(BenchmarkError) as error:
        read_submission(made.write(folder))
    return str(error.value)


def test_reading_gives_what_was_written(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path)
    assert read_submission(path) == made.submission
    lines = list(read_samples(tmp_path / "made.samples.jsonl.gz", made.submission))
    assert [(line.key, line.run) for line in lines] == sorted((line["key"], line["run"]) for line in made.lines)
    by_place = {(line["key"], line["run"]): line["response"] for line in made.lines}
    assert all(by_place[line.key, line.run] == line.response for line in lines)


def test_the_schema_is_a_schema_and_names_our_targets_and_tasks() -> None:
    schema = loader.validator().schema
    assert isinstance(schema, dict)
    loader.validator().check_schema(schema)
    assert schema["properties"]["format"]["const"] == loader.FORMAT
    assert schema["properties"]["target"]["enum"] == list(FIGURES)
    assert schema["properties"]["task"]["enum"] == list(TASKS.values())
    assert schema["properties"]["samples"]["properties"]["bytes"]["maximum"] == loader.MAX_SAMPLES
    assert schema["properties"]["runs"]["properties"]["goals"]["maxItems"] == loader.MAX_GOALS
    assert schema["$defs"]["sample"]["properties"]["response"]["maxLength"] == loader.MAX_RESPONSE


def objects(schema: Any) -> list[dict[str, Any]]:
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    found = [one for part in inner for one in objects(part)]
    return [schema, *found] if isinstance(schema, dict) and schema.get("type") == "object" else found


def test_every_object_of_the_schema_is_closed_and_every_list_and_text_is_bounded() -> None:
    schema: Any = loader.validator().schema
    for one in objects(schema):
        assert "additionalProperties" in one, one
        assert one["additionalProperties"] is False or "maxProperties" in one or "propertyNames" in one, one
    for part in json.dumps(schema).split("{"):
        if '"type": "array"' in part:
            assert "maxItems" in part
        if '"type": "string"' in part:
            assert "maxLength" in part or "pattern" in part


@pytest.mark.parametrize("name", ["a", "0", "demo-gd.v2_b", "x" * 64])
def test_names_that_are_file_names_everywhere(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "Demo", "ä", "d\u0435mo", "-a", ".a", "_a", "a/b", "..", "a\\b", "a b", "a\n", "a\0", "x" * 65, "a.",
     "con", "nul.x", "com1", "board", "verified", "index", "ﬁle", "a:b", "a*"],
)  # fmt: skip
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(BenchmarkError, match="cannot be the name of a submission"):
        check_name(name)


@pytest.mark.parametrize(
    "link", ["https://example.org", "https://arxiv.org/abs/2503.12545?x=1#y", "https://a.b-c.org:8/"]
)
def test_links_that_lead_somewhere(link: str) -> None:
    check_link(link, "here")


@pytest.mark.parametrize(
    "link",
    ["", "http://example.org", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//example.org",
     "https:example.org", "https://", "https:///x", "https://user:word@example.org", "https://user@example.org",
     "https://example.org/ x", "https://example.org/\nx", 'https://example.org/"><script>', "https://exämple.org",
     "https://example.org/\u202egro", "https://[::1", "https://[::1]/", "https://example.org:99999/", "ftp://example.org",
     " https://example.org", "https://\\example.org", "https://.", "https://@example.org"],
)  # fmt: skip
def test_links_that_do_not(link: str) -> None:
    with pytest.raises(BenchmarkError, match="must begin with https:// and hold no user name"):
        check_link(link, "here")


def test_a_submission_is_called_as_its_files_are(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path)
    path.rename(tmp_path / "other.json")
    with pytest.raises(BenchmarkError, match="calls itself 'made'"):
        read_submission(tmp_path / "other.json")
    made.submission["samples"]["file"] = "other.samples.jsonl.gz"
    assert "A submission has the name of its files" in refused(made, tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("format",), "pebench-submission/3", "format.*was expected"),
        (("target",), "people", "target.*not one of"),
        (("benchmark", "fingerprint"), "x" * 16, "does not match"),
        (("benchmark", "forget"), "forget50", "not one of"),
        (("runs", "model", "figures", "efficacy"), "1.0", "not of type 'number'"),
        (("runs", "model", "figures", "efficacy"), True, "not of type 'number'"),
        (("runs", "model", "figures", "efficacy"), -0.1, "less than the minimum"),
        (("runs", "goals"), [], "should be non-empty|too short"),
        (("samples", "documents"), 1_000_000, "greater than the maximum"),
        (("extra",), 1, "Additional properties are not allowed"),
        (("runs", "model", "record", "losses"), [1.0], "parent|Additional properties"),
        (("runs", "model", "record", "arguments", "inner"), {"a": 1}, "not of type"),
        (("name",), None, "name.*not of type"),
    ],
)
def test_a_value_that_is_not_in_the_schema_is_refused(
    made: Made, tmp_path: Path, place: tuple[str, ...], value: Any, reason: str
) -> None:
    path = made.write(tmp_path)
    inner: Any = made.submission
    for part in place[:-1]:
        inner = inner.setdefault(part, {})
    inner[place[-1]] = value
    path.write_text(json.dumps(made.submission))
    with pytest.raises(BenchmarkError, match=reason):
        read_submission(path)


def test_a_field_that_is_missing_is_refused(made: Made, tmp_path: Path) -> None:
    for name in [*made.submission]:
        less = {field: value for field, value in made.submission.items() if field != name}
        (tmp_path / "made.json").write_text(json.dumps(less))
        with pytest.raises(BenchmarkError, match=f"'{name}' is a required property"):
            read_submission(tmp_path / "made.json")


def test_a_description_may_have_lines_but_a_name_of_a_run_may_not(made: Made, tmp_path: Path) -> None:
    made.submission["description"] = "One line.\n\tAnother, with \u00e4 and \U0001f600."
    assert read_submission(made.write(tmp_path)) == made.submission
    made.run()["name"] = "two\nlines"
    assert "U+000A" in refused(made, tmp_path)


def test_texts_that_look_like_others_are_refused(made: Made, tmp_path: Path) -> None:
    for character in "\u202e\u2066\u200f\0\x1b\x7f":
        made.submission["description"] = f"a{character}b"
        assert f"U+{ord(character):04X}" in refused(made, tmp_path)
    made.submission["description"] = ""
    for character in "\u200b\ufeff\u2028\u00ad\ue000":
        made.run()["name"] = f"a{character}b"
        assert f"U+{ord(character):04X}" in refused(made, tmp_path)


def test_whole_numbers_and_fractions_stay_what_they_are() -> None:
    assert parse(b'{"a": 1, "b": 1.0, "c": -0.5e-3}', "x") == {"a": 1, "b": 1.0, "c": -0.0005}
    assert type(parse(b"1", "x")) is int
    assert type(parse(b"1.0", "x")) is float


def judged(made: Made, judgement: Any, tmp_path: Path) -> list[Any]:
    made.lines[0]["judgement"] = judgement
    made.write(tmp_path)
    return [line.judgement for line in read_samples(tmp_path / "made.samples.jsonl.gz", made.submission)]


@pytest.mark.parametrize(
    "judgement",
    [{"failed": "malformed: x"}, {"weights": {"3": 1}, "source": "text"},
     {"weights": {"1": 0.25, "5": 0.75}, "source": "logprobs"}],
)  # fmt: skip
def test_judgements_are_read(made: Made, tmp_path: Path, judgement: Any) -> None:
    assert judgement in judged(made, judgement, tmp_path)


@pytest.mark.parametrize(
    "judgement",
    [None, 1, "5", [], {}, {"weights": {}, "source": "text"}, {"weights": {"6": 1}, "source": "text"},
     {"weights": {"5": 2}, "source": "text"}, {"weights": {"5": -1}, "source": "text"},
     {"weights": {"5": 0}, "source": "text"}, {"weights": {"5": True}, "source": "text"},
     {"weights": {"1": 1, "5": 1}, "source": "text"}, {"weights": {"5": 1}}, {"weights": {"5": 1}, "source": "me"},
     {"failed": ""} | {"weights": {"5": 1}}, {"failed": 1}, {"failed": "x" * 301},
     {"weights": {"5": 1}, "source": "text", "value": 1}],
)  # fmt: skip
def test_judgements_that_are_none_are_refused(made: Made, tmp_path: Path, judgement: Any) -> None:
    with pytest.raises(BenchmarkError, match="its judgement is neither"):
        judged(made, judgement, tmp_path)


# The maintainers' files


def test_a_folder_without_settings_is_a_board(tmp_path: Path) -> None:
    assert board.read_board(tmp_path).judges == ("lexical",)
    assert board.read_verified(tmp_path) == {}


def test_settings_are_read(tmp_path: Path) -> None:
    written = {
        "title": "Ours", "about": "two\nlines", "repository": "https://example.org/r",
        "judges": ["lexical", "openai:m/1"],
        "benchmarks": {"0" * 16: {"name": "B", "build": "pebench data build"}},
    }  # fmt: skip
    (tmp_path / "board.json").write_text(json.dumps(written))
    read = board.read_board(tmp_path)
    assert read.benchmarks["0" * 16].build == "pebench data build"
    assert (read.title, read.judges) == ("Ours", ("lexical", "openai:m/1"))


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"judges": []}', '{"title": 1}', '{"repository": "javascript:x"}', '{"more": 1}', '{"title": NaN}',
     '{"benchmarks": {"x": {"name": "", "build": ""}}}', '{"title": "a", "title": "b"}', '{"title": "\\u202e"}'],
)  # fmt: skip
def test_damaged_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "board.json").write_text(text)
    with pytest.raises(BenchmarkError):
        board.read_board(tmp_path)


def test_a_changed_submission_is_no_longer_verified(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path)
    word = {"sha256": board.hashlib.sha256(path.read_bytes()).hexdigest(), "by": "me", "on": "2026-01-31", "note": ""}
    (tmp_path / "verified.json").write_text(json.dumps({"made": word}))
    verified = board.read_verified(tmp_path)
    found = board.is_verified(path, verified)
    assert found is not None
    assert found.by == "me"
    path.write_text(path.read_text() + " ")
    assert board.is_verified(path, verified) is None
    assert board.is_verified(tmp_path / "other.json", verified) is None


def test_the_submissions_of_a_folder_are_its_json_files(made: Made, tmp_path: Path) -> None:
    made.write(tmp_path, "b")
    made.write(tmp_path, "a")
    for name in ("board.json", "verified.json", "README.md", "LICENSE"):
        (tmp_path / name).write_text("{}")
    assert [path.name for path in board.submission_files(tmp_path)] == ["a.json", "b.json"]
    (tmp_path / "c.samples.jsonl.gz").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="belongs to no submission"):
        board.submission_files(tmp_path)
    with pytest.raises(BenchmarkError, match="no folder"):
        board.submission_files(tmp_path / "none")


@pytest.mark.parametrize("name", ["Made.json", "made.JSON", "m\u0430de.json", "made .json", "MADE.JSON"])
def test_a_name_that_another_file_system_takes_for_the_same_is_refused(made: Made, tmp_path: Path, name: str) -> None:
    made.write(tmp_path)
    (tmp_path / name).write_text("{}")
    with pytest.raises(BenchmarkError):
        board.submission_files(tmp_path)


def test_a_key_that_occurs_twice_among_very_many_is_found_at_once() -> None:
    """In far less than the minutes of a search among the keys before each."""
    keys = [f"k{i}" for i in range(100_000)]
    text = "{" + ",".join(f'"{key}":0' for key in [*keys, keys[-1]]) + "}"
    started = process_time()
    with pytest.raises(BenchmarkError, match="the key 'k99999' occurs twice"):
        parse(text.encode(), "x")
    assert process_time() - started < 20
