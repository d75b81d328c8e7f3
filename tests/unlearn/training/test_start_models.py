"""Which start models are refused before anything is loaded."""

from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from unlearn.training.loading import model_folder


@pytest.mark.parametrize("name", ["finetuned", "/nowhere/model", "a/b/c", "~/nowhere", "owner/"])
def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_refused_at_once(name: str) -> None:
    with pytest.raises(BenchmarkError, match=f"There is no folder {name}, and a model of the hub is called owner/name"):
        model_folder(name)


def test_a_folder_that_is_missing_beside_others_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchmarkError, match=r"There is no folder runs/model\. If a model of the hub is meant"):
        model_folder("runs/model")


def test_a_folder_is_itself_and_a_name_is_the_hubs(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path)) == tmp_path
    assert model_folder("owner/name") is None
