"""Which file a value of the table means."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pebench_tasks.benchmark.published.filenames import FileNames
from pebench_tasks.benchmark.published.scan import ImageFile


def names(*paths: str) -> FileNames:
    return FileNames([ImageFile(Path(path), tuple(path.split("/")), 1, 0) for path in paths])


def test_the_longest_end_of_the_path_decides() -> None:
    files = names("train/Ann Lee/1.jpg", "train/Bo Wu/1.jpg", "test/Bo Wu/1.jpg")
    assert files.find("/home/x/train/Ann Lee/1.jpg") == 0
    assert files.find("C:\\data\\test\\Bo Wu\\1.jpg") == 2
    assert files.find("Bo Wu/1.jpg") is None  # two files fit
    assert files.find("1.jpg") is None
    assert files.find("1.jpg", folder="ann lee") == 0


def test_spelling_is_free_and_decides_between_alike_files() -> None:
    files = names("Ann_Lee/beach_day.jpg", "Ann_Lee/Beach day.png", "Ann_Lee/zoo.jpg")
    assert files.find("ann lee/ZOO") == 2
    assert files.find("Ann_Lee/Beach day.png") == 1
    assert files.find("Ann_Lee/beach_day.jpg") == 0


def test_a_missing_image_is_not_replaced_by_another_persons() -> None:
    files = names("Ann Lee/1.jpg", "Bo Wu/2.jpg")
    assert files.find("Bo Wu/1.jpg") is None
    assert files.find("1.jpg") == 0
    assert files.find("elsewhere/1.jpg") == 0


def test_values_that_name_nothing_find_nothing() -> None:
    files = names("Ann Lee/1.jpg")
    assert [files.find(value) for value in ("", "/", "..", "../..", ".jpg", "Ann Lee/", "\0")] == [None] * 7


PART = st.text("abcdeé ._-0123", min_size=1, max_size=6).filter(lambda text: any(map(str.isalnum, text)))


@given(st.lists(st.tuples(PART, PART), min_size=1, max_size=8, unique=True), st.sampled_from(["", "/far/away/", "./"]))
def test_the_own_path_of_every_file_finds_it(parts: list[tuple[str, str]], prefix: str) -> None:
    files = names(*(f"{folder}/{name}.jpg" for folder, name in parts))
    found = [files.find(f"{prefix}{folder}/{name}.jpg") for folder, name in parts]
    assert found == list(range(len(parts)))
