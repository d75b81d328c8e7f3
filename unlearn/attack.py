"""Has a checkpoint really forgotten? Its weights are attacked, and it is asked again.

    python -m unlearn.attack CKPT --attacks relearn,rounding --data DIR --target person --forget 20 --output_dir OUT

What the attacked model knows of each document, 0-1, of forgotten people (or events) and of as many retained ones, is
written to OUT/attack.json after each attack; the same command goes on where an interrupted one stopped. A figure means
something beside the same attack on the Finetuned and the Goal model: recovery counts only beyond Goal's.
"""

import argparse
import logging
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebench_tasks.benchmark.reading import open_benchmark
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.machine import loading
from unlearn.arguments import DTYPES
from unlearn.attacks import WEIGHT_ATTACKS, chosen, record
from unlearn.attacks.plan import SIDES, TARGETS, Known, Level, Plan, concept_of

if TYPE_CHECKING:
    from unlearn.attacks.case import Case


NEEDED = {"finetuned": "the model before unlearning", "goal": "a model that never knew"}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of a command line."""
    parser = argparse.ArgumentParser(
        prog="python -m unlearn.attack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="a checkpoint folder, an adapter's too, or a hub id")
    parser.add_argument(
        "--attacks", default="relearn,rounding", metavar="NAMES",
        help=f"comma-separated, relearn for its four arms: {', '.join(WEIGHT_ATTACKS)} (relearn,rounding)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the benchmark folder")
    parser.add_argument("--target", choices=TARGETS, required=True, help="what was forgotten")
    parser.add_argument("--forget", required=True, metavar="RATIO", help="percent forgotten: 1, 5, 10 or 20")
    parser.add_argument("--finetuned", metavar="CKPT", help="the model before unlearning, for rescale and depth")
    parser.add_argument("--goal", metavar="CKPT", help="a model that never knew, for depth")
    parser.add_argument("--output_dir", type=Path, required=True, metavar="DIR", help="where attack.json goes")
    parser.add_argument("--batch_size", default="auto", metavar="N", help="documents asked at once (auto)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: the GPU if there is one")
    parser.add_argument(
        "--dtype", choices=DTYPES, default="auto", help="while relearning (float32 on a CPU, else bfloat16)"
    )
    parser.add_argument("--max_new_tokens", type=int, metavar="N", help="longest answer (default: the tasks')")
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that a checkpoint brings along")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the attacks that are not done yet; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    options = parse(words)
    logging.basicConfig(format="%(message)s")

    def command() -> int:
        print(run(options, f"python -m unlearn.attack {shlex.join(words)}"))
        return 0

    return exit_code(command)


def run(options: argparse.Namespace, command: str = "") -> Path:
    """All attacks in order; the file that holds what they found. ``command`` is recorded."""
    names = _names(options)
    benchmark = open_benchmark(options.data)
    split = benchmark.split(options.target, options.forget)
    plans = {name: WEIGHT_ATTACKS[name].plan(benchmark, split) for name in names}
    with loading():  # torch and the harness
        from unlearn.attacks.case import Case
        from unlearn.attacks.facts import describe, recipe_of
    case = Case.of(options, benchmark, split)
    held = record.open_record(options.output_dir, {**describe(case), "command": command})
    recipes = {name: recipe_of(WEIGHT_ATTACKS[name], case) for name in names}
    left = [name for name in names if not record.is_done(held, name, recipes[name], options.output_dir)]
    for name in names:
        print(_budget(name, plans[name]) if name in left else f"{name}: done already")
    for name in left:
        points, seconds = _carry_out(name, case, plans[name])
        held["attacks"][name] = _entry(name, plans[name], recipes[name], points, seconds)
        held["command"] = command
        record.write(options.output_dir, held)
    return Path(options.output_dir / record.FILE)


def _names(options: argparse.Namespace) -> list[str]:
    """The attacks that are asked for; ``BenchmarkError`` where an option is wrong or lacking."""
    names = chosen([name.strip() for name in options.attacks.split(",") if name.strip()])
    for name in names:
        if lacking := [option for option in WEIGHT_ATTACKS[name].needs if not getattr(options, option)]:
            raise BenchmarkError(f"{name} needs {NEEDED[lacking[0]]}:  --{lacking[0]} CKPT")
    if options.max_new_tokens is not None and options.max_new_tokens < 1:
        raise BenchmarkError(f"--max_new_tokens must be at least 1, not {options.max_new_tokens}.")
    return names


def _budget(name: str, plan: Plan) -> str:
    """What an attack may use and will do."""
    trains = f"trains {plan.steps} steps of {plan.batch} on {len(plan.trained)} samples, " if plan.steps else ""
    does = "reads" if WEIGHT_ATTACKS[name].reads else "asks"
    asks = f"{does} {len(plan.asked.forget)} forgotten and {len(plan.asked.retain)} retained documents"
    times = f"{len(plan.levels)} times" if len(plan.levels) > 1 else "once"
    return f"{name} (access: {WEIGHT_ATTACKS[name].access}): {trains}{asks} {times}"


def _carry_out(name: str, case: "Case", plan: Plan) -> tuple[list[dict[str, Any]], float]:
    """An attack's points and the seconds it took; says after each how far it is."""
    from pebench_tasks.backend.threads import fitting_threads

    points: list[dict[str, Any]] = []
    started = time.perf_counter()

    def note(at: Level, known: Known) -> None:
        points.append({"at": at, **known})
        print(_progress(name, plan, points, time.perf_counter() - started), flush=True)

    attack = WEIGHT_ATTACKS[name]
    with fitting_threads(case.parameters, case.device):
        if attack.run:
            attack.run(case, plan, lambda at, model: note(at, case.ask(model, plan.asked)))
        for at, known in attack.reads(case, plan) if attack.reads else ():
            note(at, known)
    return points, time.perf_counter() - started


def _progress(name: str, plan: Plan, points: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """What was found last, and a rough estimate of the time that is left: a sample trained counts as one answered."""
    at = points[-1]["at"]
    known = {side: points[-1][side].values() for side in SIDES}
    found = ", ".join(f"{side} {fsum(of) / len(of):.3f}" if of else f"{side} -" for side, of in known.items())
    done = len(points) * len(plan.documents) + (int(at) * plan.batch if plan.steps else 0)
    return f"{name}, {at}: known {found}; {seconds:.0f} s, about {seconds * (plan.work / done - 1):.0f} s left"


def _entry(
    name: str, plan: Plan, recipe: Mapping[str, Any], points: Sequence[Mapping[str, Any]], seconds: float
) -> dict[str, Any]:
    """What the record holds of an attack; ``clusters`` are the people or events that intervals go by."""
    return {
        "access": WEIGHT_ATTACKS[name].access,
        "recipe": record.as_json(recipe),
        "points": list(points),
        "seconds": round(seconds, 1),
        "trained_on": [sample.key for sample in plan.trained],
        "tested_on": [document["key"] for document in plan.documents],
        "clusters": {document["key"]: concept_of(document["target"], document["key"]) for document in plan.documents},
    }


if __name__ == "__main__":
    sys.exit(main())
