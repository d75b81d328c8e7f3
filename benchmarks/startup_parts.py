"""Run a console script until its model's first forward pass, and say where the time went; ``startup.py`` starts this.

    python benchmarks/startup_parts.py STARTED FILE COMMAND ARGUMENT...

STARTED is the ``time.perf_counter()`` of the process that started this one. FILE gets JSON: ``parts``, seconds by part,
and ``cpu``, seconds on the processor in all; then the process ends. A moment counts for the innermost part it lies in;
imports count for the package that is imported if it is in ``PACKAGES``, else for who imports it.
"""

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = {
    "torch._dynamo": "torch._dynamo (torchvision imports it)",
    "torch._inductor": "torch._dynamo (torchvision imports it)",
    "torch": "torch",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "datasets": "datasets, pandas, pyarrow",
    "pandas": "datasets, pandas, pyarrow",
    "pyarrow": "datasets, pandas, pyarrow",
    "lmms_eval": "lmms_eval and what it imports",
    "pebench_tasks": "pebench",
}
# module -> (attribute, the part that its calls are)
FUNCTIONS = {
    "pebench_tasks.evaluation.session": [("Session.select", "documents")],
    "lmms_eval.tasks": [("TaskManager.__init__", "index of tasks"), ("get_task_dict", "documents")],
    "lmms_eval.api.task": [("Task.build_all_requests", "documents")],
    "lmms_eval.evaluator": [("get_task_dict", "documents"), ("evaluate", "first batch")],
    "transformers.modeling_utils": [("PreTrainedModel.from_pretrained", "model")],
    "transformers.models.auto.processing_auto": [("AutoProcessor.from_pretrained", "processor")],
    "transformers.configuration_utils": [("PretrainedConfig.from_pretrained", "model")],
}


class Timeline:
    """Seconds by part; the innermost part that is entered gets the time."""

    def __init__(self, started: float) -> None:
        """``started``: when the process was started, in ``time.perf_counter()`` seconds."""
        self.parts: dict[str, float] = {}
        self.stack = ["Python and the command"]
        self.since = started

    def _charge(self) -> None:
        now = time.perf_counter()
        self.parts[self.stack[-1]] = self.parts.get(self.stack[-1], 0.0) + now - self.since
        self.since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What happens inside belongs to ``name``."""
        self._charge()
        self.stack.append(name)
        try:
            yield
        finally:
            self._charge()
            self.stack.pop()

    def write(self, file: Path) -> None:
        """Write what was counted up to now."""
        self._charge()
        file.write_text(json.dumps({"parts": self.parts, "cpu": time.process_time()}), encoding="utf-8")


class ImportTimer:
    """A finder of ``sys.meta_path`` that counts imports and, once a module is there, the calls in ``FUNCTIONS``."""

    def __init__(self, timeline: Timeline, file: Path) -> None:
        """``file``: where the parts are written at the first forward pass."""
        self.timeline, self.file = timeline, file

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The usual answer, with a loader that is timed."""
        with self.timeline.part(part := self._part_of(name)):
            spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        create, execute = loader.create_module, loader.exec_module

        def timed_create(spec: ModuleSpec) -> ModuleType | None:
            with self.timeline.part(part):
                return create(spec)

        def timed_execute(module: ModuleType) -> None:
            with self.timeline.part(part):
                execute(module)
            for attribute, function_part in FUNCTIONS.get(name, ()):
                self._time_calls(module, attribute, function_part)
            if name == "torch":
                module.nn.modules.module.register_module_forward_pre_hook(self._stop)

        loader.create_module, loader.exec_module = timed_create, timed_execute
        return spec

    def _part_of(self, name: str) -> str:
        for package, part in PACKAGES.items():
            if name == package or name.startswith(f"{package}."):
                return part
        return self.timeline.stack[-1]

    def _time_calls(self, module: ModuleType, attribute: str, part: str) -> None:
        owner: Any = module
        *classes, last = attribute.split(".")
        for name in classes:
            owner = getattr(owner, name)
        found = vars(owner)[last]
        function = found.__func__ if isinstance(found, classmethod) else found

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.timeline.part(part):
                return function(*args, **kwargs)

        setattr(owner, last, classmethod(timed) if isinstance(found, classmethod) else timed)

    def _stop(self, module: Any, inputs: Any) -> None:
        self.timeline.write(self.file)
        os._exit(0)


def main(started: float, file: Path, command: str, arguments: list[str]) -> None:
    """Run the console script ``command``; it ends at the first forward pass."""
    timeline = Timeline(started)
    sys.meta_path.insert(0, ImportTimer(timeline, file))
    sys.argv = [command, *arguments]
    (script,) = importlib.metadata.entry_points(group="console_scripts", name=command)
    run: Callable[[], int] = script.load()
    raise SystemExit(run())


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
