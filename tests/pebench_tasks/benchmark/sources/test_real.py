"""Real: sources of names and photographs in every layout that is read, and those that are refused."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import serve
from PIL import Image, ImageDraw

from pebench_tasks.benchmark.pixels import UNDECODED
from pebench_tasks.benchmark.sources.real import read_real
from pebench_tasks.errors import BenchmarkError

Row = dict[str, Any]
NAMES = ["Ada Lovelace", "Grace Hopper", "José Martí", "Ada Lovelace"]


def picture(number: int, kind: str = "JPEG") -> bytes:
    image = Image.new("RGB", (40, 40), (number * 53 % 256, 80, number * 17 % 256))
    ImageDraw.Draw(image).rectangle((number % 20, 5, 30, 30), fill=(200, number % 256, 0))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def imagefolder(folder: Path, rows: list[Row], *, delimiter: str = ",", bom: bool = False) -> Path:
    """A folder with metadata.csv and an image file for every row that has a number as its ``file_name``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for row in rows:
        if isinstance(row.get("file_name"), int):
            number = row["file_name"]
            row = row | {"file_name": f"faces/{number:03d}.jpg"}
            (folder / "faces").mkdir(exist_ok=True)
            (folder / row["file_name"]).write_bytes(picture(number))
        written.append(row)
    with (folder / "metadata.csv").open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(written[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(written)
    return folder


def people(count: int = 4) -> list[Row]:
    return [
        {"file_name": number, "name": NAMES[number % 4], "description": f"Picture {number}, at a desk."}
        for number in range(count)
    ]


def parquet(file: Path, rows: list[Row]) -> Path:
    """Parquet as ``datasets`` writes it; a column ``image`` holds images."""
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset = datasets.Dataset.from_list(rows)
    if "image" in rows[0]:
        dataset = dataset.cast_column("image", datasets.Image())
    dataset.to_parquet(file)
    return file


def faces(count: int, **columns: Any) -> list[Row]:
    return [
        {"image": {"bytes": picture(number), "path": f"{number}.jpg"}}
        | {name: value(number) if callable(value) else value for name, value in columns.items()}
        for number in range(count)
    ]


def test_an_imagefolder_gives_the_stored_bytes_and_one_figure_a_name(tmp_path: Path) -> None:
    reading = read_real(str(imagefolder(tmp_path / "faces", people())))
    rows = list(reading)
    assert [row["image"]["bytes"] for row in rows] == [picture(number) for number in range(4)]
    assert [row["key"] for row in rows] == ["real/0000", "real/0001", "real/0002", "real/0003"]
    assert [row["figure"] for row in rows] == ["f0000", "f0001", "f0002", "f0000"]
    assert rows[2]["name"] == "José Martí"
    assert rows[2]["description"] == "Picture 2, at a desk."
    assert set(rows[0]) == {"key", "figure", "name", "description", "keywords", "part", "bytes_sha256", "image"}
    assert reading.report == {
        "source": str(tmp_path / "faces"),
        "revision": "",
        "files": ["metadata.csv"],
        "columns": {"image": "file_name", "name": "name", "description": "description"},
        "rows": 4,
        "images": 4,
        "figures": 3,
        "skipped": {},
        "unusable": [],
        "repeated": {},
    }
    json.dumps(reading.report)


def test_rows_come_one_at_a_time(tmp_path: Path) -> None:
    reading = read_real(str(imagefolder(tmp_path, people())))
    iterator = iter(reading)
    assert next(iterator)["key"] == "real/0000"
    assert "rows" not in reading.report


@pytest.mark.parametrize(("delimiter", "bom"), [(";", True), ("\t", False), (",", True)])
def test_semicolons_tabs_and_a_byte_order_mark_are_read(tmp_path: Path, delimiter: str, bom: bool) -> None:
    rows = list(read_real(str(imagefolder(tmp_path, people(), delimiter=delimiter, bom=bom))))
    assert [row["name"] for row in rows] == NAMES


def test_spellings_of_one_name_are_one_figure_under_the_first_spelling(tmp_path: Path) -> None:
    names = ["José Martí", "jose  marti", "JOSÉ-MARTÍ"]
    rows = list(read_real(str(parquet(tmp_path / "a.parquet", faces(3, name=lambda n: names[n])))))
    assert {(row["figure"], row["name"]) for row in rows} == {("f0000", "José Martí")}


def test_jsonl_and_a_single_parquet_file_are_read_too(tmp_path: Path) -> None:
    folder = imagefolder(tmp_path / "one", people())
    (folder / "metadata.csv").unlink()
    lines = [{"file_name": f"faces/{n:03d}.jpg", "name": NAMES[n], "caption": f"Caption {n}"} for n in range(4)]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    from_jsonl = list(read_real(str(folder)))
    file = parquet(tmp_path / "two" / "x.parquet", faces(4, label=lambda n: NAMES[n], bio=lambda n: f"Caption {n}"))
    from_parquet = list(read_real(str(file)))
    assert [row["description"] for row in from_jsonl] == [f"Caption {n}" for n in range(4)]
    assert [row["bytes_sha256"] for row in from_jsonl] == [row["bytes_sha256"] for row in from_parquet]
    assert [row["name"] for row in from_jsonl] == [row["name"] for row in from_parquet]


def test_clear_is_read_from_the_hub_by_its_ready_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "CLEAR"
    rows = faces(6, answer=lambda n: f"Person {n}", options=[["A", "B"]])
    parquet(repository / "real_faces" / "train-00000-of-00001.parquet", rows)
    parquet(repository / "full" / "train-00000-of-00001.parquet", faces(2, name="Somebody Else"))
    with serve({"therem/CLEAR": repository}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        reading = read_real("therem/CLEAR")
        assert [row["name"] for row in reading] == [f"Person {n}" for n in range(6)]
        assert hub.downloads() == ["real_faces/train-00000-of-00001.parquet"]
        assert reading.report["revision"] == hub.commit("therem/CLEAR")
    assert reading.report["columns"] == {"image": "image", "name": "answer", "description": ""}
    assert reading.report["files"] == ["real_faces/train-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        (
            {"biography": lambda n: json.dumps({"Name": f"Person {n}", "Born": "Rome"}), "question": "?"},
            "biography.Name",
        ),
        ({"biography": "no JSON at all", "Name": lambda n: f"Person {n}"}, "Name"),
    ],
)
def test_mllmu_celebrities_are_named_by_the_first_place_that_holds_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: Row, place: str
) -> None:
    repository = tmp_path / "MLLMU"
    rows = faces(3, ID=lambda n: f"{n:03d}", answer="A long text about the person.", **columns)
    parquet(repository / "Retain_Set" / "train-00000-of-00001.parquet", rows)
    with serve({"MLLMMU/MLLMU-Bench": repository}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        reading = read_real("MLLMMU/MLLMU-Bench")
        assert [row["name"] for row in reading] == [f"Person {n}" for n in range(3)]
        assert reading.report["columns"] == {"image": "image", "name": place, "description": ""}
        described = read_real("MLLMMU/MLLMU-Bench", "description=answer")
        assert {row["description"] for row in described} == {"A long text about the person."}


def test_mllmu_without_a_name_anywhere_lists_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "MLLMU"
    parquet(repository / "Retain_Set" / "train.parquet", faces(2, ID="1", biography="Text."))
    with serve({"MLLMMU/MLLMU-Bench": repository}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        with pytest.raises(BenchmarkError, match=r"the name is in none of biography.Name, .* columns are image, ID"):
            read_real("MLLMMU/MLLMU-Bench")


def test_an_imagefolder_on_the_hub_follows_the_caches_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = imagefolder(tmp_path / "repository", people())
    with serve({"someone/faces": repository}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        rows = list(read_real("someone/faces"))
    assert [row["image"]["bytes"] for row in rows] == [picture(number) for number in range(4)]


def test_parquet_in_a_folder_of_any_dataset_on_the_hub_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "repository" / "data" / "train-00000-of-00001.parquet", faces(2, name=lambda n: NAMES[n]))
    with serve({"someone/faces": tmp_path / "repository"}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        reading = read_real("someone/faces")
        assert [row["name"] for row in reading] == NAMES[:2]
    assert reading.report["files"] == ["data/train-00000-of-00001.parquet"]


def test_an_ambiguous_name_is_refused_with_the_candidates_and_can_be_given(tmp_path: Path) -> None:
    file = parquet(tmp_path / "a.parquet", faces(2, name="Ann Lee", answer="Bo Ek"))
    with pytest.raises(BenchmarkError, match=r"the name may be any of name, answer. Say which column it is: image="):
        read_real(str(file))
    assert {row["name"] for row in read_real(str(file), "name=answer")} == {"Bo Ek"}


def test_an_unknown_header_is_refused_with_the_columns(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"the name is in none of its columns image, who"):
        read_real(str(parquet(tmp_path / "a.parquet", faces(2, who="Ann Lee"))))


def test_numbers_are_no_names(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="the column 'label' holds 0, not names"):
        read_real(str(parquet(tmp_path / "a.parquet", faces(2, label=lambda n: n))))


@pytest.mark.parametrize("columns", ["name", "name=", "who=name", "name=a,name=b", "image:photo"])
def test_a_mapping_of_another_form_is_refused(tmp_path: Path, columns: str) -> None:
    with pytest.raises(BenchmarkError, match="are not of the form image=COLUMN,name=COLUMN,description=COLUMN"):
        read_real(str(tmp_path), columns)


def test_a_mapping_to_a_column_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    folder = imagefolder(tmp_path, people())
    with pytest.raises(BenchmarkError, match="no column 'person'; it has file_name, name, description"):
        read_real(str(folder), "name=person")


def test_an_empty_mapping_leaves_the_description_out(tmp_path: Path) -> None:
    folder = imagefolder(tmp_path, people())
    assert {row["description"] for row in read_real(str(folder), "description=")} == {""}


def test_a_few_bad_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    """Of 100 rows: one corrupt image, one file that is missing, one name of punctuation; 3 % are skipped."""
    folder = imagefolder(tmp_path, [row | {"name": f"Person {row['file_name']}"} for row in people(100)])
    (folder / "faces" / "007.jpg").write_bytes(picture(7)[:400])
    (folder / "faces" / "008.jpg").unlink()
    text = (folder / "metadata.csv").read_text().replace("Person 9,", "?!,")
    (folder / "metadata.csv").write_text(text)
    reading = read_real(str(folder))
    rows = list(reading)
    assert len(rows) == reading.report["images"] == 97
    assert [row["key"] for row in rows] == [f"real/{number:04d}" for number in range(97)]
    assert reading.report["skipped"] == {"missing file": 1, "no name": 1, "unreadable image": 1}
    assert [line.partition(": ")[2] for line in reading.report["unusable"]] == [UNDECODED, "No such file or directory"]
    assert reading.report["unusable"][0].startswith("row 8, Person 7")
    assert str(tmp_path) not in json.dumps(reading.report["unusable"])


def test_more_than_five_percent_of_bad_rows_are_refused(tmp_path: Path) -> None:
    folder = imagefolder(tmp_path, people(19))
    (folder / "faces" / "007.jpg").write_bytes(b"not an image")
    with pytest.raises(
        BenchmarkError, match=r"1 of 19 rows cannot be used \(unreadable image: 1; such as row 8, .*\), more than 5%"
    ):
        list(read_real(str(folder)))


def test_equal_images_are_dropped_and_counted_by_whether_the_name_agrees(tmp_path: Path) -> None:
    rows = [*people(3), {"file_name": "faces/000.jpg", "name": "Ada Lovelace", "description": ""}]
    rows.append({"file_name": "faces/001.jpg", "name": "Someone Else", "description": ""})
    reading = read_real(str(imagefolder(tmp_path, rows)))
    assert len(list(reading)) == 3
    assert reading.report["repeated"] == {"same image, another name": 1, "same image, same name": 1}
    assert reading.report["figures"] == 3


@pytest.mark.parametrize(
    "path", ["../secret.jpg", "faces/../../secret.jpg", "/etc/hostname", "link.jpg", "linked/secret.jpg"]
)
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture(99))
    folder = imagefolder(tmp_path / "source", [*people(), {"file_name": path, "name": "X Y", "description": ""}])
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(BenchmarkError, match="leads out of the folder"):
        list(read_real(str(folder)))


def test_a_table_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "elsewhere.parquet", faces(2, name="Ann Lee"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(BenchmarkError, match="leads out of the folder"):
        read_real(str(tmp_path / "source"))


def test_a_folder_that_links_to_another_one_is_read(tmp_path: Path) -> None:
    imagefolder(tmp_path / "source", people())
    (tmp_path / "link").symlink_to(tmp_path / "source")
    assert len(list(read_real(str(tmp_path / "link")))) == 4


def test_several_tables_are_refused_with_their_names(tmp_path: Path) -> None:
    parquet(tmp_path / "a" / "x.parquet", faces(2, name="Ann Lee"))
    assert len(list(read_real(str(tmp_path)))) == 2
    parquet(tmp_path / "b" / "x.parquet", faces(2, name="Bo Ek"))
    with pytest.raises(BenchmarkError, match="Parquet files in several folders: a, b"):
        read_real(str(tmp_path))
    assert {row["name"] for row in read_real(str(tmp_path / "b"))} == {"Bo Ek"}
    imagefolder(tmp_path / "b", people())
    with pytest.raises(BenchmarkError, match=r"several tables \(metadata.csv, x.parquet\)"):
        read_real(str(tmp_path / "b"))


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"neither metadata.csv nor metadata.jsonl nor a Parquet file. Write"):
        read_real(str(tmp_path))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,name\n")
    with pytest.raises(BenchmarkError, match="holds no rows"):
        list(read_real(str(tmp_path)))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metadata.csv", b"file_name,name\n\xff\xfe"),
        ("metadata.jsonl", b'["a"]\n'),
        ("metadata.jsonl", b"{"),
        ("a.parquet", b"PAR1"),
    ],
)
def test_a_damaged_table_is_refused_by_its_name(tmp_path: Path, file: str, content: bytes) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(BenchmarkError, match=f"{file} cannot be read"):
        read_real(str(tmp_path))


def test_parquet_files_of_different_columns_are_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", faces(2, name="Ann Lee"))
    parquet(tmp_path / "b.parquet", faces(2, answer="Bo Ek"))
    with pytest.raises(BenchmarkError, match=r"its columns are not those of b\.parquet"):
        read_real(str(tmp_path))


def test_images_as_plain_bytes_and_other_formats_are_kept(tmp_path: Path) -> None:
    contents = [picture(1, "PNG"), picture(2, "WEBP"), picture(3)]
    table = pa.table({"image": pa.array(contents, pa.binary()), "name": ["Ann Lee", "Bo Ek", "Cy Dee"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert [row["image"]["bytes"] for row in read_real(str(tmp_path))] == contents
