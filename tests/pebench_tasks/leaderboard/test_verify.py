import hashlib
import json
from pathlib import Path

import pytest
from made_submissions import GOAL, MODEL, Made, make

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.board import Board, is_verified, read_verified
from pebench_tasks.leaderboard.check.check_submission import Checked, check_submission
from pebench_tasks.leaderboard.check.verify import Again, compare
from pebench_tasks.leaderboard.entry.context import run_names
from pebench_tasks.marking.scoring import Score
from pebench_tasks.versions import task_version


@pytest.fixture(scope="module")
def made(benchmark: Benchmark) -> Made:
    return make(benchmark, "event")


@pytest.fixture
def checked(made: Made, benchmark: Benchmark, tmp_path: Path) -> Checked:
    path = made.copy().write(tmp_path / "board")
    return check_submission(path, Board(), {benchmark.fingerprint: benchmark})


def scored_again(made: Made, checked: Checked, folder: Path) -> list[Path]:
    """What lmms-eval would write of the runs of ``made``: a folder each, with results and samples."""
    task = made.submission["task"]
    folders = []
    for name in run_names(made.submission):
        provenance = {**checked.results[name].provenance.json}
        provenance["model"] = {**provenance["model"], "weights": made.run(name)["weights"]}
        judged = {one.provenance.key: one.provenance for one in documents(made, name)}
        out = folder / name
        out.mkdir(parents=True)
        (out / "1_results.json").write_text(
            json.dumps({"results": {task: {"provenance,none": provenance}}, "versions": {task: float(task_version())}})
        )
        rows = [
            {"filtered_resps": line["response"], "provenance": judged[line["key"]].as_json()}
            for line in made.lines
            if line["run"] == name
        ]
        (out / f"1_samples_{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        folders.append(out)
    return folders


def documents(made: Made, name: str) -> list[Score]:
    from pebench_tasks.leaderboard.entry.loader import SampleLine
    from pebench_tasks.leaderboard.entry.recompute import recompute

    rows = [SampleLine(line["run"], line["key"], line["response"], None) for line in made.lines]
    return recompute(made.submission, rows, made.benchmark, Path("made.json")).rescored[name].scores


def again(made: Made, checked: Checked, folder: Path) -> Again:
    at_hand = {made.benchmark.fingerprint: made.benchmark}
    return compare(checked, scored_again(made, checked, folder), at_hand)


def command(checked: Checked, benchmark: Benchmark, folders: list[Path], *options: str) -> int:
    where = [str(checked.file.parent), "made", *map(str, folders)]
    return cli.main(["leaderboard", "verify", *where, "--data", str(benchmark.directory), "--by", "Ada", *options])


def test_the_same_responses_verify_a_submission(
    made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = scored_again(made, checked, tmp_path / "own")
    assert command(checked, benchmark, folders, "--note", "fp32, CPU") == 0
    assert "made is verified by Ada" in capsys.readouterr().out
    (name, word), *others = read_verified(checked.file.parent).items()
    assert (name, others) == ("made", [])
    assert (word.sha256, word.by) == (hashlib.sha256(checked.file.read_bytes()).hexdigest(), "Ada")
    assert word.note == f"{len(made.lines)} of {len(made.lines)} responses the same word for word; fp32, CPU"
    assert is_verified(checked.file, read_verified(checked.file.parent)) == word


def test_a_submission_that_changes_loses_the_mark(
    made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path
) -> None:
    assert command(checked, benchmark, scored_again(made, checked, tmp_path / "own")) == 0
    checked.file.write_text(checked.file.read_text() + " ")
    assert is_verified(checked.file, read_verified(checked.file.parent)) is None


def test_verifying_one_keeps_the_others(made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path) -> None:
    other = {"sha256": "0" * 64, "by": "Grace", "on": "2025-01-31", "note": ""}
    (checked.file.parent / "verified.json").write_text(json.dumps({"other": other}))
    assert command(checked, benchmark, scored_again(made, checked, tmp_path / "own")) == 0
    assert set(read_verified(checked.file.parent)) == {"made", "other"}


def test_one_document_may_differ(made: Made, checked: Checked, tmp_path: Path) -> None:
    own = made.copy()
    own.line("scope")["response"] = "Nobody."  # was right: 100 of one document
    found = again(own, checked, tmp_path / "own")
    row = next(row for row in found.compared if (row.run, row.figure) == ("model", "scope"))
    n = checked.results["model"].provenance.slices["scope"]["n"]
    assert (row.submitted - row.again, row.allowed) == (pytest.approx(100 / n), 100 / n)
    assert row.agrees
    assert found.equal == found.responses - 1


def test_two_documents_may_not(
    made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = made.copy()
    for index in range(2):
        own.line("real", "model", index)["response"] = "Nothing at all."
    folders = scored_again(own, checked, tmp_path / "own")
    assert command(checked, benchmark, folders) == 1
    assert "made is not verified: 1 figures differ" in capsys.readouterr().out
    assert not (checked.file.parent / "verified.json").exists()


@pytest.mark.parametrize(("run", "weights"), [("model", MODEL), ("goal-0", GOAL)])
def test_results_of_other_weights_verify_nothing(
    made: Made, checked: Checked, tmp_path: Path, run: str, weights: str
) -> None:
    own = made.copy()
    own.run(run)["weights"] = "0" * 16
    with pytest.raises(
        BenchmarkError, match=f"No results of {run} \\({weights}\\) are named; there are weights .*0000"
    ):
        again(own, checked, tmp_path / "own")


@pytest.mark.parametrize("field", ["split", "template", "generation", "judge", "retain_documents"])
def test_results_of_another_measurement_verify_nothing(
    made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path, field: str
) -> None:
    folders = scored_again(made, checked, tmp_path / "own")
    file = folders[1] / "1_results.json"
    content = json.loads(file.read_text())
    content["results"]["pebench_events"]["provenance,none"][field] = "another"
    file.write_text(json.dumps(content))
    samples = folders[1] / "1_samples_pebench_events.jsonl"
    rows = [json.loads(line) for line in samples.open()]
    if field in rows[0]["provenance"]:
        for row in rows:
            if row["provenance"][field] is not None:
                row["provenance"][field] = "another"
        samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BenchmarkError, match=f"scored with another {field}: another"):
        compare(checked, folders, {benchmark.fingerprint: benchmark})


def test_withheld_results_verify_nothing(made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path) -> None:
    folders = scored_again(made, checked, tmp_path / "own")
    file = folders[1] / "1_results.json"
    content = json.loads(file.read_text())
    content["results"]["pebench_events"]["provenance,none"]["withheld"] = "the images were never read"
    file.write_text(json.dumps(content))
    with pytest.raises(BenchmarkError, match="are withheld: the images were never read"):
        compare(checked, folders, {benchmark.fingerprint: benchmark})


def test_an_incomplete_scoring_verifies_nothing(made: Made, checked: Checked, tmp_path: Path) -> None:
    own = made.copy()
    own.lines.remove(own.line("retain"))
    folders = scored_again(made, checked, tmp_path / "own")
    samples = folders[1] / "1_samples_pebench_events.jsonl"
    samples.write_text("".join(samples.open().readlines()[1:]))
    with pytest.raises(BenchmarkError, match="model did not answer 1 of"):
        compare(checked, folders, {made.benchmark.fingerprint: made.benchmark})


def test_a_refused_submission_is_not_verified(
    made: Made, checked: Checked, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = scored_again(made, checked, tmp_path / "own")
    wrong = made.copy()
    wrong.run()["n"] += 1
    wrong.write(checked.file.parent)
    assert command(checked, benchmark, folders) == 1
    assert "do not give its scores" in capsys.readouterr().err
