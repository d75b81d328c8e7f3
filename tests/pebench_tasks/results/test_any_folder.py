"""Results that name everything by relative paths, read from another folder: moved, copied, or without what was used."""

import json
import shutil
from pathlib import Path

import pytest
from made_results import forgets, knows, never_saw, write_cast, write_result

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark, open_benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.pages.report import write_report
from pebench_tasks.results.files import TASKS, read_result
from pebench_tasks.results.rescore import rescore_all

DATA = Path("runs/demo/data")
COMMAND = "How to get this again"  # from there on a page names the paths that it was given


@pytest.fixture(scope="module")
def made(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``runs/demo`` was written, with relative paths in all results, and the checkpoints' records."""
    home: Path = tmp_path_factory.mktemp("home")
    shutil.copytree(benchmark.directory, home / DATA)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        write_cast(Path("runs/demo"), open_benchmark(DATA))
        for name in ("finetuned", "gd", "ga", "goal"):
            write_record(Path("runs/demo/scores", name), Path("models", name))
    return home


def write_record(results: Path, checkpoint: Path) -> None:
    """The run record of a checkpoint that was scored on events: what its result says of it, and a setting."""
    result = read_result(results, TASKS["event"])
    assert result is not None
    model = result.provenance.json["model"]
    checkpoint.mkdir(parents=True)
    (checkpoint / "pebench_run.json").write_text(
        json.dumps({"format": "pebench-run/1", **model, "arguments": {"learning_rate": 0.125}})
    )


@pytest.fixture
def elsewhere(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in a folder of this test; the working directory is another one, beside it."""
    shutil.copytree(made, tmp_path / "home")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


def page(*results: Path, data: Path | None = None) -> str:
    return write_report(results, Path("out"), samples=2, data=data).read_text(encoding="utf-8")


def test_a_report_is_the_same_from_every_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_elsewhere = page(elsewhere / "runs/demo/scores")
    monkeypatch.chdir(elsewhere)
    assert page(Path("runs/demo/scores")).partition(COMMAND)[0] == from_elsewhere.partition(COMMAND)[0]
    assert "learning_rate" in from_elsewhere


def test_results_are_rescored_and_compared_from_every_folder(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = elsewhere / "runs/demo/scores"
    assert cli.main(["rescore", str(scores / "gd")]) == 0
    assert capsys.readouterr().out.count("equal to the results file") == 2
    assert cli.main(["compare", str(scores / "finetuned"), str(scores / "gd"), "--out", "page"]) == 0
    assert "left out" not in capsys.readouterr().err
    assert "A square with a few trees under a grey sky." in Path("page/comparison.html").read_text(encoding="utf-8")


def test_what_was_written_elsewhere_is_seen_from_where_the_scoring_was_started(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results in a folder that shares none with the benchmark's: no folder above them leads to it."""
    monkeypatch.chdir(made)
    out = tmp_path / "scratch"
    write_result(out, open_benchmark(DATA), "person", "gd", forgets, method="gd", started_in=str(made))
    monkeypatch.chdir(tmp_path)
    (again,) = rescore_all(out / "gd")
    assert again.differing == []


def test_a_folder_of_that_name_with_another_benchmark_is_passed_over(elsewhere: Path) -> None:
    build_synthetic(DATA, people=4, events=3, image_size=32, seed=1)
    again = rescore_all(elsewhere / "runs/demo/scores/gd")
    assert [one.differing for one in again] == [[], []]


def test_a_goal_among_or_beside_the_given_results_is_found(elsewhere: Path) -> None:
    """Only the scores were kept: the folder of Goal responses that they were scored with is gone."""
    shutil.rmtree(elsewhere / "runs/demo/goals")
    scores = elsewhere / "runs/demo/scores"
    (people, events) = rescore_all(scores / "gd")  # beside it
    assert events.differing == people.differing == []
    shutil.move(scores / "goal", elsewhere / "apart" / "goal")
    gd, goal = rescore_all([scores / "gd", elsewhere / "apart/goal"])[1::2]  # among them
    assert gd.differing == goal.differing == []
    assert "efficacy" in gd.result.metrics


def test_a_goal_of_other_weights_beside_the_results_is_not_taken(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = elsewhere / "runs/demo/scores"
    shutil.rmtree(elsewhere / "runs/demo/goals")
    shutil.rmtree(scores / "goal")
    benchmark = open_benchmark(elsewhere / DATA)
    write_result(scores, benchmark, "event", "other-goal", never_saw, method="goal")
    assert cli.main(["rescore", str(scores / "gd")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "neither where the result says, nor among or beside the results" in said
    assert "--goal DIR" in said


def test_run_records_that_are_nowhere_are_said_on_the_page_and_the_terminal(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(elsewhere / "models")
    said = page(elsewhere / "runs/demo/scores")
    line = "Method and settings of finetuned, ga, gd, goal are not shown: the results do not hold them, and there is no"
    assert line in said[said.index('id="runs"') :]
    assert capsys.readouterr().err.count(f"left out: {line}") == 1


def test_a_model_that_never_had_a_run_record_lacks_none(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_result(elsewhere, open_benchmark(elsewhere / DATA), "person", "api", knows)
    assert 'id="runs"' not in page(folder)
    assert "left out" not in capsys.readouterr().err


def test_the_run_record_in_the_results_needs_no_checkpoint(elsewhere: Path) -> None:
    shutil.rmtree(elsewhere / "models")
    for path in (elsewhere / "runs/demo/scores").glob("*/*_results.json"):
        content = json.loads(path.read_text())
        for values in content["results"].values():
            model = values["provenance,none"]["model"]
            model["record"] = {**model, "arguments": {"learning_rate": 0.125}}
        path.write_text(json.dumps(content))
    said = page(elsewhere / "runs/demo/scores")
    assert "learning_rate" in said
    assert "are not shown" not in said


def test_the_comparison_says_on_the_terminal_that_goal_s_answers_are_not_shown(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(elsewhere / "runs/demo/goals")
    scores = elsewhere / "runs/demo/scores"
    shutil.rmtree(scores / "goal")
    assert cli.main(["compare", str(scores / "finetuned"), str(scores / "gd"), "--out", "page"]) == 0
    assert capsys.readouterr().err.count("left out: Goal's answers are not shown") == 1
    assert "Goal&#39;s answers are not shown" in Path("page/comparison.html").read_text(encoding="utf-8")
