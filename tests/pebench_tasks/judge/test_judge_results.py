"""``pebench judge`` on what a real scoring logged, against a server on localhost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_runs import SHORT, MakeCheckpoint
from judge_server import Answer, JudgeServer, fails, says, slow, weighs
from judges import KEY, judge_of

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.marking.scoring import mean
from pebench_tasks.results.files import Result, read_result
from pebench_tasks.results.judging import judge_results
from pebench_tasks.results.rescore import context, rescore
from pebench_tasks.results.samples import read_logged

TASK = "pebench_events"
JUDGED = ("efficacy", "generality", "retain")


@pytest.fixture(scope="module")
def scored(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The results folder of a model that was scored with a Goal's responses, and the Goal's."""
    out = tmp_path_factory.mktemp("scores")
    options: dict[str, Any] = {"data": benchmark.directory, "targets": ["event"], **SHORT}
    goal = make_checkpoint("goal", seed=1, method="goal", target="event", forget="forget05")
    model = make_checkpoint("model", seed=2, method="gd", target="event", forget="forget05")
    (of_goal,) = evaluate([goal], output_path=out / "goals", **options)
    (of_model,) = evaluate([model], output_path=out / "models", goal=out / "goals", **options)
    return of_model.results_file.parent, of_goal.results_file.parent.parent


@pytest.fixture
def results(scored: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the model's results folder; the environment has a key."""
    folder = tmp_path / "results"
    shutil.copytree(scored[0], folder)
    for name in ("PEBENCH_JUDGE", "PEBENCH_MAX_JUDGE_CALLS", "PEBENCH_JUDGE_CONCURRENCY", "PEBENCH_JUDGE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return folder


def judge(server: JudgeServer, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run the command on ``server``."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{server.address}/v1")
    return cli.main(["judge", "--judge", "openai:m", *map(str, arguments)])


def judged(folder: Path) -> Result:
    (below,) = [path for path in folder.iterdir() if path.is_dir()]
    result = read_result(below, TASK)
    assert result is not None
    return result


def test_the_judges_figures_stand_beside_the_lexical_ones(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    lexical = read_result(results, TASK)
    assert lexical is not None
    with JudgeServer(then=weighs("4", _4=0.5, _5=0.5)) as server:
        assert judge(server, monkeypatch, results) == 0
    assert {path.name: path.read_bytes() for path in results.iterdir() if path.is_file()} == before
    result = judged(results)
    assert result.results_file.parent.name.startswith("judge-openai_m_")
    assert {name: result.metrics[name] for name in JUDGED} == pytest.approx(dict.fromkeys(JUDGED, 0.875))
    companions = lexical.metrics.keys() - JUDGED
    assert companions
    assert {name: result.metrics[name] for name in companions} == {name: lexical.metrics[name] for name in companions}
    assert result.provenance.judge.startswith("openai:m/")
    assert lexical.provenance.judge == "lexical"
    assert result.provenance.json["judge_settings"]["fingerprint"] == result.provenance.judge
    assert str(result.results_file) in capsys.readouterr().out


def test_what_was_judged_is_rescored_to_the_last_digit(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JudgeServer(weighs("2", _2=0.3, _3=0.7), says("1"), then=weighs("4", _4=0.6, _1=0.4)) as server:
        assert judge(server, monkeypatch, results) == 0
    (logged,) = read_logged(judged(results).results_file)
    assert rescore(logged, context(logged)).differing == []
    values = [sample.metrics["retain"] for sample in logged.samples if "retain" in sample.metrics]
    assert logged.result.metrics["retain"] == mean(values)


def test_every_different_response_is_asked_once_and_a_second_run_asks_nothing(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results) == 0
        first = judged(results)
        prompts = [request.prompt for request in server.requests]
        assert len(prompts) == len(set(prompts))
        again = results / "again"
        assert judge(server, monkeypatch, results, "--out", again) == 0
        assert len(server.requests) == len(prompts)
    second = read_result(again / results.name, TASK)
    assert second is not None
    assert second.metrics == first.metrics


def test_a_budget_too_small_is_refused_before_the_first_call(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results, "--max-judge-calls", "2") == 1
        assert not server.requests
        said = capsys.readouterr().err
        needed = int(said.removeprefix("error: ").split()[0])
        assert f"{needed} judge calls are needed, 2 are allowed" in said
        assert not [path for path in results.iterdir() if path.is_dir()]
        assert judge(server, monkeypatch, results, "--max-judge-calls", str(needed)) == 0
        assert len(server.requests) == needed


def test_a_run_that_broke_off_writes_nothing_and_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer(*[says("4")] * 2, then=fails(401)) as server:
        assert judge(server, monkeypatch, results, "--concurrency", "1") == 1
        assert "Check OPENAI_API_KEY" in capsys.readouterr().err
        assert not [path for path in results.iterdir() if path.is_dir()]
        asked = len(server.requests)
        server.then = says("4")
        assert judge(server, monkeypatch, results) == 0
        prompts = [request.prompt for request in server.requests[asked:]]
    assert not set(prompts) & {request.prompt for request in server.requests[: asked - 1]}


def test_a_server_that_goes_down_leaves_nothing_written(results: Path, tmp_path: Path) -> None:
    logged = read_logged(results)
    contexts = [context(one) for one in logged]
    with JudgeServer(*[says("4")] * 2, then=fails(500)) as server:
        with pytest.raises(BenchmarkError, match=r"Not every response .* \(the judge's server is down\)"):
            judge_results(logged, contexts, judge_of(server, tmp_path / "cache"))
        assert not [path for path in results.iterdir() if path.is_dir()]
        server.then = says("4")
        asked = len(server.requests)
        (written,) = judge_results(logged, contexts, judge_of(server, tmp_path / "cache"))
        assert not {r.prompt for r in server.requests[:3]} & {r.prompt for r in server.requests[asked:]}
    assert written.parent.parent == results


def test_an_interrupted_run_goes_on_where_it_stopped(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in background jobs
    )
    code += "from pebench_tasks.cli import main; sys.exit(main())"
    with JudgeServer(then=slow(0.3, says("4"))) as server:
        command = [sys.executable, "-c", code, "judge", "--judge", "openai:m", "--concurrency", "1", str(results)]
        environ = {**os.environ, "OPENAI_BASE_URL": f"http://{server.address}/v1"}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while len(server.requests) < 4:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "interrupted; run the same command again to go on"
        assert "Traceback" not in said
        before = [request.prompt for request in server.requests]
        server.then = says("4")
        assert judge(server, monkeypatch, results) == 0
        after = [request.prompt for request in server.requests[len(before) :]]
    assert not set(before[:3]) & set(after)  # the one under way may be asked again


@pytest.mark.parametrize(("bad", "shown"), [(1, False), (0, True)])
def test_a_figure_with_too_many_failed_judgements_is_withheld(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: int, shown: bool
) -> None:
    answers: list[Answer] = [says("I'd say four")] * bad
    with JudgeServer(*answers) as server:
        assert judge(server, monkeypatch, results, "--concurrency", "1") == 0
    result = judged(results)
    assert all(name in result.metrics for name in JUDGED) == shown
    file = json.loads(result.results_file.read_text())
    assert None in [file["results"][TASK][f"{name},none"] for name in JUDGED] or shown
    assert ("withheld" in capsys.readouterr().out) != shown
    assert result.provenance.judge_failures == ({} if shown else {"malformed": 1})


def test_no_standard_error_of_the_lexical_figures_is_left_beside_the_judges(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results) == 0
    values = json.loads(judged(results).results_file.read_text())["results"][TASK]
    errors = {name: value for name, value in values.items() if name.startswith("efficacy_stderr")}
    assert errors
    assert set(errors.values()) == {"N/A"}
    assert isinstance(values["scope_stderr_clt,none"], float)


def test_two_models_are_not_written_into_one_folder(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "other" / results.name
    shutil.copytree(results, other)
    out = tmp_path / "out"
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results, other, "--out", out) == 1
        assert "both be written to" in capsys.readouterr().err
        assert judge(server, monkeypatch, results, other) == 0
    assert not out.exists()


def test_who_judged_is_said_beside_the_table(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results) == 0
    printed = capsys.readouterr().out
    assert f"scenes marked by {judged(results).provenance.judge}" in printed
    assert printed.count(str(judged(results).results_file)) == 1


def test_results_without_scenes_ask_nobody(
    benchmark: Benchmark,
    llava: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evaluate([llava], data=benchmark.directory, targets=["person"], output_path=tmp_path, **SHORT)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with JudgeServer() as server:
        assert judge(server, monkeypatch, tmp_path / "llava") == 1
        assert not server.requests
    assert "None of these responses is for a judge" in capsys.readouterr().err


def test_figures_of_another_judge_are_not_overwritten(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results, "--out", results.parent) == 1
    assert "holds figures of the judge lexical. Choose another --out" in capsys.readouterr().err


def test_no_judge_is_asked_for_one(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["judge", str(results)]) == 1
    assert "--judge openai:MODEL" in capsys.readouterr().err


def test_no_secret_gets_into_a_result_or_onto_the_screen(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer() as server:
        assert judge(server, monkeypatch, results) == 0
    printed = capfd.readouterr()
    assert "SECRET" not in printed.out + printed.err
    for path in results.parent.rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes()
