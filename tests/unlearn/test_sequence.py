"""Requests one after the other on a real tiny model: trained, scored, interrupted and gone on with."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from brief_answers import answer_in_one_word

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.files import write_whole
from pebench_tasks.results.files import read_result
from pebench_tasks.run_record import read_record
from unlearn import sequence
from unlearn.arguments import UnlearnArguments
from unlearn.protocol import tiny_model
from unlearn.training.run import train_from_options

RECIPE = "max_steps: 2\nper_device_train_batch_size: 4\nlearning_rate: 1.0e-4\nuse_cpu: true\n"
PEOPLE = ("efficacy", "generality", "scope", "retain", "real", "world")


class Models(NamedTuple):
    """A benchmark of which forget20 is two people and two events, with models that answer in a word."""

    benchmark: Benchmark
    finetuned: Path
    goal: Path
    recipe: Path

    def words(self, out: Path, target: str = "person", requests: int = 2, **more: object) -> list[str]:
        """The command without its name."""
        options = {
            "method": "gd", "target": target, "forget": 20, "requests": requests, "model": self.finetuned,
            "data": self.benchmark.directory, "output_dir": out, "config": self.recipe, **more,
        }  # fmt: skip
        return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder: Path = tmp_path_factory.mktemp("sequence")
    benchmark = build_synthetic(folder / "bench", people=8, events=8, image_size=32, seed=3)
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    answer_in_one_word(model, processor.tokenizer)
    model.save_pretrained(folder / "base")
    processor.save_pretrained(folder / "base")
    write_whole(folder / "gd.yaml", RECIPE)

    def trained(method: str, target: str, forget: str) -> Path:
        arguments = UnlearnArguments(
            method=method, model=str(folder / "base"), data=str(benchmark.directory), target=target, forget=forget
        )
        return train_from_options(arguments, steps(folder / method))

    return Models(benchmark, trained("finetune", "", ""), trained("goal", "joint", "20"), folder / "gd.yaml")


def steps(output_dir: Path) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(output_dir), use_cpu=True, max_steps=1, per_device_train_batch_size=4, learning_rate=1e-4,
        logging_strategy="no", save_strategy="no", disable_tqdm=True,
    )  # fmt: skip


def started(words: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "unlearn.sequence", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # ignored in background jobs
    )  # fmt: skip


class Run(NamedTuple):
    """A run that was interrupted after its first request and gone on with."""

    out: Path
    printed: str
    interrupted: str  # what was said then
    before: dict[str, int]  # when the weights were written that there were already
    made: list[str]  # what there was beside them

    @property
    def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """The rows by target, step and request."""
        content = json.loads((self.out / "sequence.json").read_text(encoding="utf-8"))
        return {(row["target"], row["step"], row["request"]): row for row in content["rows"]}


@pytest.fixture(scope="module")
def run(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "out"
    first = started(models.words(out))
    while not (out / "step-1").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGINT)  # as the terminal does it
    interrupted = first.communicate()[1]
    assert first.returncode == 130
    before, made = written(out), sorted(path.name for path in out.iterdir())
    second = started(models.words(out))
    printed, errors = second.communicate()
    assert second.returncode == 0, printed[-3000:] + errors[-3000:]
    return Run(out, printed, interrupted, before, made)


def written(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in sorted(out.glob("*/model.safetensors"))}


def test_an_interrupted_run_goes_on_where_it_stopped(run: Run) -> None:
    assert run.interrupted.endswith("interrupted; run the same command again to go on\n")
    assert list(run.before) == ["step-1"]
    assert "sequence.json" not in run.made
    after = written(run.out)
    assert list(after) == ["all", "step-1", "step-2"]
    assert after["step-1"] == run.before["step-1"]


def test_each_request_starts_from_the_checkpoint_before_and_all_at_once_from_finetuned(
    models: Models, run: Run
) -> None:
    records = {name: read_record(run.out / name) or {} for name in ("step-1", "step-2", "all")}
    weights = {name: record["weights"] for name, record in records.items()}
    start = (read_record(models.finetuned) or {})["weights"]
    assert {name: record["parent"]["weights"] for name, record in records.items()} == {
        "step-1": start, "step-2": weights["step-1"], "all": start,
    }  # fmt: skip
    assert [records[name]["forget"] for name in weights] == ["forget20:1/2", "forget20:2/2", "forget20"]
    assert [records[name]["arguments"]["request"] for name in weights] == ["1/2", "2/2", ""]
    splits = [models.benchmark.split("person", name).split_id for name in ("20:1/2", "20:2/2", "20")]
    assert [records[name]["split"] for name in weights] == splits
    assert [record["sets"]["forget"]["samples"] for record in records.values()] == [4, 4, 8]
    assert len({record["sets"]["retain"]["samples"] for record in records.values()}) == 1


def test_every_checkpoint_has_a_row_a_request_and_one_for_all(run: Run) -> None:
    """Two people on eight images each, half of them trained on: four documents a request, eight in all."""
    assert list(run.rows) == [
        ("person", step, request) for step in ("0", "1", "2", "all") for request in ["1", "2", "all"]
    ]
    for (_, step, request), row in run.rows.items():
        assert (row["method"], row["forget"], row["requests"]) == ("gd", "forget20", 2)
        assert row["training_steps"] == {"0": 0, "1": 2, "2": 4, "all": 2}[step]
        assert row["n_efficacy"] == row["n_generality"] == row["n_scope"] == (8 if request == "all" else 4)
        assert {*PEOPLE} <= row.keys()
    with (run.out / "sequence.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [(row["target"], row["step"], row["request"]) for row in table] == list(run.rows)
    assert [float(row["retain"]) for row in table] == [row["retain"] for row in run.rows.values()]


def test_a_requests_figures_are_those_that_score_gives_of_it(models: Models, run: Run, tmp_path: Path) -> None:
    """A checkpoint that forgot all at once is asked its own; of step 1 it is told that it was made for another one."""
    results = evaluate(
        [run.out / "step-1", run.out / "all"], data=models.benchmark.directory, forget=20, request="2/2",
        targets=["person"], output_path=tmp_path, batch_size=64, device="cpu",
    )  # fmt: skip
    for step, result, other in zip(("1", "all"), results, ("forget20:1/2", ""), strict=True):
        row = run.rows["person", step, "2"]
        assert {name: result.metrics[name] for name in PEOPLE} == {name: row[name] for name in PEOPLE}
        assert result.provenance.slices["efficacy"]["n"] == row["n_efficacy"]
        assert (result.provenance.forget, result.provenance.other_split) == ("forget20:2/2", other)
        assert result.provenance.split == models.benchmark.split("person", "20:2/2").split_id


def test_the_last_checkpoint_was_made_for_the_whole_set_and_those_before_for_parts(run: Run) -> None:
    asked = {step: read_result(run.out / "scores" / step, "pebench_people") for step in ("step-1", "step-2", "all")}
    said = {step: result.provenance.other_split for step, result in asked.items() if result}
    assert said == {"step-1": "forget20:1/2", "step-2": "", "all": ""}


def test_what_is_printed_is_the_matrix_and_what_it_comes_to(run: Run) -> None:
    lines = run.printed.splitlines()
    place = lines.index("person: efficacy of each request (a column) after each step (%)")
    assert lines[place + 1].split() == ["after", "1", "2", "all", "retain"]
    assert [line.split("  ")[0] for line in lines[place + 2 : place + 6]] == [
        "before",
        "step 1",
        "step 2",
        "all at once",
    ]
    assert any(line.startswith("person: Retain is ") and "area under it" in line for line in lines)
    assert "Training steps: 4 one after the other, 2 at once." in lines
    assert str(run.out / "sequence.json") in run.printed
    assert "Request 2 of 2" in run.printed  # of the stages


def test_a_run_that_is_finished_does_nothing_again(models: Models, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(run.out, out, copy_function=shutil.copy2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert sequence.main(models.words(out)) == 0
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    changed = {path.relative_to(out).parts[0] for path in after if after[path] != before.get(path)}
    assert changed == {"sequence.json", "sequence.csv", "logs"}
    assert (out / "sequence.csv").read_bytes() == (run.out / "sequence.csv").read_bytes()


@pytest.mark.slow
def test_people_and_events_come_in_requests_and_the_goal_has_a_row(models: Models, tmp_path: Path) -> None:
    """With the Goal's responses events have Efficacy, not the truth alone."""
    assert sequence.main(models.words(tmp_path / "out", "joint", goal_model=models.goal, processes=2)) == 0
    found = Run(tmp_path / "out", "", "", {}, []).rows
    assert list(dict.fromkeys(target for target, _, _ in found)) == ["joint person", "joint event"]
    assert list(dict.fromkeys(step for _, step, _ in found)) == ["0", "1", "2", "all", "goal"]
    for (target, _, request), row in found.items():
        assert "efficacy" in row
        assert "efficacy_truth_only" not in row
        assert row["n_efficacy"] == (8 if request == "all" else 4), target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requests": 3}, "forget20 forgets too few people (2) for 3 requests"),
        ({"request": "1/2"}, "forget20:1/2 is one request, and all are run here: give --forget forget20 alone"),
        ({"forget": "20:1/2"}, "forget20:1/2 is one request, and all are run here"),
        ({"forget": 7}, "no forget ratio '7'"),
        ({"method": "goal"}, "--request has no effect here: it is for what forgets"),
        ({"method": "finetune"}, "takes neither --target nor --forget"),
        ({"learning_rat": 1}, "unknown option '--learning_rat'"),
        ({"data": "NOWHERE"}, "no benchmark folder"),
        ({"output_dir": ""}, "--output_dir is missing"),
        ({"goal_model": "FINETUNED"}, "is no Goal of the target person and forget20"),
        ({"goal_model": "GOAL"}, "is no Goal of the target person and forget20"),  # it is one of the joint target
        ({"processes": 0}, "--processes 0: at least 1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    places = {"NOWHERE": tmp_path / "NOWHERE", "FINETUNED": models.finetuned, "GOAL": models.goal}
    changed = {name: places.get(value, value) for name, value in change.items()}
    assert sequence.main(models.words(tmp_path / "run", **changed)) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert message in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("requests", ["1", "0", "-2", "two"])
def test_fewer_than_two_requests_are_none(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str], requests: Any
) -> None:
    with pytest.raises(SystemExit):
        sequence.main(models.words(tmp_path / "run", requests=requests))
    assert f"argument --requests: '{requests}' is not a whole number above 1" in capsys.readouterr().err


def test_a_start_model_called_like_a_checkpoint_of_the_run_is_refused(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models.finetuned, tmp_path / "step-1")
    assert sequence.main(models.words(tmp_path / "run", model=tmp_path / "step-1")) == 1
    assert "Two of the checkpoints are called step-1" in capsys.readouterr().err
