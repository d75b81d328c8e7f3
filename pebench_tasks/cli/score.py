"""``pebench score``: checkpoints through the harness."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.files import TASKS
from pebench_tasks.results.terminal import print_results

ONLY_METRICS = ("goal", "retain_all", "world_all", "real_known", "max_judge_calls")  # options of no use to attacks
DTYPES = ("auto", "float32", "bfloat16", "float16")
LOAD_IN = ("bfloat16", "int8", "int4", "fp4", "nf4")  # ``backend.rounding.LEVELS``, which --help must not wait for


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _batch_size(text: str) -> int | str:
    return text if text == "auto" else _count(text)


def _names(text: str) -> list[str]:
    return text.split(",")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench score``."""
    parser.add_argument("checkpoints", nargs="+", metavar="CKPT", help="checkpoint folders, adapters or hub ids")
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as chosen, PEBENCH_DATA)")
    parser.add_argument("--forget", metavar="RATIO", help="forget set: 1, 5, 10 or 20 (default: PEBENCH_FORGET, or 5)")
    parser.add_argument(
        "--request", metavar="I/K",
        help="of what is to be forgotten ask the I-th of K shares alone (default: PEBENCH_REQUEST, or all)",
    )  # fmt: skip
    parser.add_argument(
        "--target", nargs="+", choices=list(TASKS),
        help="which tasks (default: the target that the run record names; person event where it names none)",
    )  # fmt: skip
    parser.add_argument(
        "--attacks", type=_names, metavar="A,B",
        help="ask the attacks by questions in place of the six metrics: all, or some of them (PEBENCH_ATTACKS)",
    )  # fmt: skip
    parser.add_argument(
        "--likelihoods", action="store_true",
        help="ask how likely true and false answers are, in place of the six metrics",
    )  # fmt: skip
    parser.add_argument("--goal", type=Path, metavar="DIR", help="results of Goal models (default: PEBENCH_GOAL)")
    parser.add_argument("--retain-all", action="store_true", help="ask every retained image, not the fixed subset")
    parser.add_argument("--world-all", action="store_true", help="ask every World question, not 500 per split")
    parser.add_argument("--real-known", type=Path, metavar="FILE", help="only figures on this list (pebench real)")
    parser.add_argument(
        "--judge", metavar="NAME", help="what marks scenes: lexical, embedding:DIR or openai:MODEL (PEBENCH_JUDGE)"
    )
    parser.add_argument(
        "--max-judge-calls",
        type=_count,
        metavar="N",
        help="ask the judge at most N times; what is left counts as failed",
    )
    parser.add_argument("--output_path", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument(
        "--batch_size", type=_batch_size, default="auto", metavar="N", help="a number or auto (default: auto)"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1 ... (default: the GPU if there is one)")
    parser.add_argument("--dtype", choices=DTYPES, default="auto", help="default: float32 on a CPU, bfloat16 on a GPU")
    parser.add_argument(
        "--load_in", choices=LOAD_IN,
        help="round the weights first, adapters merged; fp4 and nf4 need a GPU and bitsandbytes (default: as they are)",
    )  # fmt: skip
    parser.add_argument("--limit", type=_count, metavar="N", help="only the first N documents of a task, to try it out")
    parser.add_argument(
        "--max_new_tokens", type=_count, metavar="N",
        help="longest answer, thoughts included (default: the task's); the same for all that is compared",
    )  # fmt: skip
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that a checkpoint brings along")


def main(arguments: argparse.Namespace) -> int:
    """Score, print one row per checkpoint and target, and return the exit code."""
    if arguments.attacks and arguments.likelihoods:
        raise BenchmarkError("--attacks and --likelihoods are two commands: one asks questions, the other does not.")
    if arguments.attacks:
        return _attack(arguments)
    if arguments.likelihoods:
        return _likelihoods(arguments)
    from pebench_tasks.evaluation.checkpoints import evaluate  # --help loads no pictures and tables

    results = evaluate(
        arguments.checkpoints,
        goal=arguments.goal,
        retain_all=arguments.retain_all,
        world_all=arguments.world_all,
        real_known=arguments.real_known,
        judge=arguments.judge,
        max_judge_calls=arguments.max_judge_calls,
        max_new_tokens=arguments.max_new_tokens,
        **_of_every_kind(arguments),
    )
    if results:  # under torchrun the first process has them all
        print_results(results)
    return 0


def _attack(arguments: argparse.Namespace) -> int:
    from pebench_tasks.evaluation.checkpoints import evaluate_robust
    from pebench_tasks.results.robust_terminal import print_robust

    _refuse(arguments, ONLY_METRICS, "--attacks")
    results = evaluate_robust(
        arguments.checkpoints,
        attacks=arguments.attacks,
        judge=arguments.judge,
        max_new_tokens=arguments.max_new_tokens,
        **_of_every_kind(arguments),
    )
    if results:
        print_robust(results)
    return 0


def _likelihoods(arguments: argparse.Namespace) -> int:
    from pebench_tasks.evaluation.checkpoints import evaluate_likelihoods
    from pebench_tasks.results.likelihood_terminal import print_likelihoods

    _refuse(arguments, (*ONLY_METRICS, "judge", "max_new_tokens"), "--likelihoods")
    results = evaluate_likelihoods(arguments.checkpoints, **_of_every_kind(arguments))
    if results:
        print_likelihoods(results)
    return 0


def _refuse(arguments: argparse.Namespace, unused: Sequence[str], option: str) -> None:
    """Raise ``BenchmarkError`` for the first of these options that is given, which does nothing beside ``option``."""
    if given := [name for name in unused if getattr(arguments, name)]:
        raise BenchmarkError(f"--{given[0].replace('_', '-')} has no effect on {option}. Leave it out.")


def _of_every_kind(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that mean the same whatever is asked, by the names of ``evaluate``."""
    names = (
        "data", "forget", "request", "output_path", "batch_size", "device", "dtype", "limit", "trust_remote_code",
        "load_in",
    )  # fmt: skip
    return {"targets": arguments.target, **{name: getattr(arguments, name) for name in names}}
