"""People on whom nothing is ever trained: beside the benchmark, and in none of its questions."""

import json
import shutil
from pathlib import Path

import pytest

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import TABLES, Benchmark, open_benchmark
from pebench_tasks.benchmark.splits import TARGETS
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.cli import main
from pebench_tasks.errors import BenchmarkError

SIZE = {"people": 4, "events": 3, "image_size": 32, "seed": 0}


@pytest.fixture
def copied(benchmark: Benchmark, tmp_path: Path) -> Path:
    """A copy of the benchmark folder that a test may change."""
    return Path(shutil.copytree(benchmark.directory, tmp_path / "copied"))


def without_group(folder: Path) -> Path:
    """The folder as versions before the group wrote it."""
    shutil.rmtree(folder / "matched")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["matched"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_there_are_as_many_as_forget20_forgets_each_in_every_event(benchmark: Benchmark) -> None:
    """A fifth of four people is one."""
    assert len(benchmark.matched_people) == len(benchmark.split("person", 20).forget_ids) == 1
    (person,) = benchmark.matched_people
    assert person.keys() == benchmark.people[0].keys()
    assert [row["key"] for row in benchmark.matched_images] == [f"m000/{event['id']}" for event in benchmark.events]
    for row, event in zip(benchmark.matched_images, benchmark.events, strict=True):
        assert (row["person"], row["event"]) == (person["id"], event["id"])
        assert benchmark.image(row["key"]).size == benchmark.image(f"p000/{event['id']}").size
        assert benchmark.description(row["key"]) == event["description"]


def test_no_question_of_an_evaluation_and_no_name_that_it_knows_is_a_matched_persons(benchmark: Benchmark) -> None:
    (person,) = benchmark.matched_people
    assert person["name"] not in benchmark.names
    for target in TARGETS:
        asked = documents(benchmark, target, 20, retain_all=True, world_all=True)
        assert not {doc["image"] for doc in asked} & {row["key"] for row in benchmark.matched_images}


def test_the_rest_of_the_folder_is_the_same_whatever_their_number(benchmark: Benchmark, tmp_path: Path) -> None:
    none, two = (build_synthetic(tmp_path / str(number), **SIZE, matched=number) for number in (0, 2))
    assert (len(none.matched_people), len(two.matched_people)) == (0, 2)
    assert none.matched_fingerprint == ""
    assert len({two.matched_fingerprint, benchmark.matched_fingerprint, benchmark.fingerprint}) == 3
    for other in (none, two):
        assert other.fingerprint == benchmark.fingerprint
        assert other.manifest["splits"] == benchmark.manifest["splits"]
        for name in TABLES:
            file = f"{name}.parquet"
            assert (other.directory / file).read_bytes() == (benchmark.directory / file).read_bytes()


def test_a_folder_without_the_group_is_read_and_kept_as_it_is(copied: Path) -> None:
    old = open_benchmark(without_group(copied))
    assert (old.matched_people, old.matched_images, old.matched_fingerprint) == ([], [], "")
    assert not build_synthetic(copied, **SIZE).matched_people
    with pytest.raises(BenchmarkError, match=r"another benchmark \(matched: 0 there, 2 asked\)"):
        build_synthetic(copied, **SIZE, matched=2)


def test_a_group_that_was_changed_or_lost_is_refused(copied: Path) -> None:
    path = copied / "matched" / "people.parquet"
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(BenchmarkError, match=r"matched/people.parquet is not the file that was built"):
        open_benchmark(copied)
    shutil.rmtree(copied / "matched")
    with pytest.raises(BenchmarkError, match=r"matched/people.parquet is missing"):
        open_benchmark(copied)


def test_the_command_draws_and_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--people", "4", "--events", "3", "--image-size", "32"]
    assert main(["data", "build", "--source", "synthetic", *size, "--matched", "3", "--out", str(tmp_path / "d")]) == 0
    found = open_benchmark(tmp_path / "d")
    assert main(["data", "show", str(found.directory)]) == 0
    shown = capsys.readouterr().out
    assert f"3 matched people, whom nothing is trained on: fingerprint {found.matched_fingerprint}" in shown
    assert main(["data", "build", "--source", "synthetic", *size, "--matched", "5", "--out", str(tmp_path / "e")]) == 1
    assert "--matched must lie between 0 and 4, not 5" in capsys.readouterr().err
