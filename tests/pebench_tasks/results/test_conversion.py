"""Results that task version 1.1 wrote, turned into results of this version; ``scored_1_1`` says how they were made."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks import cli
from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.loader import read_submission
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import forgotten_scene, score
from pebench_tasks.results.conversion import convert
from pebench_tasks.results.files import TASKS, Result, read_results_file, samples_file
from pebench_tasks.results.rescore import add_up, rescore_all
from pebench_tasks.results.samples import read_logged
from pebench_tasks.results.table import table
from pebench_tasks.versions import task_version

COMMAND = "with  pebench rescore RESULTS --convert DIR"
SCORED = Path(__file__).parent / "scored_1_1" / "scores.tar.xz"
Answers = dict[str, str]  # by document key


@pytest.fixture(scope="module")
def unpacked(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which 1.1 scored, with its benchmark."""
    folder: Path = tmp_path_factory.mktemp("scored")
    with tarfile.open(SCORED) as archive:
        archive.extractall(folder, filter="data")
    (folder / "data").symlink_to(benchmark.directory)
    return folder


@pytest.fixture
def home(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in a folder of this test, the working directory."""
    folder = tmp_path / "home"
    shutil.copytree(unpacked, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def converted(unpacked: Path) -> Path:
    """All of them as results of this version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(unpacked)
        convert([Path("goals"), Path("scores"), Path("others"), Path("judged")], Path("converted"))
    return unpacked / "converted"


def only(folder: Path, target: str) -> Path:
    """The results file of a target in the folder of one model."""
    (samples,) = folder.glob(f"*_samples_{TASKS[target]}.jsonl")
    return samples.with_name(samples.name.replace(f"_samples_{TASKS[target]}.jsonl", "_results.json"))


def rows(results_file: Path, target: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in samples_file(results_file, TASKS[target]).open(encoding="utf-8")]


def change(results_file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(results_file.read_text(encoding="utf-8"))
    edit(content)
    results_file.write_text(json.dumps(content), encoding="utf-8")


def counted_by_pebench_hf(content: dict[str, Any]) -> None:
    for values in content["results"].values():
        values["provenance,none"]["model"] |= {"backend": "pebench_hf", "dtype": "float32"}


def said_of(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """What a command that fails says: one line."""
    assert cli.main(words) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# What comes out


def test_what_was_scored_is_the_small_benchmark_of_these_tests(unpacked: Path, benchmark: Benchmark) -> None:
    provenance = json.loads(only(unpacked / "scores/gd", "joint").read_text())["results"][TASKS["joint"]]
    assert provenance["provenance,none"]["data"] == benchmark.fingerprint
    assert provenance["provenance,none"]["template"] == documents(benchmark, "joint", "forget05")[0]["template"]


def responses(results_file: Path, target: str) -> Answers:
    """What 1.1 logged: whole, where it had cut thoughts off."""
    whole = {}
    for row in rows(results_file, target):
        said = row.get("resps", row["filtered_resps"])
        while isinstance(said, list):
            said = said[0]
        whole[row["provenance"]["key"]] = said
    return whole


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize("name", ["finetuned", "gd", "goal"])
def test_the_figures_are_those_of_the_same_responses_marked_with_this_version(
    unpacked: Path, converted: Path, benchmark: Benchmark, name: str, target: str
) -> None:
    given = responses(only(unpacked / "scores" / name, target), target)
    goals: list[tuple[str, Answers]] = []
    if target != "person":
        (goal,) = (unpacked / "goals" / target / "goal").glob("*_results.json")
        weights = json.loads(goal.read_text())["results"][TASKS[target]]["provenance,none"]["model"]["weights"]
        goals = [(weights, responses(goal, target))]
    index = NameIndex(benchmark.names)
    scores = []
    for doc in documents(benchmark, target, "forget05"):
        needed = forgotten_scene(doc["kind"], doc["slice"])
        answers = [Goal(weights, said[doc["key"]]) for weights, said in goals] if needed else []
        scores.append(score(doc, given[doc["key"]], index, answers))
    (result,) = read_results_file(only(converted / "scores" / name, target))
    assert result.version == task_version()
    assert result.metrics == add_up(scores)
    assert result.provenance.json["converted_from"] == "1.1"


def test_rescoring_finds_nothing_else(converted: Path) -> None:
    files = sorted(converted.rglob("*_results.json"))
    for one in rescore_all(files):
        assert one.differing == []
        assert (
            one.result.provenance.json
            == json.loads(one.result.results_file.read_text())["results"][one.result.task]["provenance,none"]
        )


def test_this_version_s_commands_take_what_was_converted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A board, too, since no answer of these models took the 128 tokens that 1.1 allowed."""
    for file in [*Path("scores").rglob("*_results.json"), *Path("goals").rglob("*_results.json")]:
        change(file, counted_by_pebench_hf)
    assert cli.main(["rescore", "scores", "goals", "--convert", "new/folder", "--out", "all.json", "--details"]) == 0
    printed = capsys.readouterr().out
    assert "12 results of the task version 2.0: new/folder" in printed
    assert printed.count("responses") > 12
    assert {row["version"] for row in json.loads(Path("all.json").read_text())} == {"2.0"}
    scores = "new/folder/scores"
    link = ["--link", "https://example.org/gd", "--out", "board"]
    Path("board/gd-person.json").unlink()  # 1.1 wrote it
    for words in (
        ["rescore", f"{scores}/gd"],
        ["report", scores, "--out", "page"],
        ["compare", f"{scores}/finetuned", f"{scores}/gd"],
        *(["submit", f"{scores}/gd", "--target", t, "--name", f"gd-{t}", *link, "--data", "data"] for t in TASKS),
    ):
        assert cli.main(words) == 0, words
    assert "left out" not in capsys.readouterr().err
    assert {row["model"] for row in table(scores).to_pylist()} >= {"models/gd-event", "models/finetuned"}
    Path("board/board.json").write_text(json.dumps({"title": "A", "about": "B", "judges": ["lexical"]}))
    assert cli.main(["leaderboard", "check", "board", "--data", "data"]) == 0
    assert {read_submission(path)["format"] for path in Path("board").glob("gd-*.json")} == {"pebench-submission/2"}


def test_a_submission_of_1_1_is_not_replaced_unasked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in [*Path("scores").rglob("*_results.json"), *Path("goals").rglob("*_results.json")]:
        change(file, counted_by_pebench_hf)
    convert([Path("scores"), Path("goals")], Path("new"))
    words = ["submit", "new/scores/gd", "--target", "person", "--name", "gd-person", "--link", "https://example.org/gd"]
    line = said_of([*words, "--out", "board", "--data", "data"], capsys)
    assert "board/gd-person.json has the format 'pebench-submission/1'" in line
    assert line.endswith("It has this name: remove it, or choose another --name.")


def test_thoughts_that_1_1_had_cut_off_are_read(unpacked: Path, converted: Path) -> None:
    """A name in them counts as recognised, and where they have no end there is no answer."""
    before, after = (rows(only(folder / "scores/api", "person"), "person") for folder in (unpacked, converted))
    thought = [row for row in before if "resps" in row]
    assert any("</think>" in json.dumps(row["resps"]) for row in thought)
    assert not any("</think>" in json.dumps(row["filtered_resps"]) for row in before)
    assert sum(row["provenance"]["unfinished"] for row in after) > 0
    for row, old in zip(after, before, strict=True):
        assert ("</think>" in row["filtered_resps"][0]) == ("</think>" in json.dumps(old.get("resps")))


def test_answers_that_took_all_tokens_are_counted(converted: Path) -> None:
    """An untrained model never ends; its backend counted the tokens."""
    for logged in read_logged(converted / "others/llava"):
        provenance = logged.result.provenance
        assert sum(counts["cut"] for counts in provenance.slices.values()) == provenance.n
    (result,) = read_results_file(only(converted / "scores/gd", "person"))
    assert not any(counts["cut"] for counts in result.provenance.slices.values())


def test_what_a_judge_said_is_kept(unpacked: Path, converted: Path) -> None:
    before, after = (json.loads(only(folder / "judged/gd", "event").read_text()) for folder in (unpacked, converted))
    figures = [content["results"][TASKS["event"]] for content in (before, after)]
    assert figures[0]["provenance,none"]["judge"] == figures[1]["provenance,none"]["judge"]
    for name in ("efficacy", "generality", "retain"):
        assert figures[1][f"{name},none"] == figures[0][f"{name},none"]


# Goals


def test_goals_among_the_given_are_found_where_they_are_now(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert([Path("goals"), Path("scores/gd")], Path("new"))
    for folder in ("goals", "scores"):
        shutil.rmtree(folder)
    for result in [r for file in Path("new/scores/gd").glob("*.json") for r in read_results_file(file)]:
        if result.task != TASKS["person"]:
            assert result.provenance.goal is not None
            assert [Path(run.results).is_file() for run in result.provenance.goal.runs] == [True]
    shutil.move("new", "moved")
    monkeypatch.chdir("/")
    assert all(one.differing == [] for one in rescore_all(home / "moved/scores/gd", data=home / "data"))


def test_goals_of_this_version_are_taken_from_elsewhere(home: Path) -> None:
    convert([Path("goals")], home.parent / "elsewhere")
    shutil.rmtree("goals")
    shutil.rmtree("scores/goal")
    for words in (["--goal", "../elsewhere"], []):
        out = f"new{len(words)}"
        if not words:
            os.environ["PEBENCH_GOAL"] = "../elsewhere"
        assert cli.main(["rescore", "scores/gd", "--convert", out, *words]) == 0
    del os.environ["PEBENCH_GOAL"]
    for out in ("new2", "new0"):
        assert all(one.differing == [] for one in rescore_all(f"{out}/gd"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "was scored with the Goal models"),
        (["--goal", "goals"], "is of the task version 1.1"),
        (["--goal", "nowhere"], "There is no folder nowhere of Goal responses"),
    ],
)
def test_goals_that_were_not_given_are_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Those of 1.1 beside them are not read unless they are to be converted too."""
    before = everything(home)
    line = said_of(["rescore", "scores/gd", "--convert", "new", *words], capsys)
    assert said in line
    assert ("Goals that an earlier task version scored belong among RESULTS." in line) == ("nowhere" not in words)
    assert everything(home) == before


def test_a_goal_s_flaws_are_those_of_its_answers_marked_with_this_version(home: Path) -> None:
    """Whatever is marked first."""
    for file in Path("goals/event").rglob("*_samples_*.jsonl"):
        made = [json.loads(line) for line in file.open()]
        for row in made:
            if row["provenance"]["slice"] in ("efficacy", "generality"):
                row["filtered_resps"] = "the the the the the the the the"
        file.write_text("".join(json.dumps(row) + "\n" for row in made))
    shutil.rmtree("scores/goal")
    for number, paths in enumerate((["goals", "scores/gd"], ["scores/gd", "goals"])):
        convert([Path(path) for path in paths], Path(f"new{number}"))
        (result,) = read_results_file(only(Path(f"new{number}/scores/gd"), "event"))
        assert result.provenance.goal is not None
        ((flaw,),) = [run.flaws for run in result.provenance.goal.runs]
        assert flaw == "of its 4 answers about forgotten scenes 4 say nothing (degenerate)"


# Every other reader


@pytest.mark.parametrize(
    "words",
    [
        ["rescore", "scores/gd"],
        ["rescore", "FILE"],
        ["rescore", "SAMPLES"],
        ["compare", "scores/finetuned", "scores/gd"],
        ["report", "scores", "--out", "page"],
        ["report", "scores/gd", "--out", "page"],
        ["judge", "scores/gd", "--judge", "openai:m"],
        ["real", "filter", "scores/finetuned", "--out", "known.json"],
        ["submit", "scores/gd", "--target", "person", "--name", "gd", "--link", "https://example.org/gd"],
        ["score", "models/llava", "--data", "data", "--target", "event", "--goal", "goals"],
        ["leaderboard", "check", "board", "--data", "data"],
        ["leaderboard", "build", "board", "--data", "data", "--out", "site"],
        ["leaderboard", "verify", "board", "gd-person", "scores/gd", "--data", "data", "--by", "Ada"],
    ],
    ids=" ".join,
)
def test_every_reader_of_1_1_says_the_command_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    file = only(Path("scores/gd"), "person")
    places = {"FILE": str(file), "SAMPLES": str(samples_file(file, TASKS["person"]))}
    if words[0] == "leaderboard":
        Path("board/board.json").write_text(json.dumps({"title": "A", "about": "B", "judges": ["lexical"]}))
    if words[0] == "score":
        (home / "models/llava").mkdir(parents=True)
    before = everything(home)
    assert cli.main([places.get(word, word) for word in words]) == 1
    printed = capsys.readouterr()
    lines = [line for line in [*printed.out.splitlines(), *printed.err.splitlines()] if COMMAND in line]
    assert len(lines) == 1, printed
    assert everything(home) == before


def test_samples_of_1_1_alone_say_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = only(Path("scores/gd"), "person")
    file.unlink()
    assert COMMAND in said_of(["rescore", str(samples_file(file, TASKS["person"]))], capsys)


def test_a_table_of_1_1_says_the_command(home: Path) -> None:
    for path in ("scores", "scores/gd", only(Path("scores/gd"), "event")):
        with pytest.raises(BenchmarkError, match=COMMAND):
            table(path)


# What cannot be converted


def truncate(file: Path) -> None:
    file.write_text(file.read_text()[:1000])


def of_another_task(file: Path) -> None:
    file.write_text('{"results": {"pope": {}}, "versions": {"pope": 1.0}}')


def of_the_future(file: Path) -> None:
    change(file, lambda content: content["versions"].update({TASKS["person"]: 9.0}))


def without_provenance(file: Path) -> None:
    change(file, lambda content: content["results"][TASKS["person"]].pop("provenance,none"))


def without_versions(file: Path) -> None:
    change(file, lambda content: content.pop("versions"))


def predict_only(file: Path) -> None:
    change(file, lambda content: content["results"].update({TASKS["person"]: {"bypass,none": 999}}))


def without_samples(file: Path) -> None:
    samples_file(file, TASKS["person"]).unlink()


def samples_cut_off(file: Path) -> None:
    truncate(samples_file(file, TASKS["person"]))


def samples_of_a_task_without_marks(file: Path) -> None:
    samples_file(file, TASKS["person"]).write_text('{"filtered_resps": "a", "bypass": 999}\n')


def samples_of_no_text(file: Path) -> None:
    samples = samples_file(file, TASKS["person"])
    lines = samples.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "filtered_resps": [3]})
    samples.write_text("\n".join(lines) + "\n")


def a_document_twice(file: Path) -> None:
    samples = samples_file(file, TASKS["person"])
    samples.write_text(samples.read_text() + samples.read_text().splitlines()[0] + "\n")


def of_another_benchmark(file: Path) -> None:
    for path in (file, samples_file(file, TASKS["person"])):
        path.write_text(path.read_text().replace("b2926d288362e447", "0" * 16))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncate, "FILE cannot be read as lmms-eval results (JSONDecodeError"),
        (without_provenance, "FILE cannot be read as lmms-eval results (KeyError('provenance,none'))"),
        (without_versions, "FILE cannot be read as lmms-eval results (KeyError('versions'))"),
        (of_the_future, "FILE is of the task version 9.0, this package marks by 2.0: use the PEBench that wrote it"),
        (predict_only, "FILE: pebench_people was run with --predict_only, which marks nothing."),
        (without_samples, "FILE: pebench_people was scored without --log_samples, so there are no responses to mark"),
        (samples_cut_off, "SAMPLES, line 2, is not a sample of ours (JSONDecodeError"),
        (samples_of_a_task_without_marks, "SAMPLES, line 1, is not a sample of ours (ValueError('was run with --pred"),
        (samples_of_no_text, "SAMPLES, line 2, is not a sample of ours (TypeError('the response is 3, not a text'))"),
        (a_document_twice, "SAMPLES, line 350: the document "),
        (of_another_benchmark, "No benchmark is chosen"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_one_that_cannot_be_converted_is_one_line_and_nothing_is_written(
    home: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], said: str
) -> None:
    """However many others are given, and whatever folders are on the way to the new one."""
    file = only(Path("scores/gd"), "person")
    spoil(file)
    before = everything(home)
    line = said_of(["rescore", "scores", "goals", "--convert", "a/b/new"], capsys)
    wanted = said.replace("FILE", str(file)).replace("SAMPLES", str(samples_file(file, TASKS["person"])))
    assert wanted in line
    assert "partial" not in line
    assert everything(home) == before
    assert not Path("a").exists()


def test_a_file_of_other_tasks_is_left_out_of_a_folder_and_refused_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = only(Path("scores/gd"), "person")
    of_another_task(file)
    assert cli.main(["rescore", "scores/gd", "goals", "--convert", "new"]) == 0
    assert capsys.readouterr().err == f"left out: {file}: it holds no results of our tasks\n"
    assert len(list(Path("new/scores/gd").glob("*_results.json"))) == 2
    assert f"{file} holds no results of our tasks" in said_of(["rescore", str(file), "--convert", "other"], capsys)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_there_already_is_not_touched(
    home: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    make(Path("new"))
    line = said_of(["rescore", "scores", "goals", "--convert", "new"], capsys)
    assert line == "error: new is there already. Name a new folder:  --convert DIR"


def test_a_place_that_cannot_be_written_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert "Not a directory" in said_of(["rescore", "scores", "goals", "--convert", "file/new"], capsys)


def test_a_folder_without_results_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert "There are no results of our tasks in empty." in said_of(["rescore", "empty", "--convert", "new"], capsys)
    assert "There is no file or folder nowhere" in said_of(["rescore", "nowhere", "--convert", "new"], capsys)


# What is given


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["scores/api"], ["api"]),
        (["scores/api/FILE"], ["api"]),
        (["scores/api/SAMPLES"], ["api"]),
        (["scores/api", "scores/finetuned/PEOPLE"], ["api", "finetuned"]),
        (["scores/api", "goals/event"], ["goals/event/goal", "scores/api"]),
        (["scores/api", "other/api"], ["other/api", "scores/api"]),
        (["scores/api", "scores/../scores/api"], ["api"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_is_given_lies_as_it_lay(home: Path, paths: list[str], places: list[str]) -> None:
    """One beside the other, so that nothing covers what has the same name."""
    shutil.copytree("scores/api", "other/api")
    file = only(Path("scores/api"), "person")
    named = {"FILE": file.name, "SAMPLES": samples_file(file, TASKS["person"]).name,
             "PEOPLE": only(Path("scores/finetuned"), "person").name}  # fmt: skip
    given = [Path(path).with_name(named[Path(path).name]) if Path(path).name in named else Path(path) for path in paths]
    results = convert(given, Path("new"))
    assert sorted({str(one.results_file.parent.relative_to("new")) for one in results}) == places


def test_the_newest_result_of_a_model_stays_the_newest(home: Path) -> None:
    """It is told by the time of its file: the date in its name is the zone's."""
    first, second = Path("scores/api/1_results.json"), Path("scores/api/2_results.json")
    file = only(Path("scores/api"), "person")
    os.utime(file, (500, 500))
    for when, copy in ((2000, first), (1000, second)):
        shutil.copy(samples_file(file, TASKS["person"]), samples_file(copy, TASKS["person"]))
        shutil.copy(file, copy)
        os.utime(copy, (when, when))
    convert([Path("scores/api")], Path("new"))
    (logged,) = read_logged("new/api")
    assert logged.result.results_file.name == "1_results.json"


def test_the_benchmark_may_be_named(home: Path, benchmark: Benchmark) -> None:
    Path("data").unlink()
    words = ["rescore", "scores/api", "--convert", "new"]
    assert cli.main(words) == 1
    assert cli.main([*words, "--data", str(benchmark.directory)]) == 0


def test_responses_of_several_lines_by_another_reckoning_stay_one_line(home: Path) -> None:
    r"""JSON holds U+2028 and U+0085 as they are; only a line feed ends a line of samples."""
    samples = samples_file(only(Path("scores/api"), "person"), TASKS["person"])
    made = [json.loads(line) for line in samples.open(encoding="utf-8")]
    made[0]["filtered_resps"] = "one\u2028two\u0085three"
    samples.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    convert([Path("scores/api")], Path("new"))
    (logged,) = read_logged("new/api")
    assert logged.samples[0].response == "one\u2028two\u0085three"


def test_withheld_scores_stay_withheld(home: Path) -> None:
    file = only(Path("scores/api"), "person")
    why = "images were never read"
    change(file, lambda content: content["results"][TASKS["person"]]["provenance,none"].update(withheld=why))
    samples = samples_file(file, TASKS["person"])
    made = [json.loads(line) for line in samples.open(encoding="utf-8")]
    for row in made:
        row["provenance"] |= {"withheld": why}
    samples.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    (result,) = convert([Path("scores/api")], Path("new"))
    assert (result.provenance.withheld, result.metrics) == (why, {})


def test_results_of_this_version_are_taken_as_they_are(home: Path) -> None:
    def figures(results: list[Result]) -> list[Any]:
        return [(one.task, one.metrics, one.provenance.slices) for one in results]

    first = convert([Path("scores"), Path("goals")], Path("new"))
    assert figures(convert([Path("new/scores"), Path("new/goals")], Path("again"))) == figures(first)
