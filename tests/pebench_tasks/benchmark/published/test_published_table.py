"""Tables of any encoding and delimiter; what is no table is refused."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replica import FULL, make_images, write_table

from pebench_tasks.benchmark.published.build import understand
from pebench_tasks.benchmark.published.table import read_table
from pebench_tasks.errors import BenchmarkError

HEADER = ["image", "naïve text", "note"]
ROWS = [["a/1.jpg", 'He said "no",\nthen left; at once', "é"], ["a/2.jpg", "one\ttab | bar", ""]]


def save(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def as_csv(rows: list[list[str]], delimiter: str = ",") -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_delimiters_are_told(tmp_path: Path, delimiter: str, encoding: str) -> None:
    table = read_table(save(tmp_path / "t.csv", as_csv([HEADER, *ROWS], delimiter), encoding))
    assert table.encoding == encoding
    assert table.columns == {name: [row[i].strip() for row in ROWS] for i, name in enumerate(HEADER)}
    assert table.odd == []


def test_western_text_of_windows_has_its_quotation_marks(tmp_path: Path) -> None:
    texts = ["Renée’s café – “crème brûlée”", "Señor Ñandú", "Mika Pääkkönen", "„Hallo“ • Nº 5 × ½ cup, Acme™"]
    text = as_csv([["file", "text"], *([f"{i}.jpg", value] for i, value in enumerate(texts))])
    table = read_table(save(tmp_path / "t.csv", text, "cp1252"))
    assert table.columns["text"] == texts
    assert table.encoding == "cp1252"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("gbk", "王小明在公园"),
        ("shift_jis", "山田太郎"),
        ("cp1251", "Иван Петров"),
        ("cp949", "김철수"),
        ("gbk", "王芳"),
    ],
)
def test_text_of_other_encodings_is_refused_and_never_becomes_a_name(tmp_path: Path, encoding: str, name: str) -> None:
    text = as_csv([["file", "person"], ["1.jpg", name], ["2.jpg", "Bruno"]])
    with pytest.raises(BenchmarkError, match=r"Save it as UTF-8; for a Chinese one:  iconv -f GB18030"):
        read_table(save(tmp_path / "t.csv", text, encoding))


def test_a_replica_with_a_mark_semicolons_and_latin_letters_is_read(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for encoding, delimiter in (("utf-8-sig", ";"), ("latin-1", "\t"), ("utf-16", ",")):
        write_table(tmp_path, rows, FULL, encoding=encoding, delimiter=delimiter)
        understood = understand(tmp_path)
        assert [row["name"] for row in understood.grid.people][1] == "Bruno Díaz"
        assert len(understood.grid.cells) == 30


def test_a_table_without_a_header_gets_numbered_columns(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    path = write_table(tmp_path, rows, FULL)
    path.write_bytes(path.read_bytes().split(b"\r\n", 1)[1])
    assert list(read_table(path).columns) == ["column 1", "column 2", "column 3", "column 4"]
    assert len(understand(tmp_path).grid.cells) == 30


def test_headers_that_repeat_or_are_empty_are_told_apart(tmp_path: Path) -> None:
    table = read_table(save(tmp_path / "t.csv", "name,,name\na,b,c\n"))
    assert list(table.columns) == ["name", "column 2", "name (3)"]


def test_a_row_of_another_width_is_counted_with_its_line(tmp_path: Path) -> None:
    lines = ["a,b", *["1,2"] * 30, "1,2,3", "", "1,2"]
    table = read_table(save(tmp_path / "t.csv", "\n".join(lines)))
    assert (table.rows, table.odd) == (31, [32])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"one\ntwo\n", "a single column"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,b\n1\n2\n3\n", r"2 columns in the header, not so in line 2"),
        (b'a,b\n1,"never closed\n2,3\n', "unexpected end of data in line 3"),
        (b"\x89PNG\r\n\x00\x00", "is not text"),
        (b"\xff\xfea", "is not text"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(BenchmarkError, match=message):
        read_table(path)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1)


@given(st.lists(st.tuples(WORD, WORD, WORD), min_size=2), st.sampled_from([",", ";", "\t", "|"]))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list, delimiter: str) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    save(path, as_csv([["x", "y", "z"], *map(list, rows)], delimiter))
    assert list(zip(*read_table(path).columns.values(), strict=True)) == rows
