import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from harness_runs import JOINT, NEW_TOKENS, SHORT, TASKS, Evaluate, MakeCheckpoint, provenance

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.results import goals
from pebench_tasks.results.files import read_result
from pebench_tasks.results.notes import notes

EVENTS = TASKS[1]


@pytest.fixture(scope="module")
def scored(benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Goal models (seeds) and the finetuned one, scored on events by the real harness."""
    out: Path = tmp_path_factory.mktemp("goals")
    goal = {"method": "goal", "target": "event", "forget": "forget05"}
    checkpoints = [make_checkpoint("goal-0", seed=10, **goal), make_checkpoint("goal-1", seed=11, **goal)]
    checkpoints.append(make_checkpoint("finetuned", seed=12))
    evaluate(checkpoints, data=benchmark.directory, targets=["event"], output_path=out, **SHORT)
    return out


@pytest.fixture
def folder(scored: Path, tmp_path: Path) -> Path:
    return shutil.copytree(scored, tmp_path / "goals")


def results_file(folder: Path, name: str = "goal-0") -> Path:
    (path,) = (folder / name).glob("*_results.json")
    return path


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content["results"][EVENTS]["provenance,none"])
    path.write_text(json.dumps(content))


def wanted(folder: Path, base: str | None = "b" * 16) -> dict[str, Any]:
    recorded = json.loads(results_file(folder, "finetuned").read_text())["results"][EVENTS]["provenance,none"]
    return goals.comparable(recorded, base)


def test_every_matching_seed_is_used_and_nothing_but_goals(folder: Path) -> None:
    found = goals.load_goals(folder, wanted(folder))
    assert [run.fingerprint for run in found.runs] == [f"{seed:016d}" for seed in (10, 11)]
    assert found.base == "b" * 16


def test_responses_are_found_by_document_key(folder: Path) -> None:
    found = goals.load_goals(folder, wanted(folder))
    samples = [json.loads(line) for line in next((folder / "goal-1").glob("*.jsonl")).open()]
    asked = [sample for sample in samples if sample["provenance"]["slice"] == "efficacy"]
    assert asked
    for sample in asked:
        assert found.of(sample["provenance"]["key"])[1].response == sample["filtered_resps"].strip()


def test_a_document_that_a_goal_never_answered_is_an_error(folder: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"goal-0.* lack the document p9/e9/scene.*without --limit"):
        goals.load_goals(folder, wanted(folder)).of("p9/e9/scene")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("data", "data"),
        ("split", "forget set"),
        ("template", "template"),
        ("generation", "generation settings"),
        ("prompts", "prompts"),
    ],
)
def test_where_none_matches_both_sides_of_the_difference_are_named(folder: Path, field: str, name: str) -> None:
    ours = wanted(folder)
    for goal in ("goal-0", "goal-1"):
        edit(results_file(folder, goal), lambda recorded: recorded.update({field: {"changed": "theirs"}}))
    with pytest.raises(BenchmarkError, match=f"No Goal in .* matches this run: {name} is .* here and .*theirs"):
        goals.load_goals(folder, ours)


def test_a_goal_of_another_base_is_refused_naming_both(folder: Path) -> None:
    with pytest.raises(BenchmarkError, match=f"base is {'c' * 16} here and {'b' * 16} in"):
        goals.load_goals(folder, wanted(folder, base="c" * 16))


def test_a_goal_trained_without_other_images_is_refused(folder: Path) -> None:
    for goal in ("goal-0", "goal-1"):
        edit(results_file(folder, goal), lambda recorded: recorded["model"].update(split="other"))
    with pytest.raises(BenchmarkError, match=r"trained without is .* here and .*'other'"):
        goals.load_goals(folder, wanted(folder))


def test_the_matching_ones_are_chosen_among_others(folder: Path) -> None:
    edit(results_file(folder, "goal-0"), lambda recorded: recorded.update(data="other"))
    assert [run.fingerprint for run in goals.load_goals(folder, wanted(folder)).runs] == [f"{11:016d}"]


def test_of_the_same_goal_scored_twice_the_newest_counts(folder: Path) -> None:
    again = shutil.copytree(folder / "goal-0", folder / "again")
    for path in again.iterdir():
        path.rename(path.with_name("20990101_000000" + path.name[15:]))
    runs = goals.load_goals(folder, wanted(folder)).runs
    assert sorted(run.fingerprint for run in runs) == [f"{seed:016d}" for seed in (10, 11)]
    assert [run.results_file.parent.name for run in runs if run.fingerprint == f"{10:016d}"] == ["again"]


def test_an_unknown_base_takes_goals_of_one_base_and_says_so(folder: Path) -> None:
    assert goals.load_goals(folder, wanted(folder, base=None)).base == "unverified"
    edit(results_file(folder), lambda recorded: recorded["model"].update(base="c" * 16))
    with pytest.raises(BenchmarkError, match=r"different foundation models .*PEBENCH_CHECKPOINT"):
        goals.load_goals(folder, wanted(folder, base=None))


def test_withheld_results_are_no_goals(folder: Path) -> None:
    for goal in ("goal-0", "goal-1"):
        edit(results_file(folder, goal), lambda recorded: recorded.update(withheld="never read"))
    with pytest.raises(BenchmarkError, match="holds no results of a Goal model"):
        goals.find_goal_runs(folder)


def test_a_missing_or_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BenchmarkError, match="pebench score GOAL_CHECKPOINT --target event"):
            goals.find_goal_runs(path)


def test_a_broken_results_file_is_named(folder: Path) -> None:
    results_file(folder).write_text('{"results": {"pebench_events": ')
    with pytest.raises(BenchmarkError, match=r"goal-0.*_results.json cannot be read"):
        goals.find_goal_runs(folder)


def test_results_without_samples_are_named(folder: Path) -> None:
    next((folder / "goal-0").glob("*.jsonl")).unlink()
    with pytest.raises(BenchmarkError, match=r"samples_pebench_events.jsonl is missing.*--log_samples"):
        goals.find_goal_runs(folder)


def test_a_broken_sample_is_named_with_its_line(folder: Path) -> None:
    path = next((folder / "goal-0").glob("*.jsonl"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2][:40], *lines[3:]]))
    with pytest.raises(BenchmarkError, match="line 3, is not a sample"):
        goals.load_goals(folder, wanted(folder))


def test_results_of_other_tasks_are_passed_over(folder: Path) -> None:
    (folder / "20250101_000000_results.json").write_text(json.dumps({"results": {"mmbench": {"acc,none": 1}}}))
    assert len(goals.find_goal_runs(folder)) == 2


def test_what_is_no_goal_on_the_task_may_lack_anything(folder: Path) -> None:
    """Results of earlier versions, of other models or tasks, are in nobody's way."""
    kept = {"model": {"method": "ga"}, "withheld": ""}
    goal = {"model": {"method": "goal"}, "withheld": ""}
    old = {"results": {"pebench_events": {"provenance,none": kept}, "pebench_people": {"provenance,none": goal}}}
    (folder / "20250101_000000_results.json").write_text(json.dumps(old))
    (folder / "20250101_000001_results.json").write_text(json.dumps({"results": {"pebench_people": {"retain": 1}}}))
    assert len(goals.find_goal_runs(folder)) == 2


def test_a_goal_that_does_not_say_what_it_is_is_named(folder: Path) -> None:
    edit(results_file(folder), lambda recorded: recorded["model"].pop("base"))
    with pytest.raises(BenchmarkError, match=r"goal-0.*_results.json cannot be read .*'base'.* Remove or repair it"):
        goals.find_goal_runs(folder)


# In a run of the harness


def test_with_goal_responses_the_goals_own_answers_score_one(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, scored: Path, tmp_path: Path
) -> None:
    same = make_checkpoint("same", seed=10, method="ga", target="event", forget="forget05")
    (result,) = evaluate(
        [same],
        data=benchmark.directory,
        targets=["event"],
        goal=scored,
        output_path=tmp_path,
        **SHORT,
    )
    assert result.metrics["efficacy"] == pytest.approx(1)
    assert result.metrics["generality"] == pytest.approx(1)
    assert result.metrics["efficacy_toward"] == pytest.approx(1)
    assert "efficacy_truth_only" not in result.metrics
    assert result.provenance.goal_weights == [f"{seed:016d}" for seed in (10, 11)]
    assert result.provenance.json["goal"]["base"] == "b" * 16
    (low,) = (note for note in notes(result) if note.startswith("Retain under half, of "))
    assert low.endswith(" documents: too few to say that it never learned the benchmark")


def test_other_generation_settings_than_the_goals_are_refused_before_generation(
    evaluate: Evaluate, make_checkpoint: MakeCheckpoint, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_GOAL", str(scored))
    checkpoint = make_checkpoint("ga", method="ga", target="event", forget="forget05")
    monkeypatch.setattr("pebench_tasks.backend.pebench_hf.PebenchHf.generate_until", None)
    longer = NEW_TOKENS + 1
    with pytest.raises(
        SystemExit, match=rf"generation settings is .*'max_new_tokens': {longer}.* and .*'max_new_tokens': {NEW_TOKENS}"
    ):
        evaluate("pebench_hf", f"pretrained={checkpoint}", [EVENTS], gen_kwargs=f"max_new_tokens={longer}")


def test_goals_do_not_matter_to_the_person_task(
    evaluate: Evaluate, llava: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PEBENCH_GOAL", str(tmp_path))  # which holds none
    assert provenance(evaluate("pebench_hf", f"pretrained={llava}", TASKS[:1], limit=4))["goal"] is None


# The joint task has Goals of its own


@pytest.fixture(scope="module")
def joint_scored(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A Goal model of each target that forgets scenes, both scored on both tasks."""
    out: Path = tmp_path_factory.mktemp("goals")
    made = [
        make_checkpoint(f"goal-{target}", seed=seed, method="goal", target=target, forget="forget05")
        for target, seed in (("event", 20), ("joint", 21))
    ]
    evaluate(made, data=benchmark.directory, targets=["event", "joint"], output_path=out, **SHORT)
    return out


def test_each_task_takes_the_goals_of_its_own_target(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, joint_scored: Path, tmp_path: Path
) -> None:
    """The model answers as the joint Goal does, so only there it is perfect."""
    same = make_checkpoint("same-joint", seed=21, method="ga", target="joint", forget="forget05")
    event, joint = evaluate(
        [same],
        data=benchmark.directory,
        targets=["event", "joint"],
        goal=joint_scored,
        output_path=tmp_path,
        **SHORT,
    )
    for metric in ("event_efficacy", "event_generality", "event_efficacy_toward"):
        assert joint.metrics[metric] == pytest.approx(1)
    assert "event_efficacy_truth_only" not in joint.metrics
    assert joint.provenance.goal_weights == [f"{21:016d}"]
    assert event.provenance.goal_weights == [f"{20:016d}"]
    assert event.metrics["efficacy"] < 1
    assert read_result(joint.results_file.parent, JOINT) == joint


def test_goals_on_the_event_task_do_not_serve_the_joint_one(folder: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"Goal model on pebench_joint\..*score GOAL_CHECKPOINT --target joint"):
        goals.find_goal_runs(folder, "joint")
