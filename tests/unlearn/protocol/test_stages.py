"""Stages wait for what they need, run side by side, and one that fails ends the run with one line."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from rich.console import Console

from pebench_tasks.errors import BenchmarkError, exit_code
from unlearn.protocol import stages
from unlearn.protocol.stages import Processes, Report, Stage, makespan, ways

QUIET = Console(file=io.StringIO())


def note(file: Path, word: str, report: Report) -> None:
    with file.open("a") as opened:
        opened.write(word)


def meet(mine: Path, other: Path, report: Report) -> None:
    mine.touch()
    while not other.exists():
        time.sleep(0.05)


def print_everywhere(report: Report) -> None:
    print("from Python")
    sys.stderr.write("an error\n")
    os.write(1, b"from elsewhere\n")


def fail(error: Exception, report: Report) -> None:
    raise error


def sleep_long(pid: Path, report: Report) -> None:
    pid.write_text(str(os.getpid()))
    time.sleep(200)


def fail_beside(pid: Path, report: Report) -> None:
    while not pid.exists() or not pid.read_text():
        time.sleep(0.05)
    raise BenchmarkError("there is no room")


def be_killed(report: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def take_steps(report: Report) -> None:
    for done in range(1, 11):
        report(done, 10)
        time.sleep(0.05)


def prepare() -> None:
    print("prepared")


def import_what_is_not_there() -> None:
    raise ImportError("no module of that name")


def exit_at_once(report: Report) -> None:
    os._exit(5)


def run(found: list[Stage], tmp_path: Path, number: int = 1, console: Console = QUIET) -> int:
    return stages.run(found, Processes(number, 1, prepare), tmp_path / "logs", console)


def test_a_stage_waits_for_its_own_and_the_longest_way_goes_first(tmp_path: Path) -> None:
    """base, then of three that wait for it the one with the longest way (b: 1 + 5), then c's 4, then a, then b's."""
    order = tmp_path / "order"
    found = [
        Stage(name, name, partial(note, order, name), after, seconds)
        for name, after, seconds in (
            ("x", ("b",), 5.0), ("a", ("base",), 3.0), ("b", ("base",), 1.0), ("c", ("base",), 4.0), ("base", (), 9.0),
        )
    ]  # fmt: skip
    assert ways(found) == {"x": 5, "a": 3, "b": 6, "c": 4, "base": 15}
    run(found, tmp_path)
    assert order.read_text() == "basebxca"


def test_two_processes_run_two_stages_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    peak = run([Stage("1", "1", partial(meet, one, other)), Stage("2", "2", partial(meet, other, one))], tmp_path, 2)
    assert peak > 2 * 10_000_000


def test_the_time_left_is_that_of_the_rest_in_so_many_processes() -> None:
    """Two processes; 4 of a are left, b (6) takes the free one, c (3) waits for a, d (1) for c: 4 + 3 + 1."""
    graph = (("a", ()), ("b", ()), ("c", ("a",)), ("d", ("c",)))
    found = [Stage(name, name, take_steps, after) for name, after in graph]
    left = {"a": 4.0, "b": 6.0, "c": 3.0, "d": 1.0}
    order = ways(found)
    assert makespan(found, order, left, set(), {"a"}, 2) == 8
    assert makespan(found, order, left, set(), {"a"}, 1) == 14
    assert makespan(found, order, left, {"a", "b"}, set(), 2) == 4


def test_what_a_stage_prints_is_in_its_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run([Stage("part/loud", "Loud", print_everywhere)], tmp_path)
    log = (tmp_path / "logs" / "part" / "loud.log").read_text()
    assert log.splitlines() == ["from Python", "an error", "from elsewhere"]
    assert capfd.readouterr() == ("", "")


def test_a_terminal_shows_steps_and_the_time_left_and_a_file_one_line_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # nothing moves on a dumb one
    terminal, file = io.StringIO(), io.StringIO()
    found = [Stage("1", "Train", take_steps), Stage("2", "Train more", take_steps, ("1",), 100.0)]
    run(found, tmp_path, console=Console(file=terminal, force_terminal=True, width=120))
    assert "/10" in terminal.getvalue()
    assert "1 of 2, about" in terminal.getvalue()
    run(found, tmp_path, console=Console(file=file))
    first, *lines = file.getvalue().splitlines()
    assert first == f"2 stages; what each prints: {tmp_path / 'logs'}"
    assert [line.rpartition(":")[0] or line for line in lines] == [
        "   begun  Train", "  1 of 2  Train", "   begun  Train more", "  2 of 2  Train more",
    ]  # fmt: skip


def test_a_file_names_a_long_stage_at_its_beginning_with_its_usual_time(tmp_path: Path) -> None:
    """Short ones at their end alone: two lines for four seconds would be one too many."""
    file = io.StringIO()
    found = [
        Stage("1", "Train", take_steps, (), 90.0, timed=True),
        Stage("2", "Pre-train", take_steps, ("1",), 250.0, timed=True),
        Stage("3", "Score", take_steps, ("2",), 4.0, timed=True),
    ]
    run(found, tmp_path, console=Console(file=file))
    begun = [line.strip() for line in file.getvalue().splitlines() if "begun" in line]
    assert begun == ["begun  Train, usually 90 s", "begun  Pre-train, usually 4 min"]
    assert file.getvalue().count("Score") == 1


def test_the_time_left_is_worked_out_for_a_terminal_and_not_for_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four processes may run, of which two are needed: ten steps and more, half a second, at most three estimates."""
    asked = []
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(stages, "makespan", lambda *rest: asked.append(rest[-1]) or 0.0)
    found = [Stage("1", "Train", take_steps), Stage("2", "Train more", take_steps, ("1",))]
    run(found, tmp_path, 4)
    assert asked == []
    run(found, tmp_path, 4, console=Console(file=io.StringIO(), force_terminal=True))
    assert set(asked) == {2}
    assert len(asked) < 10


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BenchmarkError("no such model"), "no such model"),
        (KeyError("key"), "KeyError: 'key'"),
        (SystemExit(3), "SystemExit: 3"),
        (OSError(28, "No space left on device", "model.bin"), "model.bin: No space left on device."),
        (OSError("Can't load it.\n\nTry again."), "Can't load it. Try again."),
    ],
)
def test_an_error_names_the_stage_and_its_log(tmp_path: Path, error: Exception, said: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        run([Stage("goal", "Train a Goal", partial(fail, error))], tmp_path)
    log = tmp_path / "logs" / "goal.log"
    assert str(caught.value) == f"Train a Goal: {said} (What it printed: {log})"
    assert "Traceback" in log.read_text()


def test_the_first_failure_ends_the_others_and_starts_no_more(tmp_path: Path) -> None:
    pid, late = tmp_path / "pid", tmp_path / "late"
    found = [
        Stage("long", "Long", partial(sleep_long, pid)),
        Stage("bad", "Bad", partial(fail_beside, pid)),
        Stage("late", "Late", partial(note, late, "x"), seconds=0),
    ]
    with pytest.raises(BenchmarkError, match="Bad: there is no room"):
        run(found, tmp_path, 2)
    assert not runs(int(pid.read_text()))
    assert not late.exists()


def test_a_process_that_is_killed_is_one_line_that_names_what_ran(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError) as caught:
        run([Stage("1", "Train a Goal", be_killed)], tmp_path)
    message = str(caught.value)
    assert "SIGKILL" in message
    assert "Running were: Train a Goal." in message
    assert "memory runs out" in message
    assert "--processes 1" in message


def test_a_process_that_exits_is_not_said_to_lack_memory(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError) as caught:
        run([Stage("1", "Train a Goal", exit_at_once)], tmp_path)
    message = str(caught.value)
    assert "exit code 5" in message
    assert "memory" not in message
    assert str(tmp_path / "logs") in message


def test_an_error_before_the_first_stage_is_its_own_words_and_not_a_lack_of_memory(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(BenchmarkError) as caught:
        stages.run(
            [Stage("1", "Long", partial(sleep_long, pid)), Stage("2", "More", partial(sleep_long, pid), ("1",))],
            Processes(2, 1, import_what_is_not_there), tmp_path / "logs", QUIET,
        )  # fmt: skip
    log = tmp_path / "logs" / "start.log"
    assert str(caught.value) == f"Start of a process: ImportError: no module of that name (What it printed: {log})"


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs" / "goal.log").mkdir(parents=True)
    with pytest.raises(BenchmarkError, match=r"Train a Goal: .*goal\.log: Is a directory\."):
        run([Stage("goal", "Train a Goal", print_everywhere)], tmp_path)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"a": ("b",)}, "The stage 'a' waits for 'b', which is none"),
        ({"a": ("b",), "b": ("c",), "c": ("b",)}, "wait for each other: [bc], [bc], [bc]"),
    ],
)
def test_stages_that_could_never_be_done_are_refused(
    tmp_path: Path, graph: dict[str, tuple[str, ...]], said: str
) -> None:
    found = [Stage(name, name, print_everywhere, after) for name, after in graph.items()]
    with pytest.raises(ValueError, match=said):
        run(found, tmp_path)


def test_ctrl_c_while_a_process_starts_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = stages.SPAWN.Process.start

    def start_and_interrupt(process: BaseProcess) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        start(process)

    monkeypatch.setattr(stages.SPAWN.Process, "start", start_and_interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    try:
        with pytest.raises(KeyboardInterrupt):
            run([Stage("1", "Loud", print_everywhere)], tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def test_stages_run_in_a_thread_of_a_program(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, [Stage("1", "Loud", print_everywhere)], tmp_path).result() > 0


def program(folder: Path) -> int:
    """A program of one stage that takes minutes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    return exit_code(lambda: run([Stage("long", "Long", partial(sleep_long, folder / "pid"))], folder))


def runs(pid: int) -> bool:
    """Whether a process is there and more than an entry that nobody has asked about since it ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "interrupted; run the same command again to go on\n"),
    ],
)
def test_no_process_outlives_a_program_that_is_ended(
    tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    """``kill -9`` hits the program alone, Ctrl-C every process that the terminal has started."""
    text = f"import sys, pathlib, test_stages; sys.exit(test_stages.program(pathlib.Path({str(tmp_path)!r})))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    started = subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stderr=subprocess.PIPE, text=True, process_group=0
    )
    pid = tmp_path / "pid"
    while not pid.exists() or not pid.read_text():
        assert started.poll() is None
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(started.pid, number)
    else:
        started.send_signal(number)
    assert started.communicate(timeout=60)[1] == said  # which ends when the last process has closed it
    assert started.returncode == code
    assert (tmp_path / "logs" / "long.log").read_text() == ""
    until = time.monotonic() + 60
    while runs(int(pid.read_text())):
        assert time.monotonic() < until, "the stage goes on"
        time.sleep(0.1)
