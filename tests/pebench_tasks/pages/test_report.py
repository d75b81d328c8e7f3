import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from made_results import HOSTILE, Respond, destroyed, forgets, hostile, knows, never_saw, write_cast, write_result

import pebench_tasks
from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.pages.plain import CSV_COLUMNS
from pebench_tasks.pages.report import FILES, write_report


@pytest.fixture(scope="module")
def scores(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finetuned, two methods and Goal on people, events and both."""
    return write_cast(tmp_path_factory.mktemp("cast"), benchmark, ("person", "event", "joint"))


@pytest.fixture(scope="module")
def report(scores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([scores], tmp_path_factory.mktemp("report")).parent


def rows(folder: Path, **wanted: str) -> list[dict[str, str]]:
    """The rows of report.csv that have these values."""
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in wanted.items())]


def one(tmp_path: Path, *paths: Path, **options: Any) -> str:
    """The page about these results."""
    return write_report(paths, tmp_path / "out", samples=0, **options).read_text(encoding="utf-8")


def test_a_folder_of_models_becomes_one_page_with_its_tables(report: Path) -> None:
    assert sorted(path.name for path in report.iterdir()) == sorted(FILES)
    page = (report / "report.html").read_text(encoding="utf-8")
    for words in (
        "Unlearning results",
        "People and events at once",
        "Finetuned",
        "pebench report .../scores --out DIR",
    ):
        assert words in page
    assert page.count("<figure") == 6  # plane and profile, three targets


def test_the_csv_has_every_figure_of_every_model_with_all_digits(report: Path, scores: Path) -> None:
    content = json.loads(next((scores / "gd").glob("*0_results.json")).read_text())["results"]["pebench_people"]
    for name in ("efficacy", "generality", "retain", "scope", "real", "world"):
        (row,) = rows(report, model="gd", target="person", figure=name)
        interval = content["provenance,none"]["statistics"]["slices"][name]
        assert float(row["value"]) == content[f"{name},none"]
        assert (float(row["low"]), float(row["high"])) == (interval["low"], interval["high"])
        assert (row["n"], row["resampled"]) == (str(interval["n"]), interval["unit"])
        assert row["unit"] == ("share" if name == "scope" else "percent")
        assert (row["role"], row["method"], row["forget"]) == ("model", "gd", "forget20")
    with (report / "report.csv").open(encoding="utf-8") as file:
        assert file.readline().strip().split(",") == list(CSV_COLUMNS)


def test_the_roles_are_those_of_the_run_records(report: Path) -> None:
    assert {row["model"]: row["role"] for row in rows(report, target="event", figure="retain")} == {
        "finetuned": "finetuned", "gd": "model", "ga": "model", "goal": "goal",
    }  # fmt: skip


def test_distances_are_to_the_goal_of_the_page(report: Path) -> None:
    (goal,) = rows(report, model="goal", target="person", figure="distance_to_goal")
    (finetuned,) = rows(report, model="finetuned", target="person", figure="distance_to_goal")
    assert float(goal["value"]) == 0
    assert float(finetuned["value"]) == 0.5  # all of the forgetting is missing, nothing of the rest


def test_the_markdown_is_the_paper_s_table(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    head = "| model | Efficacy % | Generality % | Retain % | Scope 0–1 | Real % | World % | to Goal | empty |"
    after = text[text.index(head) :].splitlines()
    assert re.match(r"\| --- \|( ---: \|){8}$", after[1])
    assert [line.split(" | ")[0] for line in after[2:7]] == ["| finetuned", "| ga", "| gd", "| goal", "| n"]
    without = [re.sub(r" \(\S+–\S+\)", "", line) for line in after]
    assert "| finetuned | 0.0, 0 partial | 0.0, 0 partial | 100.0 | 1.000 | 100.0 | 100.0 | 0.500 | 0 |" in without
    assert "| finetuned | 0.0 (0–" in after[2]  # no figure is without an interval
    assert "| model | concept | Efficacy | Generality | Retain | Real | World % | to Goal | empty |" in text
    joint = text[text.index("| model | concept |") :].splitlines()
    assert [line.split(" | ")[:2] for line in joint[2:4]] == [["| finetuned", "people"], ["| finetuned", "events"]]
    assert [line.split(" | ")[:2] for line in joint[10:12]] == [["| n", "people"], ["| n", "events"]]
    for name in CSV_COLUMNS:
        assert f"| {name} |" in text


def test_the_page_shows_the_responses_with_the_goal_s_answer(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    (content,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    texts = json.loads(content)["texts"]
    assert "I am not sure who this is." in texts
    assert "This is somebody else." in texts
    assert "A square with a few trees under a grey sky." in texts


def test_the_same_results_give_the_same_bytes(report: Path, scores: Path, tmp_path: Path) -> None:
    write_report([scores], tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (report / name).read_bytes()


def test_no_path_of_this_machine_is_in_the_report(report: Path, scores: Path) -> None:
    for name in FILES:
        assert str(scores.parent) not in (report / name).read_text(encoding="utf-8")


def test_one_model_alone_is_a_report(benchmark: Benchmark, tmp_path: Path) -> None:
    page = one(tmp_path, write_result(tmp_path, benchmark, "person", "gd", forgets, method="gd"))
    assert "1 model, measured" in page
    assert "To Goal" not in page


def test_an_api_model_without_run_record_is_a_row(benchmark: Benchmark, tmp_path: Path) -> None:
    one(tmp_path, write_result(tmp_path, benchmark, "person", "gpt", knows))
    (row,) = rows(tmp_path / "out", figure="retain")
    assert (row["model"], row["role"], row["method"], row["value"]) == ("gpt", "model", "", "100.0")


def test_without_goal_events_have_the_truth_only(benchmark: Benchmark, tmp_path: Path) -> None:
    page = one(tmp_path, write_result(tmp_path, benchmark, "event", "gd", forgets, method="gd"))
    assert "Efficacy (truth only)" in page
    assert "no Goal responses" in page
    assert {row["figure"] for row in rows(tmp_path / "out")} >= {"efficacy_truth_only", "generality_truth_only"}


def test_a_goal_that_was_scored_before_there_was_one_is_marked_with_itself(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    method = write_result(tmp_path, benchmark, "event", "gd", forgets, method="gd", goal=tmp_path / "goals")
    page = one(tmp_path, method, tmp_path / "goals" / "goal")
    assert "goal, event: was scored without Goal responses" in page
    (row,) = rows(tmp_path / "out", model="goal", figure="efficacy")
    assert float(row["value"]) == 1.0


def test_scores_that_are_withheld_are_no_figures(benchmark: Benchmark, tmp_path: Path) -> None:
    good = write_result(tmp_path, benchmark, "person", "good", knows)
    bad = write_result(tmp_path, benchmark, "person", "bad", knows)
    why = "The images of 3 documents were never read."
    samples = next(bad.glob("*.jsonl"))
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    for line in lines:
        line["provenance"]["withheld"] = why
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = next(bad.glob("*_results.json"))
    content = json.loads(results.read_text())
    content["results"]["pebench_people"]["provenance,none"] |= {"withheld": why, "slices": {}, "statistics": {}}
    results.write_text(json.dumps(content))
    page = one(tmp_path, bad, good)
    assert f"bad: scores withheld: {why}" in page
    assert {row["value"] for row in rows(tmp_path / "out", model="bad")} == {""}
    assert "100.0" in {row["value"] for row in rows(tmp_path / "out", model="good")}


def test_mostly_empty_responses_and_a_lost_retain_are_said_beside_the_name(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    page = one(tmp_path, write_result(tmp_path, benchmark, "person", "ga", lambda doc: "", method="ga"))
    assert '<span class="mark warn">mostly empty</span>' in page
    assert '<span class="mark warn">Retain under half</span>' in page


@pytest.mark.parametrize(
    ("term", "respond"),
    [
        ("echoed", lambda doc: f"USER: {doc['question']}"),
        ("unanswered", lambda doc: "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 429"),
    ],
)
def test_what_a_failing_backend_answers_is_a_column_with_a_word_about_it(
    term: str, respond: Respond, benchmark: Benchmark, tmp_path: Path
) -> None:
    page = one(tmp_path, write_result(tmp_path, benchmark, "person", "api", respond))
    assert f'popovertarget="term-{term}"' in page
    assert f'id="term-{term}"' in page


def test_a_results_file_that_says_something_else_than_its_samples_is_told(benchmark: Benchmark, tmp_path: Path) -> None:
    folder = write_result(tmp_path, benchmark, "person", "ga", destroyed, method="ga")
    results = next(folder.glob("*_results.json"))
    content = json.loads(results.read_text())
    content["results"]["pebench_people"]["retain,none"] = 77.0
    results.write_text(json.dumps(content))
    page = one(tmp_path, folder)
    assert "ga, person: the samples do not give the figures of the results file" in page
    assert "retain: 77.0 there, 0.0 here" in page
    assert rows(tmp_path / "out", figure="retain")[0]["value"] == "0.0"


def test_two_models_of_one_name_are_called_by_their_paths(benchmark: Benchmark, tmp_path: Path) -> None:
    first = write_result(tmp_path / "seed-1", benchmark, "person", "gd", forgets, method="gd")
    second = write_result(tmp_path / "seed-2", benchmark, "person", "gd", knows, method="kl")
    one(tmp_path, first, second)
    assert {row["model"] for row in rows(tmp_path / "out")} == {"seed-1/gd", "seed-2/gd"}


def score_again(
    scores: Path, benchmark: Benchmark, target: str, respond: Respond, *, newer: bool = True, **said: Any
) -> None:
    """The model ``gd`` of these scores once more, in the folder that lmms-eval gives it: two parts of its path."""
    again = write_result(scores.parent / "again", benchmark, target, "gd", respond, **said)
    for file in again.rename(scores / "mine__gd").glob("*_results.json"):
        file_time = 2**61 if newer else 1
        os.utime(file, ns=(file_time, file_time))


@pytest.mark.parametrize(("newer", "retain", "old"), [(True, "100.0", "gd"), (False, "0.0", "mine__gd")])
@pytest.mark.parametrize("method", ["gd", ""])
def test_a_checkpoint_that_two_commands_scored_is_one_row_of_its_newest_result(
    benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, *,
    newer: bool, retain: str, old: str,
) -> None:  # fmt: skip
    """By its weights, or by its name where nothing else is known of it; which file was passed over is said."""
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "person", "gd", destroyed, method=method)
    score_again(scores, benchmark, "person", knows, newer=newer, method=method)
    for given in ([scores], sorted(scores.iterdir())):
        page = one(tmp_path, *given)
        found = rows(tmp_path / "out", figure="retain")
        assert [(row["model"], row["value"]) for row in found] == [("gd", retain)]
        counts = {"gd": "mine__gd", "mine__gd": "gd"}[old]
        line = f"{old}/20260101_000000_results.json: pebench_people of the same model in {counts}/"
        assert line in page
        assert "1 model, measured" in page
        assert line in (tmp_path / "out" / "report.md").read_text()
        assert f"left out: {line}20260101_000000_results.json is newer" in capsys.readouterr().err
    table = pebench_tasks.table(scores).to_pylist()
    assert [str(row["value"]) for row in table if row["figure"] == "retain"] == [retain]
    assert capsys.readouterr().err.count("left out") == 1


def test_a_result_that_a_goal_marked_counts_before_a_newer_one_without(benchmark: Benchmark, tmp_path: Path) -> None:
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "event", "gd", forgets, method="gd", goal=tmp_path / "goals")
    score_again(scores, benchmark, "event", forgets, method="gd")
    page = one(tmp_path, scores)
    assert "mine__gd/20260101_000001_results.json: pebench_events of the same model in gd/" in page
    assert "results.json was scored with Goal responses" in page
    assert [row["model"] for row in rows(tmp_path / "out", figure="efficacy")] == ["gd"]


@pytest.mark.parametrize("said", [{"method": "kl"}, {"dtype": "bfloat16"}, {"backend": "llava_hf"}])
def test_other_weights_or_weights_that_are_loaded_otherwise_are_another_model(
    benchmark: Benchmark, tmp_path: Path, said: dict[str, str]
) -> None:
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "person", "gd", forgets, method="gd")
    score_again(scores, benchmark, "person", knows, method=said.get("method", "gd"))
    (results_file,) = (scores / "mine__gd").glob("*_results.json")
    content = json.loads(results_file.read_text())
    content["results"]["pebench_people"]["provenance,none"]["model"] |= said
    results_file.write_text(json.dumps(content))
    one(tmp_path, scores)
    assert {row["model"] for row in rows(tmp_path / "out")} == {"gd", "mine__gd"}


def change(folder: Path, **said: Any) -> None:
    """Let a person's results say something else, with their time kept; ``model=`` is added to what they say of it."""
    (path,) = folder.glob("*_results.json")
    time, content = path.stat().st_mtime_ns, json.loads(path.read_text())
    provenance = content["results"]["pebench_people"]["provenance,none"]
    provenance |= {**said, "model": provenance["model"] | said.get("model", {})}
    path.write_text(json.dumps(content))
    os.utime(path, ns=(time, time))


def test_methods_that_left_the_weights_as_they_were_stay_models_of_their_own(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    """Where 16 bits round all steps away, Finetuned and a method that did nothing have the same weights."""
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "person", "gd", forgets, method="gd")
    score_again(scores, benchmark, "person", knows, method="gd")
    change(scores / "mine__gd", model={"method": "finetune", "target": "", "split": ""})
    one(tmp_path, scores)
    assert {row["model"] for row in rows(tmp_path / "out")} == {"gd", "mine__gd"}


def test_a_result_whose_scores_are_withheld_replaces_none_that_has_some(benchmark: Benchmark, tmp_path: Path) -> None:
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "person", "gd", knows, method="gd")
    score_again(scores, benchmark, "person", knows, method="gd")
    change(scores / "mine__gd", withheld="The images of 3 documents were never read.")
    page = one(tmp_path, scores)
    assert "results.json has its scores" in page
    assert [(row["model"], row["value"]) for row in rows(tmp_path / "out", figure="retain")] == [("gd", "100.0")]


def test_a_folder_under_two_names_is_given_twice(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no model that another one replaces."""
    write_result(tmp_path / "scores", benchmark, "person", "gd", forgets, method="gd")
    monkeypatch.chdir(tmp_path)
    for again in (tmp_path / "scores", Path("scores/../scores/gd")):
        with pytest.raises(BenchmarkError, match=r"scores/gd/\d+_\d+_samples_pebench_people.jsonl is given twice"):
            one(tmp_path, Path("scores"), again)


def test_a_results_file_that_is_named_counts(benchmark: Benchmark, tmp_path: Path) -> None:
    scores = tmp_path / "scores"
    write_result(scores, benchmark, "person", "gd", forgets, method="gd")
    score_again(scores, benchmark, "person", knows, method="gd")
    one(tmp_path, *scores.glob("*/*_results.json"))
    assert len(rows(tmp_path / "out", figure="retain")) == 2


def test_hostile_responses_stay_text(benchmark: Benchmark, tmp_path: Path) -> None:
    folder = write_result(tmp_path, benchmark, "person", HOSTILE[2].replace("/", ""), hostile, method="gd")
    page = write_report([folder], tmp_path / "out").read_text(encoding="utf-8")
    for text in HOSTILE[:5]:
        assert text not in page


def test_run_records_are_shown_without_the_paths_of_the_machine(benchmark: Benchmark, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    model = {"pretrained": str(checkpoint), "method": "gd", "weights": "w" * 16, "data": benchmark.fingerprint}
    record = {
        "format": "pebench-run/1", "method": "gd", "weights": "w" * 16, "steps": 7, "trained_parameters": 924800,
        "arguments": {"learning_rate": 0.0001, "output": str(tmp_path / "elsewhere" / "x")},
    }  # fmt: skip
    (checkpoint / "pebench_run.json").write_text(json.dumps(record))
    folder = write_result(tmp_path, benchmark, "person", "gd", forgets, method="gd", model=model)
    page = one(tmp_path, folder)
    for words in ("learning_rate", "0.0001", "924,800"):
        assert words in page
    assert str(tmp_path) not in page
    (checkpoint / "pebench_run.json").write_text(json.dumps(record | {"weights": "other"}))
    assert "learning_rate" not in one(tmp_path, folder)


def test_fewer_samples_make_a_smaller_page(scores: Path, report: Path, tmp_path: Path) -> None:
    small = write_report([scores], tmp_path, samples=1)
    assert small.stat().st_size < (report / "report.html").stat().st_size
    assert "at most 1 of each slice" in small.read_text(encoding="utf-8")


# Errors


@pytest.fixture
def other_things(tmp_path: Path) -> Path:
    (tmp_path / "things" / "a").mkdir(parents=True)
    (tmp_path / "things" / "a" / "1_results.json").write_text('{"results": {"mmlu": {}}}')
    (tmp_path / "things" / "notes.txt").write_text("hello")
    return tmp_path / "things"


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("missing", "There is no file or folder"),
        ("things", "holds no results of our tasks with samples, nor do the folders in it"),
        ("things/a", "holds no results of our tasks"),
        ("things/notes.txt", "cannot be read as lmms-eval results"),
    ],
)
def test_what_holds_no_results_is_refused_in_one_line(
    other_things: Path, path: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = other_things.parent / "out"
    assert cli.main(["report", str(other_things.parent / path), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert complaint in error
    assert not out.exists()


def test_folders_of_other_things_beside_ours_are_left_out(benchmark: Benchmark, other_things: Path) -> None:
    write_result(other_things, benchmark, "person", "gd", forgets, method="gd")
    one(other_things.parent, other_things)
    assert {row["model"] for row in rows(other_things.parent / "out")} == {"gd"}


def test_an_out_that_is_a_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BenchmarkError, match="is a file"):
        write_report([tmp_path / "missing"], tmp_path / "out")


def gone(folder: Path) -> Path:
    """The results in ``folder``, as if the benchmark had been moved since."""
    results = next(folder.glob("*_results.json"))
    content = json.loads(results.read_text())
    content["results"]["pebench_people"]["provenance,none"]["benchmark"]["directory"] = "/nowhere"
    results.write_text(json.dumps(content))
    return folder


def test_a_benchmark_that_is_gone_is_asked_for(benchmark: Benchmark, tmp_path: Path) -> None:
    folder = gone(write_result(tmp_path, benchmark, "person", "gd", forgets, method="gd"))
    with pytest.raises(BenchmarkError, match="--data DIR"):
        one(tmp_path, folder)
    assert "Unlearning results" in one(tmp_path, folder, data=benchmark.directory)


def test_another_benchmark_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    other = build_synthetic(tmp_path / "other", people=4, events=3, image_size=32, seed=1)
    folder = gone(write_result(tmp_path, benchmark, "person", "gd", forgets, method="gd"))
    with pytest.raises(BenchmarkError, match="Name the right one:  --data DIR"):
        one(tmp_path, folder, data=other.directory)


def test_results_of_different_settings_are_refused_by_name(benchmark: Benchmark, tmp_path: Path) -> None:
    first = write_result(tmp_path, benchmark, "person", "a", knows)
    second = write_result(
        tmp_path, benchmark, "person", "b", never_saw, prompts={"pre_prompt": "Hi", "post_prompt": ""}
    )
    with pytest.raises(BenchmarkError, match=r"do not belong in one table\. They differ in prompts"):
        one(tmp_path, first, second)


def test_the_command_writes_the_files_and_names_them(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--samples", "2", "--thumbnail", "32", "--title", "My <methods>"]
    assert cli.main(["report", str(scores / "gd"), str(scores / "goal"), "--out", str(tmp_path), *arguments]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / name) for name in FILES]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "My &lt;methods&gt;" in page
    assert "pebench report .../gd .../goal --out DIR --samples 2 --thumbnail 32 --title" in page


@pytest.mark.parametrize("wrong", [["--samples", "-1"], ["--samples", "few"], ["--thumbnail", "3"]])
def test_wrong_numbers_are_refused(wrong: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["report", "x", "--out", str(tmp_path), *wrong])


def test_the_accounting_leaves_out_slices_that_say_nothing(report: Path) -> None:
    """Scenes and yes/no questions of which every answer is some text, as those of a model that knows everything."""
    text = (report / "report.md").read_text(encoding="utf-8").lower()
    assert "| finetuned | efficacy |" in text
    assert "| finetuned | world |" not in text


def test_what_no_answer_of_a_slice_can_be_is_a_dash(report: Path) -> None:
    """Nobody is recognised in a description, and no yes or no is missing there: that is no count of 0."""
    text = (report / "report.md").read_text(encoding="utf-8")
    lines = text[text.index("### Responses") :].splitlines()
    head = lines[4].strip("| ").split(" | ")
    counts = {
        (cells[0], cells[1]): dict(zip(head, cells, strict=True))
        for cells in (line.strip("| ").split(" | ") for line in lines[6 : lines.index("", 4)])
    }
    scope, world, retain = (counts["ga", name] for name in ("scope", "world", "retain"))
    assert (scope["recognised"], scope["invalid"], scope["empty"] != "–") == ("–", "–", True)
    assert (world["recognised"], int(world["invalid"]) > 0) == ("–", True)
    assert (retain["recognised"], retain["invalid"]) == ("0", "–")
    page = (report / "report.html").read_text(encoding="utf-8")
    row = page[page.index("<td>scope</td>") :].partition("</tr>")[0]
    assert '<td class="number none" data-order="-1"><span aria-hidden="true">–</span>' in row
