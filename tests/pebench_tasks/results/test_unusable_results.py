"""Results that hold no responses, or no marks: said with what to do, and older ones are not taken in silence."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from made_results import forgets, knows, write_result

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.pages.report import write_report
from pebench_tasks.results.samples import read_logged
from pebench_tasks.results.table import table

WITHOUT = "pebench_people was scored without --log_samples"
PREDICTED = "pebench_people was run with --predict_only, which marks nothing. Score it without."


@pytest.fixture
def gd(benchmark: Benchmark, tmp_path: Path) -> Path:
    return write_result(tmp_path / "scores", benchmark, "person", "gd", forgets, method="gd")


def without_samples(folder: Path) -> Path:
    """What lmms-eval leaves without --log_samples, scored after what is there."""
    (results_file,) = folder.glob("*_results.json")
    again = results_file.with_name("20260202_000000_results.json")
    again.write_text(results_file.read_text())
    os.utime(again, ns=(2**61, 2**61))
    return again


def predict_only(folder: Path) -> Path:
    """What lmms-eval leaves with --predict_only, of the same responses."""
    again = without_samples(folder)
    content = json.loads(again.read_text())
    content["results"] = {"pebench_people": {"alias": "pebench_people", "bypass,none": [], "bypass_stderr,none": "N/A"}}
    again.write_text(json.dumps(content))
    os.utime(again, ns=(2**61, 2**61))
    (samples,) = folder.glob("*_samples_*.jsonl")
    rows = [json.loads(line) for line in samples.open()]
    kept = [{"doc_id": row["doc_id"], "filtered_resps": row["filtered_resps"], "bypass": []} for row in rows]
    samples.with_name("20260202_000000_samples_pebench_people.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in kept)
    )
    return again


def remove_all_but(results_file: Path) -> None:
    for path in results_file.parent.iterdir():
        if not path.name.startswith(results_file.name.removesuffix("_results.json")):
            path.unlink()


def test_results_without_samples_say_how_to_get_them(gd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove_all_but(without_samples(gd))
    for command in (["report", str(gd.parent), "--out", str(gd.parent / "out")], ["rescore", str(gd)]):
        assert cli.main(command) == 1
        said = capsys.readouterr().err
        assert WITHOUT in said
        assert said.count("\n") == 1


def test_responses_without_marks_say_how_to_get_them(gd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove_all_but(predict_only(gd))
    for command in (["report", str(gd.parent), "--out", str(gd.parent / "out")], ["rescore", str(gd)]):
        assert cli.main(command) == 1
        said = capsys.readouterr().err
        assert PREDICTED in said
        assert said.count("\n") == 1
    for path in gd.iterdir():
        with pytest.raises(BenchmarkError, match="was run with --predict_only, which marks nothing"):
            read_logged(path)


@pytest.mark.parametrize(("make", "why"), [(without_samples, WITHOUT), (predict_only, PREDICTED)])
def test_a_report_says_which_newest_results_it_passed_over(
    gd: Path, benchmark: Benchmark, capsys: pytest.CaptureFixture[str], make: type[Path], why: str
) -> None:
    write_result(gd.parent, benchmark, "person", "finetuned", knows, method="finetune")
    make(gd)
    page = write_report([gd.parent], gd.parent / "out", samples=0).read_text(encoding="utf-8")
    line = f"gd/20260202_000000_results.json: {why}"
    assert line in page
    assert f"left out: {line}" in capsys.readouterr().err
    assert "2 models, measured" in page


def cut_off(folder: Path) -> Path:
    """What a process that was killed while it wrote leaves."""
    again = without_samples(folder)
    again.write_text(again.read_text()[:100])
    return again


CUT_OFF = "it cannot be read as lmms-eval results (JSONDecodeError("


@pytest.mark.parametrize(("make", "why"), [(without_samples, WITHOUT), (predict_only, PREDICTED), (cut_off, CUT_OFF)])
def test_every_reader_says_which_newest_results_it_passed_over(
    gd: Path, benchmark: Benchmark, capsys: pytest.CaptureFixture[str], make: Callable[[Path], Path], why: str
) -> None:
    """In one line, and takes the older ones."""
    finetuned = write_result(gd.parent, benchmark, "person", "finetuned", knows, method="finetune")
    said = f"left out: {make(gd)}: {why}"
    for command in (["rescore", str(gd)], ["compare", str(finetuned), str(gd)]):
        assert cli.main(command) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(said)
    assert table(gd.parent)["value"].null_count == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


def test_a_name_that_a_scoring_has_reserved_is_no_damage(gd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gd / "20260202_000000_results.json").touch()
    read_logged(gd)
    assert capsys.readouterr().err == ""
