"""The entry point through which lmms-eval finds this package's harness model and tasks.

lmms-eval loads the entry points of the group ``lmms_eval.models`` before it builds its ``TaskManager``. Its own
plugin switch (``LMMS_EVAL_PLUGINS``) comes too late for tasks, so ``manifests`` also extends ``TaskManager``:

- ``initialize_tasks`` also indexes this package's ``tasks`` folder;
- ``match_tasks`` checks the chosen data before any model is loaded: lmms-eval loads the model first.

Every start of lmms-eval runs this module, also those that never use our tasks: it imports nothing heavy.
"""

import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from pebench_tasks.versions import TASKS_FOLDER, unsupported_lmms_eval


def manifests() -> list[Any]:
    """The manifests of our harness models; makes our tasks known as a side effect.

    Of an lmms-eval that we do not know, one line on standard error says so and nothing is registered.
    """
    if line := unsupported_lmms_eval():
        _say(f"{line} Its tasks and model are not added.")
        return []
    from lmms_eval.models.registry_v2 import ModelManifest

    if (tasks := sys.modules.get("lmms_eval.tasks")) is not None:
        extend_task_manager(tasks)
    elif not any(isinstance(finder, _AfterTasks) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterTasks())
    return [ModelManifest("pebench_hf", chat_class_path="pebench_tasks.evaluation.model.EvaluatedHf")]


class _AfterTasks(MetaPathFinder):
    """Extends ``TaskManager`` when ``lmms_eval.tasks`` is imported; importing it here would cost seconds."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "lmms_eval.tasks":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_extend(module: ModuleType) -> None:
            execute(module)
            extend_task_manager(module)

        spec.loader.exec_module = execute_and_extend  # type: ignore[method-assign]
        return spec


def extend_task_manager(tasks: ModuleType) -> None:
    """Let ``tasks.TaskManager`` index our folder and check our data; does nothing the second time.

    Where its methods are not the ones that were tested, one line on standard error names the way that still works.
    """
    manager = tasks.TaskManager
    expected = {
        "initialize_tasks": ["self", "include_path", "include_defaults"],
        "match_tasks": ["self", "task_list"],
    }
    for name, parameters in expected.items():
        method = getattr(manager, name, None)
        if hasattr(method, "pebench"):
            return
        if method is None or list(inspect.signature(method).parameters) != parameters:
            _say(f"TaskManager.{name} of lmms-eval has changed; find our tasks with  --include_path {TASKS_FOLDER}")
            return
    manager.initialize_tasks = _also_our_folder(manager.initialize_tasks)
    manager.match_tasks = _check_data(manager.match_tasks)


def _also_our_folder(initialize_tasks: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @wraps(initialize_tasks)
    def initialize(
        self: Any, include_path: str | list[str] | None = None, include_defaults: bool = True
    ) -> dict[str, Any]:
        given = [include_path] if isinstance(include_path, str | Path) else list(include_path or [])
        ours = [] if any(Path(path).resolve() == TASKS_FOLDER.resolve() for path in given) else [str(TASKS_FOLDER)]
        # Ours comes last: of two tasks with one name the harness keeps the first, so a user's own variant wins.
        return initialize_tasks(self, include_path=[*given, *ours], include_defaults=include_defaults)

    initialize.pebench = True  # type: ignore[attr-defined]
    return initialize


def _check_data(match_tasks: Callable[..., list[str]]) -> Callable[..., list[str]]:
    @wraps(match_tasks)
    def match(self: Any, task_list: list[str]) -> list[str]:
        names = match_tasks(self, task_list)
        ours = {name: list(_tasks_of_ours(name, self.task_index)) for name in names}
        tasks = list(dict.fromkeys(task for found in ours.values() for task in found))
        if tasks:
            from pebench_tasks.evaluation.command import begin

            begin(tasks, {*tasks, *(name for name, found in ours.items() if found)})
        return names

    match.pebench = True  # type: ignore[attr-defined]
    return match


def _tasks_of_ours(name: str, index: Mapping[str, Any]) -> Iterator[str]:
    for task in _tasks_of(name, index):
        if Path(str(index[task]["yaml_path"])).is_relative_to(TASKS_FOLDER):
            yield task


def _tasks_of(name: str, index: Mapping[str, Any]) -> Iterator[str]:
    """The tasks that a name stands for: itself, or those of a tag or a group, whoever defined it."""
    kind = index[name]["type"] if name in index else ""
    if kind == "tag":
        yield from index[name]["task"]
    elif kind == "group":
        from lmms_eval.utils import load_yaml_config

        yield from _members(load_yaml_config(index[name]["yaml_path"], mode="simple")["task"], index)
    elif kind:
        yield name


def _members(tasks: Iterable[Any], index: Mapping[str, Any]) -> Iterator[str]:
    """The tasks of a group as its file lists them: names, and settings of a task or of a group within it."""
    for one in tasks:
        inner = one.get("task") if isinstance(one, dict) else one
        yield from _members(inner, index) if isinstance(inner, list) else _tasks_of(str(inner), index)


def _say(line: str) -> None:
    print(f"pebench: {line}", file=sys.stderr)
