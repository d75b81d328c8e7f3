"""``pebench rescore``: every figure computed again from logged responses, without a model."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pebench_tasks.files import write_whole
from pebench_tasks.results.files import Result
from pebench_tasks.results.rescore import context, rescore
from pebench_tasks.results.rewriting import convert
from pebench_tasks.results.samples import read_logged
from pebench_tasks.results.terminal import print_results
from pebench_tasks.versions import task_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench rescore``."""
    parser.add_argument("samples", nargs="+", type=Path, metavar="SAMPLES", help="samples or results files, or folders")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the benchmark folder (default: as recorded, as chosen)"
    )
    parser.add_argument(
        "--goal", type=Path, metavar="DIR", help="results of Goal models (default: as recorded, PEBENCH_GOAL)"
    )
    parser.add_argument("--details", action="store_true", help="also print the accounting, neighbours and groups")
    parser.add_argument(
        "--convert", type=Path, metavar="DIR", help="turn results of an earlier task version into ones of this, in DIR"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="write all figures and statistics to this file")


def main(arguments: argparse.Namespace) -> int:
    """Rescore, print, and return 1 if a results file says something else."""
    if arguments.convert is not None:
        converted = convert(arguments.samples, arguments.convert, data=arguments.data, goal=arguments.goal)
        print_results([one.result for one in converted], details=arguments.details)
        print(f"results of the task version {task_version()}: {arguments.convert}")
        return 0
    logged = [one for path in arguments.samples for one in read_logged(path)]
    given = [one.result.results_file for one in logged]
    rescored = [rescore(one, context(one, arguments.data, arguments.goal, given)) for one in logged]
    print_results([one.result for one in rescored], details=arguments.details)
    for before, after in zip(logged, rescored, strict=True):
        if after.differing:
            print(f"{after.result.samples_file} does not give the figures of {before.result.results_file}:")
            print("\n".join(f"  {line}" for line in after.differing))
        elif before.result.metrics:
            print(f"{after.result.samples_file.name}: equal to the results file to the last digit")
    if arguments.out is not None:
        _write(arguments.out, [one.result for one in rescored])
        print(f"figures and statistics: {arguments.out}")
    return int(any(one.differing for one in rescored))


def _write(path: Path, results: Sequence[Result]) -> None:
    rows = [
        {
            "samples": str(r.samples_file),
            "task": r.task,
            "version": r.version,
            "figures": r.metrics,
            **r.provenance.json,
        }
        for r in results
    ]
    write_whole(path, json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
