"""A folder of the run's own where the user's cache of ``datasets`` cannot be written."""

import os
from pathlib import Path

import pytest

from pebench_tasks.evaluation.datasets_folder import VARIABLE, own_datasets_folder


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_DATASETS_CACHE", VARIABLE):
        monkeypatch.setenv(name, "")
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_home_that_can_be_written_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert own_datasets_folder() == ""
    assert os.environ[VARIABLE] == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_DATASETS_CACHE"])
def test_another_folder_is_named_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    line = own_datasets_folder()
    assert str(tmp_path / "file" / "below") in line
    assert "cannot be written" in line
    assert Path(os.environ[VARIABLE]).is_dir()
    assert own_datasets_folder() == ""  # once


def test_what_the_user_named_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert own_datasets_folder() == ""
    assert os.environ[VARIABLE] == str(tmp_path)
