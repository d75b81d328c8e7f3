import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness_runs import LIMIT, NEW_TOKENS, SHORT, TASKS, MakeCheckpoint
from safetensors.torch import load_file, save_file

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.evaluation.one_checkpoint import reserve_date
from pebench_tasks.marking.scoring import SLICES
from pebench_tasks.results.files import Result, read_result
from pebench_tasks.results.notes import notes
from pebench_tasks.results.record import ResultRecord

QUICK: dict[str, Any] = {**SHORT, "limit": 6}
WORDS = ["--device", "cpu", "--limit", str(LIMIT), "--max_new_tokens", str(NEW_TOKENS)]  # of ``pebench score``


@pytest.fixture(scope="module")
def results(
    benchmark: Benchmark, llava: Path, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> list[Result]:
    """Two checkpoints scored on both tasks in one call."""
    checkpoints = [llava, make_checkpoint("second", seed=1, method="gd", target="person", forget="forget05")]
    out = tmp_path_factory.mktemp("scores")
    return evaluate(checkpoints, data=benchmark.directory, output_path=out, **SHORT)


def test_one_result_per_checkpoint_and_target_in_order(results: list[Result]) -> None:
    assert [(Path(result.checkpoint).name, result.task) for result in results] == [
        (name, task) for name in ("llava", "second") for task in TASKS
    ]
    assert [result.provenance.model.method for result in results] == [None, None, "gd", "gd"]


def test_results_are_what_the_files_hold(results: list[Result]) -> None:
    for result in results:
        assert result.results_file.parent.name == Path(result.checkpoint).name
        samples = [json.loads(line) for line in result.samples_file.open()]
        assert len(samples) == result.provenance.n == LIMIT
        real = [sample["real"] for sample in samples if "real" in sample]
        assert result.metrics["real"] == pytest.approx(sum(real) / len(real))
        assert read_result(result.results_file.parent, result.task) == result


def test_the_newest_result_of_a_task_is_read(results: list[Result], tmp_path: Path) -> None:
    assert read_result(tmp_path, TASKS[0]) is None
    content = json.loads(results[0].results_file.read_text())
    for date, value in (("20250101_000000", 1.0), ("20250102_000000", 2.0)):
        content["results"][TASKS[0]]["real,none"] = value
        (tmp_path / f"{date}_results.json").write_text(json.dumps(content))
        (tmp_path / f"{date}_samples_{TASKS[0]}.jsonl").touch()
    del content["results"][TASKS[0]]
    (tmp_path / "20250103_000000_results.json").write_text(json.dumps(content))
    found = read_result(tmp_path, TASKS[0])
    assert found is not None
    assert found.metrics["real"] == 2.0


def test_the_environment_is_what_it_was(
    benchmark: Benchmark, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_FORGET", "forget01")
    (result,) = evaluate(
        [llava], data=benchmark.directory, forget=20, targets=["person"], output_path=tmp_path, retain_all=True, **QUICK
    )
    assert result.provenance.forget == "forget20"
    assert result.provenance.retain_documents == "all"
    assert os.environ["PEBENCH_FORGET"] == "forget01"
    assert not {"PEBENCH_DATA", "PEBENCH_RETAIN", "PEBENCH_GOAL"} & os.environ.keys()


def test_a_model_that_fails_is_an_error_and_leaves_no_result(
    benchmark: Benchmark, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlavaForConditionalGeneration

    def fail(self: Any, **inputs: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(LlavaForConditionalGeneration, "generate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluate([llava], data=benchmark.directory, output_path=tmp_path / "out", **QUICK)
    assert not list(tmp_path.rglob("*_results.json"))


def test_a_file_that_the_harness_did_not_write_is_an_error(
    benchmark: Benchmark, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only logs that it could not save."""
    from lmms_eval.loggers import EvaluationTracker

    monkeypatch.setattr(EvaluationTracker, "save_results_samples", lambda *words, **more: None)
    with pytest.raises(BenchmarkError, match=r"lmms-eval did not write .*_samples_pebench_people.jsonl"):
        evaluate([llava], data=benchmark.directory, targets=["person"], output_path=tmp_path / "out", **QUICK)


def test_an_output_folder_that_is_a_file_is_an_error_before_anything_is_answered(
    benchmark: Benchmark, llava: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(BenchmarkError, match=r"The answers cannot be kept in .*out"):
        evaluate([llava], data=benchmark.directory, targets=["person"], output_path=tmp_path / "out", **QUICK)


@pytest.mark.parametrize(
    ("checkpoints", "options", "complaint"),
    [
        (["a"], {"targets": ["place"]}, "no target 'place' to score. Known: person, event, joint"),
        (["a/model", "b/model"], {}, "Two checkpoints are called model"),
        (["a,b"], {}, "has a comma"),
        (["a"], {"data": "/nowhere"}, "no benchmark folder /nowhere"),
        (["/nowhere/model"], {}, "There is no folder /nowhere/model, and a model of the hub is called owner/name"),
        (["./typo"], {}, r"There is no folder \./typo\. If a model of the hub is meant"),
    ],
)
def test_wrong_input_is_refused(
    benchmark: Benchmark, tmp_path: Path, checkpoints: list[str], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BenchmarkError, match=complaint):
        evaluate(checkpoints, **{"data": benchmark.directory, "output_path": tmp_path, **options})


def test_a_benchmark_folder_is_not_scored(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"is a benchmark folder \(--data\), not a checkpoint"):
        evaluate([benchmark.directory], data=benchmark.directory, output_path=tmp_path)


def test_a_training_that_is_not_finished_is_not_scored(benchmark: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "made.partial").mkdir()
    with pytest.raises(BenchmarkError, match=r"made is not finished: its training was interrupted"):
        evaluate([tmp_path / "made"], data=benchmark.directory, output_path=tmp_path)


@pytest.mark.parametrize("here", [".", "./", "../llava"])
def test_the_folder_one_is_in_is_scored_by_its_name(
    benchmark: Benchmark, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    monkeypatch.chdir(llava)
    options = {**SHORT, "targets": ["person"], "limit": 2}
    (result,) = evaluate([here], data=benchmark.directory, output_path=tmp_path, **options)
    assert result.results_file.parent == tmp_path / "llava"
    assert Path(result.checkpoint).name == "llava"


def test_files_of_the_same_second_are_not_overwritten(tmp_path: Path) -> None:
    first, second = reserve_date(tmp_path), reserve_date(tmp_path)
    assert first < second
    (tmp_path / f"{second}_results.json").rename(tmp_path / f"{second}_samples_task.jsonl")
    assert reserve_date(tmp_path) > second


def test_the_command_prints_a_row_per_checkpoint_and_what_to_know_about_it(
    benchmark: Benchmark, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", str(llava), "--data", str(benchmark.directory), *WORDS]
    assert cli.main([*words, "--output_path", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for word in ("llava", "person", "event", "efficacy", "world", "never learned the benchmark", "_results.json"):
        assert word in printed


def test_the_command_prints_the_joint_target_as_a_row_a_concept(
    benchmark: Benchmark, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table of the single targets keeps its columns; the joint one has no Scope, as in the paper."""
    words = ["score", str(llava), "--data", str(benchmark.directory), *WORDS]
    assert cli.main([*words, "--output_path", str(tmp_path), "--target", "person", "joint"]) == 0
    lines = capsys.readouterr().out.splitlines()
    single, joint = (line for line in lines if line.startswith("checkpoint"))
    assert single.split() == ["checkpoint", "target", *SLICES, "empty"]
    assert joint.split() == ["checkpoint", "target", *(name for name in SLICES if name != "scope"), "empty"]
    rows = [line.split() for line in lines if line.startswith("llava ")]
    assert [row[:-6] for row in rows[1:]] == [["llava", "joint", "person"], ["llava", "joint", "event"]]
    assert rows[2][3:5] == ["-", "-"]  # no Goal responses
    assert any("forgetting is only in event_efficacy_truth_only and event_generality_truth_only" in x for x in lines)


def test_the_command_exits_with_one_line_where_the_input_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", "model", "--data", "/nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no benchmark folder /nowhere")


def test_withheld_and_empty_results_are_noted(results: list[Result]) -> None:
    amiss = results[0]._replace(
        provenance=results[0].provenance.changed(withheld="never read", mostly_empty=["real"], never_learned=None)
    )
    assert notes(amiss)[:2] == ["scores withheld: never read", "mostly empty responses in real"]


def test_echoes_failed_requests_and_wrong_image_sizes_are_noted(results: list[Result]) -> None:
    size = {"image": [64, 64], "made": 256, "own": 16, "unit": "patches"}
    facts = {"mostly_echoed": ["real"], "unanswered": {"scope": 2, "world": 1}, "image_size": size}
    found = notes(results[0]._replace(provenance=results[0].provenance.changed(**facts)))
    assert found[:3] == [
        "mostly echoed questions in real",
        "failed requests in scope, world",
        "the backend made 256 patches of an image of 64 x 64 pixels, of which the checkpoint's own settings make 16",
    ]
    same = results[0].provenance.changed(image_size={**size, "made": 16})
    assert not [note for note in notes(results[0]._replace(provenance=same)) if "patches" in note]


def test_results_of_earlier_versions_have_no_such_notes(results: list[Result]) -> None:
    later = {"echoed", "mostly_echoed", "unanswered", "image_size"}
    assert later < results[0].provenance.json.keys()
    old = {name: fact for name, fact in results[0].provenance.json.items() if name not in later}
    assert notes(results[0]._replace(provenance=ResultRecord.from_json(old))) == notes(results[0])


def lmms_eval(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lmms_eval", "--tasks", ",".join(TASKS), *words]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PEBENCH_")}
    variables |= {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables, check=False)


def test_the_bare_command_finds_the_tasks_from_any_folder_and_gives_the_same_results(
    benchmark: Benchmark, results: list[Result], tmp_path: Path
) -> None:
    words = ["--model", "pebench_hf", "--model_args", f"pretrained={results[0].checkpoint}", "--batch_size", "32"]
    words += ["--limit", str(LIMIT), "--output_path", str(tmp_path), "--log_samples", "--device", "cpu"]
    words += ["--gen_kwargs", f"max_new_tokens={NEW_TOKENS}"]
    done = lmms_eval(*words, folder=tmp_path, PEBENCH_DATA=str(benchmark.directory))
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for ours, task in zip(results[:2], TASKS, strict=True):
        theirs = read_result(folder, task)
        assert theirs is not None
        assert theirs.metrics == ours.metrics
        elsewhere = {"benchmark": {}, "started_in": ""}
        assert theirs.provenance.changed(**elsewhere) == ours.provenance.changed(**elsewhere)
        assert theirs.samples_file.read_text() == ours.samples_file.read_text()


@pytest.mark.slow
def test_the_bare_command_stops_at_wrong_data_before_it_loads_a_model(tmp_path: Path) -> None:
    done = lmms_eval(
        "--model", "pebench_hf", "--model_args", "pretrained=/no/model", folder=tmp_path, PEBENCH_DATA="/no/data"
    )
    assert done.returncode == 1
    assert "error: There is no benchmark folder /no/data" in done.stderr
    assert "/no/model" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_bare_command_stops_at_a_checkpoint_that_is_none(benchmark: Benchmark, tmp_path: Path) -> None:
    done = lmms_eval(
        "--model", "pebench_hf", "--model_args", "pretrained=/no/model", folder=tmp_path,
        PEBENCH_DATA=str(benchmark.directory),
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: There is no folder /no/model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["pebench", pytest.param("lmms-eval", marks=pytest.mark.slow)])
def test_two_processes_share_the_documents(
    benchmark: Benchmark, results: list[Result], tmp_path: Path, program: str
) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    command += ["--no-python", str(Path(sys.executable).with_name(program))]
    if program == "pebench":
        command += ["score", results[0].checkpoint, "--max_new_tokens", str(NEW_TOKENS)]
    else:  # which reads the files of all its own tasks first
        command += ["--model", "pebench_hf", "--model_args", f"pretrained={results[0].checkpoint}", "--log_samples"]
        command += ["--tasks", ",".join(TASKS), "--gen_kwargs", f"max_new_tokens={NEW_TOKENS}"]
    command += ["--batch_size", "32", "--limit", str(LIMIT), "--output_path", str(tmp_path)]
    variables = os.environ | {
        "PEBENCH_DATA": str(benchmark.directory),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for ours, task in zip(results[:2], TASKS, strict=True):
        theirs = read_result(folder, task)
        assert theirs is not None
        assert theirs.metrics == pytest.approx(ours.metrics)
        assert theirs.provenance.slices == ours.provenance.slices


def test_a_checkpoint_that_lacks_weights_is_not_scored(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    """transformers fills the gap with random weights, and Efficacy would be perfect."""
    broken = make_checkpoint("broken")
    tensors = load_file(broken / "model.safetensors")
    save_file(
        {k: v for k, v in tensors.items() if "layers.1." not in k}, broken / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(BenchmarkError, match="of its weights"):
        evaluate([broken], data=benchmark.directory, output_path=tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_benchmark_is_not_scored(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    other = make_checkpoint("other", data="f" * 16)
    with pytest.raises(BenchmarkError, match=f"was trained on the benchmark {'f' * 16}"):
        evaluate([other], data=benchmark.directory, output_path=tmp_path / "out", **QUICK)


def test_a_checkpoint_of_another_forget_set_is_marked(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    made = make_checkpoint("made", method="gd", target="person", forget="forget20", split="0" * 16)
    results = evaluate([made], data=benchmark.directory, forget=5, output_path=tmp_path / "out", **QUICK)
    assert [result.provenance.other_split for result in results] == ["forget20", ""]
    assert any("made for forget20" in note for note in notes(results[0]))


def test_a_checkpoint_of_another_target_is_marked_and_said_before_it_answers(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unlearned on events and asked about people it knows them all: Efficacy 0, which is no failure."""
    made = make_checkpoint("made", method="gd", target="event", forget="forget05")
    person, event = evaluate([made], data=benchmark.directory, forget=5, output_path=tmp_path / "out", **QUICK)
    assert (person.provenance.other_target, event.provenance.other_target) == ("event", "")
    assert json.loads(person.results_file.read_text())["results"][person.task]["provenance,none"]["other_target"]
    assert any("made for the target event, but asked about person" in note for note in notes(person))
    said = capsys.readouterr().err
    before, after = said.index("WRONG QUESTIONS"), said.index("these are not its forgetting scores")
    assert before < after


def test_the_command_asks_what_the_run_record_names_unless_told_otherwise(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_checkpoint("made", method="gd", target="event", forget="forget05")
    words = ["score", str(made), "--data", str(benchmark.directory), *WORDS, "--limit", "6"]
    assert cli.main([*words, "--output_path", str(tmp_path / "own")]) == 0
    assert "was made for the target event, so that is what it is asked" in capsys.readouterr().err
    assert read_result(tmp_path / "own" / "made", TASKS[0]) is None
    assert read_result(tmp_path / "own" / "made", TASKS[1]) is not None
    assert cli.main([*words, "--target", "person", "--output_path", str(tmp_path / "told")]) == 0
    assert read_result(tmp_path / "told" / "made", TASKS[0]) is not None
    assert read_result(tmp_path / "told" / "made", TASKS[1]) is None


def test_without_a_judge_its_settings_do_not_matter(
    benchmark: Benchmark, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_JUDGE_CONCURRENCY", "many")
    (result,) = evaluate([llava], data=benchmark.directory, targets=["person"], output_path=tmp_path, **QUICK)
    assert result.provenance.judge is None


def test_a_forget_set_that_nobody_chose_must_be_the_checkpoints(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    made = make_checkpoint("made", method="gd", target="person", forget="forget20")
    with pytest.raises(BenchmarkError, match="made for forget20, and no forget set is chosen"):
        evaluate([made], data=benchmark.directory, output_path=tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()


def test_the_newest_result_is_the_one_written_last_whatever_its_name_says(
    results: list[Result], tmp_path: Path
) -> None:
    """lmms-eval dates its files in a time zone of its own."""
    whole = results[0]
    for second, date in enumerate(("20990101_000000", "20250101_000000")):
        for file in (whole.results_file, whole.samples_file):
            copied = tmp_path / file.name.replace(file.name[:15], date)
            copied.write_bytes(file.read_bytes())
            os.utime(copied, (second, second))
    found = read_result(tmp_path, whole.task)
    assert found is not None
    assert found.results_file.name == "20250101_000000_results.json"


def test_a_result_that_was_cut_off_is_passed_over(results: list[Result], tmp_path: Path) -> None:
    whole = results[0]
    for file in (whole.results_file, whole.samples_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "29990101_000000_results.json").write_text(whole.results_file.read_text()[:100])
    (tmp_path / "29990102_000000_results.json").write_text(whole.results_file.read_text())  # no samples beside it
    (tmp_path / "29990103_000000_results.json").touch()  # reserved, then killed
    found = read_result(tmp_path, whole.task)
    assert found is not None
    assert found.results_file.name == whole.results_file.name


@pytest.mark.parametrize("words", ["--dtype float8", "--batch_size none", "--limit 0"])
def test_options_that_cannot_be_meant_are_refused_at_once(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["score", "somewhere", *words.split()])
    assert stop.value.code == 2
    assert words.split()[0] in capsys.readouterr().err
