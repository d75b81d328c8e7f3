"""Text files whole or not at all, and CSV that runs nothing."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pebench_tasks.files import csv_text, write_whole


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_text_comes_back_or_is_marked_as_no_formula(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text([{"response": text, "n": -1}], ["response", "n"]), newline=""))
    lines = "\n".join(text.replace("\r\n", "\n").split("\r"))
    assert row["response"] == (f"'{lines}" if lines[:1] in ("=", "+", "-", "@", "\t") else lines)
    assert row["n"] == "-1"  # a number stays one


def test_half_a_surrogate_pair_is_spelled_out() -> None:
    assert csv_text([{"response": "a\ud800"}], ["response"]) == "response\na\\ud800\n"


def test_what_cannot_be_renamed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "out", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
