import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from harness_runs import LIMIT, NEW_TOKENS, SHORT, TASKS, Evaluate, MakeCheckpoint, responses

from pebench_tasks.backend.journal import Journal
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.results.files import Result, read_results_file

CLOCKS = ("date", "start_time", "end_time", "total_evaluation_time_seconds", "throughput", "efficiency", "usage")


@pytest.fixture(scope="module")
def whole(benchmark: Benchmark, llava: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Both tasks scored without an interruption."""
    out = tmp_path_factory.mktemp("whole")
    return evaluate([llava], data=benchmark.directory, output_path=out, batch_size=4, **SHORT)


def assert_equal(found: list[Result], expected: list[Result]) -> None:
    """Same figures, same provenance, same samples to the byte, apart from when it was and how long it took."""
    for ours, theirs in zip(found, expected, strict=True):
        files = [json.loads(result.results_file.read_text()) for result in (ours, theirs)]
        contents = [{name: value for name, value in file.items() if name not in CLOCKS} for file in files]
        assert contents[0] == contents[1]
        assert ours.samples_file.read_text() == theirs.samples_file.read_text()


def pairs(results_file: Path, whole: list[Result]) -> list[tuple[Result, Result]]:
    """The results in a file, each beside that of the same task."""
    found = {result.task: result for result in read_results_file(results_file)}
    return [(found[result.task], result) for result in whole]


def answers_kept(out: Path) -> int:
    """Whole lines on disk, without the first one of each file."""
    found = [file.read_bytes().count(b"\n") - 1 for file in out.rglob("unfinished/*/*.jsonl")]
    return sum(count for count in found if count > 0)


def start(checkpoint: Path, benchmark: Benchmark, out: Path, *launcher: str) -> subprocess.Popen[bytes]:
    command = [*launcher, os.path.join(os.path.dirname(sys.executable), "pebench"), "score", str(checkpoint)]
    command += ["--data", str(benchmark.directory), "--output_path", str(out), "--limit", str(LIMIT)]
    command += ["--max_new_tokens", str(NEW_TOKENS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([*command, "--batch_size", "2"], env=environment, stderr=subprocess.PIPE)


def kill_in_the_middle(run: subprocess.Popen[bytes], out: Path) -> int:
    """Kill a scoring and all its processes once some answers are there; returns how many there were at least."""
    while (count := answers_kept(out)) < 4:
        assert run.poll() is None, run.stderr and run.stderr.read().decode()
        time.sleep(0.02)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()  # torchrun's two
    for pid in (run.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    run.communicate()
    assert not list(out.rglob("*_results.json"))
    return count


@pytest.mark.slow
def test_a_killed_scoring_goes_on_where_it_stopped(
    benchmark: Benchmark, llava: Path, whole: list[Result], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    count = kill_in_the_middle(start(llava, benchmark, tmp_path), tmp_path)
    asked = spy(monkeypatch)
    found = evaluate([llava], data=benchmark.directory, output_path=tmp_path, **SHORT | {"batch_size": 4})
    assert "pebench: going on: " in capsys.readouterr().err
    assert 0 < len(asked) <= answered(whole) - count
    assert_equal(found, whole)
    assert not list(tmp_path.rglob("unfinished*"))


def spy(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of the prompts that are answered from now on."""
    asked: list[bytes] = []
    add = Journal.add

    def add_and_note(self: Journal, key: bytes, text: str, output_tokens: int) -> None:
        asked.append(key)
        add(self, key, text, output_tokens)

    monkeypatch.setattr(Journal, "add", add_and_note)
    return asked


def answered(results: list[Result]) -> int:
    """No more than so many different prompts were in these results."""
    return sum(result.provenance.n or 0 for result in results)


@contextmanager
def interrupted_after(answers: int) -> Iterator[None]:
    """Ctrl-C when so many answers are kept."""
    left = iter(range(answers))
    add = Journal.add

    def add_or_stop(self: Journal, key: bytes, text: str, output_tokens: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        add(self, key, text, output_tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", add_or_stop)
        with suppress(KeyboardInterrupt):
            yield
            pytest.fail("it was not interrupted")


def test_an_interrupted_scoring_goes_on_with_another_batch_size(
    benchmark: Benchmark, llava: Path, whole: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with interrupted_after(5):
        evaluate([llava], data=benchmark.directory, output_path=tmp_path, batch_size=3, **SHORT)
    assert answers_kept(tmp_path) == 5
    asked = spy(monkeypatch)
    found = evaluate([llava], data=benchmark.directory, output_path=tmp_path, batch_size=4, **SHORT)
    assert len(set(asked)) == len(asked) > 0
    assert_equal(found, whole)
    assert not list(tmp_path.rglob("unfinished*"))


def test_a_checkpoint_that_was_trained_again_is_asked_again(
    benchmark: Benchmark, llava: Path, make_checkpoint: MakeCheckpoint, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Its files have the names and sizes of the old ones; the old answers are gone once the new ones are there."""
    retrained = make_checkpoint("llava", seed=5)
    checkpoint = shutil.copytree(llava, tmp_path / "llava")
    common: dict[str, Any] = {"data": benchmark.directory, "targets": ["person"], "batch_size": 4, **SHORT}
    with interrupted_after(9):
        evaluate([checkpoint], output_path=tmp_path / "out", **common)
    shutil.copy2(retrained / "model.safetensors", checkpoint / "model.safetensors")
    (found,) = evaluate([checkpoint], output_path=tmp_path / "out", **common)
    assert "was written again since answers of it were kept" in capsys.readouterr().err
    (expected,) = evaluate([retrained], output_path=tmp_path / "fresh", **common)
    assert found.samples_file.read_text() == expected.samples_file.read_text()
    assert not list(tmp_path.rglob("unfinished*"))


def test_the_bare_command_takes_the_folder_as_a_model_argument(
    evaluate: Evaluate, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells the model when the results are written, so the answers stay; asked again, none is generated."""
    arguments = f"pretrained={llava},journal={tmp_path / 'kept'}"
    first = responses(evaluate("pebench_hf", arguments))
    asked = spy(monkeypatch)
    assert responses(evaluate("pebench_hf", arguments)) == first
    assert asked == []
    assert responses(evaluate("pebench_hf", f"{arguments},dtype=bfloat16", tasks=TASKS[:1]))
    assert asked


@pytest.mark.slow
def test_two_scorings_at_the_same_time_on_one_folder_do_no_harm(
    benchmark: Benchmark, llava: Path, whole: list[Result], tmp_path: Path
) -> None:
    runs = [start(llava, benchmark, tmp_path) for _ in range(2)]
    for run in runs:
        _, printed = run.communicate()
        assert run.returncode == 0, printed.decode()
    files = sorted(tmp_path.rglob("*_results.json"))
    assert len(files) == 2
    for file in files:
        for ours, theirs in pairs(file, whole):
            assert ours.metrics == theirs.metrics
            assert ours.samples_file.read_text() == theirs.samples_file.read_text()
    assert not list(tmp_path.rglob("unfinished*"))


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "--no-python")


@pytest.mark.slow
def test_two_processes_killed_in_the_middle_go_on_to_the_results_of_one(
    benchmark: Benchmark, llava: Path, whole: list[Result], tmp_path: Path
) -> None:
    kill_in_the_middle(start(llava, benchmark, tmp_path, *TORCHRUN), tmp_path)
    again = start(llava, benchmark, tmp_path, *TORCHRUN)
    _, printed = again.communicate()
    assert again.returncode == 0, printed.decode()
    assert b"pebench: going on: " in printed
    (file,) = tmp_path.rglob("*_results.json")
    for ours, theirs in pairs(file, whole):
        assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-12)
        assert ours.samples_file.read_text() == theirs.samples_file.read_text()
        assert ours.provenance.slices == theirs.provenance.slices
    assert not list(tmp_path.rglob("unfinished*"))
