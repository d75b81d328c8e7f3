"""The protocol from the first picture to the last table, on real models, through the real harness."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from brief_answers import answer_in_one_word
from demo_claims import CLAIMS, Claim

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.scoring import FORGETTING
from pebench_tasks.pages.report import FILES
from pebench_tasks.results.files import read_result
from unlearn import demo

METRICS = ["efficacy", "generality", "retain", "scope", "real", "world"]
COLUMNS = ["method", "target", *METRICS, "efficacy_partial", "generality_partial"]


def read_table(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        return {
            (row["method"], row["target"]): {name: float(row[name]) for name in METRICS if row[name]} for row in reader
        }


def run_demo(out: Path, *options: str) -> str:
    words = [sys.executable, "-m", "unlearn.demo", "--out", str(out), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as ``make demo`` runs it; several minutes."""
    out: Path = tmp_path_factory.mktemp("demo") / "run"
    run_demo(out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_a_run_keeps_what_the_readme_claims(full_run: Path, claim: Claim) -> None:
    table = read_table(full_run / "table.csv")
    assert claim.holds(table), claim.figures(table)


@pytest.mark.slow
def test_the_report_shows_every_checkpoint_with_its_responses(full_run: Path) -> None:
    page = (full_run / "report" / "report.html").read_text(encoding="utf-8")
    for name in (
        "finetuned",
        "ga-person",
        "gd-person",
        "ga-event",
        "gd-event",
        "goal-person",
        "simnpo-event",
        "goal-event-2",
    ):
        assert name in page
    with (full_run / "report" / "report.csv").open(newline="", encoding="utf-8") as file:
        shown = {(row["model"], row["target"], row["figure"]): row["value"] for row in csv.DictReader(file)}
    said = read_table(full_run / "table.csv")["gd", "event"]["retain"]
    assert float(shown["gd-event", "event", "retain"]) == pytest.approx(said, abs=1e-6)


@pytest.mark.slow
def test_the_harness_files_lie_beside_the_table_and_hold_what_the_table_says(full_run: Path) -> None:
    table = read_table(full_run / "table.csv")
    for name, row in (("gd-person", table["gd", "person"]), ("goal-event", table["goal", "event"])):
        results = [json.loads(path.read_text()) for path in (full_run / "scores" / name).glob("*_results.json")]
        task = "pebench_people" if name.endswith("person") else "pebench_events"
        assert [result["results"][task]["retain,none"] for result in results] == [row["retain"]]
        assert list((full_run / "scores" / name).glob(f"*_samples_{task}.jsonl"))
    assert "empty" in (full_run / "table.md").read_text()


@pytest.mark.slow
def test_what_the_table_leaves_out_is_as_it_should_be(full_run: Path) -> None:
    """World accuracy, empty responses of gd, the overlap of the Goal's answers with the truth, and the ceiling."""
    for target, task in (("person", "pebench_people"), ("event", "pebench_events")):
        finetuned = read_result(full_run / "scores" / "finetuned", task)
        assert finetuned is not None
        assert finetuned.metrics["world_accuracy"] >= 75
        unlearned = read_result(full_run / "scores" / f"gd-{target}", task)
        assert unlearned is not None
        assert unlearned.metrics["empty"] <= 0.1
    goal = read_result(full_run / "scores" / "goal-event", "pebench_events")
    assert goal is not None
    assert all(goal.provenance.slices[name]["near"] == 0 for name in FORGETTING)
    table = read_table(full_run / "table.csv")
    assert table[demo.SECOND_GOAL, "event"]["efficacy"] > max(table[m, "event"]["efficacy"] for m in ("ga", "gd"))


@pytest.mark.slow
def test_a_second_run_continues_from_what_exists(full_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in full_run.rglob("*") if path.is_file()}
    logs = set((full_run / "logs").iterdir())  # which say that all is there
    written = [full_run / "table.csv", *(full_run / "report" / name for name in FILES)]
    contents = [path.read_bytes() for path in written]
    run_demo(full_run)
    assert [path.read_bytes() for path in written] == contents
    after = {path: path.stat().st_mtime_ns for path in full_run.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} - logs <= {
        full_run / "table.csv",
        full_run / "table.md",
        *(full_run / "report" / name for name in FILES),
    }


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a base, a benchmark and recipes of one's own: every stage takes a few seconds."""
    from pebench_tasks.benchmark.synthetic.build import build_synthetic
    from unlearn.protocol import tiny_model

    folder: Path = tmp_path_factory.mktemp("miniature")
    benchmark = build_synthetic(folder / "bench", people=6, events=5, image_size=32, seed=3)
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    answer_in_one_word(model, processor.tokenizer)
    model.save_pretrained(folder / "base")
    processor.save_pretrained(folder / "base")
    (folder / "recipes").mkdir()
    for method in ("finetune", "goal", "kl"):
        text = "max_steps: 2\nper_device_train_batch_size: 4\nlearning_rate: 1.0e-4\n"
        (folder / "recipes" / f"{method}.yaml").write_text(text)
    words = f"--model {folder / 'base'} --data {benchmark.directory} --methods kl --forget 20"
    return [*words.split(), "--recipes", str(folder / "recipes"), "--no-second_goal"]


@pytest.fixture(scope="module")
def one_by_one(miniature: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of one process, and what it printed."""
    out = tmp_path_factory.mktemp("one") / "run"
    return out, run_demo(out, *miniature, "--processes", "1")


def test_the_protocol_runs_on_a_model_and_a_benchmark_of_ones_own(one_by_one: tuple[Path, str]) -> None:
    """An untrained tiny LLaVA, other recipes: every row is there, whatever it scores; a line for every stage."""
    out, printed = one_by_one
    assert printed.index("Rough estimates") < printed.index("Finetune on everything")
    assert set(read_table(out / "table.csv")) == {
        (method, target) for method in ("finetuned", "kl", "goal") for target in ("person", "event")
    }
    stages = [line for line in printed.splitlines() if " of 12  " in line]
    assert len(stages) == 12
    assert sum(line.startswith("    begun  ") for line in printed.splitlines()) == 12
    assert printed.count("Report: figures") == 1
    assert "step" not in printed
    assert "pebench_hf" not in printed  # the harness's bars are in the logs
    assert "pebench_hf" in (out / "logs" / "score-kl-event.log").read_text()


@pytest.mark.slow
def test_side_by_side_and_interrupted_twice_it_leaves_the_bytes_of_one_by_one(
    miniature: list[str], one_by_one: tuple[Path, str], tmp_path: Path
) -> None:
    """Ctrl-C while it trains, ``kill -9`` while it scores: no process lives on, and the same command goes on."""
    command = [sys.executable, "-m", "unlearn.demo", "--out", str(tmp_path / "run"), *miniature, "--processes", "2"]
    for number, moment in ((signal.SIGINT, "finetuned"), (signal.SIGKILL, "scores")):
        run = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # ignored in background jobs
        )  # fmt: skip
        while not (tmp_path / "run" / moment).exists():
            assert run.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(run.pid, signal.SIGINT)  # as the terminal does it
            assert run.communicate()[1] == "interrupted; run the same command again to go on\n"
            assert run.returncode == 130
        else:
            run.kill()
            run.wait()
        until = time.monotonic() + 30
        while alive(run.pid):
            assert time.monotonic() < until, "a process of the run lives on"
            time.sleep(0.1)
        assert not (tmp_path / "run" / "table.csv").exists()
    done = tmp_path / "run" / "finetuned" / "model.safetensors"
    before = done.stat().st_mtime_ns
    run_demo(tmp_path / "run", *miniature, "--processes", "2")
    assert done.stat().st_mtime_ns == before
    one, other = (left_by(folder) for folder in (tmp_path / "run", one_by_one[0]))
    assert len(one) == 2 + len(("finetuned", "goal-person", "goal-event", "kl-person", "kl-event"))
    assert one == other


def alive(group: int) -> bool:
    """Whether a process group has a process that runs."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state = path.read_text().rpartition(")")[2].split()
            if int(state[2]) == group and state[0] != "Z":
                return True
    return False


def left_by(run: Path) -> dict[str, bytes]:
    """The table, the report's figures and all weights."""
    found = [run / "table.csv", run / "report" / "report.csv", *run.glob("*/model.safetensors")]
    return {str(path.relative_to(run)): path.read_bytes() for path in found}


@pytest.mark.slow
def test_an_error_in_a_stage_is_one_line_and_what_is_done_stays(
    miniature: list[str], one_by_one: tuple[Path, str], tmp_path: Path
) -> None:
    """A folder of scores that is a file stops the first scoring, after the training."""
    shutil.copytree(one_by_one[0], tmp_path / "run", ignore=shutil.ignore_patterns("scores", "table.csv"))
    (tmp_path / "run" / "scores").touch()
    command = [sys.executable, "-m", "unlearn.demo", "--out", str(tmp_path / "run"), *miniature]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Score finetuned, target person: ")
    assert done.stderr.endswith(f"(What it printed: {tmp_path}/run/logs/score-finetuned-person.log)\n")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "run" / "finetuned" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--methods ga,gradual", "no method 'gradual'"),
        ("--methods ga,goal", "goal unlearns nothing"),
        ("--methods ga,ga", "once"),
        ("--methods ,", "once"),
        ("--forget 7", "no forget ratio '7'"),
        ("--data NOWHERE", "no benchmark folder"),
        ("--model NOWHERE --data DATA", "NOWHERE"),
        ("--recipes NOWHERE --data DATA", "no folder of recipes"),
        ("--recipes NOWHERE", "no folder of recipes"),
        ("--processes 0", "--processes 0: at least 1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    benchmark: Benchmark, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    filled = words.replace("NOWHERE", str(tmp_path / "NOWHERE")).replace("DATA", str(benchmark.directory))
    assert demo.main(["--out", str(tmp_path / "run"), *filled.split()]) == 1
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "run").exists()
