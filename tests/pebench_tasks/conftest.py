"""What the tests of the lmms-eval side share: a real tiny LLaVA on disk and the real harness, run in process."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import LIMIT, NEW_TOKENS, TASKS, Command, Evaluate, MakeCheckpoint
from own_environment import own_environment

from pebench_tasks.benchmark.reading import Benchmark


@pytest.fixture(scope="session")
def make_checkpoint(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """Saves an untrained LLaVA; with ``record``, a run record of these fields lies beside it."""
    from unlearn.protocol import tiny_model

    torch.set_num_threads(1)

    def make(name: str, *, seed: int = 0, **record: Any) -> Path:
        folder: Path = tmp_path_factory.mktemp("checkpoints") / name
        model, processor = tiny_model.build(benchmark, seed=seed, image_size=32)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        if record:
            split = benchmark.split(record.get("target") or "event", 5)
            defaults = {
                "format": "pebench-run/1", "method": "finetune", "target": "", "forget": "", "seed": seed,
                "base": "b" * 16, "weights": f"{seed:016d}", "data": benchmark.fingerprint, "split": split.split_id,
                "template": "t" * 16,
            }  # fmt: skip
            (folder / "pebench_run.json").write_text(json.dumps(defaults | record))
        return folder

    return make


@pytest.fixture(scope="session")
def llava(make_checkpoint: MakeCheckpoint) -> Path:
    """An untrained LLaVA: a folder with weights, processor and nothing of ours."""
    return make_checkpoint("llava")


@pytest.fixture(autouse=True)
def only_our_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the user's own choices, or what a run before it left behind."""
    with own_environment(monkeypatch, tmp_path, "PEBENCH_", "OPENAI_"):
        yield


@pytest.fixture
def evaluate(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Runs lmms-eval in process on the session's benchmark; answers of 12 tokens keep it fast."""
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))

    def run(
        model: str, model_args: str, tasks: list[str] = TASKS, batch_size: int = 16, **options: Any
    ) -> dict[str, Any]:
        from lmms_eval.evaluator import simple_evaluate
        from lmms_eval.tasks import TaskManager

        settings = {"limit": LIMIT, "gen_kwargs": f"max_new_tokens={NEW_TOKENS}", **options}
        results = simple_evaluate(
            model=model,
            model_args=model_args,
            tasks=list(tasks),
            batch_size=batch_size,
            task_manager=TaskManager(include_defaults=False, model_name=model),
            **settings,
        )
        assert results is not None
        return dict(results)

    return run


@pytest.fixture
def command(benchmark: Benchmark, llava: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs lmms-eval's own command in process, without the harness's own tasks, which take it seconds to read."""
    from lmms_eval import __main__ as program
    from lmms_eval.tasks import TaskManager
    from loguru import logger

    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    monkeypatch.setenv("VERBOSITY", "ERROR")  # which it sets
    monkeypatch.setattr(program, "TaskManager", partial(TaskManager, include_defaults=False))

    def run(tasks: str, *words: str) -> None:
        options = f"--model pebench_hf --model_args pretrained={llava} --device cpu --batch_size 16 --limit {LIMIT}"
        options += f" --gen_kwargs max_new_tokens=12 --verbosity ERROR --tasks {tasks}"
        monkeypatch.setattr(sys, "argv", ["lmms-eval", *options.split(), *words])
        program.cli_evaluate()

    yield run
    logger.remove()  # it logs to the output of a test that is over
