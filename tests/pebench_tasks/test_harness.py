import importlib
import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from harness_runs import JOINT, LIMIT, TASKS, Evaluate, MakeCheckpoint, provenance, responses
from PIL import Image

from pebench_tasks import harness, versions
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.session import session
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import JOINT_SLICES, SLICES

KWARGS = {"pre_prompt": "", "post_prompt": "", "generation": {"max_new_tokens": 12}}
DOCUMENTS: dict[str, Any] = {
    "pebench_people": harness.people, "pebench_events": harness.events, "pebench_joint": harness.joint
}  # fmt: skip
IMAGE = {"person": harness.people_image, "event": harness.events_image, "joint": harness.joint_image}


@pytest.fixture
def chosen(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    return benchmark


def load(task: str) -> list[dict[str, Any]]:
    """The documents of a task, as the harness gets them: it tries the first one when it constructs the task."""
    rows = list(DOCUMENTS[task](None))
    harness.doc_to_text(rows[0], KWARGS)
    return rows


def ask(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        harness.doc_to_text(row, KWARGS)


def read(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        IMAGE[row["target"]](row)


def answer(row: dict[str, Any], response: str = "") -> dict[str, Any]:
    return harness.process_results(row, [response])


# The YAML files


def metrics_file(task: str) -> str:
    if task.endswith("_likelihood"):
        return "_likelihood_metrics"
    return "_robust_metrics" if task.endswith("_robust") else f"_{task.removeprefix('pebench_')}_metrics"


@pytest.mark.parametrize("path", sorted(versions.TASKS_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_task_is_a_short_leaf_over_the_shared_base(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[:2] == [f"include: {metrics_file(path.stem)}", f"task: {path.stem}"]
    assert len(lines) <= 6


@pytest.mark.parametrize(
    "path",
    [path for pattern in ("*.yaml", "_*_metrics", "_*_base") for path in versions.TASKS_FOLDER.glob(pattern)],
    ids=lambda path: path.name,
)
def test_every_function_that_a_yaml_names_exists(path: Path) -> None:
    names = [line.split("!function ")[1] for line in path.read_text().splitlines() if "!function " in line]
    assert names
    for name in names:
        module, function = name.rsplit(".", 1)
        found = getattr(importlib.import_module(module), function)
        assert callable(found) or found in (harness.ATTACK_METRICS, harness.LIKELIHOOD_METRICS) or Path(found).is_file()


def listed(task: str) -> set[str]:
    text = (versions.TASKS_FOLDER / metrics_file(task)).read_text().replace("!function ", "")
    return {row["metric"] for row in yaml.safe_load(text)["metric_list"]}


BY_MEANING = {"pebench_people": set(), "pebench_events": {"retain_best"}, JOINT: {"event_retain_best"}}


@pytest.mark.parametrize("task", TASKS)
def test_the_metrics_that_documents_return_are_those_of_the_tasks_list(chosen: Benchmark, task: str) -> None:
    """One that is not listed would become ``[]`` in the results, without a word."""
    rows = load(task)
    ask(rows)
    read(rows)
    returned = {name for row in rows for name in answer(row, "This is nobody.")}
    assert {*SLICES, "provenance"} - returned == ({"efficacy", "generality"} if task == "pebench_events" else set())
    session.run.goals["event"] = SimpleNamespace(of=lambda key: [Goal("goal", "Somebody dances.")])  # type: ignore
    returned |= {name for row in rows for name in answer(row, "This is nobody.")}
    assert {*SLICES} < returned == listed(task) - BY_MEANING[task]


def test_the_metrics_that_joint_documents_return_are_those_of_the_tasks_list(chosen: Benchmark) -> None:
    rows = load(JOINT)
    ask(rows)
    read(rows)
    returned = {name for row in rows for name in answer(row, "This is nobody.")}
    assert {*JOINT_SLICES, "provenance"} - returned == {"event_efficacy", "event_generality"}
    assert {"event_efficacy_truth_only", "event_generality_truth_only", "world_accuracy", "empty"} < returned
    session.run.goals["joint"] = SimpleNamespace(of=lambda key: [Goal("goal", "Somebody dances.")])  # type: ignore
    returned |= {name for row in rows for name in answer(row, "This is nobody.")}
    assert {*JOINT_SLICES} < returned == listed(JOINT) - BY_MEANING[JOINT]
    assert not returned & {"efficacy", "generality", "retain", "scope", "real"}


# Documents and questions


def test_documents_come_from_the_chosen_benchmark_and_forget_set(
    chosen: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_FORGET", "20")
    rows = load("pebench_people")
    assert {row["slice"] for row in rows} == set(SLICES)
    assert {row["forget"] for row in rows} == {"forget20"}
    assert {row["data"] for row in rows} == {chosen.fingerprint}


def test_prompts_surround_the_question(chosen: Benchmark) -> None:
    doc = load("pebench_people")[0]
    assert harness.doc_to_text(doc, {"pre_prompt": "<", "post_prompt": ">"}) == f"<{doc['question']}>"


def test_an_image_is_rgb_and_alone(chosen: Benchmark) -> None:
    (image,) = harness.people_image(load("pebench_people")[0])
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"


def test_a_missing_image_exits_with_a_message(chosen: Benchmark) -> None:
    doc = load("pebench_people")[0] | {"image": "p099/e99"}
    with pytest.raises(SystemExit, match=r"error: The benchmark in .* has no image 'p099/e99'"):
        harness.people_image(doc)


# Documents whose image nobody read


def test_the_first_call_of_a_new_task_asks_nobody(chosen: Benchmark) -> None:
    rows = load("pebench_people")
    ask(rows[1:3])
    read(rows[1:3])
    assert "withheld" not in answer(rows[1])["provenance"]


def test_one_unread_image_withholds_the_scores_of_both_tasks(
    chosen: Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    people, events = load("pebench_people"), load("pebench_events")
    ask(people + events)
    read(people + events[1:])
    for row in (people[0], events[0], events[1]):
        result = answer(row)
        assert list(result) == ["provenance"]
        assert result["provenance"]["withheld"].startswith("the images of 1 documents were never read")
    harness.provenance([answer(row)["provenance"] for row in people])
    assert "one task a command" in capsys.readouterr().err


def test_an_image_read_for_the_other_task_is_not_read(chosen: Benchmark) -> None:
    people, events = load("pebench_people"), load("pebench_events")
    ask(people + events)
    read(people)
    for row in events:
        harness.people_image(row)
    assert f"the images of {len(events)} documents" in answer(people[0])["provenance"]["withheld"]


def test_a_document_answered_without_being_asked_is_withheld(chosen: Benchmark) -> None:
    """Requests from the harness's cache (--cache_requests) are never built."""
    rows = load("pebench_people")
    assert "never read" in answer(rows[3])["provenance"]["withheld"]


def test_a_withheld_run_does_not_taint_the_next(chosen: Benchmark) -> None:
    rows = load("pebench_people")
    ask(rows)
    assert "withheld" in answer(rows[0])["provenance"]
    rows = load("pebench_events")
    ask(rows)
    read(rows)
    assert "withheld" not in answer(rows[0])["provenance"]


def test_a_run_that_broke_off_does_not_taint_the_next(chosen: Benchmark) -> None:
    ask(load("pebench_people"))
    rows = load("pebench_people")
    ask(rows[:2])
    read(rows[:2])
    assert "withheld" not in answer(rows[0])["provenance"]


def test_withheld_scores_leave_no_counts_in_the_summary(chosen: Benchmark) -> None:
    rows = load("pebench_people")
    ask(rows)
    summary = harness.provenance([answer(row)["provenance"] for row in rows])
    assert summary["slices"] == {}
    assert summary["never_learned"] is None
    assert summary["withheld"].startswith(f"the images of {len(rows)} documents")
    assert summary["n"] == len(rows)


# The summary


def summary_of(rows: list[dict[str, Any]], response: Any) -> dict[str, Any]:
    ask(rows)
    read(rows)
    return harness.provenance([answer(row, response(row))["provenance"] for row in rows])


def test_empty_responses_are_counted_and_called_a_failure(
    chosen: Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = load("pebench_people")
    summary = summary_of(rows, lambda row: "" if row["slice"] == "efficacy" else "Yes.")
    asked = sum(row["slice"] == "efficacy" for row in rows)
    assert summary["mostly_empty"] == ["efficacy"]
    assert summary["slices"]["efficacy"]["empty"] == asked
    said = capsys.readouterr().err
    assert f"efficacy: {asked} of {asked} responses are empty: the backend probably failed; this is not forg" in said


def test_repeated_questions_are_counted_and_called_a_failure(
    chosen: Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = load("pebench_people")
    summary = summary_of(
        rows, lambda row: f"USER: {row['question']} ASSISTANT:" * (row["slice"] == "real") or row["answer"]
    )
    asked = sum(row["slice"] == "real" for row in rows)
    assert (summary["mostly_echoed"], summary["echoed"], summary["mostly_empty"]) == (["real"], {"real": asked}, [])
    assert "echoed" not in summary["slices"]["real"]  # submissions and results of earlier versions have the same keys
    assert f"real: {asked} of {asked} responses repeat the question" in capsys.readouterr().err


def test_one_failed_request_is_said(chosen: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    rows = load("pebench_people")
    failed = next(row["key"] for row in rows if row["slice"] == "efficacy")
    message = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 429"
    summary = summary_of(rows, lambda row: message if row["key"] == failed else row["answer"])
    assert (summary["unanswered"], summary["mostly_echoed"]) == ({"efficacy": 1}, [])
    asked = summary["slices"]["efficacy"]["n"]
    said = capsys.readouterr().err
    assert f"efficacy: 1 of {asked} responses are error messages of the backend: the request failed" in said


def test_who_gets_half_of_retain_right_has_learned_the_benchmark(chosen: Benchmark) -> None:
    rows = load("pebench_people")
    knows_half = [row["key"] for row in rows if row["slice"] == "retain"][::2]
    assert summary_of(rows, lambda row: row["answer"] * (row["key"] in knows_half))["never_learned"] is False


def test_who_gets_less_never_learned_it(chosen: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary_of(load("pebench_events"), lambda row: "Yes.")["never_learned"] is True
    assert "never learned the benchmark" in capsys.readouterr().err


def test_the_summary_records_what_was_asked_of_whom_and_how(chosen: Benchmark, make_checkpoint: MakeCheckpoint) -> None:
    checkpoint = make_checkpoint("known", method="ga", target="person", forget="forget05")
    session.loaded(str(checkpoint), dtype="float32")
    rows = load("pebench_people")
    summary = summary_of(rows, lambda row: row["answer"])
    split = chosen.split("person", "forget05")
    assert (summary["task"], summary["target"], summary["forget"]) == ("pebench_people", "person", "forget05")
    assert (summary["data"], summary["split"]) == (chosen.fingerprint, split.split_id)
    assert (summary["generation"], summary["prompts"]) == (
        {"max_new_tokens": 12},
        {"pre_prompt": "", "post_prompt": ""},
    )
    assert summary["model"]["pretrained"] == str(checkpoint)
    assert (summary["model"]["method"], summary["model"]["base"]) == ("ga", "b" * 16)
    assert summary["benchmark"] == {
        "name": chosen.name, "directory": str(chosen.directory), "chosen": "PEBENCH_DATA",
    }  # fmt: skip
    assert summary["versions"]["lmms-eval"] == version("lmms-eval")
    assert json.loads(json.dumps(summary, indent=1)) == dict(summary.items())


def test_a_model_record_serves_one_run(chosen: Benchmark, make_checkpoint: MakeCheckpoint) -> None:
    session.loaded(str(make_checkpoint("first", method="ga")))
    assert "method" in summary_of(load("pebench_people"), lambda row: "")["model"]
    assert summary_of(load("pebench_people"), lambda row: "")["model"] == {}


def test_stock_backends_name_their_checkpoint_by_a_variable(
    chosen: Benchmark, make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_CHECKPOINT", str(make_checkpoint("stock", method="gd", weights="w" * 16)))
    assert summary_of(load("pebench_people"), lambda row: "")["model"]["weights"] == "w" * 16


def test_a_checkpoint_variable_without_a_record_is_refused(
    chosen: Benchmark, llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_CHECKPOINT", str(llava))
    with pytest.raises(SystemExit, match=r"error: PEBENCH_CHECKPOINT is .* no pebench_run.json"):
        load("pebench_people")


def test_an_unsupported_lmms_eval_is_refused_even_by_include_path(
    chosen: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version", lambda name: "0.8.0")
    with pytest.raises(SystemExit, match=r"error: .*not 0.8.0"):
        load("pebench_people")


@pytest.mark.parametrize(
    ("unknown", "never"),
    [("", False), ("person_retain", True), ("event_retain", True)],
    ids=["none", "people", "events"],
)
def test_a_joint_model_must_have_learned_both_concepts(chosen: Benchmark, unknown: str, never: bool) -> None:
    summary = summary_of(load(JOINT), lambda row: row["answer"] if row["slice"] != unknown else "This is nobody.")
    assert summary["never_learned"] is never


def test_a_joint_summary_counts_the_images_in_which_both_are_forgotten(chosen: Benchmark) -> None:
    summary = summary_of(load(JOINT), lambda row: row["answer"])
    assert (summary["task"], summary["target"]) == (JOINT, "joint")
    assert summary["split"] == chosen.split("joint", "forget05").split_id
    assert sum(summary["both_forgotten"].values()) == 1
    assert summary["slices"]["person_efficacy"]["n"] + summary["slices"]["person_generality"]["n"] == 3
    assert summary["slices"]["event_efficacy"]["n"] + summary["slices"]["event_generality"]["n"] == 4
    assert "both_forgotten" not in summary_of(load(TASKS[0]), lambda row: row["answer"])


def test_a_joint_image_read_for_another_task_withholds_the_scores(chosen: Benchmark) -> None:
    """The joint task has the single tasks' document keys, so only the task tells whose image was read."""
    people, joint = load(TASKS[0]), load(JOINT)
    ask(people + joint)
    read(people)
    for row in joint:
        harness.people_image(row)
    assert f"the images of {len(joint)} documents were never read" in answer(joint[0])["provenance"]["withheld"]


# With the real harness


def test_a_real_run_has_every_metric_with_its_interval_and_count(evaluate: Evaluate, llava: Path) -> None:
    results = evaluate("pebench_hf", f"pretrained={llava}")
    people, events = (results["results"][task] for task in TASKS)
    for metric in (*SLICES, "world_accuracy", "world_invalid_rate", "world_yes_ratio", "empty", "degenerate"):
        assert isinstance(people[f"{metric},none"], float), metric
    for name, interval in provenance(results)["statistics"]["slices"].items():
        assert interval["value"] == people[f"{name},none"]
        assert interval["low"] <= interval["value"] <= interval["high"]
        assert interval["n"] == provenance(results)["slices"][name]["n"]
    assert set(SLICES) == provenance(results)["statistics"]["slices"].keys()
    assert isinstance(events["efficacy_truth_only,none"], float)
    assert "efficacy,none" not in events  # no Goal responses
    for task in TASKS:
        assert provenance(results, task)["n"] == LIMIT
        assert sum(counts["n"] for counts in provenance(results, task)["slices"].values()) == LIMIT
        assert provenance(results, task)["generation"] == {
            "until": [], "max_new_tokens": 12, "temperature": 0.0, "do_sample": False, "num_beams": 1,
        }  # fmt: skip


def test_a_real_joint_run_has_every_metric_beside_the_other_tasks(evaluate: Evaluate, llava: Path) -> None:
    results = evaluate("pebench_hf", f"pretrained={llava}", ["pebench", JOINT], limit=None)
    for task in (*TASKS, JOINT):
        assert results["higher_is_better"][task].keys() == listed(task)
    assert "groups" not in results  # the tag has no row
    figures, recorded = results["results"][JOINT], provenance(results, JOINT)
    for metric in {*JOINT_SLICES, "event_efficacy_truth_only", "event_generality_truth_only", "empty"} - {
        "event_efficacy", "event_generality"
    }:  # fmt: skip
        assert isinstance(figures[f"{metric},none"], float), metric
        assert f"{metric}_stderr,none" in figures
    assert not {f"{metric},none" for metric in (*SLICES, "event_efficacy")} - {"world,none"} & figures.keys()
    assert recorded["withheld"] == ""
    assert list(recorded["slices"]) == list(JOINT_SLICES)
    assert sum(counts["n"] for counts in recorded["slices"].values()) == recorded["n"] == len(results["samples"][JOINT])
    assert sum(recorded["both_forgotten"].values()) == 1
    for metric in ("person_retain", "event_retain", "event_real"):
        values = [sample[metric] for sample in results["samples"][JOINT] if metric in sample]
        assert len(values) == recorded["slices"][metric]["n"]
        assert figures[f"{metric},none"] == pytest.approx(sum(values) / len(values))
    for task in TASKS:
        assert not {name for name in results["results"][task] if name.startswith(("person_", "event_"))}


def test_a_real_run_is_the_same_from_any_folder(
    evaluate: Evaluate, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The placeholder file is found beside the YAML, not in the working folder; nothing is downloaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    assert provenance(evaluate("pebench_hf", f"pretrained={llava}", limit=2), TASKS[0])["n"] == 2


def test_a_backend_that_mixes_documents_is_caught(
    evaluate: Evaluate, llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """lfm2_5_vl takes the first request's task for its whole batch."""
    mixed = evaluate("lfm2_5_vl", f"pretrained={llava},device=cpu", batch_size=8)
    for task in TASKS:
        assert "never read" in provenance(mixed, task)["withheld"]
        assert not [name for name in mixed["results"][task] if name in {f"{metric},none" for metric in SLICES}]
    assert "SCORES WITHHELD" in capsys.readouterr().err
    alone = evaluate("lfm2_5_vl", f"pretrained={llava},device=cpu", tasks=TASKS[:1], batch_size=8)
    assert provenance(alone)["withheld"] == ""
    assert "efficacy,none" in alone["results"][TASKS[0]]


def test_a_backend_whose_generation_fails_is_shown_as_failed_not_as_forgetting(
    evaluate: Evaluate, llava: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """llava_hf catches the error and answers ""; the Efficacy of 100 is the trap."""
    from transformers import LlavaForConditionalGeneration

    def fail(self: Any, **inputs: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(LlavaForConditionalGeneration, "generate", fail)
    results = evaluate("llava_hf", f"pretrained={llava},device_map=cpu,device=cpu", tasks=TASKS[:1], batch_size=1)
    assert results["results"][TASKS[0]]["efficacy,none"] == 100.0
    assert results["results"][TASKS[0]]["empty,none"] == 1.0
    assert provenance(results)["mostly_empty"] == list(SLICES)
    assert provenance(results)["never_learned"] is True
    n = provenance(results)["slices"]["efficacy"]["n"]
    assert f"efficacy: {n} of {n} responses are empty: the backend probably failed" in capsys.readouterr().err


def test_answers_from_the_response_cache_are_withheld(evaluate: Evaluate, llava: Path, tmp_path: Path) -> None:
    """Its key is the model's arguments, not its weights: an overwritten checkpoint gets the old answers."""
    cached = [evaluate("pebench_hf", f"pretrained={llava}", TASKS[:1], use_cache=str(tmp_path)) for _ in range(2)]
    assert provenance(cached[0])["withheld"] == ""
    assert f"the images of {LIMIT} documents were never read" in provenance(cached[1])["withheld"]
    assert responses(cached[0]) == responses(cached[1])
