"""The command line: options of ours and of transformers, YAML below them, one line per error."""

import dataclasses
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import arguments, methods
from unlearn.__main__ import main
from unlearn.arguments import micro_batches, parse

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


@pytest.mark.parametrize("words", [["--forget", "20", "--request", "2/4"], ["--forget", "forget20:2/4"]])
def test_a_request_is_a_part_of_the_forget_set_by_option_or_in_its_name(words: list[str]) -> None:
    ours = parse([*NEEDED, *CPU, *words])[0]
    assert (ours.forget, ours.request, ours.forget_set) == ("forget20", "2/4", "forget20:2/4")
    assert dataclasses.replace(ours, request="1/4").forget_set == "forget20:1/4"
    assert parse([*NEEDED, *CPU])[0].forget_set == "forget05"


def test_the_command_line_wins_over_yaml_and_yaml_over_defaults(tmp_path: Path) -> None:
    path = config(
        tmp_path, "learning_rate: 1e-4\nmax-steps: 9\nretain_weight: 2\nretain_overlap: true\nuse_cpu: true\n"
    )
    ours, theirs = parse([*NEEDED, "--config", path, "--max_steps", "5"])
    assert (theirs.learning_rate, theirs.max_steps, theirs.use_cpu) == (1e-4, 5, True)
    assert (ours.settings["retain_weight"], ours.retain_overlap) == (2.0, True)


@pytest.mark.parametrize("name", ["activation_checkpointing", "gradient-checkpointing"])
def test_checkpointing_is_understood_by_its_old_name_and_its_new_one(name: str, tmp_path: Path) -> None:
    """Which of the two TrainingArguments has depends on the version of transformers."""
    by_config = parse([*NEEDED, *CPU, "--config", config(tmp_path, f"{name}: true\n{name}_kwargs: {{a: 1}}\n")])[1]
    by_word = parse([*NEEDED, *CPU, f"--{name}=true"])[1]
    for found in (by_config, by_word):
        assert getattr(found, training_option("activation_checkpointing", vars(found)))
    assert getattr(by_config, training_option("activation_checkpointing_kwargs", vars(by_config))) == {"a": 1}
    assert not getattr(parse([*NEEDED, *CPU])[1], training_option("activation_checkpointing", vars(by_word)))


# How large a step is, and how many there are


@pytest.mark.parametrize(
    ("whole", "most", "devices", "expected"),
    [
        *((8, 2, 1, (2, 4)), (8, 2, 2, (2, 2)), (8, 2, 4, (2, 1)), (8, 2, 8, (1, 1))),
        *((12, 3, 2, (3, 2)), (8, 3, 1, (2, 4)), (12, 4, 2, (3, 2)), (9, 2, 3, (1, 3))),
    ],
)
def test_a_global_batch_is_shared_out(whole: int, most: int, devices: int, expected: tuple[int, int]) -> None:
    """A device reads no more at once than its share: eight of them one sample each."""
    assert micro_batches(whole, most, devices) == expected


@pytest.mark.parametrize(
    ("whole", "most", "devices", "advice"),
    [
        (8, 2, 3, "Give --global_batch_size 9, or another number of processes."),
        (4, 4, 8, "Give --global_batch_size 8, or another number of processes."),
    ],
)
def test_a_global_batch_that_does_not_come_out_even_is_refused_with_what_does(
    whole: int, most: int, devices: int, advice: str
) -> None:
    said = f"--global_batch_size {whole} cannot be shared out among {devices} devices. {advice}$"
    with pytest.raises(BenchmarkError, match=said):
        micro_batches(whole, most, devices)


def test_every_large_recipe_is_the_same_step_on_one_device_and_on_eight() -> None:
    """Eight are too many for siu's four samples, as is said; no recipe leaves its global batch to the devices."""
    for path in sorted(arguments.RECIPES.glob("*_person.yaml")):
        ours, theirs = parse([*NEEDED, *CPU, "--method", path.stem.split("_")[0], "--config", path.stem])
        assert theirs.gradient_accumulation_steps * theirs.per_device_train_batch_size == ours.global_batch_size
        devices = 4 if path.stem.startswith("siu") else 8
        at_once, times = micro_batches(ours.global_batch_size, theirs.per_device_train_batch_size, devices)
        assert at_once * times * devices == ours.global_batch_size


def test_micro_batches_on_the_command_line_win_over_a_recipes_global_batch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="unlearn")
    ours, theirs = parse([*NEEDED, *CPU, "--config", "gd_person", "--gradient_accumulation_steps", "3"])
    assert (ours.global_batch_size, theirs.per_device_train_batch_size, theirs.gradient_accumulation_steps) == (0, 2, 3)
    assert "--gradient_accumulation_steps is given, so the recipe's global_batch_size 8 does not count" in caplog.text


def test_a_global_batch_on_the_command_line_wins_over_a_recipes_micro_batches(tmp_path: Path) -> None:
    path = config(tmp_path, "gradient_accumulation_steps: 5\nper_device_train_batch_size: 2\n")
    ours, theirs = parse([*NEEDED, *CPU, "--config", path, "--global_batch_size=12"])
    assert (ours.global_batch_size, theirs.per_device_train_batch_size, theirs.gradient_accumulation_steps) == (
        12,
        2,
        6,
    )


def test_a_file_wins_over_its_base_in_other_words_too(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("global_batch_size: 8\ndraws_per_concept: 24\n")
    path = config(tmp_path, "base: common\ngradient_accumulation_steps: 3\nmax_steps: 7\n")
    ours, theirs = parse([*NEEDED, *CPU, "--config", path])
    assert (ours.global_batch_size, theirs.gradient_accumulation_steps) == (0, 3)
    assert (ours.draws_per_concept, theirs.max_steps) == (0, 7)


@pytest.mark.parametrize("given", [["--max_steps", "6"], ["--num_train_epochs", "2"]])
def test_a_length_on_the_command_line_wins_over_a_recipes_draws(given: list[str]) -> None:
    words = [*NEEDED, *CPU, "--method", "siu", "--config", "siu_person"]
    assert parse(words)[0].draws_per_concept == 24
    ours, theirs = parse([*words, *given])
    assert ours.draws_per_concept == 0
    assert (theirs.max_steps, theirs.num_train_epochs) == ((6, 1) if given[0] == "--max_steps" else (-1, 2))


@pytest.mark.parametrize(
    "text", ["draws_per_concept: 2\nmax_steps: 6\n", "global_batch_size: 8\ngradient_accumulation_steps: 2\n"]
)
def test_two_words_for_one_thing_in_one_place_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BenchmarkError, match=r"which say the same in two ways\. Give one of them"):
        parse([*NEEDED, *CPU, "--config", config(tmp_path, text)])
    words = [f"--{line.replace(': ', '=')}" for line in text.splitlines()]
    with pytest.raises(BenchmarkError, match="the command line has"):
        parse([*NEEDED, *CPU, *words])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--lora true --dtype bfloat16", True),
        ("--lora true --dtype bfloat16 --bf16 false", False),
        ("--lora true --dtype float32", False),
        ("--lora true --dtype auto", False),  # which on a CPU is float32
        ("--lora true --dtype float16", False),
        ("--lora false --dtype bfloat16", False),
        ("--bf16", True),
    ],
)
def test_adapters_on_a_base_in_bfloat16_compute_in_it_unless_it_is_said_otherwise(given: str, expected: bool) -> None:
    assert parse([*NEEDED, *CPU, *given.split()])[1].bf16 is expected


def test_adapters_do_not_compute_in_bfloat16_under_fsdp_which_would_turn_the_base_to_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert not parse([*NEEDED, *CPU, "--lora", "true", "--dtype", "bfloat16"])[1].bf16


def test_yaml_says_otherwise_too(tmp_path: Path) -> None:
    path = config(tmp_path, "lora: true\ndtype: bfloat16\nbf16: false")
    assert not parse([*NEEDED, *CPU, "--config", path])[1].bf16


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
        (["--method", "gdd"], "There is no method 'gdd'. Known: finetune, goal, po, ga, gd, kl, siu, dpo, npo, "),
        (["--method", "gdd"], "Did you mean 'gd'?"),
        (["--method", "ga", "--retain_weight", "1"], "'ga' has no option retain_weight"),
        (["--method", "finetune"], "takes neither --target nor --forget"),
        (["--target", "persons"], "needs --target {person,event,joint}, not 'persons'"),
        (["--target", ""], "needs --target"),
        (["--forget", ""], "needs --forget {1,5,10,20}"),
        (["--forget", "7"], "no forget ratio '7'"),
        (["--request", "3/2"], "There is no request '3/2'. Say which of how many, such as 2/4"),
        (["--request", "1/2", "--forget", "5:2/2"], "5:2/2 is one request already. Leave out the other one, 1/2"),
        (["--method", "goal", "--request", "1/2"], "--request has no effect here: it is for what forgets; a Goal"),
        (["--model", ""], "--model is missing"),
        (["--output_dir", ""], "--output_dir is missing"),
        (["--dtype", "int8"], "--dtype knows no 'int8'. Known: auto, float32"),
        (["--replay", "1.0"], "--replay must be"),
        (["--questions_per_image", "0"], "--questions_per_image must be at least 1, not 0"),
        (["--images_per_concept", "0"], "--images_per_concept must be at least 1, not 0"),
        (["--tune", "lm", "head"], "--tune knows no 'head'. Known: lm, projector, vision"),
        (["--tune", ","], "--tune names no part. Known: lm, projector, vision"),
        (["--save", "both"], "--save knows no 'both'. Known: merged, adapter"),
        (["--save", "adapter"], "need --lora"),
        (["--load_in_4bit", "true"], "need --lora"),
        (["--lora_r", "0"], "--lora_r must be at least 1, not 0"),
        (["--lora_dropout", "1"], "--lora_dropout must be at least 0 and below 1"),
        (["--reference_top_k", "-1"], "--reference_top_k must be at least 0, not -1"),
        (["--balance", "bgd"], "--balance bgd weighs people against events: it needs --target joint"),
        (["--balance", "agd", "--target", "joint"], "--balance knows no 'agd'. Known: bgd"),
        (["--balance", "bgd", "--target", "joint", "--method", "siu"], "--balance bgd needs a method with"),
        (["--balance", "bgd", "--target", "joint", "--retain_weight", "0"], "--balance bgd needs a method with"),
        (["--retain_weight", "-1"], "retain_weight must be 0 or more, not -1"),
        (["--method", "npo", "--beta", "0"], "beta must be above 0, not 0"),
        (["--method", "po", "--nll_weight", "1"], "'po' has no option nll_weight"),
        (["--method", "ga", "--retain_scope", "true"], "--retain_scope has no effect here: ga uses no retain set"),
        (["--global_batch_size", "-8"], "--global_batch_size must be at least 0, not -8"),
        (
            ["--method", "goal", "--draws_per_concept", "4"],
            "--draws_per_concept has no effect here: goal draws nothing that is forgotten",
        ),
        (["--facts", "true"], "--facts has no effect here: it is for finetune and goal"),
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


@pytest.mark.parametrize(
    "name",
    sorted(str(path.relative_to(arguments.RECIPES).with_suffix("")) for path in arguments.RECIPES.rglob("*.yaml")),
)
def test_every_shipped_recipe_is_understood_by_the_method_in_its_name(name: str) -> None:
    """``tiny/gd_joint`` is for the method gd and the target joint; ``common`` serves all of them."""
    method, _, rest = name.rpartition("/")[2].partition("_")
    words = ["--model", "m", "--data", "d", "--output_dir", "o", *CPU, "--config", name]
    if method != "finetune":
        words += ["--target", rest.split("_")[0] or "event", "--forget", "5"]
    ours, theirs = parse([*words, "--method", method if method in methods.METHODS else "gd"])
    assert ours.method == method or method not in methods.METHODS
    large = "/" not in name  # a tiny model's whole run takes hardly longer than to start workers
    assert (theirs.dataloader_num_workers, theirs.dataloader_persistent_workers) == ((2, True) if large else (0, False))


def test_a_recipe_may_hold_only_what_differs_from_another_beside_it(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("learning_rate: 1e-4\nmax_steps: 9\nlr_scheduler_kwargs: {min_lr: 0.1}\n")
    theirs = parse([*NEEDED, *CPU, "--config", config(tmp_path, "base: common\nmax_steps: 3\n")])[1]
    assert (theirs.learning_rate, theirs.max_steps, theirs.lr_scheduler_kwargs) == (1e-4, 3, {"min_lr": 0.1})


def test_a_base_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"no file .*nowhere\.yaml"):
        parse([*NEEDED, *CPU, "--config", config(tmp_path, "base: nowhere\n")])


@pytest.mark.parametrize("words", [["lm,vision"], ["lm", "vision"], ["lm,", "vision"]])
def test_parts_may_be_written_with_commas_or_spaces(words: list[str], tmp_path: Path) -> None:
    assert parse([*NEEDED, *CPU, "--tune", *words])[0].tune == ["lm", "vision"]
    path = config(tmp_path, f"tune: {words}\n")
    assert parse([*NEEDED, *CPU, "--config", path])[0].tune == ["lm", "vision"]


def test_by_default_the_language_model_and_the_projector_are_trained_whole() -> None:
    ours = parse([*NEEDED, *CPU])[0]
    assert (ours.tune, ours.lora_settings(), ours.save) == (["lm", "projector"], None, "merged")


def test_every_option_is_recorded_with_the_methods_own() -> None:
    recorded = parse([*NEEDED, *CPU, "--lora", "true", "--lora_r", "4"])[0].as_dict()
    assert recorded["lora_r"] == 4
    assert recorded["retain_weight"] == 1.0
    assert {"questions_per_image", "shared_prefix", "tune", "reference_top_k", "balance"} <= recorded.keys()


@pytest.mark.parametrize("method", [name for name in methods.METHODS if name not in ("finetune", "goal")])
@pytest.mark.parametrize("target", arguments.TARGETS)
def test_every_method_takes_every_target(method: str, target: str) -> None:
    assert parse([*NEEDED, *CPU, "--method", method, "--target", target])[0].target == target


def test_bgd_wraps_the_method() -> None:
    ours = parse([*NEEDED, *CPU, "--target", "joint", "--balance", "bgd"])[0]
    assert methods.needed_sets(ours.formula())[:2] == ["forget_person", "forget_event"]
