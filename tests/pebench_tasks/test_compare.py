import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks import compare as compare_module
from pebench_tasks.benchmark import Benchmark
from pebench_tasks.compare import compare, write_csv
from pebench_tasks.documents import Document, documents
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.names import NameIndex
from pebench_tasks.results import TASKS
from pebench_tasks.scoring import FIGURES, Goal, forgotten_scene, score

Respond = Callable[[Document], str]
Write = Callable[..., Path]


def knows(doc: Document) -> str:
    return str(doc["answer"])


def says_nothing(doc: Document) -> str:
    return "No idea."


@pytest.fixture
def write(benchmark: Benchmark, tmp_path: Path) -> Write:
    """Writes results and samples as lmms-eval does, for a model that answers as ``respond`` says."""

    def write_results(
        called: str,
        respond: Respond,
        targets: tuple[str, ...] = ("person",),
        *,
        goal: str = "g" * 16,
        without_values: bool = False,
        **changed: Any,
    ) -> Path:
        folder = tmp_path / called
        folder.mkdir()
        index = NameIndex(benchmark.names)
        results, versions = {}, {}
        for target in targets:
            rows = documents(benchmark, target, "forget20")
            goals = [Goal(goal, "A quiet place.")] if goal else []
            samples = [score(r, respond(r), index, goals if forgotten_scene(r) else []) for r in rows]
            if without_values:
                for sample in samples:
                    del sample["provenance"]["value"]
            facts = {field: rows[0][field] for field in ("target", "data", "split", "template", "forget")}
            provenance = {
                **facts, "withheld": "", "judge": "lexical", "goal": {"runs": [{"weights": goal}]} if goal else None,
                "slices": {name: {"n": sum(r["slice"] == name for r in rows)} for name in FIGURES[target]},
                "model": {"pretrained": f"models/{called}"}, "benchmark": {"directory": str(benchmark.directory)},
                "versions": {"pebench": "0.1.0", "lmms-eval": "0.7.3"}, **changed,
            }  # fmt: skip
            results[TASKS[target]] = {"provenance,none": provenance, "retain,none": 1.0}
            versions[TASKS[target]] = 1.0
            with (folder / f"20260101_000000_samples_{TASKS[target]}.jsonl").open("w") as file:
                for row, sample in zip(rows, samples, strict=True):
                    for field in changed.keys() & {"data", "split"}:
                        sample["provenance"][field] = changed[field]
                    if sample["provenance"]["judge"] is not None:
                        sample["provenance"]["judge"] = provenance["judge"]
                    file.write(json.dumps({"filtered_resps": respond(row), **sample}) + "\n")
        (folder / "20260101_000000_results.json").write_text(json.dumps({"results": results, "versions": versions}))
        return folder

    return write_results


def test_each_figure_is_compared_on_the_same_documents(write: Write, benchmark: Benchmark) -> None:
    (found,) = compare([write("knows", knows), write("nothing", says_nothing)])
    assert (found.task, found.first, found.second) == ("pebench_people", "knows", "nothing")
    assert tuple(row.figure for row in found.rows) == FIGURES["person"]
    asked = documents(benchmark, "person", "forget20")
    for row in found.rows:
        assert row.difference.n == sum(doc["slice"] == row.figure for doc in asked)
        if row.figure in ("efficacy", "generality"):
            assert (row.difference.first, row.difference.second, row.difference.value) == (0.0, 100.0, 100.0)
            assert (row.difference.better, row.difference.worse) == (row.difference.n, 0)
        elif row.percent:
            assert row.difference.first == 100.0
            assert row.difference.value < 0
            assert row.difference.worse > row.difference.better == 0
        assert row.p_holm >= row.difference.p


def test_the_first_model_is_the_baseline_of_every_other(write: Write) -> None:
    paths = [write("a", knows, ("person", "event")), write("b", says_nothing, ("person", "event")), write("c", knows)]
    found = compare(paths)
    assert [(one.task, one.first, one.second) for one in found] == [
        ("pebench_people", "a", "b"),
        ("pebench_people", "a", "c"),
        ("pebench_events", "a", "b"),
    ]
    assert all(row.difference.value == 0 and row.difference.p == 1 for row in found[1].rows)


def test_results_of_earlier_versions_are_read_from_their_metrics(write: Write) -> None:
    targets = ("person", "event", "joint")
    new = compare([write("a", knows, targets), write("b", says_nothing, targets)])
    old = compare([write(name, how, targets, without_values=True) for name, how in (("c", knows), ("d", says_nothing))])
    assert [one.rows for one in old] == [one.rows for one in new]


def test_without_goals_the_figure_has_its_own_name(write: Write) -> None:
    (found,) = compare([write(name, knows, ("event",), goal="") for name in "ab"])
    assert [row.figure for row in found.rows][:2] == ["efficacy_truth_only", "generality_truth_only"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"judge": "openai:gpt/1a2b3c4d"}, "judge: lexical and openai:gpt/1a2b3c4d"),
        ({"split": "another"}, "forget set"),
        ({"data": "another"}, "benchmark"),
        ({"versions": {"pebench": "9.9.9", "lmms-eval": "0.7.3"}}, "PEBench version: 0.1.0 and 9.9.9"),
        ({"goal": "h" * 16}, "Goal"),
    ],
)
def test_results_that_differ_in_more_than_the_model_are_refused(
    write: Write, changed: dict[str, Any], named: str
) -> None:
    paths = [write("a", knows, ("event",)), write("b", knows, ("event",), **changed)]
    with pytest.raises(BenchmarkError, match=named):
        compare(paths)


def test_what_cannot_be_compared_is_refused(write: Write, tmp_path: Path) -> None:
    person, event = write("a", knows), write("b", knows, ("event",))
    with pytest.raises(BenchmarkError, match="at least two models"):
        compare([person])
    with pytest.raises(BenchmarkError, match="shares no task"):
        compare([person, event])
    with pytest.raises(BenchmarkError, match="given twice"):
        compare([person, person])
    with pytest.raises(BenchmarkError, match="no file or folder"):
        compare([person, tmp_path / "missing"])


def test_the_benchmark_is_the_one_named_or_recorded_or_chosen(
    write: Write, benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = [write(name, knows, benchmark={"directory": str(tmp_path / "gone")}) for name in "ab"]
    with pytest.raises(BenchmarkError, match="No benchmark is chosen"):
        compare(moved)
    found = compare(moved, data=benchmark.directory)
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    assert compare(moved) == found
    with pytest.raises(BenchmarkError, match=f"{benchmark.fingerprint}. Name the right one"):
        compare([write(name, knows, data="another") for name in "cd"])


def test_models_called_alike_are_told_apart_by_their_paths(write: Write) -> None:
    a, b = (write(name, knows, model={"pretrained": "models/same"}) for name in "ab")
    (found,) = compare([a, b])
    assert (found.first, found.second) == (str(a), str(b))


def test_a_name_with_brackets_is_printed_as_it_is(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write("a", knows), write("b[red]", knows)) == 0
    assert "from a to b[red]" in capsys.readouterr().out


def test_withheld_scores_are_not_compared(write: Write) -> None:
    (found,) = compare([write("a", knows), write("b", knows, withheld="the images were never read")])
    assert found.rows == []
    assert found.notes[0] == "b: the images were never read"


def test_failed_judgements_are_left_out_and_too_many_withhold_the_figure(write: Write) -> None:
    paths = [write("a", knows, ("event",)), write("b", says_nothing, ("event",))]
    (before,) = compare(paths)
    (samples,) = paths[1].glob("*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    failed = next(line for line in lines if line["provenance"]["slice"] == "retain")
    failed["provenance"]["value"] = None
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (after,) = compare(paths)  # one of so few is above 5 %
    assert {row.figure for row in before.rows} - {row.figure for row in after.rows} == {"retain"}
    assert "retain: withheld: the judge failed on too many documents" in after.notes


def run(*arguments: Path | str) -> int:
    parser = argparse.ArgumentParser()
    compare_module.add_arguments(parser)
    return exit_code(lambda: compare_module.main(parser.parse_args([str(argument) for argument in arguments])))


def test_the_command_prints_tables_and_writes_the_same_rows(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write("knows", knows, ("person", "event")), write("nothing", says_nothing, ("person", "event"))]
    assert run(*paths, "--csv", tmp_path / "rows.csv") == 0
    printed = capsys.readouterr().out
    assert "pebench_people: from knows to nothing" in printed
    assert "conditional on this person" in printed
    assert "Holm" in printed
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [row for one in compare(paths) for row in one.rows]
    assert [(row["figure"], float(row["change"]), float(row["p"]), float(row["p_holm"])) for row in rows] == [
        (row.figure, row.difference.value, row.difference.p, row.p_holm) for row in expected
    ]
    assert not list(tmp_path.glob("*.partial"))


def test_the_command_says_in_one_line_what_is_wrong(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write("a", knows), write("b", knows, judge="openai:x")) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_without_rows_the_csv_is_a_header(write: Write, tmp_path: Path) -> None:
    write_csv(compare([write("a", knows), write("b", knows, withheld="so")]), tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text().startswith("task")
