"""Stock backends of lmms-eval on a checkpoint on disk: which share of the documents they answer as ``pebench_hf`` does.

Everything runs through the real harness in this process, one task a run: several stock backends mix the documents of
two tasks in a batch.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from pebench_tasks.benchmark.reading import Benchmark

TASK = "pebench_people"
BOTH = "pebench_joint"  # asks as many names as scenes
DOCUMENTS = 48  # the first ones hold every slice
OWN_IMAGES = "p"  # the keys of public figures and of World begin otherwise: no checkpoint here was trained on those


class Backend(Protocol):
    """How to call a stock backend: its name, model arguments, its batch size.

    In the arguments ``{path}`` is the checkpoint's folder, and ``{flash}`` the same under a name that holds "Flash".
    """

    @property
    def backend(self) -> str:
        """What stands behind ``--model``."""

    @property
    def arguments(self) -> str:
        """What stands behind ``--model_args``, such as ``pretrained={path},device=cpu``."""

    @property
    def batch_size(self) -> int:
        """What stands behind ``--batch_size``."""


def stock_share(checkpoint: Path, benchmark: Benchmark, stock: Backend) -> float:
    """The share of documents, 0-1, for which the stock backend gives the answer of ``pebench_hf``.

    The documents are names and scenes of the images that the checkpoint was finetuned on. RuntimeError with the first
    line of what the backend raised, where it ends without answers.
    """
    ours = own_answers(checkpoint, benchmark)
    theirs = stock_answers(checkpoint, benchmark, stock)
    seen = {key: answer for key, answer in ours.items() if key.startswith(OWN_IMAGES)}
    return sum(theirs[key] == answer for key, answer in seen.items()) / len(seen)


@lru_cache(maxsize=4)
def own_answers(checkpoint: Path, benchmark: Benchmark) -> dict[str, str]:
    """The answers of ``pebench_hf`` by document key."""
    return _answer("pebench_hf", f"pretrained={checkpoint},device=cpu,dtype=float32", benchmark, 8)


def stock_answers(checkpoint: Path, benchmark: Benchmark, stock: Backend) -> dict[str, str]:
    """The answers of a stock backend by document key; RuntimeError if there are none."""
    flash = checkpoint.with_name(f"{checkpoint.name}-Flash")  # glm4v takes every other path for one of its MoE models
    if "{flash}" in stock.arguments and not flash.exists():
        flash.symlink_to(checkpoint, target_is_directory=True)
    try:
        arguments = stock.arguments.format(path=checkpoint, flash=flash)
        return _answer(stock.backend, arguments, benchmark, stock.batch_size)
    except (Exception, SystemExit) as error:
        line = next(iter(str(error).strip().splitlines()), "")
        raise RuntimeError(f"{type(error).__name__}: {line}" if line else type(error).__name__) from error


def _answer(model: str, arguments: str, benchmark: Benchmark, batch_size: int) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEBENCH_RETAIN", "all")
        patch.setenv("PEBENCH_FORGET", "20")
        return answers(run(model, arguments, benchmark, batch_size, (BOTH,), limit=DOCUMENTS), BOTH)


def run(
    model: str,
    arguments: str,
    benchmark: Benchmark,
    batch_size: int = 1,
    tasks: Sequence[str] = (TASK,),
    **options: Any,
) -> dict[str, Any]:
    """What ``simple_evaluate`` returns for these tasks on this benchmark, as the command would call it."""
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    from pebench_tasks.evaluation.session import session

    session.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEBENCH_DATA", str(benchmark.directory))
        session.select(tasks)  # as the command does
        results = simple_evaluate(
            model=model,
            model_args=arguments,
            tasks=list(tasks),
            batch_size=batch_size,
            task_manager=TaskManager(include_defaults=False, model_name=model),
            **options,
        )
    assert results is not None
    return dict(results)


def answers(results: dict[str, Any], task: str = TASK) -> dict[str, str]:
    """All responses of a run to one task by document key, as they are marked: the harness strips them."""
    samples = results["samples"][task]
    return {sample["provenance"]["key"]: (sample["filtered_resps"][0] or "").strip() for sample in samples}


def recorded(results: dict[str, Any], task: str = TASK) -> dict[str, Any]:
    """The provenance of one task."""
    found: dict[str, Any] = results["results"][task]["provenance,none"]
    return found
