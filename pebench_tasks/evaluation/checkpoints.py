"""``pebench score``: the harness run in process on many checkpoints, its start-up paid once.

Equal to ``lmms-eval --model pebench_hf --log_samples`` on each checkpoint, with two differences: only this package's
tasks are indexed, and every error is an error. lmms-eval exits 0 after a crash and can lose its files without a word,
so a result here is what is read back from the new results file. An interrupted run goes on with the same command, and

    torchrun --nproc_per_node 2 --no-python pebench score ...

shares the documents among processes: one a GPU, or on the CPU.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from pebench_tasks.backend.checkpoint_name import check_checkpoint, with_a_name
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.session import session
from pebench_tasks.machine import loading
from pebench_tasks.results.files import DEFAULT_TARGETS, TASKS, Result
from pebench_tasks.run_record import recorded_of
from pebench_tasks.versions import unsupported_lmms_eval


def evaluate(
    checkpoints: Sequence[Path | str],
    *,
    data: Path | str | None = None,
    forget: str | int | None = None,
    request: str | None = None,
    targets: Sequence[str] | None = DEFAULT_TARGETS,
    goal: Path | str | None = None,
    retain_all: bool = False,
    world_all: bool = False,
    real_known: Path | str | None = None,
    judge: str | None = None,
    max_judge_calls: int | None = None,
    output_path: Path | str = "results",
    batch_size: int | str = "auto",
    device: str | None = None,
    dtype: str = "auto",
    limit: int | None = None,
    max_new_tokens: int | None = None,
    trust_remote_code: bool = False,
) -> list[Result]:
    """Score every checkpoint on the tasks of ``targets``; one ``Result`` a checkpoint and target, in that order.

    ``targets`` None, as in the command: each checkpoint on the target that its run record says it was made for; one
    that was made for none (Finetuned, a model without a record) on people and events.
    ``data``, ``forget``, ``request``, ``goal``, ``retain_all``, ``world_all``, ``real_known``, ``judge`` and
    ``max_judge_calls`` stand for PEBENCH_DATA, _FORGET, _REQUEST, _GOAL, _RETAIN, _WORLD, _REAL, _JUDGE and
    _MAX_JUDGE_CALLS; None leaves the environment's choice. ``max_new_tokens`` allows answers of another length than the
    task's; results of different lengths do not compare. The files are the command's, in a folder of the checkpoint's
    name below ``output_path``.
    Raises ``BenchmarkError`` for wrong input, and what the harness raises for a model that fails.
    """
    if unknown := [target for target in targets or () if target not in TASKS]:
        raise BenchmarkError(f"There is no target {unknown[0]!r} to score. Known: {', '.join(TASKS)}.")
    named = [with_a_name(checkpoint) for checkpoint in checkpoints]
    _check_names(named)
    given = {
        "PEBENCH_DATA": data,
        "PEBENCH_FORGET": forget,
        "PEBENCH_REQUEST": request,
        "PEBENCH_GOAL": goal,
        "PEBENCH_RETAIN": "all" if retain_all else None,
        "PEBENCH_WORLD": "all" if world_all else None,
        "PEBENCH_REAL": real_known,
        "PEBENCH_JUDGE": judge,
        "PEBENCH_MAX_JUDGE_CALLS": max_judge_calls,
    }
    if line := unsupported_lmms_eval():
        raise BenchmarkError(line)
    choice = choose({**os.environ, **{name: str(value) for name, value in given.items() if value is not None}})
    results = []
    with session.chosen(choice), _benchmark_errors():
        asked = {one: _own_targets(one) if targets is None else targets for one in named}
        session.select([TASKS[target] for target in dict.fromkeys(chain.from_iterable(asked.values()))])
        for checkpoint in named:
            check_checkpoint(checkpoint)
        with loading():  # torch and the harness
            from pebench_tasks.evaluation.one_checkpoint import own_tasks, score_checkpoint
        manager = own_tasks()
        for checkpoint, own in asked.items():
            session.next_model()
            results += score_checkpoint(
                checkpoint,
                [TASKS[target] for target in own],
                manager,
                Path(output_path),
                judge=choice.judge,
                dtype=dtype,
                batch_size=batch_size,
                device=device,
                limit=limit,
                max_new_tokens=max_new_tokens,
                trust_remote_code=trust_remote_code,
            )
    return results


def _own_targets(checkpoint: str) -> Sequence[str]:
    """The target that a checkpoint was made for, by its run record; ``DEFAULT_TARGETS`` for one made for none."""
    made_for = recorded_of(checkpoint).get("target")
    if made_for not in TASKS:
        return DEFAULT_TARGETS
    say(f"{checkpoint} was made for the target {made_for}, so that is what it is asked; --target asks something else")
    return [made_for]


def _check_names(checkpoints: Sequence[str]) -> None:
    names = [Path(checkpoint).name for checkpoint in checkpoints]
    for name in names:
        if names.count(name) > 1:
            raise BenchmarkError(
                f"Two checkpoints are called {name}; their results would share a folder. Score them one after the "
                "other, each with its own --output_path."
            )
    for checkpoint in checkpoints:
        if "," in checkpoint or "=" in checkpoint:
            raise BenchmarkError(f"lmms-eval cannot take a checkpoint whose path has a comma or '=': {checkpoint}")


@contextmanager
def _benchmark_errors() -> Iterator[None]:
    """Inside a program an exit is an error again; see ``evaluation.session.boundary``."""
    try:
        yield
    except SystemExit as stop:
        raise BenchmarkError(str(stop.code).removeprefix("error: ")) from stop
