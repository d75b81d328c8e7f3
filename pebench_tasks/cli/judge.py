"""``pebench judge``: a language model, or a sentence embedding, marks logged scene descriptions."""

import argparse
import os
from pathlib import Path

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.embedding import choose_embedding
from pebench_tasks.judge.judge import (
    CALLS_VARIABLE,
    CONCURRENCY,
    CONCURRENCY_VARIABLE,
    VARIABLE,
    choose_judge,
)
from pebench_tasks.results.files import Result, read_results_file
from pebench_tasks.results.judging import compare_meanings, judge_results
from pebench_tasks.results.rescore import context
from pebench_tasks.results.samples import read_logged
from pebench_tasks.results.terminal import print_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench judge``."""
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results or samples files, or folders")
    parser.add_argument("--judge", metavar="openai:MODEL|embedding:DIR", help=f"default: {VARIABLE}")
    parser.add_argument("--max-judge-calls", metavar="N", help=f"ask nothing if more is needed ({CALLS_VARIABLE})")
    parser.add_argument(
        "--concurrency", metavar="N", help=f"questions at a time (default: {CONCURRENCY_VARIABLE}, or {CONCURRENCY})"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the benchmark folder (default: as recorded, as chosen)"
    )
    parser.add_argument(
        "--goal", type=Path, metavar="DIR", help="results of Goal models (default: as recorded, PEBENCH_GOAL)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write below DIR (default: beside the results)")


def main(arguments: argparse.Namespace) -> int:
    """Judge, print the judge's figures, and return the exit code."""
    chosen = {
        VARIABLE: arguments.judge,
        CALLS_VARIABLE: arguments.max_judge_calls,
        CONCURRENCY_VARIABLE: arguments.concurrency,
    }
    variables = {**os.environ, **{name: value for name, value in chosen.items() if value is not None}}
    judge, embedding = choose_judge(variables), choose_embedding(variables)
    if judge is None and embedding is None:
        raise BenchmarkError(
            f"No judge is chosen. Name one:  --judge openai:MODEL, --judge embedding:DIR  (or {VARIABLE})"
        )
    try:
        logged = [one for path in arguments.results for one in read_logged(path)]
        logged = [one for one in logged if any(sample.provenance.judge is not None for sample in one.samples)]
        for one in logged:
            _check(one.result)
        given = [one.result.results_file for one in logged]
        contexts = [context(one, arguments.data, arguments.goal, given) for one in logged]
        if embedding is not None:
            written = compare_meanings(logged, contexts, embedding, arguments.out)
        elif judge is not None:
            written = judge_results(logged, contexts, judge, arguments.out)
    finally:
        if judge is not None:
            judge.close()
    print_results([result for file in written for result in read_results_file(file)])
    return 0


def _check(result: Result) -> None:
    if not result.results_file.is_file():
        raise BenchmarkError(f"{result.results_file} is missing: what {result.samples_file.name} was logged with.")
    if result.provenance.withheld:
        raise BenchmarkError(f"{result.results_file} has no scores ({result.provenance.withheld}).")
