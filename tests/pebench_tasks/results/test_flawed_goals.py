"""A Goal is checked before anything is measured against it: one that gave no answers is none, a poor one is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_results import Respond, forgets, never_saw, record, write_result

from pebench_tasks import cli
from pebench_tasks.benchmark.documents import Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.session import session
from pebench_tasks.marking.scoring import FORGETTING, measured
from pebench_tasks.results.files import read_result
from pebench_tasks.results.goals import find_goal_runs, flaws_of, load_goals, silence_of
from pebench_tasks.results.notes import notes
from pebench_tasks.results.rescore import context, rescore
from pebench_tasks.results.samples import read_logged

TASK = {"event": "pebench_events", "joint": "pebench_joint"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Ten people in five events: enough retained documents to say that a model never learned."""
    return build_synthetic(tmp_path_factory.mktemp("benchmark") / "data", people=10, events=5, image_size=32, seed=0)


def forgotten(doc: Document) -> bool:
    return doc["kind"] == "scene" and measured(doc["slice"]) in FORGETTING


def about_forgotten_scenes(text: str) -> Respond:
    """A Goal that knows all that it should and says ``text`` of the scenes that it never saw."""
    return lambda doc: text if forgotten(doc) else never_saw(doc)


def failed(doc: Document) -> str:
    return "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 429" if forgotten(doc) else never_saw(doc)


def echoes(doc: Document) -> str:
    return f"USER: {doc['question']}" if forgotten(doc) else never_saw(doc)


def ignorant(doc: Document) -> str:
    return "This is a picture of some place with some things and people in it."


def goal_of(folder: Path, data: Benchmark, respond: Respond, target: str = "event") -> Path:
    write_result(folder, data, target, "goal", respond, method="goal")
    return folder


SILENT = [
    (about_forgotten_scenes(""), "are empty"),
    (about_forgotten_scenes(" \n"), "are empty"),
    (echoes, "repeat the question"),
    (failed, "are error messages"),
    (about_forgotten_scenes("<think>A square with a few trees under a grey sky."), "are thoughts without an end"),
]


@pytest.mark.parametrize("target", ["event", "joint"])
@pytest.mark.parametrize(("respond", "said"), SILENT)
def test_a_goal_that_gave_no_answers_is_refused_before_a_model_is_loaded(
    data: Benchmark, tmp_path: Path, target: str, respond: Respond, said: str
) -> None:
    goal = goal_of(tmp_path, data, respond, target)
    variables = {"PEBENCH_DATA": str(data.directory), "PEBENCH_FORGET": "20", "PEBENCH_GOAL": str(goal)}
    with (
        session.chosen(choose(variables)),
        pytest.raises(BenchmarkError, match=rf"The Goal in .*goal.*_results.json is none: of its \d+ .* \d+ {said}"),
    ):
        session.select([TASK[target]])
    (run,) = find_goal_runs(goal, target)
    with pytest.raises(BenchmarkError, match="Train or score it again, or take its results out of that folder"):
        load_goals(goal, run.fields, target)


def test_an_honest_goal_has_no_flaw_and_leaves_no_word(
    data: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = goal_of(tmp_path, data, never_saw)
    (run,) = find_goal_runs(goal)
    assert (run.silence, run.flaws) == ("", ())
    assert run.record() == {"weights": run.fingerprint, "results": str(run.results_file)}
    variables = {"PEBENCH_DATA": str(data.directory), "PEBENCH_FORGET": "20", "PEBENCH_GOAL": str(goal)}
    with session.chosen(choose(variables)):
        session.select([TASK["event"]])
    assert "GOAL" not in capsys.readouterr().err


def test_half_of_the_answers_are_enough(data: Benchmark, tmp_path: Path) -> None:
    """Ten people in the one forgotten event: five images are asked about twice, five answers are empty."""
    half = goal_of(tmp_path, data, lambda doc: "" if doc["slice"] == "efficacy" else never_saw(doc))
    assert find_goal_runs(half)[0].silence == ""


@pytest.mark.parametrize(
    ("respond", "flaw"),
    [
        (ignorant, "Retain under half: never learned the benchmark"),
        (about_forgotten_scenes("the the the the the"), "say nothing (degenerate)"),
        (about_forgotten_scenes("A room."), "say nothing (degenerate)"),
    ],
)
def test_a_poor_goal_is_used_and_said_before_and_after(
    data: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str], respond: Respond, flaw: str
) -> None:
    goal = goal_of(tmp_path / "goals", data, respond)
    variables = {"PEBENCH_DATA": str(data.directory), "PEBENCH_FORGET": "20", "PEBENCH_GOAL": str(goal)}
    with session.chosen(choose(variables)):
        session.select([TASK["event"]])
        session.select([TASK["event"]])
    said = capsys.readouterr().err
    assert said.count("FLAWED GOAL in") == 1
    assert flaw in said
    (run,) = find_goal_runs(goal)
    recorded = {"directory": str(goal), "base": "b" * 16, "runs": [run.record()]}
    folder = write_result(tmp_path, data, "event", "gd", forgets, method="gd")
    result = read_result(folder, TASK["event"])
    assert result is not None
    noted = notes(result._replace(provenance=result.provenance.changed(goal=recorded)))
    assert any(note.startswith("scored with a Goal that is none: ") and flaw in note for note in noted)


def test_results_that_were_scored_with_a_silent_goal_are_rescored_and_say_so(
    data: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of them must still be possible: that is where it is seen."""
    goal = goal_of(tmp_path / "goals", data, about_forgotten_scenes(""))
    folder = _scored_by_an_earlier_version(data, tmp_path, goal)
    (one,) = read_logged(folder)
    again = rescore(one, context(one))
    assert again.result.metrics["efficacy"] <= 0.5
    assert any("scored with a Goal that is none: of its" in note for note in notes(again.result))
    assert cli.main(["report", str(folder), "--out", str(tmp_path / "report"), "--samples", "0"]) == 0
    assert "scored with a Goal that is none: of its" in (tmp_path / "report" / "report.md").read_text()
    capsys.readouterr()


def _scored_by_an_earlier_version(data: Benchmark, out: Path, goal: Path) -> Path:
    """The result of a method that answers as an honest Goal does, marked with the silent Goal's answers."""
    file = next((goal / "goal").glob("*_results.json"))
    content: dict[str, Any] = json.loads(file.read_text())
    provenance = content["results"][TASK["event"]]["provenance,none"]
    slices = provenance["slices"]
    hidden = {**provenance, "slices": {name: {**row, "empty": 0, "degenerate": 0} for name, row in slices.items()}}
    file.write_text(json.dumps({**content, "results": {TASK["event"]: {"provenance,none": hidden}}}))
    folder = write_result(out, data, "event", "gd", never_saw, method="gd", goal=goal)
    file.write_text(json.dumps(content))
    return folder


def test_silence_about_names_is_no_flaw_of_a_goal() -> None:
    """Nothing is compared with a Goal's answers about people: not to answer whom it never saw is as good as another."""
    silent = {"efficacy": {"n": 5, "empty": 5}, "generality": {"n": 5, "empty": 5}}
    assert silence_of(record(target="event", slices=silent))
    assert not silence_of(record(target="person", slices=silent))
    assert list(flaws_of(record(target="person", slices=silent))) == []
