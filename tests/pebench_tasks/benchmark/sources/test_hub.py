"""Fetching a dataset of the hub: from a server on localhost, from the cache, and in every way that fails."""

import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import GOOD_TOKEN, serve

from pebench_tasks.benchmark.sources.hub import fetch, local_path
from pebench_tasks.errors import BenchmarkError


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A repository of two small files and one that nobody asked for."""
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "test-00000.parquet").write_bytes(b"first")
    (folder / "data" / "test-00001.parquet").write_bytes(b"second" * 100_000)
    (folder / "unwanted.bin").write_bytes(b"x" * 1000)
    return folder


def test_only_the_matching_files_are_downloaded_and_the_folder_is_named_by_the_commit(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        folder = fetch("owner/name", ["data/*.parquet"])
        assert folder.name == hub.commit("owner/name")
        assert sorted(hub.downloads()) == ["data/test-00000.parquet", "data/test-00001.parquet"]
    assert (folder / "data" / "test-00001.parquet").read_bytes() == b"second" * 100_000
    assert not (folder / "unwanted.bin").exists()


def test_a_second_fetch_downloads_nothing_and_works_offline(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        first = fetch("owner/name", ["data/*.parquet"])
        before = hub.downloads()
        assert fetch("owner/name", ["data/*.parquet"]) == first
        assert hub.downloads() == before
    assert fetch("owner/name", ["data/*.parquet"]) == first  # the server is gone


def test_a_commit_can_be_asked_for_and_an_unknown_one_is_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        commit = hub.commit("owner/name")
        assert fetch("owner/name", ["data/*.parquet"], revision=commit).name == commit
        with pytest.raises(BenchmarkError, match="no revision 'v9'"):
            fetch("owner/name", ["data/*.parquet"], revision="v9")


def test_offline_says_what_to_do(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
    with pytest.raises(BenchmarkError, match=r"cannot be reached .* connected machine .* name the folder instead"):
        fetch("owner/name", ["data/*.parquet"])


def test_offline_with_half_of_the_files_in_the_cache_is_refused_too(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        fetch("owner/name", ["data/test-00000.parquet"])
    with pytest.raises(BenchmarkError, match="cannot be reached"):
        fetch("owner/name", ["data/*.parquet"])


def test_the_offline_switch_of_the_hub_library_is_respected_in_a_new_process(tmp_path: Path) -> None:
    code = "from pebench_tasks.benchmark.sources.hub import fetch; fetch('owner/name', ['*.parquet'])"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "BenchmarkError: The dataset owner/name is not on this machine, and HF_HUB_OFFLINE is set." in result.stderr
    assert result.stderr.strip().endswith("or download its files elsewhere and name the folder instead.")


def test_a_cache_that_cannot_be_written_is_named(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "file" / "cache")
        with pytest.raises(BenchmarkError, match=r"cannot be kept in .*cache \(.*Not a directory\)\. Set HF_HOME to"):
            fetch("owner/name", ["data/*.parquet"])


def test_a_missing_dataset_and_a_missing_file_are_two_errors(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"owner/name": dataset}) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        with pytest.raises(BenchmarkError, match="no dataset owner/other on the hub, or it is private"):
            fetch("owner/other", ["data/*.parquet"])
        with pytest.raises(BenchmarkError, match=r"holds no file like real/\*.parquet or \*.csv"):
            fetch("owner/name", ["real/*.parquet", "*.csv"])


def test_a_gated_dataset_wants_a_token(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"owner/name": dataset}, gated=["owner/name"]) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        with pytest.raises(BenchmarkError, match=r"is gated\. Ask for access at .* and set HF_TOKEN"):
            fetch("owner/name", ["data/*.parquet"])
        monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
        assert (fetch("owner/name", ["data/*.parquet"]) / "data" / "test-00000.parquet").read_bytes() == b"first"


def test_an_existing_path_comes_before_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_path("owner/name") is None
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert local_path("owner/name") == Path("owner/name")


@pytest.mark.parametrize("source", ["", "/no/such/folder", "./faces", "faces", "a/b/c", "owner/name.parquet/x"])
def test_what_is_neither_a_path_nor_a_hub_id_is_refused_as_both(source: str) -> None:
    with pytest.raises(BenchmarkError, match="neither a path on this machine nor a dataset of the hub"):
        local_path(source)
