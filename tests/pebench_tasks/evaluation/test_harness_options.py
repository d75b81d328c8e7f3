"""Options and surroundings of the harness's command that none of our own code asks for, on real results."""

import math
from pathlib import Path
from typing import Any

import pytest
from harness_runs import TASKS, Evaluate

from pebench_tasks.evaluation.datasets_folder import VARIABLE


def select(tasks: list[str]) -> None:
    """What the command does first, and a program that calls ``simple_evaluate`` does not."""
    import lmms_eval.models  # noqa: F401, it loads the plugin
    from lmms_eval.tasks import TaskManager

    TaskManager(include_defaults=False, model_name="pebench_hf").match_tasks(tasks)


@pytest.fixture
def scored(evaluate: Evaluate, llava: Path) -> dict[str, Any]:
    select(TASKS)
    return evaluate("pebench_hf", f"pretrained={llava}", log_samples=True)


def test_the_logger_of_weights_and_biases_takes_the_samples(scored: dict[str, Any]) -> None:
    from lmms_eval.loggers import WandbLogger

    logger = WandbLogger.__new__(WandbLogger)  # which would begin a run on their server
    for task in TASKS:
        samples = scored["samples"][task]
        samples[0] |= {"resps": [""], "filtered_resps": [""]}  # an empty response, as unlearned models give
        table = logger._generate_dataset(samples, scored["configs"][task])
        assert list(table["id"]) == [sample["doc_id"] for sample in samples]
        assert list(table["data"]) == [sample["arguments"][0] for sample in samples]
        assert list(table["raw_predictions"]) == [sample["resps"][0] for sample in samples]
        for sample, retain in zip(samples, table["retain"], strict=True):
            assert sample.get("retain") == (None if math.isnan(retain) else retain)
        assert {type(value) for value in table["provenance"]} == {str}


def test_predict_only_gives_responses_and_no_marks(evaluate: Evaluate, llava: Path) -> None:
    results = evaluate("pebench_hf", f"pretrained={llava}", predict_only=True)
    for task in TASKS:
        assert "bypass,none" in results["results"][task]
        assert "provenance,none" not in results["results"][task]
        assert all("bypass" in sample and sample["filtered_resps"] for sample in results["samples"][task])


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(
    evaluate: Evaluate, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lmms_eval.api.task import _resolve_hf_datasets_cache_dir

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "file" / "datasets"))
    monkeypatch.setenv(VARIABLE, "")
    _resolve_hf_datasets_cache_dir.cache_clear()  # it decides once a process
    select(TASKS[:1])
    results = evaluate("pebench_hf", f"pretrained={llava}", tasks=TASKS[:1])
    _resolve_hf_datasets_cache_dir.cache_clear()
    assert "provenance,none" in results["results"][TASKS[0]]
    assert f"{tmp_path / 'file' / 'datasets'} cannot be written" in capsys.readouterr().err
