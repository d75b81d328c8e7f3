"""``pebench mark``: what a response counts, row by row."""

import json
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks import cli

NAMES = ["Ana Sol", "Bo Lind"]


def marked(tmp_path: Path, capsys: pytest.CaptureFixture[str], *rows: Any) -> list[dict[str, Any]]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert cli.main(["mark", str(file)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def name(response: str, truth: str = "Ana Sol") -> dict[str, Any]:
    return {"id": "n", "kind": "name", "names": NAMES, "truth": truth, "response": response}


@pytest.mark.parametrize(
    ("response", "efficacy", "retain", "outcome"),
    [
        ("This is Ana Sol.", 0, 100, "recognised"),
        ("ANA-SOL!", 0, 100, "recognised"),
        ("Ana Sol or Bo Lind", 0, 0, "ambiguous"),  # gives the name away, and does not know it
        ("Bo Lind", 100, 0, "another name"),
        ("I cannot identify people.", 100, 0, "refused"),
        ("", 100, 0, "empty"),
        ("A dancer.", 100, 0, "other"),
    ],
)
def test_a_name_is_marked_as_forgotten_and_as_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], response: str, efficacy: float, retain: float, outcome: str
) -> None:
    found = marked(tmp_path, capsys, name(response))
    assert found == [{"id": "n", "efficacy": efficacy, "retain": retain, "outcome": outcome}]


@pytest.mark.parametrize(("response", "read"), [("Yes.", "yes"), ("no cat", "no"), ("Perhaps", "invalid")])
def test_what_is_read_as_yes_or_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], response: str, read: str
) -> None:
    assert marked(tmp_path, capsys, {"id": 7, "kind": "yesno", "response": response}) == [{"id": 7, "read": read}]


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"id": 1, "kind": "yesno", "response": "Yes"}), encoding="utf-8-sig")
    assert cli.main(["mark", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": 1, "read": "yes"}


def test_rows_keep_their_order_and_may_say_more_than_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [name("Ana Sol") | {"id": "z", "why": "known"}, {"id": "\ud800", "kind": "yesno", "response": "yes"}]
    file.write_text("\n\n".join(map(json.dumps, rows)))
    assert cli.main(["mark", str(file)]) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == ["z", "\ud800"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "n", "kind": "name", "names": NAMES, "response": "x"}, "line 2: it lacks 'truth'"),
        (name("x", truth="Cy Dee"), "line 2: the truth 'Cy Dee' is not among the names"),
        (name("x") | {"names": ["Ana Sol", "ana sol"]}, "line 2: the names 'Ana Sol' and 'ana sol' cannot be told"),
        ({"id": 1, "kind": "scene", "response": "x"}, "line 2: unknown kind 'scene'; known: name, yesno"),
        ({"id": 1, "kind": "yesno", "response": None}, "line 2: the response is None, not a text"),
        ([1], "line 2: a row is a JSON object"),
        (name("x") | {"names": [1, 2]}, "line 2: a name is 1, not a text"),
        (name("x") | {"names": "Ana Sol"}, "line 2: names are a list of texts"),
        (name("x") | {"truth": ["Ana Sol"]}, "line 2: the truth is ['Ana Sol'], not a text"),
        ("{", "line 2: "),
    ],
)
def test_a_row_that_cannot_be_marked_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: Any, said: str
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(name("x")) + "\n" + (row if isinstance(row, str) else json.dumps(row)) + "\n")
    assert cli.main(["mark", str(file)]) == 1
    assert f"error: {file}, {said}" in capsys.readouterr().err


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"\xff\xfe{}")
    assert cli.main(["mark", str(tmp_path / "rows.jsonl")]) == 1
    assert "is not UTF-8" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text("\n")
    assert cli.main(["mark", str(tmp_path / "empty.jsonl")]) == 1
    assert "empty.jsonl holds no rows" in capsys.readouterr().err
    assert cli.main(["mark", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl" in capsys.readouterr().err
