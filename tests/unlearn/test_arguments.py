"""The command line: options of ours and of transformers, YAML below them, one line per error."""

import subprocess
import sys
from pathlib import Path

import pytest

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import arguments, methods
from unlearn.__main__ import main
from unlearn.arguments import parse

NEEDED = ["--method", "gd", "--model", "m", "--data", "d", "--target", "person", "--forget", "5", "--output_dir", "o"]
CPU = ["--use_cpu", "--report_to", "none"]


def config(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


def test_options_of_ours_of_the_method_and_of_transformers_are_understood() -> None:
    ours, theirs = parse([*NEEDED, *CPU, "--retain-weight", "0.5", "--lr_scheduler_type", "cosine", "--max_steps", "7"])
    assert (ours.method, ours.target, ours.forget, ours.settings) == (
        "gd",
        "person",
        "forget05",
        {"retain_weight": 0.5},
    )
    assert (theirs.lr_scheduler_type, theirs.max_steps, theirs.output_dir, theirs.report_to) == ("cosine", 7, "o", [])


@pytest.mark.parametrize("forget", ["5", "05", "forget05"])
def test_a_ratio_may_be_written_three_ways(forget: str) -> None:
    assert parse([*NEEDED, *CPU, "--forget", forget])[0].forget == "forget05"


def test_the_command_line_wins_over_yaml_and_yaml_over_defaults(tmp_path: Path) -> None:
    path = config(
        tmp_path, "learning_rate: 1e-4\nmax-steps: 9\nretain_weight: 2\nretain_overlap: true\nuse_cpu: true\n"
    )
    ours, theirs = parse([*NEEDED, "--config", path, "--max_steps", "5"])
    assert (theirs.learning_rate, theirs.max_steps, theirs.use_cpu) == (1e-4, 5, True)
    assert (ours.settings["retain_weight"], ours.retain_overlap) == (2.0, True)


def test_yaml_can_hold_every_required_option(tmp_path: Path) -> None:
    path = config(tmp_path, "method: finetune\nmodel: m\ndata: d\noutput_dir: o\nuse_cpu: true\n")
    assert parse(["--config", path])[0].method == "finetune"


def test_yaml_lists_and_mappings_reach_transformers(tmp_path: Path) -> None:
    text = "lr_scheduler_type: cosine_with_min_lr\nlr_scheduler_kwargs: {min_lr: 0.0001}\nreport_to: [none]\n"
    theirs = parse([*NEEDED, "--use_cpu", "--config", config(tmp_path, text)])[1]
    assert theirs.lr_scheduler_kwargs == {"min_lr": 0.0001}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1", "unknown option 'learning_rat'. The nearest known: learning_rate"),
        ("retain_wieght: 1", "The nearest known: retain_weight"),
        ("- a", "must hold options"),
        ("a: [", "not readable YAML"),
        ("learning_rate: fast", "invalid float value: 'fast'"),
        ("learning_rate: yes", "invalid float value: 'True'"),
    ],
)
def test_a_wrong_config_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message.replace("[", r"\[")):
        parse([*NEEDED, *CPU, "--config", config(tmp_path, text)])


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(BenchmarkError, match=r"no file nowhere, and no recipe of that name\. Recipes: "):
        parse([*NEEDED, *CPU, "--config", "nowhere"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--method", "gdd"], "There is no method 'gdd'. Known: finetune, goal, ga, gd"),
        (["--method", "ga", "--retain_weight", "1"], "'ga' has no option retain_weight"),
        (["--method", "finetune"], "takes neither --target nor --forget"),
        (["--target", "persons"], "needs --target {person,event}, not 'persons'"),
        (["--target", ""], "needs --target"),
        (["--forget", ""], "needs --forget {1,5,10,20}"),
        (["--forget", "7"], "no forget ratio '7'"),
        (["--model", ""], "--model is missing"),
        (["--output_dir", ""], "--output_dir is missing"),
        (["--dtype", "int8"], "no dtype 'int8'. Known: auto, float32"),
        (["--replay", "1.0"], "--replay must be"),
        (["--learnin_rate", "1"], "unknown option '--learnin_rate'. The nearest known: --learning_rate"),
        (["--learning", "1"], "unknown option '--learning'"),
        (["--learning_rate", "fast"], "invalid float value: 'fast'"),
        (["--retain_overlap", "perhaps"], "perhaps"),
        (["--eval_strategy", "sometimes"], "invalid choice: 'sometimes' (choose from 'no', 'steps', 'epoch')"),
        (["--eval_strategy", "steps", "--logging_steps", "0"], "transformers refuses the training options"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_one(
    changes: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NEEDED, *CPU, *changes]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("value", ["false", "False", "0", "no"])
def test_a_boolean_option_can_be_switched_off(value: str) -> None:
    """``type=bool`` would read every one of these words as true."""
    assert parse([*NEEDED, *CPU, "--retain_overlap", value])[0].retain_overlap is False
    assert parse([*NEEDED, *CPU, "--retain_overlap"])[0].retain_overlap is True


def test_a_missing_benchmark_is_one_line_and_exit_code_one(
    tmp_path: Path, finetuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NEEDED, *CPU, "--model", str(finetuned), "--data", str(tmp_path / "nowhere")]) == 1
    assert "error: There is no benchmark folder" in capsys.readouterr().err


def test_the_command_trains_and_prints_the_folder(
    benchmark: Benchmark, finetuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--model", str(finetuned), "--data", str(benchmark.directory), "--output_dir", str(out)]
    assert main([*NEEDED, *CPU, *words, "--max_steps", "1", "--disable_tqdm", "true"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert (out / "pebench_run.json").is_file()


def test_help_lists_our_options_first_and_loads_no_torch() -> None:
    program = "import sys; from unlearn.__main__ import main; main(['--help']); assert 'torch' not in sys.modules"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for word in ["--method", "--target", "--retain_weight", "--config", "--help_all", *methods.METHODS]:
        assert word in shown


def test_help_all_lists_the_options_of_transformers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help_all"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("--retain_overlap") < shown.index("--learning_rate") < shown.index("--warmup_steps")


@pytest.mark.parametrize("path", sorted(arguments.RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_holds_known_options_only(path: Path) -> None:
    known = set(vars(parse([*NEEDED, *CPU])[1])) | set(methods.all_hyperparameters()) | {"replay", "retain_overlap"}
    import yaml

    assert set(yaml.safe_load(path.read_text())) <= known
