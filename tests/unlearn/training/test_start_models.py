"""Which start models are refused before anything is loaded."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig

from pebench_tasks.errors import BenchmarkError
from unlearn.tensors.packing import shares_prefix
from unlearn.training.loading import load, model_folder


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


@pytest.mark.parametrize("adapted", [False, True])
def test_attention_that_a_model_cannot_compute_here_is_refused_with_what_it_can(
    finetuned: Path, tmp_path: Path, adapted: bool
) -> None:
    """Unknown to transformers, or not installed (as in the tested environment); of adapters their base is meant."""
    model = finetuned
    if adapted:
        model = tmp_path / "adapters"
        LoraConfig(base_model_name_or_path=str(finetuned)).save_pretrained(str(model))
    for name in ("flash", "flash_attention_2"):
        possible = r"Possible: eager, flex_attention, sdpa\.$"
        with pytest.raises(BenchmarkError, match=rf"^--attn_implementation {name} is unknown .* llava\. {possible}"):
            load(str(model), torch.float32, attention=name)


@pytest.mark.parametrize("name", ["eager", "sdpa", "flex_attention"])
def test_attention_is_the_one_that_was_asked_for_and_images_are_shared_where_it_takes_any_mask(
    finetuned: Path, name: str
) -> None:
    """flex_attention takes no tensor as a mask."""
    model = load(str(finetuned), torch.float32, attention=name)[0]
    assert model.config.get_text_config()._attn_implementation == name
    assert shares_prefix(model) == (
        "" if name in ("eager", "sdpa") else f"the attention {name} takes no mask of blocks"
    )
