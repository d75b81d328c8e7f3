"""The published benchmark from the hub (a server on localhost), and what is said without one."""

import subprocess
import sys
from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import serve
from replica import make_replica, picture

from pebench_tasks.benchmark.choosing import choose_benchmark
from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.published import cache
from pebench_tasks.benchmark.published.build import DATASET
from pebench_tasks.benchmark.reading import open_benchmark
from pebench_tasks.cli import main
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.session import session

THINGS = (("chair", "yes"), ("horse", "no"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    make_replica(folder)
    (folder / "huge.bin").write_bytes(b"x" * 1000)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with nothing chosen."""
    monkeypatch.delenv("PEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_hub_gives_what_a_copy_gives_and_its_commit_is_recorded(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["data", "build", "--source", "folder", "--path", str(repository), "--out", str(tmp_path / "a")]) == 0
    with serve({DATASET: repository}) as hub:
        hub.use(monkeypatch, tmp_path / "hub")
        assert main(["data", "build", "--source", "hub", "--out", str(tmp_path / "b")]) == 0
        assert "huge.bin" not in hub.downloads()
        commit = hub.commit(DATASET)
    one, two = open_benchmark(tmp_path / "a"), open_benchmark(tmp_path / "b")
    assert one.fingerprint == two.fingerprint
    assert (two.manifest["source"], two.manifest["dataset"], two.manifest["revision"]) == ("hub", DATASET, commit)


def test_with_nothing_chosen_the_published_benchmark_is_built_once(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache, "REAL", None)
    monkeypatch.setattr(cache, "WORLD", None)
    with serve({DATASET: repository}) as hub:
        hub.use(monkeypatch, home / "hub")
        folder, reason = choose_benchmark()
    assert folder == platformdirs.user_cache_path("pebench") / "published"
    assert "published" in reason
    assert "No benchmark is chosen: building the published one" in capsys.readouterr().err.replace("\n", " ")
    assert len(open_benchmark(folder).images) == 30
    assert choose_benchmark()[0] == folder  # the server is gone
    assert capsys.readouterr().err == ""


def write_sources(folder: Path) -> tuple[Path, Path]:
    """Replicas of the two datasets that the default takes: faces with names, and POPE's questions."""
    faces, pope = folder / "CLEAR", folder / "POPE"
    people = [
        {"image": {"bytes": picture(f"face {n}"), "path": f"{n}.jpg"}, "answer": name, "options": [name]}
        for n, name in enumerate(("Ada Public", "Bo Famous", "Cy Wellknown"))
    ]
    questions = [
        {"question": f"Is there a {thing} in the image?", "answer": answer, "category": split,
         "image": {"bytes": picture(f"room {n}"), "path": f"{n}.jpg"}}
        for split in ("random", "popular", "adversarial") for n in range(2) for thing, answer in THINGS
    ]  # fmt: skip
    for file, rows in (
        (faces / "real_faces" / "train-00000-of-00001.parquet", people),
        (pope / "data" / "test-00000-of-00001.parquet", questions),
    ):
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), file)
    return faces, pope


def test_selecting_a_task_builds_the_published_benchmark_with_all_that_it_asks(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``lmms-eval --tasks pebench_people`` does on a connected machine before it loads a model."""
    faces, pope = write_sources(home)
    with serve({DATASET: repository, cache.REAL: faces, cache.WORLD: pope}) as hub:
        hub.use(monkeypatch, home / "hub")
        session.select(["pebench_people", "pebench_events"])
    built = open_benchmark(choose_benchmark()[0])
    slices = {
        target: {document["slice"] for document in documents(built, target, "forget05")}
        for target in ("person", "event")
    }
    assert slices["person"] == {"efficacy", "generality", "retain", "scope", "real", "world"}
    assert slices["event"] == slices["person"] - {"real"}  # these faces have no descriptions
    assert {row["name"] for row in built.real} == {"Ada Public", "Bo Famous", "Cy Wellknown"}
    asked = [document for document in documents(built, "person", "forget05") if document["slice"] == "world"]
    assert len(asked) == 12
    assert asked[0]["question"].endswith("Answer the question using a single word or phrase.")


def test_of_several_processes_one_builds(repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from pebench_tasks.benchmark.published import cache; cache.REAL = cache.WORLD = None\n"
        "from pebench_tasks.benchmark.choosing import choose_benchmark\n"
        "from pebench_tasks.benchmark.reading import open_benchmark\n"
        "print(len(open_benchmark(choose_benchmark()[0]).images))"
    )
    with serve({DATASET: repository}) as hub:
        hub.use(monkeypatch, home / "hub")
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        outputs = [process.communicate(timeout=60) for process in processes]
    assert [out for out, _ in outputs] == ["30\n", "30\n"]
    assert sum("building the published one" in error.replace("\n", " ") for _, error in outputs) == 1


def test_offline_says_what_to_do(home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({DATASET: repository}) as hub:
        hub.use(monkeypatch, home / "hub")
    with pytest.raises(BenchmarkError) as refusal:  # the server is gone
        choose_benchmark()
    message = str(refusal.value)
    assert "No benchmark is chosen, and the published one could not be built" in message
    for command in (
        "pebench data build --source synthetic", "--source folder --path COPY --out DIR", "pebench data use DIR",
        "export PEBENCH_DATA=DIR",
    ):  # fmt: skip
        assert command in message
    assert "\n" not in message


def test_a_cache_folder_that_cannot_be_written_is_one_line_with_the_other_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BenchmarkError, match="cannot be written for the published one") as refusal:
        choose_benchmark()
    assert "export PEBENCH_DATA=DIR" in str(refusal.value)
    assert "\n" not in str(refusal.value)
