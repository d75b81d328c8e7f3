"""``pebench leaderboard check``: all submissions of a board, each computed again or covered by a receipt."""

import signal
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.check_submission import Checked, Refused, check_submission
from pebench_tasks.leaderboard.check.twins import refuse_twins
from pebench_tasks.machine import usable_cores

if TYPE_CHECKING:  # what a worker loads before it ignores interrupts is kept small
    from pebench_tasks.benchmark.reading import Benchmark
    from pebench_tasks.leaderboard.check.board import Board

MANY = 100  # submissions to compute, from which on further processes are worth their start
MOST_PROCESSES = 4


class Outcome(NamedTuple):
    """What became of the submissions of a board, both by name in alphabetical order."""

    checked: dict[str, Checked]
    refused: dict[str, Refused]


def check_board(
    folder: Path,
    benchmarks: "Mapping[str, Benchmark]",
    *,
    only: Collection[str] = (),
    fresh: bool = False,
    processes: int = 1,
) -> Outcome:
    """Check all submissions of a board folder, or ``only`` those of these names.

    One with a receipt is not computed again, unless ``fresh``. An interrupt leaves the receipts of those that passed.
    ``processes``: more than one starts the program anew in each, so a script that asks for it needs a ``__main__``.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from pebench_tasks.leaderboard.check.board import read_board, submission_files
    from pebench_tasks.leaderboard.check.receipts import Receipts

    board, files = read_board(folder), submission_files(folder)
    if unknown := sorted(set(only) - {path.stem for path in files}):
        raise BenchmarkError(f"{folder} holds no submission {unknown[0]!a}.")
    receipts = Receipts(folder, board, benchmarks)
    wanted = [path for path in files if not only or path.stem in only]
    found: dict[str, Checked | Refused] = {}
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(wanted))
        for path in wanted:
            if not fresh and (known := receipts.find(path)) is not None:
                found[path.stem] = known
                progress.advance(bar)
        rest = [path for path in wanted if path.stem not in found]
        for path, one in zip(rest, _computed(rest, board, benchmarks, processes), strict=True):
            found[path.stem] = one
            if isinstance(one, Checked):
                receipts.keep(one)
            progress.advance(bar)
    outcome = Outcome({}, {})
    for name, one in sorted(found.items()):
        if isinstance(one, Checked):
            outcome.checked[name] = one
        else:
            outcome.refused[name] = one
    left = [path for path in files if path.stem not in found]

    def examine(path: Path) -> Checked | Refused:
        return (None if fresh else receipts.find(path)) or _attempt(path, board, benchmarks)

    for name, reason in refuse_twins(outcome.checked, left, examine).items():
        outcome.refused[name] = reason
        del outcome.checked[name]
    return outcome


def _computed(
    paths: Sequence[Path], board: "Board", benchmarks: "Mapping[str, Benchmark]", processes: int
) -> "Iterator[Checked | Refused]":
    """What becomes of each submission, in order; several processes where there is enough for them to do."""
    if processes < 2 or len(paths) < MANY:
        for path in paths:
            yield _attempt(path, board, benchmarks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    folders = [benchmark.directory for benchmark in benchmarks.values()]
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (board, folders))
    try:
        yield from pool.map(_work, paths, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(path: Path, board: "Board", benchmarks: "Mapping[str, Benchmark]") -> Checked | Refused:
    try:
        return check_submission(path, board, benchmarks)
    except Refused as refused:
        return refused


_worker: "tuple[Board, Mapping[str, Benchmark]]"


def _start_worker(board: "Board", folders: Sequence[Path]) -> None:
    """Open the benchmarks once in each process; an interrupt is for the first process alone."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = board, open_benchmarks(folders)


def _work(path: Path) -> Checked | Refused:
    return _attempt(path, *_worker)


def open_benchmarks(folders: Iterable[Path]) -> "dict[str, Benchmark]":
    """The benchmarks in these folders by fingerprint; with none named, the chosen one (``pebench data use``)."""
    from pebench_tasks.benchmark.choosing import choose_benchmark
    from pebench_tasks.benchmark.reading import shared_benchmark

    paths = list(folders) or [choose_benchmark(build=False)[0]]
    return {benchmark.fingerprint: benchmark for benchmark in map(shared_benchmark, paths)}


def processes() -> int:
    """How many processes a command checks with."""
    return min(usable_cores(), MOST_PROCESSES)
