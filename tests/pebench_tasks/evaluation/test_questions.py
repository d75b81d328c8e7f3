"""What a checkpoint is asked by default, and what is said before it is asked something else than it was made for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.session import session

Recorded = Callable[..., Path]


@pytest.fixture
def recorded(benchmark: Benchmark, tmp_path: Path) -> Recorded:
    """A folder with a run record and nothing else, as far as can be told before a model is loaded."""

    def make(name: str, target: str, forget: str = "forget20") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        split = benchmark.split(target, forget).split_id if target else ""
        record: dict[str, Any] = {
            "format": "pebench-run/1", "method": "gd", "target": target, "forget": forget, "seed": 0, "base": "b" * 16,
            "weights": "0" * 16, "data": benchmark.fingerprint, "split": split, "template": "t" * 16,
        }  # fmt: skip
        (folder / "pebench_run.json").write_text(json.dumps(record))
        return folder

    return make


def said_of(
    benchmark: Benchmark, checkpoint: Path, target: str, capsys: pytest.CaptureFixture[str], **more: str
) -> str:
    """What is said when the documents of a target are built for a checkpoint, before it answers any."""
    with session.chosen(choose({"PEBENCH_DATA": str(benchmark.directory), **more})):
        session.loaded(str(checkpoint))
        session.begin(target)
    return capsys.readouterr().err


@pytest.mark.parametrize(("made_for", "asked"), [("event", "person"), ("person", "event"), ("joint", "person")])
def test_another_target_is_said_before_the_run(
    benchmark: Benchmark, recorded: Recorded, capsys: pytest.CaptureFixture[str], made_for: str, asked: str
) -> None:
    made = recorded("made", made_for)
    said = said_of(benchmark, made, asked, capsys, PEBENCH_FORGET="20")
    assert f"WRONG QUESTIONS: {made} was made for the target {made_for}, but {asked} is asked" in said
    assert f"its own: --target {made_for}" in said


def test_another_forget_set_that_was_chosen_is_said_before_the_run(
    benchmark: Benchmark, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of four people the forget sets 1 to 20 are one person: only 1 and 50 % would differ, so the record is changed."""
    made = recorded("made", "person")
    record = json.loads((made / "pebench_run.json").read_text())
    (made / "pebench_run.json").write_text(json.dumps({**record, "split": "0" * 16}))
    said = said_of(benchmark, made, "person", capsys, PEBENCH_FORGET="5")
    assert f"WRONG QUESTIONS: {made} was made for forget20, but forget05 is chosen" in said
    assert "--forget forget20, PEBENCH_FORGET" in said


def of_requests(made: Path, *names: str) -> Path:
    """The record of a checkpoint that was made for one request after the other, the last one first."""
    path = made / "pebench_run.json"
    record: dict[str, Any] | None = None
    for name in reversed(names):
        record = {**json.loads(path.read_text()), "forget": name, "split": f"split of {name}", "parent": record}
    path.write_text(json.dumps(record))
    return made


@pytest.mark.parametrize(
    ("names", "asked", "told"),
    [
        (["forget20:1/2"], "2/2", "was made for forget20:1/2, but forget20:2/2 is chosen"),
        (["forget20:1/2"], "", "was made for forget20:1/2, but forget20 is chosen"),
        (["forget20:2/2", "forget20:1/2"], "1/2", ""),
        (["forget20:2/2", "forget20:1/2"], "", ""),
        (["forget20"], "2/2", ""),
    ],
)
def test_of_a_request_it_is_said_where_the_checkpoint_never_had_to_forget_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recorded: Recorded, names: list[str], asked: str, told: str
) -> None:
    """Forgotten by a checkpoint before it is forgotten, too; all requests are the whole set, and it holds each."""
    eight = build_synthetic(tmp_path / "eight", people=8, events=3, image_size=32, seed=0)
    made = of_requests(recorded("made", "person"), *names)
    record = json.loads((made / "pebench_run.json").read_text())
    (made / "pebench_run.json").write_text(json.dumps({**record, "data": eight.fingerprint}))
    said = said_of(eight, made, "person", capsys, PEBENCH_FORGET="20", PEBENCH_REQUEST=asked)
    assert ("WRONG QUESTIONS" in said) == bool(told)
    assert told in said


@pytest.mark.parametrize("target", ["", "person"])
def test_of_its_own_questions_nothing_is_said(
    benchmark: Benchmark, recorded: Recorded, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    """Finetuned was made for no target."""
    made = recorded("made", target)
    assert "WRONG" not in said_of(benchmark, made, "person", capsys, PEBENCH_FORGET="20")


@pytest.mark.parametrize(("made_for", "asked"), [("event", "event"), ("joint", "joint"), ("", "event")])
def test_what_is_asked_by_default_is_what_the_run_record_names(
    benchmark: Benchmark,
    recorded: Recorded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    made_for: str,
    asked: str,
) -> None:
    """A folder of Goals that is missing shows which scenes would be asked."""
    made = recorded("made", made_for)
    with pytest.raises(BenchmarkError, match=f"There is no folder .* of Goal responses .* --target {asked} "):
        evaluate(
            [made], targets=None, data=benchmark.directory, forget=20, goal=tmp_path / "none", output_path=tmp_path
        )
    said = capsys.readouterr().err
    assert (f"was made for the target {made_for}, so that is what it is asked" in said) == bool(made_for)


def test_what_is_named_is_asked_whatever_the_record_says(
    benchmark: Benchmark, recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recorded("made", "person")
    with pytest.raises(BenchmarkError, match=r"score GOAL_CHECKPOINT --target joint"):
        evaluate([made], targets=["joint"], data=benchmark.directory, goal=tmp_path / "none", output_path=tmp_path)
    assert "so that is what it is asked" not in capsys.readouterr().err
