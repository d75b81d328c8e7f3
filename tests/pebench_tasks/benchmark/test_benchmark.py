import json
import shutil
import threading
from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pebench_tasks.benchmark.choosing import choose_benchmark, settings_path
from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.errors import BenchmarkError


@pytest.fixture
def copy(benchmark: Benchmark, tmp_path: Path) -> Path:
    return Path(shutil.copytree(benchmark.directory, tmp_path / "copy"))


def test_a_whole_folder_opens_and_knows_its_sizes(benchmark: Benchmark) -> None:
    assert (len(benchmark.people), len(benchmark.events), len(benchmark.images)) == (4, 3, 12)
    assert benchmark.image("p000/e00").size == (32, 32)
    assert benchmark.image("p000/e00").mode == "RGB"
    assert len(benchmark.names) == len(set(benchmark.names)) == 14


def test_images_differ_and_can_be_read_from_several_threads(benchmark: Benchmark) -> None:
    keys = [row["key"] for row in benchmark.images] * 4
    read: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda i=i, key=key: read.update({i: benchmark.image(key).tobytes()}))
        for i, key in enumerate(keys)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {key: benchmark.image(key).tobytes() for key in set(keys)}
    assert [read[i] for i in range(len(keys))] == [expected[key] for key in keys]
    assert len(set(expected.values())) == 12


def test_an_unknown_image_is_named(benchmark: Benchmark) -> None:
    with pytest.raises(BenchmarkError, match=r"no image 'p999/e00'"):
        benchmark.image("p999/e00")


def test_a_missing_folder_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="pebench data build"):
        open_benchmark(tmp_path / "nowhere")


def test_a_folder_without_manifest_is_refused(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    with pytest.raises(BenchmarkError, match=r"no manifest\.json"):
        open_benchmark(copy)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "pebench-benchmark/0"}', '{"format": "pebench-benchmark/1"}']
)
def test_a_damaged_or_foreign_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BenchmarkError, match=r"manifest\.json"):
        open_benchmark(copy)


@pytest.mark.parametrize("name", ["files", "splits"])
def test_a_manifest_with_a_part_emptied_is_refused(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, name: {}}))
    with pytest.raises(BenchmarkError, match=r"manifest\.json is damaged"):
        open_benchmark(copy)


@pytest.mark.parametrize("table", ["people", "events", "images", "real", "world"])
def test_a_missing_table_is_half_written(copy: Path, table: str) -> None:
    (copy / f"{table}.parquet").unlink()
    with pytest.raises(BenchmarkError, match=f"{table}.parquet is missing: the folder is half-written"):
        open_benchmark(copy)


def test_one_changed_byte_is_noticed(copy: Path) -> None:
    path = copy / "images.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BenchmarkError, match="its bytes differ"):
        open_benchmark(copy)


def test_a_missing_image_is_noticed(copy: Path) -> None:
    table = pq.read_table(copy / "images.parquet")
    pq.write_table(table.slice(0, table.num_rows - 1), copy / "images.parquet")
    with pytest.raises(BenchmarkError, match="images or texts were changed or lost"):
        open_benchmark(copy)


def test_changed_texts_change_the_fingerprint_even_when_the_file_hash_was_patched(copy: Path) -> None:
    rows = pq.read_table(copy / "people.parquet").to_pylist()
    rows[0]["name"] = "Somebody Else"
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(copy / "people.parquet")), copy / "people.parquet")
    manifest = json.loads((copy / "manifest.json").read_text())
    _patch_file(manifest, copy / "people.parquet")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BenchmarkError, match="the data fingerprint is"):
        open_benchmark(copy)


def test_a_changed_forget_list_is_noticed(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["splits"]["person"]["forget20"]["ids"] = ["p000", "p001", "p002"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BenchmarkError, match="split person/forget20"):
        open_benchmark(copy)


def _patch_file(manifest: dict, path: Path) -> None:
    from pebench_tasks.benchmark.reading import file_sha256

    manifest["files"][path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with nothing chosen: no variable, no settings, no cache."""
    monkeypatch.delenv("PEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_variable_wins_over_the_settings_and_the_settings_over_the_cache(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (platformdirs.user_cache_path("pebench") / "published").mkdir(parents=True)
    assert choose_benchmark()[0] == platformdirs.user_cache_path("pebench") / "published"
    settings_path().parent.mkdir(parents=True)
    settings_path().write_text(json.dumps({"data": "/there"}))
    assert choose_benchmark()[0] == Path("/there")
    monkeypatch.setenv("PEBENCH_DATA", "/here")
    assert choose_benchmark() == (Path("/here"), "PEBENCH_DATA")


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null"])
def test_damaged_settings_say_what_to_do(home: Path, text: str) -> None:
    settings_path().parent.mkdir(parents=True)
    settings_path().write_text(text)
    with pytest.raises(BenchmarkError, match="pebench data use DIR"):
        choose_benchmark()
