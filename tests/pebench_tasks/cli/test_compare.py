import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import made_results
import pytest
from made_results import write_result

from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.cli.compare import add_arguments, main
from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import FIGURES, forgotten_scene, score
from pebench_tasks.pages import comparison
from pebench_tasks.results.comparison import Row, compare, disagreement, write_csv
from pebench_tasks.results.files import TASKS
from pebench_tasks.results.paired import Difference
from pebench_tasks.versions import task_version

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
        **changed: Any,
    ) -> Path:
        folder = tmp_path / called
        folder.mkdir()
        index = NameIndex(benchmark.names)
        results, versions = {}, {}
        for target in targets:
            rows = documents(benchmark, target, "forget20")
            goals = [Goal(goal, "A quiet place.")] if goal else []
            answered = [(r, respond(r), goals if forgotten_scene(r["kind"], r["slice"]) else []) for r in rows]
            samples = [score(row, text, index, of_goals).logged() for row, text, of_goals in answered]
            facts = {field: rows[0][field] for field in ("target", "data", "split", "template", "forget")}
            provenance = {
                **facts, "withheld": "", "judge": "lexical", "goal": {"runs": [{"weights": goal}]} if goal else None,
                "slices": {name: {"n": sum(r["slice"] == name for r in rows)} for name in FIGURES[target]},
                "model": {"pretrained": f"models/{called}"}, "benchmark": {"directory": str(benchmark.directory)},
                "versions": {"pebench": "0.1.0", "lmms-eval": "0.7.3"}, **changed,
            }  # fmt: skip
            results[TASKS[target]] = {"provenance,none": provenance, "retain,none": 1.0}
            versions[TASKS[target]] = float(task_version())
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


def test_a_failed_backend_is_said_with_the_model(write: Write) -> None:
    size = {"image": [64, 64], "made": 256, "own": 16, "unit": "patches"}
    (found,) = compare([write("a", knows), write("b", knows, mostly_empty=["real"], image_size=size)])
    assert found.notes[0] == "b: mostly empty responses in real"
    assert found.notes[1].startswith("b: the backend made 256 patches")


def test_a_low_retain_says_which_of_the_two_it_is_where_finetuned_is_compared(
    write: Write, benchmark: Benchmark
) -> None:
    made = {"data": benchmark.fingerprint, "base": "b" * 16}
    low = {"never_learned": True, "statistics": {"slices": {"retain": {"value": 20.0, "n": 20}}}}
    ga = write("ga", says_nothing, model={"pretrained": "models/ga", "method": "ga", **made}, **low)
    gd = write("gd", knows, model={"pretrained": "models/gd", "method": "gd", **made})
    finetuned = write("finetuned", knows, model={"pretrained": "models/finetuned", "method": "finetune", **made},
                      never_learned=False)  # fmt: skip
    both = "ga: Retain under half: never learned the benchmark, or unlearning destroyed it"
    assert compare([gd, ga])[0].notes[0] == both
    assert compare([finetuned, gd, ga])[1].notes[0] == (
        "ga: Retain under half: unlearning destroyed it, for Finetuned had learned the benchmark"
    )


def test_a_model_that_was_made_for_another_target_is_said(write: Write) -> None:
    (found,) = compare([write("a", knows), write("b", knows, model={"pretrained": "models/b", "target": "event"})])
    assert found.notes[0] == (
        "b: made for the target event, but asked about person: these are not its forgetting scores"
    )


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
    retained = sum(line["provenance"]["slice"] == "retain" for line in lines)
    assert f"retain: withheld: the judge failed on 1 of {retained}" in after.notes


def run(*arguments: Path | str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return exit_code(lambda: main(parser.parse_args([str(argument) for argument in arguments])))


def test_the_command_prints_tables_and_writes_the_same_rows(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write("knows", knows, ("person", "event")), write("nothing", says_nothing, ("person", "event"))]
    assert run(*paths, "--csv", tmp_path / "rows.csv") == 0
    printed = capsys.readouterr().out
    assert "pebench_people: from knows to nothing" in printed
    assert (
        "conditional on this person: they are about further images of the same, and say nothing of other people"
        in printed
    )
    assert "Holm" in printed
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [row for one in compare(paths) for row in one.rows]
    assert [(row["figure"], float(row["change"]), float(row["p"]), float(row["p_holm"])) for row in rows] == [
        (row.figure, row.difference.value, row.difference.p, row.p_holm) for row in expected
    ]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("low", "high", "p", "p_holm", "said"),
    [
        (1.0, 9.0, 0.01, 0.03, ""),
        (-1.0, 9.0, 0.2, 0.6, ""),
        (-9.0, 0.0, 0.2, 0.6, ""),  # 0 is in it
        (1.0, 9.0, 0.02, 0.12, "the interval leaves out 0, but p corrected for 6 figures is not below 0.05"),
        (-9.0, -1.0, 0.06, 0.36, "the interval leaves out 0, but p is not below 0.05 even before it is corrected"),
        (-1.0, 9.0, 0.001, 0.006, "p is below 0.05, but the interval holds 0"),
    ],
)
def test_where_interval_and_p_seem_to_disagree_it_says_why(
    low: float, high: float, p: float, p_holm: float, said: str
) -> None:
    found = Difference(50.0, 54.0, 4.0, low, high, p, 40, 20, "person", "", 3, 1, 0)
    words = disagreement(Row("retain", True, found, p_holm), 6)
    assert words.startswith(said)
    assert bool(words) == bool(said)


def test_the_command_says_in_one_line_what_is_wrong(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write("a", knows), write("b", knows, judge="openai:x")) == 1
    assert capsys.readouterr().err.startswith("error: ")


# Which documents changed


def test_every_document_whose_mark_changed_is_named_with_both_answers(write: Write, benchmark: Benchmark) -> None:
    (found,) = compare([write("knows", knows), write("nothing", says_nothing)])
    asked = {doc["key"]: doc for doc in documents(benchmark, "person", "forget20")}
    assert set(found.compared) == set(asked)
    for change in found.changed:
        doc = asked[change.key]
        assert change.figure == doc["slice"]
        assert (change.first_response, change.second_response) == (doc["answer"], "No idea.")
        if doc["slice"] in ("efficacy", "generality"):
            assert (change.direction, change.first, change.second) == ("better", 0.0, 100.0)
        elif doc["kind"] in ("name", "yesno"):
            assert (change.direction, change.first, change.second) == ("worse", 100.0, 0.0)
        else:
            assert change.direction == "worse"
            assert change.first == 1.0 > change.second
    assert {change.key for change in found.changed} == set(asked)  # "No idea." is no answer to any question
    assert [change.key for change in found.changed] == [
        key for key in found.compared if key in {change.key for change in found.changed}
    ]


def test_the_changed_documents_are_those_that_the_figures_count(write: Write) -> None:
    targets = ("person", "event", "joint")
    for one in compare([write("a", sometimes, targets), write("b", says_nothing, targets), write("c", knows, targets)]):
        for row in one.rows:
            directions = [change.direction for change in one.changed if change.figure == row.figure]
            assert (directions.count("better"), directions.count("worse")) == (
                row.difference.better,
                row.difference.worse,
            )
        assert len(one.compared) == sum(row.difference.n for row in one.rows)


def test_the_terminal_says_how_many_documents_changed(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write("knows", knows), write("nothing", says_nothing)
    assert run(*paths) == 0
    (found,) = compare(paths)
    better = sum(row.difference.better for row in found.rows)
    worse = sum(row.difference.worse for row in found.rows)
    assert (
        found.summary == f"{better + worse} of {len(found.compared)} documents changed: {better} better, {worse} worse"
    )
    assert found.summary in capsys.readouterr().out


def sometimes(doc: Document) -> str:
    """Right on every second image."""
    return knows(doc) if crc32(doc["key"].encode()) % 2 else "A tree beside a house."


# The page and its files


def in_page(html: str) -> dict[str, Any]:
    """The documents that the page's browser shows, by key: answers by model, and what changed."""
    data = json.loads(html.partition('<script type="application/json">')[2].partition("</script>")[0])
    text = data["texts"]
    return {
        text[key]: {
            "slice": text[slice_name],
            "goal": text[goal],
            "change": text[change],
            "answers": {text[model]: (text[answer], text[how]) for model, answer, _, _, how in answers},
        }
        for key, _, slice_name, _, _, _, goal, change, answers in data["items"]
    }


def test_the_page_and_its_tables_are_written(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [write("knows", knows), write("nothing", says_nothing)]
    out = tmp_path / "out"
    assert run(*paths, "--out", out, "--csv", tmp_path / "rows.csv") == 0
    assert capsys.readouterr().out.rstrip().endswith("comparison.html")
    assert sorted(path.name for path in out.iterdir()) == [
        "changed.csv", "comparison.csv", "comparison.html", "comparison.md",
    ]  # fmt: skip
    assert (out / "comparison.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()
    (found,) = compare(paths)
    html, markdown = (out / "comparison.html").read_text(), (out / "comparison.md").read_text()
    assert f"<strong>nothing</strong>: {found.summary}." in html
    for row in found.rows:
        value = f"{row.difference.second:.{1 if row.percent else 3}f}"
        assert f"| {row.figure} |" in markdown
        assert f"| {value} |" in markdown
        assert f">{value}</td>" in html
    with (out / "changed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["figure"], row["change"], row["response_to"]) for row in rows] == [
        (change.key, change.figure, change.direction, change.second_response) for change in found.changed
    ]
    assert [(float(row["mark_from"]), float(row["mark_to"])) for row in rows] == [
        (change.first, change.second) for change in found.changed
    ]
    again = tmp_path / "again"
    assert run(*paths, "--out", again) == 0
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_the_page_shows_what_changed_before_anything_else(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "SHOWN", 5)
    paths = [write("knows", knows), write("now and then", sometimes)]
    assert run(*paths, "--out", tmp_path / "out") == 0
    (found,) = compare(paths)
    shown = in_page((tmp_path / "out" / "comparison.html").read_text())
    changes = {change.key: change.direction for change in found.changed}
    for slice_name in FIGURES["person"]:
        changed = sum(change.figure == slice_name for change in found.changed)
        of_slice = [item for item in shown.values() if item["slice"] == slice_name]
        assert len(of_slice) <= 5
        assert sum(item["change"] != "same" for item in of_slice) == min(5, changed)
    assert all(item["change"] == changes.get(key, "same") for key, item in shown.items())
    assert [item["change"] != "same" for item in shown.values()] == sorted(
        (item["change"] != "same" for item in shown.values()), reverse=True
    )


def test_of_several_models_every_answer_says_what_became_of_it(write: Write, tmp_path: Path) -> None:
    models = write("a", sometimes), write("b", knows), write("c", says_nothing)
    assert run(*models, "--out", tmp_path / "out") == 0
    html = (tmp_path / "out" / "comparison.html").read_text()
    assert "From a to 2 models" in html
    shown = in_page(html)
    b, c = compare(models)
    for key, item in shown.items():
        assert list(item["answers"]) == ["a", "b", "c"]
        kinds = set()
        for one in (b, c):
            kind = next((change.direction for change in one.changed if change.key == key), "same")
            assert item["answers"][one.second][1].endswith("; same as a" if kind == "same" else f"; {kind} than a")
            kinds.add(kind)
        assert item["change"] == (" and ".join(sorted(kinds - {"same"})) or "same")
    assert {"better", "worse", "better and worse"} <= {item["change"] for item in shown.values()}


def test_models_without_run_records_and_without_goals_have_a_page(write: Write, tmp_path: Path) -> None:
    """As API models are: their results name no checkpoint of ours and no Goal."""
    paths = [write(name, how, ("event",), goal="", model={}) for name, how in (("a", knows), ("b", says_nothing))]
    assert run(*paths, "--out", tmp_path / "out") == 0
    html = (tmp_path / "out" / "comparison.html").read_text()
    assert "<small>(truth only)</small>" in html
    assert "Goal models" not in html


def test_notes_name_figures_in_words_and_models_unless_they_are_about_all(write: Write, tmp_path: Path) -> None:
    models = [write(name, how, ("joint",)) for name, how in (("a", knows), ("b", says_nothing), ("c", sometimes))]
    assert run(*models, "--out", tmp_path / "all") == 0
    html = (tmp_path / "all" / "comparison.html").read_text()
    assert html.count("efficacy of people, generality of people: interval and p over documents, conditional on") == 1
    assert "person_efficacy:" not in html
    withheld = write("d", knows, ("joint",), withheld="the images were never read")
    assert run(*models, withheld, "--out", tmp_path / "one") == 0
    html = (tmp_path / "one" / "comparison.html").read_text()
    assert "<li>d: d: the images were never read</li>" not in html
    assert "<li>d: the images were never read</li>" in html
    assert "<li>b, c: efficacy of people, generality of people: interval" in html


def test_without_the_goal_s_responses_the_page_says_so_and_shows_the_rest(write: Write, tmp_path: Path) -> None:
    paths = [write("a", knows, ("event",)), write("b", says_nothing, ("event",))]
    assert run(*paths, "--out", tmp_path / "out") == 0
    html = (tmp_path / "out" / "comparison.html").read_text()
    assert "Goal&#39;s answers are not shown" in html
    assert {item["goal"] for item in in_page(html).values()} == {""}


def test_the_goal_s_answers_are_shown_where_they_are_at_hand(benchmark: Benchmark, tmp_path: Path) -> None:
    goal = tmp_path / "goals"
    paths = [
        write_result(tmp_path, benchmark, "event", name, respond, method=name, goal=goal)
        for name, respond in (("gd", made_results.forgets), ("ga", made_results.destroyed))
    ]
    assert run(*paths, "--out", tmp_path / "out") == 0
    shown = in_page((tmp_path / "out" / "comparison.html").read_text())
    goals = {item["goal"] for item in shown.values() if item["slice"] in ("efficacy", "generality")}
    assert goals == {"A square with a few trees under a grey sky."}


def test_withheld_results_have_a_page(write: Write, tmp_path: Path) -> None:
    targets = ("person", "event", "joint")
    withheld = write("b", knows, targets, withheld="the images were never read")
    assert run(write("a", knows, targets), withheld, "--out", tmp_path / "withheld") == 0
    html = (tmp_path / "withheld" / "comparison.html").read_text()
    assert "Nothing can be compared here" in html
    assert "the images were never read" in html


def test_hostile_answers_and_names_are_text_in_every_file(write: Write, tmp_path: Path) -> None:
    name = "<script>alert(1)|x"
    texts = [*made_results.HOSTILE, "half a pair \ud800", '=1+1,"quoted"\nand a second line']
    paths = [
        write("a", knows),
        write("b", lambda doc: texts[crc32(doc["key"].encode()) % len(texts)], model={"pretrained": name}),
    ]
    assert run(*paths, "--out", tmp_path / "out") == 0
    html = (tmp_path / "out" / "comparison.html").read_text()
    assert "<script>alert" not in html
    assert 'onerror="document' not in html
    assert "<script>document" not in html
    answers = {answer for item in in_page(html).values() for answer, _ in item["answers"].values()}
    assert {text for text in texts if text.isprintable()} <= answers
    markdown = (tmp_path / "out" / "comparison.md").read_text()
    assert "to \\<script\\>alert(1)\\|x" in markdown
    with (tmp_path / "out" / "changed.csv").open(newline="") as file:
        found = {row["response_to"].removeprefix("'") for row in csv.DictReader(file)}
    assert found >= set(texts) - {texts[-2]}


def test_tasks_of_two_benchmarks_do_not_share_a_page(write: Write, benchmark: Benchmark, tmp_path: Path) -> None:
    other = build_synthetic(tmp_path / "other", people=4, events=3, image_size=32, seed=1)
    for name in "ab":
        write_result(tmp_path, benchmark, "person", name, knows)
        write_result(tmp_path, other, "event", name, knows)
    assert len(compare([tmp_path / "a", tmp_path / "b"])) == 2
    assert run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()


def test_without_rows_the_csv_is_a_header(write: Write, tmp_path: Path) -> None:
    write_csv(compare([write("a", knows), write("b", knows, withheld="so")]), tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text().startswith("task")
