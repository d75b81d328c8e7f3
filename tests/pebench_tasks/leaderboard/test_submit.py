"""``pebench submit``: what is written, from what, and what is refused before it is sent."""

import gzip
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_results import BASE, forgets, knows, never_saw, write_cast, write_result

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_submission import check_submission
from pebench_tasks.leaderboard.entry.loader import read_samples, read_submission
from pebench_tasks.leaderboard.submit.submit import submit
from pebench_tasks.results.files import TASKS, read_result
from pebench_tasks.results.public_figures import find_known, write_known
from pebench_tasks.results.samples import read_logged

LINK = "https://example.org/method"
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def made(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all targets, and the checkpoints that they are of."""
    folder: Path = tmp_path_factory.mktemp("made")
    write_cast(folder, benchmark, ("person", "event", "joint"))
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in a folder of this test, the working directory."""
    home: Path = tmp_path / "home" / "somebody"
    shutil.copytree(made, home)
    monkeypatch.chdir(home)
    for target in TASKS:  # results name the Goals that they were scored with by their path
        for path in home.glob("*/*/*_results.json"):
            path.write_text(path.read_text().replace(str(made), str(home)))
        train("finetuned", target)
        for name in ("gd", "ga", "goal"):
            train(name, target)
    return home


def weights(name: str, method: str) -> str:
    return hashlib.sha256(f"{name}/{method}".encode()).hexdigest()[:16]


def train(name: str, target: str, **changed: Any) -> Path:
    """A checkpoint's folder, the last training's: a run record of the required fields and one argument."""
    method = name.partition("-")[0].replace("finetuned", "finetune")
    result = read_result(Path("scores", name if Path("scores", name).is_dir() else "gd"), TASKS[target])
    assert result is not None
    facts = result.provenance.json
    forgotten = {field: "" if method == "finetune" else facts[field] for field in ("target", "forget", "split")}
    base = {"model": "/models/base", "weights": BASE}
    started = {
        "format": "pebench-run/1", "method": "finetune", "weights": weights("finetuned", "finetune"), "base": BASE,
        "target": "", "forget": "", "split": "", "seed": 0, "data": facts["data"], "template": "", "parent": base,
    }  # fmt: skip
    record = {
        "format": "pebench-run/1", "method": method, "seed": 0, "base": BASE, "weights": weights(name, method),
        "data": facts["data"], "template": "", **forgotten,
        "parent": base if method in ("finetune", "goal") else started,
        "arguments": {"model": str(Path.cwd() / "models/finetuned"), "learning_rate": 1e-4}, "losses": [{"loss": 1.0}],
        **changed,
    }  # fmt: skip
    folder = Path("models", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pebench_run.json").write_text(json.dumps(record))
    return folder


def send(target: str, results: str = "scores/gd", **options: Any) -> Path:
    for name in ("finetuned", "gd", "ga", "goal"):
        train(name, target)
    return submit(
        Path(results), **{"name": "mine", "link": LINK, "target": target, "out": Path("board"), **options}
    ).file


def refused(target: str, results: str = "scores/gd", **options: Any) -> str:
    with pytest.raises(BenchmarkError) as error:
        send(target, results, **options)
    assert not list(Path().glob("board/*")), "nothing is left behind"
    return str(error.value)


def edit(name: str, target: str, provenance: Edit = lambda facts: None, sample: Edit = lambda row: None) -> None:
    """Change a result's provenance and each of its samples."""
    for path in Path("scores", name).glob("*_results.json"):
        content = json.loads(path.read_text())
        if TASKS[target] in content["results"]:
            provenance(content["results"][TASKS[target]]["provenance,none"])
            path.write_text(json.dumps(content))
            lines = path.with_name(path.name.replace("_results.json", f"_samples_{TASKS[target]}.jsonl"))
            rows = [json.loads(line) for line in lines.open()]
            for row in rows:
                sample(row)
            lines.write_text("".join(json.dumps(row) + "\n" for row in rows if row))


# What is written


@pytest.mark.parametrize("target", TASKS)
def test_what_is_submitted_passes_the_check_and_has_the_harness_s_figures(
    here: Path, benchmark: Benchmark, target: str
) -> None:
    path = send(target)
    submission = read_submission(path)
    checked = check_submission(path, Board(), {benchmark.fingerprint: benchmark})
    assert list(checked.results) == ["finetuned", "model", "goal-0"]
    for run, name in (("finetuned", "finetuned"), ("model", "gd"), ("goal-0", "goal")):
        (logged,) = [one for one in read_logged(Path("scores", name)) if one.result.task == TASKS[target]]
        claimed = submission["runs"]["goals"][0] if run == "goal-0" else submission["runs"][run]
        assert claimed["figures"] == pytest.approx(logged.result.metrics)
        assert claimed["counts"] == logged.result.provenance.slices
        assert claimed["intervals"] == logged.result.provenance.json["statistics"]["slices"]
        assert claimed["name"] == name
    assert submission["base"] == {"weights": BASE, "name": "base"}
    lines = list(read_samples(path.with_name("mine.samples.jsonl.gz"), submission))
    assert len(lines) == submission["samples"]["documents"] == 3 * submission["runs"]["model"]["n"]


@pytest.mark.parametrize("name", ["gd", "finetuned", "goal"])
def test_newest_results_that_are_passed_over_are_said(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Of the model, and of the bounds that are found beside it; not those of other targets."""
    for task in ("pebench_events", "pebench_people"):
        (file,) = [path for path in Path("scores", name).glob("*_results.json") if task in path.read_text()]
        again = file.with_name(f"20260202_{task}_results.json")  # without samples
        again.write_text(file.read_text())
        os.utime(again, ns=(2**61, 2**61))
    send("event")
    *others, line = capsys.readouterr().err.splitlines()
    assert line.startswith("left out: ")
    assert f"scores/{name}/20260202_pebench_events_results.json: pebench_events was scored without" in line
    assert len(others) == (1 if name == "gd" else 0)  # until a target is chosen, all that was passed over is said


def test_goal_is_marked_with_its_own_answers(here: Path) -> None:
    figures = read_submission(send("event"))["runs"]["goals"][0]["figures"]
    assert (figures["efficacy"], figures["generality"]) == (1.0, 1.0)


def test_the_same_results_give_the_same_bytes_and_no_folder_of_this_machine(here: Path) -> None:
    path = send("event")
    first = [file.read_bytes() for file in sorted(Path("board").iterdir())]
    assert [file.read_bytes() for file in sorted(send("event").parent.iterdir())] == first
    text = path.read_text() + gzip.decompress(path.with_name("mine.samples.jsonl.gz").read_bytes()).decode()
    for word in (str(here), "somebody", "/models", "losses", "2026"):
        assert word not in text
    assert json.loads(path.read_text())["runs"]["model"]["record"]["arguments"]["model"] == "finetuned"
    assert sorted(file.name for file in Path("board").iterdir()) == ["mine.json", "mine.samples.jsonl.gz"]


def test_every_goal_that_the_model_was_scored_with_is_in(here: Path, benchmark: Benchmark) -> None:
    both = here / "two"
    for name in ("goal", "goal-2"):
        write_result(both, benchmark, "event", name, never_saw, method="goal")
        train(name, "event", weights=weights(name, "goal"))
    for name, method, respond in (("gd", "gd", forgets), ("finetuned", "finetune", knows)):
        write_result(here / "scores", benchmark, "event", name, respond, method=method, goal=both)
    goals = read_submission(send("event"))["runs"]["goals"]
    assert [goal["weights"] for goal in goals] == sorted([weights("goal", "goal"), weights("goal-2", "goal")])
    named = [both / "goal-2", both / "goal"]
    assert [goal["name"] for goal in read_submission(send("event", goals=named))["runs"]["goals"]] == ["goal-2", "goal"]
    shutil.rmtree("board")
    assert "was scored with the Goal models" in refused("event", goals=[both / "goal"])
    assert "twice" in refused("event", goals=[both / "goal", both / "goal"])


def test_more_goals_than_a_submission_holds_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.leaderboard.submit.lineup.MAX_GOALS", 0)
    assert "gd was scored with 1 Goal models; a submission holds at most 0" in refused("event")
    assert "gd has 1 Goal models; a submission holds at most 0. Choose some:  --goal RESULTS" in refused("person")


def test_every_run_says_in_which_numbers_it_was_scored(here: Path) -> None:
    edit("gd", "person", lambda facts: facts["model"].update(dtype="bfloat16", backend="/opt/somebody/my vllm"))
    edit("goal", "person", lambda facts: facts["model"].update(dtype="float32", backend="pebench_hf"))
    edit("finetuned", "person", lambda facts: facts.update(model=facts["model"] | {"dtype": "", "backend": ""}))
    runs = read_submission(send("person"))["runs"]
    said = [(run["dtype"], run["backend"]) for run in (runs["model"], runs["finetuned"], runs["goals"][0])]
    assert said == [("bfloat16", "my_vllm"), ("", ""), ("float32", "pebench_hf")]


def test_every_response_is_marked_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pebench_tasks.leaderboard.entry import recompute

    marked: list[str] = []

    def watched(key: str, *rest: Any) -> dict[str, Any]:
        marked.append(key)
        return original(key, *rest)

    original = recompute.mark
    monkeypatch.setattr(recompute, "mark", watched)
    recompute._shared.cache_clear()
    recompute._latest.cache_clear()
    path = send("event")  # computed to claim, and checked as a board does
    assert len(marked) == read_submission(path)["samples"]["documents"]


def test_people_need_no_goal_s_answers_but_its_figures(here: Path) -> None:
    assert read_submission(send("person"))["runs"]["goals"][0]["weights"] == weights("goal", "goal")
    shutil.rmtree("board")
    shutil.rmtree("scores/goal")
    assert "no results of the Goal model of the same base, data and forget set" in refused("person")
    assert "--goal RESULTS" in refused("person")


def test_a_response_that_no_json_reader_takes_is_replaced_before_it_is_marked(here: Path) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["provenance"]["slice"] == "efficacy":
            row["filtered_resps"] = row["resps"] = "I see \ud800 and \0."

    edit("gd", "person", sample=spoil)
    path = send("person")
    lines = read_samples(path.with_name("mine.samples.jsonl.gz"), read_submission(path))
    assert "I see ? and \ufffd." in {line.response for line in lines if line.run == "model"}


def judge(row: dict[str, Any]) -> None:
    if row["provenance"]["judge"] is not None:
        row["provenance"] |= {"judge": "openai:m/1", "judgement": {"weights": {"4": 1.0}, "source": "text"}}


def judged(facts: dict[str, Any]) -> None:
    settings = {
        "fingerprint": "openai:m/1",
        "model": "m",
        "settings": {"seed": 0},
        "not_taken": [],
        "probabilities": True,
    }
    facts |= {"judge": "openai:m/1", "judge_settings": settings}


def test_a_judge_s_marks_are_taken_along(here: Path, benchmark: Benchmark) -> None:
    for name in ("gd", "finetuned", "goal"):
        edit(name, "event", judged, judge)
    shutil.rmtree("goals")  # marked without a judge: in no table with these
    path = send("event")
    submission = read_submission(path)
    assert submission["judge_settings"]["settings"] == {"seed": 0}
    assert submission["runs"]["model"]["figures"]["efficacy"] == 0.75
    with pytest.raises(BenchmarkError, match="not one of this board's"):
        check_submission(path, Board(), {benchmark.fingerprint: benchmark})


def test_failed_judgements_are_refused(here: Path) -> None:
    def fail(row: dict[str, Any]) -> None:
        judge(row)
        if row["provenance"]["slice"] == "retain":
            row["provenance"]["judgement"] = {"failed": "malformed: x"}

    for name in ("gd", "finetuned", "goal"):
        edit(name, "event", judged, fail if name == "gd" else judge)
    assert "Judge again with  pebench judge" in refused("event")


def test_the_list_behind_real_comes_along(here: Path, benchmark: Benchmark) -> None:
    write_result(here / "base", benchmark, "person", "base", knows)
    content = find_known(here / "base" / "base")
    content["known"] = content["known"][:2]
    content.pop("fingerprint")
    from pebench_tasks.benchmark.known_figures import fingerprint

    content["base"] = content["weights"] = BASE
    content["fingerprint"] = fingerprint(content)
    write_known(content, Path("known.json"))
    asked = {"list": content["fingerprint"], "known": 2, "asked": content["asked"], "base": BASE}

    def only_known(row: dict[str, Any]) -> None:
        key = row["provenance"]["key"]
        if row["provenance"]["slice"] == "real" and key.removesuffix("/name") not in content["known"]:
            row.clear()

    def say_so(facts: dict[str, Any]) -> None:
        facts["real_documents"] = asked
        facts["slices"]["real"]["n"] = 2

    for name in ("gd", "finetuned", "goal"):
        edit(name, "person", say_so, only_known)
    assert "--real-known FILE" in refused("person")
    submission = read_submission(send("person", real_known=Path("known.json")))
    assert submission["real_known"] == content
    assert submission["runs"]["model"]["counts"]["real"]["n"] == 2
    shutil.rmtree("board")
    content["known"] = content["known"][:1]
    Path("known.json").write_text(json.dumps(content))
    assert "was changed after it was written" in refused("person", real_known=Path("known.json"))
    assert "Leave --real-known out" in refused("event", real_known=Path("known.json"))


def test_the_command_says_what_to_do_next(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("finetuned", "gd", "goal"):
        train(name, "person")
    words = ["submit", "scores/gd", "--target", "person", "--name", "mine", "--link", LINK, "--out", "board"]
    assert cli.main(words) == 0
    last = capsys.readouterr().out.splitlines()[-1].strip()
    assert last.startswith("pebench leaderboard check board --only mine --data ")
    monkeypatch.delenv("PEBENCH_DATA", raising=False)  # no benchmark is chosen
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "config"))
    assert cli.main(shlex.split(last)[1:]) == 0
    assert capsys.readouterr().out.startswith("mine: ok")
    assert cli.main([word.replace("mine", "Mine") for word in words]) == 1
    assert "cannot be the name of a submission" in capsys.readouterr().err


# What is refused, and what to do


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"withheld": "the images of 3 documents were never read"}, "withheld: the images of 3"),
        ({"other_split": "forget05"}, "Score it with --forget forget05"),
        ({"model": {"record": {"forget": "forget20:4/4"}}}, "is of one request of a forget set. Boards compare"),
        (
            {"other_target": "event"},
            "made for the target event, but asked about person. Score it with --target event",
        ),
        (
            {"image_size": {"image": [64, 64], "made": 256, "own": 16, "unit": "patches"}},
            "saw other images than it should: the backend made 256 patches of an image of 64 x 64",
        ),
        ({"generation": None}, "does not say how the model was asked"),
        ({"template": "0" * 16}, "do not belong together|asked in other words"),
        ({"model": {}}, "PEBENCH_CHECKPOINT=DIR"),
        ({"model": {"weights": "0" * 16}}, "is of the weights 0000000000000000; in models/gd"),
        ({"world_documents": "all"}, "do not belong in one table. They differ in World documents"),
    ],
)
def test_results_that_no_board_takes_are_refused(here: Path, change: dict[str, Any], reason: str) -> None:
    edit("gd", "person", lambda facts: facts.update(change | ({"model": facts["model"] | change["model"]}
                                                               if change.get("model") else {})))  # fmt: skip
    assert re.search(reason, refused("person"))


def test_an_output_filter_that_finetuned_has_not_is_no_unlearning(here: Path) -> None:
    edit("gd", "person", lambda facts: facts["model"].update(generation={"bad_words_ids": [[5]]}))
    assert re.search(r"under different generation settings of their own \(bad_words_ids in ", refused("person"))


def test_results_of_another_version_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.leaderboard.submit.lineup.task_version", lambda: "9.9")
    assert "Score it again with this version" in refused("person")


def test_mostly_empty_responses_are_refused(here: Path) -> None:
    assert "mostly empty" in refused("person", "scores/ga")


def test_results_that_lack_documents_are_refused(here: Path) -> None:
    lost: list[str] = []

    def lose(row: dict[str, Any]) -> None:
        if row["provenance"]["slice"] == "retain" and not lost:
            lost.append(row["provenance"]["key"])
            row.clear()

    edit("gd", "person", sample=lose)
    assert f"model did not answer 1 of {len(read_logged(Path('scores/goal'))[0].samples)}" in refused("person")


def test_a_bound_is_no_submission(here: Path) -> None:
    assert "is made by goal: a bound" in refused("person", "scores/goal")


def test_several_targets_need_a_choice(here: Path) -> None:
    with pytest.raises(BenchmarkError, match="--target person or event or joint"):
        submit(Path("scores/gd"), name="mine", link=LINK)


def test_a_checkpoint_without_a_record_is_told_what_one_needs(here: Path) -> None:
    train("gd", "person")
    shutil.move("models/gd", "elsewhere")
    with pytest.raises(BenchmarkError, match=r"no pebench_run.json in models/gd.*method, target, forget, seed, base"):
        submit(Path("scores/gd"), name="mine", link=LINK, target="person", out=Path("board"))
    train("finetuned", "person")
    train("goal", "person")
    assert submit(
        Path("scores/gd"), name="mine", link=LINK, target="person", out=Path("board"), checkpoint=Path("elsewhere")
    )


def test_finetuned_is_the_one_that_was_unlearned(here: Path, benchmark: Benchmark) -> None:
    write_result(here / "scores", benchmark, "person", "finetuned-2", knows, method="finetune")
    submission = read_submission(send("person"))
    assert submission["runs"]["finetuned"]["weights"] == weights("finetuned", "finetune")
    shutil.rmtree("board")
    assert "was unlearned from" in refused("person", finetuned=Path("scores/finetuned-2"))
    shutil.rmtree("scores/finetuned")
    assert f"no results of the Finetuned model {weights('finetuned', 'finetune')}" in refused("person")


def test_finetuned_s_record_may_come_from_the_lineage(here: Path) -> None:
    for name in ("finetuned", "gd", "goal"):
        train(name, "person")
    shutil.rmtree("models/finetuned")
    path = submit(Path("scores/gd"), name="mine", link=LINK, target="person", out=Path("board")).file
    assert read_submission(path)["runs"]["finetuned"]["record"]["method"] == "finetune"


def test_a_name_is_not_taken_from_another_model(here: Path) -> None:
    send("person")
    with pytest.raises(BenchmarkError, match="is another model's submission"):
        send("event")
    assert read_submission(send("person"))


@pytest.mark.parametrize("link", ["http://example.org", "javascript:alert(1)", "example.org"])
def test_a_link_is_https(here: Path, link: str) -> None:
    assert "must begin with https://" in refused("person", link=link)


def test_a_text_that_a_page_could_not_show_is_refused(here: Path) -> None:
    assert "U+202E" in refused("person", description="a\u202eb")


def test_a_submission_is_made_from_every_folder(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results name checkpoints and Goals by paths that are relative to the folder of the training."""
    at_home = send("event")
    for path in here.glob("*/*/*_results.json"):
        path.write_text(path.read_text().replace(f"{here}/", ""))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    from_elsewhere = submit(here / "scores/gd", name="mine", link=LINK, target="event", out=Path("board")).file
    assert from_elsewhere.read_bytes() == (here / at_home).read_bytes()
