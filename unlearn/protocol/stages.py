"""Stages of a run side by side in a few processes: what each waits for, one display for all, one line for an error.

    run([Stage("base", "Pre-train", pretrain), Stage("goal", "Train Goal", train, after=("base",))], Processes(2), ...)

The processes live as long as the run, so that each imports torch and the harness once; what is printed in them goes to
a log of the stage. A stage is started when what it waits for is done, those with the longest way to the end first. The
first failure, an interrupt or the end of the program ends them all at once: stages leave whole folders or parts that
the same command goes on from.
"""

import heapq
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from graphlib import CycleError, TopologicalSorter
from multiprocessing import connection, get_context, resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pebench_tasks.errors import BenchmarkError, reason
from pebench_tasks.machine import end_with_parent, loading
from unlearn.training.record import peak_memory_bytes

Report = Callable[[int, int], None]  # the steps done, and all of them
SHORT = 20.0  # seconds after which a reader begins to wonder; ours
SPAWN = get_context("spawn")  # forked, a process would inherit locks and threads


class Stage(NamedTuple):
    """A part of a run: what is called with a ``Report``, in another process, once the stages ``after`` are done."""

    name: str  # no two have the same; of its log, too
    title: str
    call: Callable[[Report], Any]  # something that can be pickled
    after: tuple[str, ...] = ()
    seconds: float = 1.0  # about; unless ``timed`` only what they are to those of other stages matters
    timed: bool = False  # whether it usually takes these seconds, on one core


class Processes(NamedTuple):
    """How many, and what each does before its first stage."""

    number: int
    threads: int | None = None  # of torch in each; None: its own choice
    prepare: Callable[[], None] | None = None  # imports that stages need, done while there is nothing else to do


class _Ready(NamedTuple):
    """A process has prepared itself."""


class _Step(NamedTuple):
    done: int
    total: int


class _Done(NamedTuple):
    peak_bytes: int


class _Failed(NamedTuple):
    title: str  # of what failed
    reason: str
    log: Path


def run(stages: Sequence[Stage], processes: Processes, logs: Path, console: Console) -> int:
    """Run all stages; returns the most bytes that the processes held, the peak of each added up.

    Raises ``BenchmarkError`` for the first stage that fails, with its log's place in ``logs``, and ``ValueError`` for
    stages that could never all be done.
    """
    _check(stages)
    logs.mkdir(parents=True, exist_ok=True)
    state = _Run(stages, processes, logs, console)
    with state.display:
        try:
            while len(state.done) < len(stages):
                state.start_stages()
                state.listen()
        finally:
            state.end()
    return sum(process.peak_bytes for process in state.processes)


def _check(stages: Sequence[Stage]) -> None:
    names = [stage.name for stage in stages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two stages are named {twice[0]!r}.")
    for stage in stages:
        if unknown := sorted(set(stage.after) - set(names)):
            raise ValueError(f"The stage {stage.name!r} waits for {unknown[0]!r}, which is none.")
    try:
        TopologicalSorter({stage.name: stage.after for stage in stages}).prepare()
    except CycleError as error:
        raise ValueError(f"Stages wait for each other: {', '.join(error.args[1])}.") from None


class _Process:
    """A process of the run, as the program sees it."""

    def __init__(self, processes: Processes, log: Path) -> None:
        self.link, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_work, args=(theirs, processes, log))
        resource_tracker.ensure_running()  # which unblocks the signal when it is started
        # Inherited: Ctrl-C is the program's to answer, which does so when it is unblocked here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.ready = False
        self.stage: Stage | None = None
        self.stages = 0
        self.started = 0.0
        self.step = _Step(0, 0)
        self.peak_bytes = 0

    def start(self, stage: Stage, log: Path) -> None:
        self.stage, self.started, self.step = stage, time.monotonic(), _Step(0, 0)
        self.stages += 1
        with suppress(BrokenPipeError):  # it is gone, which is noticed when it should answer
            self.link.send((stage, log))


class _Run:
    """Where a run stands."""

    def __init__(self, stages: Sequence[Stage], processes: Processes, logs: Path, console: Console) -> None:
        self.stages, self.logs, self.settings = stages, logs, processes
        self.ways = ways(stages)
        self.number = min(processes.number, len(stages))
        self.done: set[str] = set()
        self.processes: list[_Process] = []
        self.display = _Display(console, len(stages), logs)
        self.last_estimate = 0.0  # when the time left was last worked out
        self.measured, self.expected = 0.0, 0.0  # seconds of finished stages that took steps, and what they should take

    @property
    def running(self) -> dict[str, _Process]:
        return {process.stage.name: process for process in self.processes if process.stage}

    def start_stages(self) -> None:
        """Give every idle process a stage, as long as there are some that wait for nothing."""
        waiting = [stage for stage in self.stages if stage.name not in self.done | self.running.keys()]
        ready = [stage for stage in waiting if self.done.issuperset(stage.after)]
        free = sum(not process.stage for process in self.processes)
        # One more than is needed now, which prepares itself meanwhile.
        while free <= len(ready) and len(self.processes) < self.number:
            self.processes.append(_Process(self.settings, self.logs / "start.log"))
            free += 1
        for stage in sorted(ready, key=lambda stage: -self.ways[stage.name])[:free]:
            idle = [process for process in self.processes if not process.stage]
            # One that has prepared itself, else one that is about to.
            process = min(idle, key=lambda process: (not process.ready, process.stages > 0))
            process.start(stage, self.logs / f"{stage.name}.log")
            self.display.begin(stage)

    def listen(self) -> None:
        """Take in what the processes say, for a second at most."""
        said = connection.wait([process.link for process in self.processes], timeout=1)
        for process in self.processes:
            if process.link not in said:
                continue
            try:
                message = process.link.recv()
            except (EOFError, ConnectionError):
                raise self._lost(process) from None
            if isinstance(message, _Ready):
                process.ready = True
            elif isinstance(message, _Step):
                process.step = message
                self.display.step(process, message)
            elif isinstance(message, _Failed):
                raise BenchmarkError(f"{message.title}: {message.reason} (What it printed: {message.log})")
            else:
                self._finish(process, message)
        now = time.monotonic()
        if self.display.is_shown and now - self.last_estimate >= 1:  # a step can take less time than this
            self.last_estimate = now
            self.display.left(self._seconds_left())

    def _finish(self, process: _Process, message: _Done) -> None:
        stage = process.stage
        assert stage is not None
        seconds = time.monotonic() - process.started
        if process.step.done:
            self.measured, self.expected = self.measured + seconds, self.expected + stage.seconds
        process.stage, process.peak_bytes = None, message.peak_bytes
        self.last_estimate = 0.0
        self.done.add(stage.name)
        self.display.end(stage, seconds, len(self.done))

    def _lost(self, process: _Process) -> BenchmarkError:
        process.process.join()
        code = process.process.exitcode or 0
        if code == -signal.SIGKILL:
            how = "was killed (SIGKILL), as happens when memory runs out"
            advice = "Try --processes 1; the same command goes on where it stopped."
        else:
            how = f"ended by itself ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
            advice = "Its last words are above or in its log; the same command goes on where it stopped."
        titles = "; ".join(other.stage.title for other in self.running.values() if other.stage) or "nothing yet"
        return BenchmarkError(f"A process {how}. Running were: {titles}. {advice} (What they printed: {self.logs})")

    def _seconds_left(self) -> float | None:
        """Until the end, if the other stages take as much longer or shorter than expected as those so far."""
        measured, expected, left = self.measured, self.expected, {}
        for stage in self.stages:
            left[stage.name] = stage.seconds
            if process := self.running.get(stage.name):
                spent = time.monotonic() - process.started
                if process.step.done:
                    share = process.step.done / process.step.total
                    measured, expected = measured + spent, expected + share * stage.seconds
                    left[stage.name] *= 1 - share
        if not expected:
            return None
        rest = makespan(self.stages, self.ways, left, self.done, set(self.running), self.number)
        return rest * measured / expected

    def end(self) -> None:
        """End the processes, whatever they are doing."""
        for process in self.processes:
            process.process.kill()
        for process in self.processes:
            process.process.join()
            process.link.close()


class _Display:
    """The stages that run and the time left on a terminal; elsewhere the place of the logs, and a line a stage.

    There a stage has a second line at its beginning, unless it is known to be over soon: who reads along in a log must
    not take minutes of silence for a halt.
    """

    def __init__(self, console: Console, stages: int, logs: Path) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._console, self._stages, self._logs = console, stages, logs
        self.is_shown = console.is_terminal
        self._progress = Progress(*columns, console=console, transient=True, disable=not self.is_shown)
        self._whole = self._progress.add_task("[bold]all stages", total=stages, note=f"0 of {stages}")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> None:
        if not self.is_shown:
            self._console.print(
                f"{self._stages} stages; what each prints: {self._logs}", highlight=False, soft_wrap=True
            )
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, stage: Stage) -> None:
        self._tasks[stage.name] = self._progress.add_task(stage.title, total=None, note="")
        if not self.is_shown and not (stage.timed and stage.seconds < SHORT):
            usually = f", usually {_duration(stage.seconds)}" if stage.timed else ""
            self._say("begun", f"{stage.title}{usually}")

    def step(self, process: _Process, step: _Step) -> None:
        assert process.stage is not None
        self._progress.update(
            self._tasks[process.stage.name], completed=step.done, total=step.total, note=f"{step.done}/{step.total}"
        )

    def end(self, stage: Stage, seconds: float, done: int) -> None:
        self._progress.remove_task(self._tasks.pop(stage.name))
        self._progress.update(self._whole, completed=done)
        self._say(f"{done} of {self._stages}", f"{stage.title}: {seconds:.0f} s")

    def _say(self, where: str, what: str) -> None:
        width = len(f"100 of {self._stages}")
        self._console.print(f"[dim]{where:>{width}}[/dim]  {what}", highlight=False, soft_wrap=True)

    def left(self, seconds: float | None) -> None:
        about = "" if seconds is None else f", about {_duration(seconds)} left"
        done = int(self._progress.tasks[0].completed)
        self._progress.update(self._whole, note=f"{done} of {self._stages}{about}")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def ways(stages: Sequence[Stage]) -> dict[str, float]:
    """The seconds from the start of each stage to the end of the last one that waits for it, and so on."""

    @cache
    def way(name: str) -> float:
        return by_name[name].seconds + max((way(other.name) for other in stages if name in other.after), default=0.0)

    by_name = {stage.name: stage for stage in stages}
    return {name: way(name) for name in by_name}


def makespan(
    stages: Sequence[Stage],
    order: Mapping[str, float],
    left: Mapping[str, float],
    done: Collection[str],
    running: Collection[str],
    processes: int,
) -> float:
    """How long the rest takes in so many processes, where each stage has so many seconds ``left``.

    ``order``: their ``ways``.
    """
    waiting = sorted((s for s in stages if s.name not in {*done, *running}), key=lambda stage: -order[stage.name])
    ends = [(left[name], name) for name in running]
    heapq.heapify(ends)
    ended, now = set(done), 0.0
    while ends or waiting:
        for stage in [stage for stage in waiting if ended.issuperset(stage.after)][: processes - len(ends)]:
            waiting.remove(stage)
            heapq.heappush(ends, (now + left[stage.name], stage.name))
        now, name = heapq.heappop(ends)
        ended.add(name)
    return now


def _work(link: connection.Connection, processes: Processes, log: Path) -> None:
    """What a process does: prepare itself while there is nothing to do, and one stage after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # in those that are started here, too
    end_with_parent()
    multiprocessing.set_start_method(None, force=True)  # of what is started here: as in any program
    if failed := _attempt("Start of a process", log, lambda: None):
        link.send(failed)
        return
    sys.stdout = sys.stderr  # by the line, in the order in which it is printed
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if processes.threads:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(processes.threads))
    prepare = processes.prepare
    while True:
        if prepare and not link.poll(0.2):
            with loading():
                failed = _attempt("Start of a process", log, prepare)
            if failed:
                link.send(failed)
                return
            prepare = None
            link.send(_Ready())
        stage, own_log = link.recv()
        call = partial(stage.call, lambda done, total: link.send(_Step(done, total)))
        link.send(_attempt(stage.title, own_log, call) or _Done(peak_memory_bytes()))


def _print_to(log: Path) -> None:
    """Append everything that this process prints from now on, in whatever language, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


def _attempt(title: str, log: Path, call: Callable[[], Any]) -> _Failed | None:
    """Call something that prints to a log; returns how it failed, if it did."""
    try:
        _print_to(log)
        call()
    except (BenchmarkError, OSError) as error:
        traceback.print_exc()
        return _Failed(title, reason(error), log)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return _Failed(title, " ".join(f"{type(error).__name__}: {error}".split()), log)
    return None
