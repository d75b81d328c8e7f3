"""What is used, left out, skipped and refused, row by row and file by file."""

import os
from collections import Counter
from pathlib import Path

import pytest
from replica import EVENTS, FULL, PEOPLE, make_images, make_replica, picture, write_table

from pebench_tasks.benchmark.published.build import Understood, understand
from pebench_tasks.errors import BenchmarkError

MANY = [*PEOPLE, "Gus Hill", "Hana Mori", "Ivan Petrov", "Jo Klein"]  # with 10 people, one image is 2 %


def reasons(understood: Understood) -> dict[str, int]:
    return dict(Counter(item.reason for item in understood.grid.skipped))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    write_table(tmp_path, make_images(tmp_path, people=MANY), FULL)
    return tmp_path


def rows_of(copy: Path) -> list[str]:
    return (copy / "PEBench.csv").read_text(encoding="utf-8").splitlines()


def test_a_missing_row_and_a_missing_file_leave_a_hole(copy: Path) -> None:
    lines = rows_of(copy)
    (copy / "PEBench.csv").write_text("\n".join(line for line in lines if "Dana Lee/02.jpg" not in line), "utf-8")
    (copy / "Jo Klein" / "03.jpg").unlink()
    understood = understand(copy)
    assert len(understood.grid.cells) == 48
    assert reasons(understood) == {"an image without a row": 1, "a row without an image file": 1}
    assert understood.grid.skipped[0].name.endswith("Jo Klein/03.jpg")
    assert {item.name for item in understood.grid.left_out} == {f"{name}/portrait.jpg" for name in MANY}


def test_more_than_five_percent_unusable_is_refused(copy: Path) -> None:
    for name in MANY[:3]:
        (copy / name / "01.jpg").unlink()
    message = r"3 of 50 .* more than 5 %: 3 x a row without an image file \(such as row 1"
    with pytest.raises(BenchmarkError, match=message):
        understand(copy)


@pytest.mark.parametrize("event", ["", "portrait", "Profile photo", "None"])
def test_a_row_of_no_event_is_the_portrait(tmp_path: Path, event: str) -> None:
    rows = make_images(tmp_path)
    for name in PEOPLE:
        text = f"A head and shoulders picture of {name} before a plain wall."
        relative = f"{name}/portrait.jpg"
        rows.append({**rows[0], "person": name, "event": event, "relative": relative, "description": text})
    write_table(tmp_path, rows, FULL)
    understood = understand(tmp_path)
    assert (len(understood.grid.events), len(understood.grid.cells), len(understood.grid.left_out)) == (5, 30, 6)
    assert understood.grid.skipped == []


def test_a_second_image_without_an_event_is_skipped(copy: Path) -> None:
    (copy / "Dana Lee" / "extra.jpg").write_bytes(picture("extra"))
    understood = understand(copy)
    assert [(item.reason, item.name) for item in understood.grid.skipped] == [
        ("an image without a row", "Dana Lee/extra.jpg")
    ]


def test_a_misspelled_event_is_skipped(copy: Path) -> None:
    lines = rows_of(copy)
    place = next(i for i, line in enumerate(lines) if "Dana Lee/02.jpg" in line)
    lines[place] = lines[place].replace("zoo visit", "zoo vist")
    (copy / "PEBench.csv").write_text("\n".join(lines), "utf-8")
    assert reasons(understand(copy)) == {"an event that few others have": 1}


def test_repeated_rows_are_counted(copy: Path) -> None:
    lines = rows_of(copy)
    (copy / "PEBench.csv").write_text("\n".join([*lines, lines[3], lines[4]]), "utf-8")
    understood = understand(copy)
    assert understood.grid.duplicates == ["row 51: Aaliyah Khan/03.jpg", "row 52: Aaliyah Khan/04.jpg"]
    assert len(understood.grid.cells) == 50


def test_rows_that_contradict_each_other_are_refused(copy: Path) -> None:
    lines = rows_of(copy)
    wrong = lines[3].replace("boat trip", "zoo visit")
    (copy / "PEBench.csv").write_text("\n".join([*lines, wrong]), "utf-8")
    message = r"rows 3 and 51 are about the same image Aaliyah Khan/03.jpg, but one says \"boat trip\""
    with pytest.raises(BenchmarkError, match=message):
        understand(copy)


def test_a_row_that_puts_a_person_into_anothers_folder_is_skipped(copy: Path) -> None:
    lines = rows_of(copy)
    lines[1] = lines[1].replace(",Aaliyah Khan,", ",Dana Lee,")
    (copy / "PEBench.csv").write_text("\n".join(lines), "utf-8")
    assert reasons(understand(copy)) == {"an image whose row names another person than its folder": 1}


def test_a_second_image_of_a_person_in_an_event_is_skipped(copy: Path) -> None:
    lines = rows_of(copy)
    (copy / "Aaliyah Khan" / "again.jpg").write_bytes(picture("again"))
    lines.append(lines[3].replace("03.jpg", "again.jpg"))
    (copy / "PEBench.csv").write_text("\n".join(lines), "utf-8")
    understood = understand(copy)
    assert [(item.reason, item.name) for item in understood.grid.skipped] == [
        ("a second image of a person in an event", "Aaliyah Khan/again.jpg")
    ]


@pytest.mark.parametrize("other", ["Dana_Lee", "dana lee", "Dána Lee"])
def test_names_that_cannot_be_told_apart_are_refused_with_both_folders(tmp_path: Path, other: str) -> None:
    people = [*PEOPLE, other]
    write_table(tmp_path, make_images(tmp_path, people=people), FULL)
    with pytest.raises(BenchmarkError, match=f"The folders (Dana Lee and {other}|{other} and Dana Lee) both hold"):
        understand(tmp_path)


def test_two_folders_of_one_name_in_the_table_are_refused(tmp_path: Path) -> None:
    rows = make_images(tmp_path, folder="{place:02d}")
    for row in rows:
        row["person"] = "Dana Lee" if row["person"] == "Emil Novak" else row["person"]
    write_table(tmp_path, rows, FULL)
    with pytest.raises(BenchmarkError, match="The folders 03 and 04 both hold images of Dana Lee"):
        understand(tmp_path, "person=who")


def test_train_and_test_folders_of_a_person_are_one(tmp_path: Path) -> None:
    rows = make_images(tmp_path, folder="train/{name}")
    for row in rows:
        if row["number"] == "2":
            moved = row["relative"].replace("train/", "test/")
            (tmp_path / moved).parent.mkdir(parents=True, exist_ok=True)
            os.replace(tmp_path / row["relative"], tmp_path / moved)
            row["relative"] = moved
    write_table(tmp_path, rows, FULL)
    assert len(understand(tmp_path).grid.cells) == 30


def test_unusable_files_are_told_before_they_are_opened(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.jpg"
    elsewhere.write_bytes(picture("secret"))
    (copy / "Dana Lee" / "01.jpg").unlink()
    (copy / "Dana Lee" / "01.jpg").symlink_to(elsewhere)
    (copy / "Jo Klein" / "04.jpg").write_bytes(b"")
    understood = understand(copy)
    assert [(item.reason, item.name) for item in understood.grid.skipped] == [
        ("a link that leaves the folder", "Dana Lee/01.jpg"),
        ("an empty file", "Jo Klein/04.jpg"),
    ]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("folder", "a folder, not an image"), ("nothing", "a link to nothing"), ("circle", "a file that cannot be read"),
     ("pipe", "not a regular file")],
)  # fmt: skip
def test_what_is_called_an_image_and_is_none_is_skipped(copy: Path, kind: str, reason: str) -> None:
    path = copy / "Dana Lee" / "02.jpg"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == "circle" else copy / "missing.jpg")
    assert reasons(understand(copy)) == {reason: 1}


def test_a_link_inside_the_folder_is_followed_and_a_link_to_a_folder_is_not(copy: Path) -> None:
    path = copy / "Dana Lee" / "02.jpg"
    os.replace(path, copy / "moved.bin")
    path.symlink_to(copy / "moved.bin")
    (copy / "Somebody Else").symlink_to(copy / "Dana Lee")
    understood = understand(copy)
    assert len(understood.grid.cells) == 50
    assert reasons(understood) == {"a link to a folder": 1}


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "datasets--x--y" / "snapshots" / ("0" * 40)
    make_replica(snapshot)
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in snapshot.rglob("*") if path.is_file())):
        os.replace(path, blobs / str(number))
        path.symlink_to(blobs / str(number))
    assert len(understand(snapshot).grid.cells) == 30


def test_hidden_and_other_files_are_passed_over(copy: Path) -> None:
    (copy / ".cache" / "x").mkdir(parents=True)
    (copy / ".cache" / "x" / "table.csv").write_text("a,b\n1,2\n")
    (copy / "Dana Lee" / "._01.jpg").write_bytes(b"apple double")
    (copy / "LICENSE").write_text("Apache-2.0")
    understood = understand(copy)
    assert understood.scan.other_files == 1
    assert understood.grid.skipped == []


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda copy: (copy / "PEBench.csv").unlink(), r"holds no table"),
        (lambda copy: [(copy / "PEBench.csv").rename(copy / "a.csv"), (copy / "b.csv").write_text("x,y\n1,2\n")],
         r"several tables: a\.csv, b\.csv"),
    ],
)  # fmt: skip
def test_no_table_and_several_tables_are_refused(copy: Path, prepare: object, message: str) -> None:
    prepare(copy)  # type: ignore[operator]
    with pytest.raises(BenchmarkError, match=message):
        understand(copy)


def test_no_folder_and_no_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="There is no folder"):
        understand(tmp_path / "nowhere")
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(BenchmarkError, match=r"holds no images .* in an archive, extract it"):
        understand(tmp_path)


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, make_images(tmp_path, people=PEOPLE[:3]), FULL)
    with pytest.raises(BenchmarkError, match="Only 3 people were found, 4 are needed"):
        understand(tmp_path)


def test_ids_follow_the_names_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = make_replica(tmp_path)
    first = understand(tmp_path).grid
    write_table(tmp_path, rows[::-1], FULL)
    again = understand(tmp_path).grid
    assert (again.people, again.events, again.cells) == (first.people, first.events, first.cells)
    assert [row["name"] for row in first.events] == sorted(EVENTS)


def test_the_image_left_out_is_the_one_named_like_the_others(tmp_path: Path) -> None:
    rows = make_images(tmp_path, people=MANY)
    for name in MANY:
        os.replace(tmp_path / name / "portrait.jpg", tmp_path / name / "99.jpg")
    write_table(tmp_path, [row for row in rows if row["relative"] != "Dana Lee/02.jpg"], FULL)
    understood = understand(tmp_path)
    assert {item.name for item in understood.grid.left_out} == {f"{name}/99.jpg" for name in MANY}
    assert [item.name for item in understood.grid.skipped] == ["Dana Lee/02.jpg"]
