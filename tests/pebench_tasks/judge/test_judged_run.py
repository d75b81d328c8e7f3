"""Scoring with a judge: the real harness, and a judge's server on localhost."""

import json
from pathlib import Path

import pytest
from harness_runs import SHORT, MakeCheckpoint
from judge_server import Answer, JudgeServer, fails, says, weighs
from judges import KEY

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.results.files import Result
from pebench_tasks.results.notes import notes
from pebench_tasks.results.rescore import context, rescore
from pebench_tasks.results.samples import read_logged

JUDGED = ("efficacy", "generality", "retain")


@pytest.fixture(scope="module")
def goal(benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of a Goal model."""
    out = tmp_path_factory.mktemp("goal")
    model = make_checkpoint("goal", seed=1, method="goal", target="event", forget="forget05")
    evaluate([model], data=benchmark.directory, targets=["event"], output_path=out, **SHORT)
    return Path(out)


def run(server: JudgeServer, benchmark: Benchmark, llava: Path, goal: Path, out: Path, monkeypatch: pytest.MonkeyPatch,
        max_judge_calls: int | None = None) -> Result:  # fmt: skip
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{server.address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PEBENCH_CHECKPOINT", "")
    (result,) = evaluate(
        [llava], data=benchmark.directory, targets=["event"], goal=goal, output_path=out,
        judge="openai:m", max_judge_calls=max_judge_calls, **SHORT,
    )  # fmt: skip
    return result


def test_a_judged_run_has_the_judges_figures_and_lexical_companions(
    benchmark: Benchmark,
    llava: Path,
    goal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """(4 - 1) / 4 and (5 - 1) / 4, half and half: 0.875."""
    with JudgeServer(then=weighs("4", _4=0.5, _5=0.5)) as server:
        result = run(server, benchmark, llava, goal, tmp_path, monkeypatch)
        asked = len(server.requests)  # the trial question included
        assert server.most_at_once <= 4
    assert {name: result.metrics[name] for name in JUDGED} == pytest.approx(dict.fromkeys(JUDGED, 0.875))
    assert result.metrics["efficacy_toward"] != 0.875
    assert result.provenance.judge.startswith("openai:m/")
    assert f"the judge was asked {asked} times, 0 judgements were known, 0 failed" in capsys.readouterr().err
    assert result.provenance.judge_failures == {}
    assert KEY not in result.results_file.read_text() + result.samples_file.read_text()
    (one,) = read_logged(result.results_file)
    assert rescore(one, context(one)).differing == []


def test_a_second_scoring_asks_nothing(
    benchmark: Benchmark, llava: Path, goal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgeServer() as server:
        first = run(server, benchmark, llava, goal, tmp_path, monkeypatch)
        asked = len(server.requests)
        second = run(server, benchmark, llava, goal, tmp_path, monkeypatch)
        assert len(server.requests) == asked > 0
    assert second.metrics == first.metrics


@pytest.mark.parametrize(
    ("then", "reason"),
    [(says("a four"), "malformed"), (says("9"), "out of range"), (fails(403, "no credit"), "the judge stopped")],
)
def test_a_judge_that_fails_leaves_the_responses_and_no_figure(
    benchmark: Benchmark,
    llava: Path,
    goal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    then: Answer,
    reason: str,
) -> None:
    with JudgeServer(then=then) as server:
        result = run(server, benchmark, llava, goal, tmp_path, monkeypatch)
    assert not set(JUDGED) & result.metrics.keys()
    assert json.loads(result.results_file.read_text())["results"][result.task]["retain,none"] is None
    slices = result.provenance.slices
    assert [slices[name]["failed"] for name in JUDGED] == [slices[name]["n"] for name in JUDGED]
    assert list(result.provenance.judge_failures) == [reason]
    assert {"scope", "world", "efficacy_away"} <= result.metrics.keys()
    assert sum("judgements failed; withheld" in note for note in notes(result)) == len(JUDGED)
    said = capsys.readouterr().err
    assert "judgements failed" in said
    assert ("no credit" in said) == (reason == "the judge stopped")
    assert len(read_logged(result.samples_file)[0].samples) == result.provenance.n


def test_a_budget_is_kept_and_named(
    benchmark: Benchmark, llava: Path, goal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgeServer() as server:
        result = run(server, benchmark, llava, goal, tmp_path, monkeypatch, max_judge_calls=2)
        assert len(server.judgements) <= 2
    assert list(result.provenance.judge_failures) == ["budget"]


def test_a_wrong_key_ends_the_command_before_a_model_is_loaded(
    benchmark: Benchmark, goal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        JudgeServer(trial=fails(401, "bad key")) as server,
        pytest.raises(BenchmarkError, match="OPENAI_API_KEY"),
    ):
        run(server, benchmark, Path("/no/such/model"), goal, tmp_path, monkeypatch)
    assert not list(tmp_path.glob("*model*"))
