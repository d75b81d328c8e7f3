import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pebench_templates
import pytest
from made_results import record
from rich.console import Console

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.files import Result
from pebench_tasks.versions import __version__, task_version
from unlearn.protocol import graph
from unlearn.protocol.graph import Setting, Training


@pytest.fixture
def setting(benchmark: Benchmark, tmp_path: Path) -> Setting:
    return Setting(tmp_path / "run", benchmark.directory, "forget20", 7, "tiny", 8)


# Which documents the protocol asks, as results say it.
ASKED = {"retain_documents": "the fixed subset", "world_documents": "the fixed subset", "real_documents": "all"}


def test_every_training_is_a_command_with_its_recipe_seed_and_folder(setting: Setting) -> None:
    training = graph.method_training(setting, "kl", "joint", balance="bgd")
    words = " ".join(training.words)
    assert "tiny/kl_joint.yaml --method kl" in words
    assert "--seed 7" in words
    assert "--balance bgd" in words
    assert "--target joint --forget forget20" in words
    assert (training.row, training.targets, training.folder.name) == ("kl+bgd", ("joint",), "kl+bgd-joint")


def test_a_second_goal_has_another_seed_and_folder(setting: Setting) -> None:
    first, second = (graph.goal_training(setting, "base", "event", more=more) for more in (0, 1))
    assert "--seed 7" in " ".join(first.words)
    assert "--seed 8" in " ".join(second.words)
    assert (first.folder.name, second.folder.name) == ("goal-event", "goal-event-2")


def test_a_scoring_waits_for_its_model_for_the_goals_responses_and_for_the_one_before_in_its_folder(
    setting: Setting,
) -> None:
    base = str(setting.out / "base")
    trainings = [graph.finetune_training(setting, base, graph.SINGLE)]
    trainings += [graph.goal_training(setting, base, target) for target in graph.SINGLE]
    trainings.append(graph.method_training(setting, "gd", "event"))
    found = graph.stage_graph(setting._replace(tiny=True), trainings, drawn=True)
    assert {stage.name: stage.after for stage in found} == {
        "data": (),
        "base": ("data",),
        "finetuned": ("base",),
        "goal-person": ("base",),
        "goal-event": ("base",),
        "gd-event": ("finetuned",),
        "responses-event": ("goal-event",),
        "score-finetuned-person": ("finetuned",),
        "score-finetuned-event": ("score-finetuned-person", "responses-event"),
        "score-goal-person": ("goal-person",),
        "score-goal-event": ("goal-event", "responses-event"),
        "score-gd-event": ("gd-event", "responses-event"),
    }
    given = graph.stage_graph(setting._replace(run="seed-2"), trainings, drawn=False)
    assert (given[0].name, given[0].after) == ("seed-2/finetuned", ())
    assert all(stage.timed for stage in found)
    assert not any(stage.timed for stage in given)  # nobody knows what a model of one's own takes


def test_a_model_that_is_there_is_scored_only_and_without_a_goal_nothing_answers_for_one(setting: Setting) -> None:
    there = Training("", [], "0", ("event",), Path("finetuned"), "", 0.0)
    method = graph.method_training(setting, "gd", "event")._replace(start="finetuned")
    found = graph.stage_graph(setting, [there, method], drawn=False)
    assert {stage.name: stage.after for stage in found} == {
        "gd-event": (),
        "score-finetuned": (),
        "score-gd-event": ("gd-event",),
    }
    goal = Training("", [], "goal", ("event",), Path("mine/goal"), "", 0.0)
    found = graph.stage_graph(setting, [method, goal], drawn=False)
    assert {stage.name: stage.after for stage in found} == {
        "gd-event": (),
        "responses-event": (),
        "score-gd-event": ("gd-event", "responses-event"),
        "score-goal": ("responses-event",),
    }


def test_the_tiny_model_takes_a_thread_a_process_and_ones_own_all_cores_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "usable_cores", lambda: 8)
    monkeypatch.setattr(graph, "free_memory", lambda: 2**40)
    asked = {(number, tiny): graph.processes(number, tiny=tiny)[:2] for number in (None, 2) for tiny in (True, False)}
    assert asked == {(None, True): (8, 1), (2, True): (2, 1), (None, False): (1, None), (2, False): (2, 4)}


def test_the_tiny_model_takes_no_more_processes_than_the_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.5 GiB each: 5 GiB hold three; one runs in any case, and so many as are asked for."""
    monkeypatch.setattr(graph, "usable_cores", lambda: 8)
    for free, number in ((5, 3), (1, 1)):
        monkeypatch.setattr(graph, "free_memory", lambda free=free: free * 2**30)
        assert graph.processes(None, tiny=True).number == number
        assert graph.processes(6, tiny=True).number == 6


def test_the_tiny_model_stays_on_the_cpu(setting: Setting) -> None:
    for tiny in (True, False):
        words = " ".join(graph.goal_training(setting._replace(tiny=tiny), "base", "event").words)
        assert ("--use_cpu true" in words) == tiny


def test_methods_share_reference_values_only_where_stages_run_one_by_one(setting: Setting) -> None:
    """kl keeps to itself: its recipe may ask for the likeliest tokens alone (reference_top_k)."""

    def folders(one_by_one: bool) -> list[str]:
        here = setting._replace(one_by_one=one_by_one)
        words = [" ".join(graph.method_training(here, method, "event").words) for method in ("npo", "dpo", "kl")]
        return ["".join(each.partition("--reference_cache ")[2].split(" ")[:1]) for each in words]

    assert folders(True) == [str(setting.out / "reference" / "event")] * 2 + [""]
    assert folders(False) == ["", "", ""]


def test_what_is_no_stage_is_named_once_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "console", Console(record=True))
    with graph.timed("Report"):
        pass
    assert graph.console.export_text() == "Report: 0 s\n"


def test_processes_that_have_ended_are_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 GiB of its own and 4 of the stages' are 5, though the largest process it waited for held 3 of these."""
    peaks = {resource.RUSAGE_SELF: 2**30, resource.RUSAGE_CHILDREN: 3 * 2**30}
    kilobytes = {whose: SimpleNamespace(ru_maxrss=peak // 1024) for whose, peak in peaks.items()}
    monkeypatch.setattr(resource, "getrusage", kilobytes.__getitem__)
    monkeypatch.setattr(graph, "console", Console(record=True))
    graph.print_resources(0.0, 4 * 2**30)
    assert "peak memory 5.0 GiB" in graph.console.export_text()


def test_a_recipe_is_of_the_method_and_target_or_of_the_method(tmp_path: Path) -> None:
    (tmp_path / "ga.yaml").write_text("")
    (tmp_path / "ga_event.yaml").write_text("")
    assert graph.recipe(str(tmp_path), "ga", "event")[1].endswith("ga_event.yaml")
    assert graph.recipe(str(tmp_path), "ga", "person")[1].endswith("ga.yaml")
    with pytest.raises(BenchmarkError, match=r"no recipe for gd \(neither gd_event.yaml nor gd.yaml\)"):
        graph.recipe(str(tmp_path), "gd", "event")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"judge": "openai:other/12345678"},
        {"model": {"weights": "other"}},
        {"data": "other"},
        {"split": "other"},
        {"template": "other"},
        {"versions": {"pebench": "0.0"}},
        {"goal": {"runs": [{"weights": "old"}]}},
        {"retain_documents": "all"},
        {"world_documents": "all"},
        {"real_documents": {"list": "l", "known": 1, "asked": 1, "base": ""}},
        {"goal": {"runs": [{"weights": "old"}, {"weights": "goal"}]}},
        {"goal": None},
    ],
)
def test_a_score_is_read_back_only_if_nothing_it_depends_on_has_changed(change: dict[str, Any]) -> None:
    provenance = {
        "model": {"weights": "w"}, "data": "d", "split": "s", "template": pebench_templates.fingerprint(),
        "versions": {"pebench": __version__}, "goal": {"runs": [{"weights": "goal"}]}, "judge": "lexical",
        **ASKED, **change,
    }  # fmt: skip
    nothing = Path("nothing")
    result = Result("model", "pebench_events", task_version(), {}, record(**provenance), nothing, nothing)
    current = graph.is_current(result, "w", ("d", "s"), Path("goal_responses/goal"))
    assert current == (change == {})


def test_a_score_of_another_task_version_is_not_read_back() -> None:
    nothing = Path("nothing")
    provenance = record(
        model={"weights": "w"}, data="d", split="s", template=pebench_templates.fingerprint(),
        versions={"pebench": __version__}, **ASKED,
    )  # fmt: skip
    for version, current in ((task_version(), True), ("0.9", False)):
        result = Result("model", "pebench_people", version, {}, provenance, nothing, nothing)
        assert graph.is_current(result, "w", ("d", "s"), None) is current


def test_the_distance_to_goal_needs_every_figure_that_the_benchmark_asks_for() -> None:
    """Without public figures: Efficacy misses 100, Generality 50 of 100; nothing else falls short: (0.75 + 0) / 2."""
    nothing = Path("nothing")
    counts = {name: {"n": 4, "empty": 0} for name in ("efficacy", "generality", "retain", "scope", "world")}
    goal = {"efficacy": 100.0, "generality": 100.0, "retain": 90.0, "scope": 1.0, "world": 80.0}
    of_goal = Result("goal", "pebench_people", "1.1", goal, record(slices=counts), nothing, nothing)
    found = of_goal._replace(metrics=goal | {"efficacy": 0.0, "generality": 50.0})
    scored = graph.Scored("ga", "person")
    assert graph.row_of(scored, found, of_goal).distance == pytest.approx(0.375)
    lacking = found._replace(metrics={name: value for name, value in goal.items() if name != "retain"})
    assert graph.row_of(scored, lacking, of_goal).distance is None
    with_real = record(slices=counts | {"real": {"n": 4, "empty": 0}})
    assert graph.row_of(scored, found._replace(provenance=with_real), of_goal).distance is None
    without = of_goal._replace(metrics={name: value for name, value in goal.items() if name != "world"})
    assert graph.row_of(scored, found, without).distance is None
