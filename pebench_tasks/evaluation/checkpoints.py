"""``pebench score``: the harness run in process on many checkpoints, its start-up paid once.

Equal to ``lmms-eval --model pebench_hf --log_samples`` on each checkpoint, with two differences: only this package's
tasks are indexed, and every error is an error. lmms-eval exits 0 after a crash and can lose its files without a word,
so a result here is what is read back from the new results file. An interrupted run goes on with the same command, and

    torchrun --nproc_per_node 2 --no-python pebench score ...

shares the documents among processes: one a GPU, or on the CPU.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from pebench_tasks.backend.checkpoint_name import check_checkpoint, with_a_name
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.session import session
from pebench_tasks.machine import loading
from pebench_tasks.results.files import DEFAULT_TARGETS, TASKS, Result, read_results_file
from pebench_tasks.results.likelihoods import LikelihoodResult, likelihood_results, likelihood_tasks
from pebench_tasks.results.robust import RobustResult, robust_results, robust_tasks
from pebench_tasks.run_record import recorded_of
from pebench_tasks.versions import unsupported_lmms_eval

R = TypeVar("R", Result, RobustResult, LikelihoodResult)


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
    load_in: str | None = None,
) -> list[Result]:
    """Score every checkpoint on the tasks of ``targets``; one ``Result`` a checkpoint and target, in that order.

    ``targets`` None, as in the command: each checkpoint on the target that its run record says it was made for; one
    that was made for none (Finetuned, a model without a record) on people and events.
    ``data``, ``forget``, ``request``, ``goal``, ``retain_all``, ``world_all``, ``real_known``, ``judge`` and
    ``max_judge_calls`` stand for PEBENCH_DATA, _FORGET, _REQUEST, _GOAL, _RETAIN, _WORLD, _REAL, _JUDGE and
    _MAX_JUDGE_CALLS; None leaves the environment's choice. ``max_new_tokens`` allows answers of another length than the
    task's; results of different lengths do not compare. ``load_in`` rounds the weights first (``backend.rounding``).
    The files are the command's, in a folder of the checkpoint's name below ``output_path``; NAME-int4 where the weights
    were rounded to int4.
    Raises ``BenchmarkError`` for wrong input, and what the harness raises for a model that fails.
    """
    _check_targets(targets)
    variables = {
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
    options = _Options(batch_size, device, dtype, limit, max_new_tokens, trust_remote_code, load_in)
    scored = _scored(checkpoints, targets, lambda target: [TASKS[target]], variables, Path(output_path), options)
    return [result for file, tasks in scored for result in _in_order(read_results_file(file), tasks)]


def evaluate_robust(
    checkpoints: Sequence[Path | str],
    *,
    attacks: Sequence[str] = (),
    data: Path | str | None = None,
    forget: str | int | None = None,
    request: str | None = None,
    targets: Sequence[str] | None = None,
    judge: str | None = None,
    output_path: Path | str = "results",
    batch_size: int | str = "auto",
    device: str | None = None,
    dtype: str = "auto",
    limit: int | None = None,
    max_new_tokens: int | None = None,
    trust_remote_code: bool = False,
    load_in: str | None = None,
) -> list[RobustResult]:
    """Attack every checkpoint by questions (tasks ``pebench_people_robust`` and ``pebench_events_robust``).

    ``attacks`` stand for PEBENCH_ATTACKS; none: all. The joint target is asked by both tasks, so that it stands alone
    among ``targets``, as PEBENCH_TARGET does. Everything else is as with ``evaluate``.
    """
    joint = _joint_alone(targets, "The joint target is attacked by itself: leave the other targets out.")
    variables = {
        "PEBENCH_DATA": data,
        "PEBENCH_FORGET": forget,
        "PEBENCH_REQUEST": request,
        "PEBENCH_JUDGE": judge,
        "PEBENCH_ATTACKS": ",".join(attacks) or None,
        "PEBENCH_TARGET": joint,
    }
    options = _Options(batch_size, device, dtype, limit, max_new_tokens, trust_remote_code, load_in)
    scored = _scored(checkpoints, targets, robust_tasks, variables, Path(output_path), options)
    return [result for file, tasks in scored for result in _in_order(robust_results(file), tasks)]


def evaluate_likelihoods(
    checkpoints: Sequence[Path | str],
    *,
    data: Path | str | None = None,
    forget: str | int | None = None,
    request: str | None = None,
    targets: Sequence[str] | None = None,
    output_path: Path | str = "results",
    batch_size: int | str = "auto",
    device: str | None = None,
    dtype: str = "auto",
    limit: int | None = None,
    trust_remote_code: bool = False,
    load_in: str | None = None,
) -> list[LikelihoodResult]:
    """How likely every checkpoint finds true and false answers (``pebench_people_likelihood``, ``_events_``).

    The joint target is asked by both tasks, so that it stands alone among ``targets``; everything else is as with
    ``evaluate``.
    """
    joint = _joint_alone(
        targets, "The joint target's likelihoods are asked by themselves: leave the other targets out."
    )
    variables = {
        "PEBENCH_DATA": data,
        "PEBENCH_FORGET": forget,
        "PEBENCH_REQUEST": request,
        "PEBENCH_TARGET": joint,
    }
    options = _Options(batch_size, device, dtype, limit, None, trust_remote_code, load_in)
    scored = _scored(checkpoints, targets, likelihood_tasks, variables, Path(output_path), options)
    return [result for file, tasks in scored for result in _in_order(likelihood_results(file), tasks)]


def _joint_alone(targets: Sequence[str] | None, refusal: str) -> str | None:
    """What PEBENCH_TARGET is to be, "joint" or nothing; ``refusal`` is the error where joint is not the only target."""
    _check_targets(targets)
    if not targets or "joint" not in targets:
        return None
    if len(targets) > 1:
        raise BenchmarkError(refusal)
    return "joint"


class _Options(NamedTuple):
    """How a model is loaded and asked; see ``evaluate``."""

    batch_size: int | str
    device: str | None
    dtype: str
    limit: int | None
    max_new_tokens: int | None
    trust_remote_code: bool
    load_in: str | None


def _scored(
    checkpoints: Sequence[Path | str],
    targets: Sequence[str] | None,
    tasks_of: Callable[[str], list[str]],
    variables: Mapping[str, object],
    output_path: Path,
    options: _Options,
) -> Iterator[tuple[Path, list[str]]]:
    """Score the checkpoints one after the other; each one's results file, and its tasks in the order asked for.

    ``variables`` that are None leave the environment's choice.
    """
    named = [with_a_name(checkpoint) for checkpoint in checkpoints]
    _check_names(named)
    if line := unsupported_lmms_eval():
        raise BenchmarkError(line)
    choice = choose({**os.environ, **{name: str(value) for name, value in variables.items() if value is not None}})
    with session.chosen(choice), _benchmark_errors():
        of_targets = {one: _own_targets(one) if targets is None else targets for one in named}
        asked = {one: list(dict.fromkeys(chain.from_iterable(map(tasks_of, own)))) for one, own in of_targets.items()}
        session.select(list(dict.fromkeys(chain.from_iterable(asked.values()))))
        for checkpoint in named:
            check_checkpoint(checkpoint)
        with loading():  # torch and the harness
            from pebench_tasks.evaluation.one_checkpoint import own_tasks, score_checkpoint
        manager = own_tasks()
        for checkpoint, tasks in asked.items():
            session.next_model()
            file = score_checkpoint(checkpoint, tasks, manager, output_path, judge=choice.judge, **options._asdict())
            if file is not None:
                yield file, tasks


def _in_order(results: Sequence[R], tasks: Sequence[str]) -> list[R]:
    return sorted(results, key=lambda result: tasks.index(result.task))


def _check_targets(targets: Sequence[str] | None) -> None:
    if unknown := [target for target in targets or () if target not in TASKS]:
        raise BenchmarkError(f"There is no target {unknown[0]!r} to score. Known: {', '.join(TASKS)}.")


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
