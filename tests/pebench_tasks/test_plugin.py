import re
import subprocess
import sys
import types
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness_runs import Command

from pebench_tasks import plugin, versions
from pebench_tasks.benchmark.reading import Benchmark

NAMES = [
    "pebench_events", "pebench_events_likelihood", "pebench_events_robust", "pebench_joint", "pebench_people",
    "pebench_people_likelihood", "pebench_people_robust",
]  # fmt: skip
TAG, LIKELIHOOD, ROBUST = "pebench", "pebench_likelihood", "pebench_robust"
EVERYTHING = sorted([TAG, LIKELIHOOD, ROBUST, *NAMES])


def task_manager(**options: Any) -> Any:
    """lmms-eval's own, after it loaded its models and with them the plugin, as its command does."""
    import lmms_eval.models  # noqa: F401
    from lmms_eval.tasks import TaskManager

    return TaskManager(**{"include_defaults": False, **options})


def test_installing_the_package_is_all_it_takes_to_find_tasks_and_model() -> None:
    from lmms_eval import models

    assert task_manager().all_tasks == EVERYTHING
    assert models.get_model_manifest("pebench_hf").chat_class_path == "pebench_tasks.evaluation.model.EvaluatedHf"


def test_our_folder_as_include_path_adds_nothing_twice() -> None:
    assert task_manager(include_path=str(versions.TASKS_FOLDER)).all_tasks == EVERYTHING
    assert task_manager(include_path=[str(versions.TASKS_FOLDER)]).all_subtasks == NAMES


def test_a_users_own_variant_of_a_task_wins(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(f"include: {versions.TASKS_FOLDER}/pebench_people.yaml\ntask: pebench_people\n")
    assert task_manager(include_path=str(tmp_path)).task_index["pebench_people"]["yaml_path"] == str(own)


def test_other_tasks_stay_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("task: other\ndataset_path: json\n")
    manager = task_manager(include_path=str(tmp_path))
    assert manager.all_tasks == ["other", *EVERYTHING]
    assert manager.match_tasks(["other"]) == ["other"]  # no benchmark is chosen, and nobody asks for one


GROUP = """\
group: mine
task:
  - group: inner
    task: [{task: pebench_events, num_fewshot: 0}]
  - pebench
"""


@pytest.mark.parametrize("name", [TAG, "mine", "pebench*"])
def test_the_data_are_checked_whatever_name_leads_to_our_tasks(
    name: str, benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(GROUP)
    monkeypatch.setenv("PEBENCH_DATA", "/nowhere")
    with pytest.raises(SystemExit, match=r"^error: There is no benchmark folder /nowhere"):
        task_manager(include_path=str(tmp_path)).match_tasks([name])
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    assert name.strip("*") in task_manager(include_path=str(tmp_path)).match_tasks([name])
    assert benchmark.fingerprint in capsys.readouterr().err


def test_a_group_of_other_tasks_asks_for_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "group.yaml").write_text("group: theirs\ntask: [other, nowhere]\n")
    (tmp_path / "other.yaml").write_text("task: other\ndataset_path: json\n")
    assert task_manager(include_path=str(tmp_path)).match_tasks(["theirs"]) == ["theirs"]


def test_the_tag_is_people_and_events_and_no_row_of_its_own(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    loaded = task_manager().load_task_or_group([TAG], task_type="chat")
    assert sorted(loaded) == ["pebench_events", "pebench_people"]  # a group's name would be a key above them
    assert {task: type(one).__name__ for task, one in loaded.items()} == dict.fromkeys(
        loaded, "ConfigurableMessagesTask"
    )


@pytest.mark.parametrize(
    ("action", "shown"),
    [("list", EVERYTHING), ("tags", [TAG, LIKELIHOOD, ROBUST]), ("subtasks", NAMES), ("groups", [])],
)
def test_the_commands_that_list_tasks_list_ours_by_include_path(
    action: str, shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lmms_eval.cli.tasks_cmd import run_tasks
    from lmms_eval.tasks import TaskManager

    monkeypatch.setattr("lmms_eval.tasks.TaskManager", partial(TaskManager, include_defaults=False))
    run_tasks(Namespace(action=action, include_path=str(versions.TASKS_FOLDER), verbosity="WARNING"))
    assert listed(capsys.readouterr().out) == {*shown}


def test_lmms_eval_lists_our_tasks_where_it_is_asked_as_a_run(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command("list", "--verbosity", "INFO")
    assert listed(capsys.readouterr().out) == {*EVERYTHING}


@pytest.mark.slow  # the harness reads the files of all its own tasks
def test_lmms_eval_looks_for_no_plugins_where_it_lists_tasks_alone(tmp_path: Path) -> None:
    """As the tasks' README says. Where this fails, it need not be said any more."""
    command = [sys.executable, "-m", "lmms_eval", "tasks", "list"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "mmmu_val" in found.split()
    assert not listed(found)


def listed(printed: str) -> set[str]:
    """The words of a list or table that are names of ours."""
    return {word for word in re.findall(r"[\w/.-]+", printed) if word.startswith(TAG)}


def test_selecting_our_task_without_a_benchmark_exits_with_the_commands_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SystemExit, match=r"^error: No benchmark is chosen.*pebench data build.*pebench data use DIR"):
        task_manager().match_tasks(["pebench_people"])


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("PEBENCH_DATA", "/nowhere", "There is no benchmark folder /nowhere"),
        ("PEBENCH_FORGET", "forget07", "There is no forget ratio"),
        ("PEBENCH_GOAL", "/nowhere", "There is no folder /nowhere of Goal responses"),
        ("PEBENCH_RETAIN", "some", "PEBENCH_RETAIN is 'some'"),
    ],
)
def test_a_wrong_choice_exits_when_the_tasks_are_selected(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match=f"^error: {complaint}"):
        task_manager().match_tasks(["pebench_*"])


@pytest.mark.parametrize(
    ("variable", "complaint"),
    [
        ("PEBENCH_GOAL", "There is no folder nowhere of Goal responses (PEBENCH_GOAL). Score a Goal model first"),
        ("PEBENCH_CHECKPOINT", "There is no folder nowhere of a checkpoint (PEBENCH_CHECKPOINT)."),
        ("PEBENCH_REAL", "There is no list of known figures nowhere."),
    ],
)
def test_a_place_that_is_none_is_said_whatever_is_asked(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, variable: str, complaint: str
) -> None:
    """People need no Goal, and ``pebench_hf`` no other checkpoint."""
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    monkeypatch.setenv(variable, "nowhere")
    with pytest.raises(SystemExit, match=f"^error: {re.escape(complaint)}"):
        task_manager().match_tasks(["pebench_people"])


def test_a_right_choice_is_said_once(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    for _ in range(2):
        assert task_manager().match_tasks(["pebench_*"]) == [one for one in EVERYTHING if one != TAG]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{benchmark.directory} (PEBENCH_DATA)" in said
    assert benchmark.fingerprint in said
    assert "forget05" in said


def test_the_plugin_imports_nothing_heavy_and_nothing_else_of_ours() -> None:
    """So it costs a start of lmms-eval without our tasks no time; lmms-eval calls it when its models are imported."""
    code = (
        "import sys, lmms_eval.models; ours = {name for name in sys.modules if name.startswith('pebench_tasks')};"
        "assert ours == {'pebench_tasks', 'pebench_tasks.plugin', 'pebench_tasks.versions'}, ours;"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'PIL', 'lmms_eval.tasks'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class FakeManager:
    """The two methods of a TaskManager that are extended."""

    def initialize_tasks(self, include_path: Any = None, include_defaults: bool = True) -> dict[str, Any]:
        return {"paths": include_path, "defaults": include_defaults}

    def match_tasks(self, task_list: list[str]) -> list[str]:
        return task_list


def fake_module(manager: type) -> types.ModuleType:
    module = types.ModuleType("lmms_eval.tasks")
    module.TaskManager = type("TaskManager", (manager,), dict(vars(manager)))  # type: ignore[attr-defined]
    return module


def test_extending_twice_changes_nothing_more() -> None:
    module = fake_module(FakeManager)
    plugin.extend_task_manager(module)
    once = module.TaskManager.initialize_tasks
    plugin.extend_task_manager(module)
    assert module.TaskManager.initialize_tasks is once
    assert once(module.TaskManager(), "mine", include_defaults=False) == {
        "paths": ["mine", str(versions.TASKS_FOLDER)],
        "defaults": False,
    }


def test_a_changed_task_manager_is_left_alone_with_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    class Changed(FakeManager):
        def initialize_tasks(self, folders: Any) -> dict[str, Any]:  # type: ignore[override]
            return {}

    module = fake_module(Changed)
    before = module.TaskManager.initialize_tasks
    plugin.extend_task_manager(module)
    assert module.TaskManager.initialize_tasks is before
    assert capsys.readouterr().err.splitlines() == [
        "pebench: TaskManager.initialize_tasks of lmms-eval has changed; find our tasks with  "
        f"--include_path {versions.TASKS_FOLDER}"
    ]


@pytest.mark.parametrize("found", ["0.6.1", "0.7", "0.8.0", "1.0"])
def test_an_unsupported_lmms_eval_gives_one_clear_line(
    found: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(versions, "version", lambda name: found)
    assert plugin.manifests() == []
    (line,) = capsys.readouterr().err.splitlines()
    assert found in line
    assert versions.INSTALL_LMMS_EVAL in line


@pytest.mark.parametrize("found", ["0.7.1", "0.7.3", "0.7.9"])
def test_the_tested_series_is_supported(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda name: found)
    assert versions.unsupported_lmms_eval() == ""


def test_tasks_imported_after_the_plugin_are_extended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """lmms-eval imports its models, and with them the plugin, before its tasks."""
    package = tmp_path / "lmms_eval"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(
        "class TaskManager:\n"
        "    def initialize_tasks(self, include_path=None, include_defaults=True): return include_path\n"
        "    def match_tasks(self, task_list): return task_list\n"
    )
    code = (
        "import sys; from pebench_tasks import plugin; sys.meta_path.insert(0, plugin._AfterTasks());"
        "from lmms_eval.tasks import TaskManager; print(*TaskManager().initialize_tasks());"
        "assert not any(isinstance(finder, plugin._AfterTasks) for finder in sys.meta_path)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert found.stdout.strip() == str(versions.TASKS_FOLDER)
