"""Scoring by meaning: the real harness and a tiny embedding; rescored without it, submitted, checked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from harness_runs import SHORT, MakeCheckpoint
from made_embedding import tiny_embedding
from made_submissions import Made, make

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.judge.embedding import Embedding, choose_embedding
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_submission import check_submission
from pebench_tasks.leaderboard.entry.context import asked
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import forgotten_scene, score
from pebench_tasks.pages.collect import mark_task
from pebench_tasks.results.files import Result, read_results_file
from pebench_tasks.results.notes import notes
from pebench_tasks.results.rescore import context, rescore
from pebench_tasks.results.samples import read_logged, refuse_mixed


@pytest.fixture(scope="module")
def folder(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [row["description"] for row in benchmark.events]
    return tiny_embedding(tmp_path_factory.mktemp("embedding") / "tiny", texts)


@pytest.fixture(scope="module")
def embedding(folder: Path) -> Embedding:
    found = choose_embedding({"PEBENCH_JUDGE": f"embedding:{folder}"})
    assert found is not None
    return found


Scored = dict[str, Result]


@pytest.fixture(scope="module")
def scored(
    benchmark: Benchmark,
    make_checkpoint: MakeCheckpoint,
    llava: Path,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scored:
    """The same model by words and by meaning, both beside the same Goal."""
    goals, out = tmp_path_factory.mktemp("goal"), tmp_path_factory.mktemp("scored")
    goal = make_checkpoint("goal", seed=1, method="goal", target="event", forget="forget05")
    evaluate([goal], data=benchmark.directory, targets=["event"], output_path=goals, **SHORT)

    def run(name: str, judge: str) -> Result:
        (result,) = evaluate(
            [llava], data=benchmark.directory, targets=["event"], goal=goals, output_path=out / name, judge=judge,
            **SHORT,
        )  # fmt: skip
        return result

    return {"words": run("words", "lexical"), "meaning": run("meaning", f"embedding:{folder}")}


def test_a_run_by_meaning_has_the_figures_and_says_what_compared_them(scored: Scored, embedding: Embedding) -> None:
    result, words = scored["meaning"], scored["words"]
    assert result.provenance.judge == embedding.fingerprint
    assert result.metrics.keys() - words.metrics.keys() == {"retain_best"}
    assert {"efficacy", "efficacy_away", "efficacy_toward", "retain"} <= result.metrics.keys()
    for same in ("scope", "world", "efficacy_keywords", "degenerate"):
        assert result.metrics[same] == words.metrics[same]
    settings = result.provenance.judge_settings
    assert settings is not None
    assert settings["fingerprint"] == embedding.fingerprint
    assert f"scenes marked by {embedding.fingerprint}" in notes(result)


def test_different_similarities_never_share_a_table(scored: Scored) -> None:
    with pytest.raises(BenchmarkError, match="judge"):
        refuse_mixed(list(scored.values()))


def test_it_is_rescored_without_the_model_to_the_last_digit(scored: Scored, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rescore", str(scored["meaning"].results_file)]) == 0
    assert "equal to the results file to the last digit" in capsys.readouterr().out


def changed(result: Result, out: Path) -> Path:
    """A copy of the results in which one retained scene is described in other words."""
    (out / "model").mkdir()
    results_file = out / "model" / result.results_file.name
    results_file.write_bytes(result.results_file.read_bytes())
    rows = [json.loads(line) for line in result.samples_file.open(encoding="utf-8")]
    row = next(row for row in rows if row["provenance"]["slice"] == "retain" and row["provenance"]["kind"] == "scene")
    row["filtered_resps"] = [row["target"]]
    (out / "model" / result.samples_file.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return results_file


def test_a_changed_response_needs_the_model_and_then_counts(
    scored: Scored, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logged,) = read_logged(changed(scored["meaning"], tmp_path))
    with pytest.raises(BenchmarkError, match="PEBENCH_JUDGE=embedding:DIR"):
        rescore(logged, context(logged))
    monkeypatch.setenv("PEBENCH_JUDGE", f"embedding:{folder}")
    again = rescore(logged, context(logged))
    assert again.result.metrics["retain"] > scored["meaning"].metrics["retain"]
    assert any(line.startswith("retain:") for line in again.differing)


def test_another_model_is_not_taken_for_the_one_that_marked(
    benchmark: Benchmark, scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny_embedding(tmp_path / "other", [row["description"] for row in benchmark.events], seed=1)
    monkeypatch.setenv("PEBENCH_JUDGE", f"embedding:{other}")
    (logged,) = read_logged(scored["meaning"].results_file)
    assert rescore(logged, context(logged)).differing == []  # what was said is recorded, and no model is needed
    (logged,) = read_logged(changed(scored["meaning"], tmp_path))
    with pytest.raises(BenchmarkError, match=f"than when {scored['meaning'].provenance.judge} compared them"):
        rescore(logged, context(logged))


def test_results_of_one_model_are_marked_by_another_that_the_environment_names(
    benchmark: Benchmark, scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny_embedding(tmp_path / "other", [row["description"] for row in benchmark.events], seed=1)
    monkeypatch.setenv("PEBENCH_JUDGE", f"embedding:{other}")
    assert cli.main(["judge", str(scored["meaning"].results_file), "--out", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out").rglob("*_results.json")
    (result,) = read_results_file(file)
    assert str(result.provenance.judge).startswith("embedding:other@")


def test_marking_afterwards_gives_what_the_run_gives(scored: Scored, folder: Path, tmp_path: Path) -> None:
    words, out = scored["words"], tmp_path / "out"
    assert cli.main(["judge", str(words.results_file), "--judge", f"embedding:{folder}", "--out", str(out)]) == 0
    (file,) = out.rglob("*_results.json")
    (result,) = read_results_file(file)
    assert result.metrics == scored["meaning"].metrics
    assert result.provenance.judge_settings == scored["meaning"].provenance.judge_settings
    assert words.results_file.read_bytes() == words.results_file.read_bytes()


def test_a_report_marks_a_goal_with_the_goals_of_the_others_where_the_model_is_at_hand(
    scored: Scored, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = scored["meaning"].provenance.goal
    assert used is not None
    words = used.runs[0].results  # the Goal's own, by words and without Goals
    assert cli.main(["judge", words, "--judge", f"embedding:{folder}", "--out", str(tmp_path / "goal")]) == 0
    (file,) = (tmp_path / "goal").rglob("*_results.json")
    (goal,) = read_results_file(file)
    assert "efficacy_truth_only" in goal.metrics
    with pytest.raises(BenchmarkError, match=r"scored without Goal responses.*PEBENCH_JUDGE=embedding:DIR"):
        mark_task([scored["meaning"], goal])
    monkeypatch.setenv("PEBENCH_JUDGE", f"embedding:{folder}")
    model, of_goal = mark_task([scored["meaning"], goal]).results
    assert (model.without_goal, of_goal.without_goal) == (False, True)
    assert model.after.result.metrics == scored["meaning"].metrics
    assert of_goal.after.result.metrics["efficacy"] == 1  # its own answers


def test_a_wrong_checkpoint_ends_the_command_before_a_model_is_loaded(benchmark: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match=r"has no modules\.json"):
        evaluate(["/no/model"], data=benchmark.directory, judge=f"embedding:{tmp_path / 'empty'}", output_path=tmp_path)


# Submissions


@pytest.fixture(scope="module")
def submission(benchmark: Benchmark, embedding: Embedding) -> Callable[[], Made]:
    """A submission whose scenes are marked by meaning, with what was said of each pair of texts."""
    made = make(benchmark, "event")
    made.submission |= {"judge": embedding.fingerprint, "judge_settings": embedding.facts(benchmark.events)}
    wanted, names = asked(made.submission, benchmark), NameIndex(benchmark.names)
    meaning = embedding.about([row["description"] for row in benchmark.events])
    goals = {line["key"]: line["response"] for line in made.lines if line["run"] == "goal-0"}
    weights = made.run("goal-0")["weights"]
    for line in made.lines:
        document = wanted[line["key"]]
        needs = forgotten_scene(document["kind"], document["slice"])
        answers = [Goal(weights, goals[line["key"]])] if needs else []
        scored = score(document, line["response"], names, answers, similarity=meaning)
        if scored.provenance.judgement is not None:
            line["judgement"] = scored.provenance.judgement
    made.claim().seal()
    return made.copy


def check(made: Made, folder: Path) -> None:
    board = Board(judges=(made.submission["judge"],))
    check_submission(made.write(folder), board, {made.benchmark.fingerprint: made.benchmark})


def test_a_submission_marked_by_meaning_is_checked_without_the_model(
    submission: Callable[[], Made], tmp_path: Path
) -> None:
    check(submission(), tmp_path)


def test_a_submission_whose_numbers_are_of_other_texts_is_refused(
    submission: Callable[[], Made], tmp_path: Path
) -> None:
    def refused(made: Made, reason: str) -> None:
        with pytest.raises(BenchmarkError, match=reason):
            check(made, tmp_path)

    made = submission()
    made.line("retain")["response"] = "Something else."
    refused(made, "holds no similarity of")
    made = submission()
    made.line("retain")["judgement"]["similarities"]["kept:00000000"] = 1.0
    refused(made, "similarities of texts that do not belong to")
    made = submission()
    made.line("scope")["judgement"] = {"similarities": {"kept:00000000": 1.0}}
    refused(made, "which no judge marks")
    for numbers in ({"kept:0": 1.0}, {"kept:00000000": 1.5}, {}, {"other:00000000": 1.0}):
        made = submission()
        made.line("retain")["judgement"] = {"similarities": numbers}
        refused(made, "its judgement is neither")
    made = submission()
    numbers = made.line("retain")["judgement"]["similarities"]
    made.line("retain")["judgement"] = {"similarities": dict.fromkeys(numbers, 0.5)}
    refused(made, "do not give its scores")
