"""The likelihood tasks in the real harness: a tiny model that is asked, and backends that cannot be."""

import math
from pathlib import Path
from typing import Any

import pytest
from harness_runs import TASKS, Evaluate
from lmms_eval.api.instance import Instance

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.cli import main
from pebench_tasks.evaluation.likelihood_calls import asking_likelihoods
from pebench_tasks.marking.likelihood_record import LikelihoodRecord
from pebench_tasks.results.likelihoods import (
    LIKELIHOOD_TASKS,
    by_slice,
    distances,
    leaks,
    likelihood_results,
    likelihood_samples,
    membership,
)

PEOPLE, EVENTS = LIKELIHOOD_TASKS.values()


ASKED: dict[Path, dict[str, Any]] = {}  # by checkpoint: asked once


@pytest.fixture
def asked(evaluate: Evaluate, llava: Path) -> dict[str, Any]:
    if llava not in ASKED:
        ASKED[llava] = evaluate("pebench_hf", f"pretrained={llava},device=cpu", [PEOPLE, EVENTS], limit=None)
    return ASKED[llava]


def records(results: dict[str, Any], task: str) -> list[LikelihoodRecord]:
    return [LikelihoodRecord.from_json(sample["provenance"]) for sample in results["samples"][task]]


def test_every_slice_is_asked_and_a_metric_is_the_mean_of_its_documents(asked: dict[str, Any]) -> None:
    for task, slices in ((PEOPLE, 4), (EVENTS, 3)):
        figures, said = asked["results"][task], asked["results"][task]["provenance,none"]
        found = by_slice(records(asked, task))
        assert len(found) == len(said["slices"]) == slices
        for name, rows in found.items():
            for figure in rows[0].figures():
                mean = sum(row.figures()[figure] for row in rows) / len(rows)
                assert figures[f"{figure}_{name},none"] == pytest.approx(mean)
                assert said["slices"][name]["figures"][figure]["value"] == pytest.approx(mean)
        assert (said["access"], said["without"]) == ("likelihoods", {})
    assert not any(isinstance(value, list) for figures in asked["results"].values() for value in figures.values())


def test_a_documents_record_is_what_the_backend_says_of_each_answer(
    asked: dict[str, Any], llava: Path, benchmark: Benchmark
) -> None:
    """Asked again by hand, one answer a batch."""
    model = PebenchHf(str(llava), batch_size=1, device="cpu")
    for sample in asked["samples"][PEOPLE][:3]:
        doc = sample["doc"]
        model.task_dict["task"] = {"test": [doc]}
        requests = [
            Instance(
                request_type="loglikelihood",
                arguments=(doc["question"], answer, lambda doc: [benchmark.image(doc["image"])], 0, "task", "test"),
                idx=0,
                metadata={"task": "task", "doc_id": 0, "repeats": 1},
            )
            for answer in doc["answers"]
        ]
        scores = [found.scores for found in model.loglikelihood(requests)]  # type: ignore[attr-defined]
        found, expected = LikelihoodRecord.from_json(sample["provenance"]), LikelihoodRecord.of(doc, scores)
        assert found.logps == pytest.approx(expected.logps, abs=2e-5)
        assert found.ranks == expected.ranks
        assert found.telling == expected.telling
        assert found.false == pytest.approx(expected.false, abs=2e-5)
        assert found.perturbed == pytest.approx(expected.perturbed, abs=2e-5)
        assert found.restated == pytest.approx(expected.restated, abs=2e-5)


def test_membership_is_told_against_people_whom_nobody_saw_and_absent_without_any(asked: dict[str, Any]) -> None:
    people, events = (asked["results"][task]["provenance,none"] for task in (PEOPLE, EVENTS))
    rows = records(asked, PEOPLE)
    assert people["membership"] == {name: found._asdict() for name, found in membership(rows).items()}
    assert asked["results"][PEOPLE]["membership_loss,none"] == people["membership"]["loss"]["value"]
    assert 0 <= people["membership"]["min_k"]["value"] <= 1
    assert people["no_membership"] == ""
    assert (events["membership"], events["no_membership"]) == ({}, "only people are drawn for it")
    assert "membership_loss,none" not in asked["results"][EVENTS]


def test_a_model_is_at_no_distance_from_itself_and_leaks_nothing_more(asked: dict[str, Any]) -> None:
    rows = records(asked, PEOPLE)
    for measures in distances(rows, rows).values():
        assert {found.value for found in measures.values()} == {0.0}
    assert {found.value for found in leaks(rows, rows).values()} == {0.0}


def test_another_model_is_at_some_distance(asked: dict[str, Any], evaluate: Evaluate, make_checkpoint: Any) -> None:
    other = evaluate("pebench_hf", f"pretrained={make_checkpoint('other', seed=1)},device=cpu", [PEOPLE], limit=None)
    found = distances(records(asked, PEOPLE), records(other, PEOPLE))
    assert set(found["matched"]) == {"ks", "js"}
    assert set(found["forget_test"]) == {"ks", "js", "ks_ratio"}
    assert all(0 < measures["ks"].value <= 1 for measures in found.values())


@pytest.mark.parametrize("kind", ["simple", "chat"])
def test_a_backend_that_does_not_tell_is_not_asked_and_has_no_score(
    evaluate: Evaluate, llava: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A stock one for models of the simple kind; of the chat kind, ours without what tells that it can."""
    monkeypatch.setattr(PebenchHf, "tells_tokens", False)
    monkeypatch.setattr(PebenchHf, "loglikelihood", None)
    backend, more = ("llava_hf", "device_map=cpu,") if kind == "simple" else ("pebench_hf", "")
    results = evaluate(backend, f"pretrained={llava},{more}device=cpu", [PEOPLE], batch_size=1, limit=5)
    figures = results["results"][PEOPLE]
    assert figures["provenance,none"]["without"] == {"not asked": 5}
    assert not [name for name in figures if name.startswith(("probability", "choice", "membership"))]
    assert capsys.readouterr().err.count("does not tell how likely an answer is") == 1


def test_other_tasks_of_such_a_backend_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    class Other:
        def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
            return [(-float(request.idx), True) for request in requests]

    model = Other()
    requests = [
        Instance("loglikelihood", ("",), number, {"task": task, "doc_id": 0, "repeats": 1})
        for number, task in enumerate(("other", PEOPLE, "other"))
    ]
    said: list[str] = []
    with asking_likelihoods(model, [PEOPLE], said.append):
        (first, ours, last) = model.loglikelihood(requests)
    assert (first, last) == ((0, True), (-2, True))
    assert math.isnan(ours[0])
    assert len(said) == 1
    assert model.loglikelihood(requests[:1]) == [(0, True)]


def test_score_asks_for_likelihoods_and_its_samples_are_read_back(
    benchmark: Benchmark, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", str(llava), "--data", str(benchmark.directory), "--likelihoods", "--output_path", str(tmp_path)]
    assert main([*words, "--device", "cpu"]) == 0
    (results_file,) = (tmp_path / llava.name).glob("*_results.json")
    results = likelihood_results(results_file)
    assert [result.task for result in results] == [PEOPLE, EVENTS]
    for result in results:
        found = by_slice(likelihood_samples(result.samples_file))
        assert {name: len(rows) for name, rows in found.items()} == {
            name: row["n"] for name, row in result.provenance["slices"].items()
        }
    printed = capsys.readouterr().out
    assert "membership by min_k: AUC" in printed
    assert "no membership figure: only people are drawn for it" in printed


def test_options_without_effect_on_likelihoods_are_refused(llava: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(llava), "--likelihoods", "--world-all"]) != 0
    assert "--world-all has no effect on --likelihoods" in capsys.readouterr().err


def test_the_six_metrics_beside_them_are_what_they_are_alone(evaluate: Evaluate, llava: Path) -> None:
    together = evaluate("pebench_hf", f"pretrained={llava},device=cpu", [TASKS[0], PEOPLE])
    alone = evaluate("pebench_hf", f"pretrained={llava},device=cpu", [TASKS[0]])
    figures = [
        {name: value for name, value in run["results"][TASKS[0]].items() if isinstance(value, float)}
        for run in (together, alone)
    ]
    assert figures[0] == figures[1]
