from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.flags import keeps_no_samples, refuse_instruction, refuse_without_effect

PROGRAM = "/usr/bin/lmms-eval"
OURS = ["pebench_people", "pebench_events"]


@pytest.mark.parametrize(
    "options",
    [
        ["--reasoning_tags", '[["<a>", "</a>"]]'],
        ["--reasoning_tags=none"],
        ["--model", "pebench_hf", "--system_instruction", "Be brief."],
        ["--system_instr", ""],  # lmms-eval takes beginnings of options, too
        ["--num_fewshot", "5", "--tasks", "pope,pebench_people"],
    ],
)
@pytest.mark.parametrize("program", [PROGRAM, "/x/site-packages/lmms_eval/__main__.py"])
def test_an_option_without_effect_is_refused(program: str, options: list[str]) -> None:
    with pytest.raises(BenchmarkError, match=r"^--\w+ has no effect on our tasks: .*Leave it out\.$"):
        refuse_without_effect([program, *options], OURS)


@pytest.mark.parametrize(
    "text",
    [
        "reasoning_tags: none\n",
        "- model: pebench_hf\n- system_instruction: Be brief.\n",
        "- {tasks: pope}\n- {tasks: 'pope,pebench_*', num_fewshot: 2}\n",
    ],
)
def test_a_configuration_file_counts_as_the_command_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(BenchmarkError, match="has no effect"):
        refuse_without_effect([PROGRAM, "--config", str(tmp_path / "run.yaml")], OURS)


@pytest.mark.parametrize(
    "text",
    [
        "model: pebench_hf\nreasoning_tags: null\nnum_fewshot: 0\n",
        "- {tasks: pebench_people}\n- {tasks: pope, system_instruction: Be brief.}\n",  # another run's own business
        "",
        "- just a text\n",  # lmms-eval says what is wrong with it
    ],
)
def test_what_a_configuration_file_tells_other_tasks_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    refuse_without_effect([PROGRAM, "--config", str(tmp_path / "run.yaml")], OURS)


def test_other_options_and_other_programs_are_not_looked_at() -> None:
    refuse_without_effect([PROGRAM, "--model", "pebench_hf", "--num_fewshot", "0", "--config", ""], OURS)
    refuse_without_effect([PROGRAM, "--tasks", "pope", "--system_instruction", "x"], OURS)
    refuse_without_effect(["pytest", "--system_instruction", "x"], OURS)


def test_a_system_s_turn_is_refused_in_a_program_too() -> None:
    refuse_instruction(None)
    with pytest.raises(BenchmarkError, match="system_instruction has no effect"):
        refuse_instruction("Be brief.")


SAMPLES = "log_samples: true\nlog_samples_suffix: x\n"


@pytest.mark.parametrize(
    ("words", "text", "without"),
    [
        ("--model pebench_hf", "", True),
        ("--log_samples_suffix log_samples", "", True),
        ("--log_samples --log_samples_suffix x", "", False),
        ("--predict_only", "", False),
        ("-x", "", False),
        ("", SAMPLES, False),
        ("", "model: pebench_hf\n", True),
        ("--log_samples", "model: pebench_hf\n", False),
        ("", "- log_samples: true\n- model: pebench_hf\n", True),  # the second run keeps none
        ("", "- log_samples: true\n- tasks: pope\n", False),  # which is not about ours
    ],
)
def test_a_command_that_keeps_no_answers_is_known(words: str, text: str, without: bool, tmp_path: Path) -> None:
    if text:
        (tmp_path / "run.yaml").write_text(text)
        words += f" --config {tmp_path / 'run.yaml'}"
    assert keeps_no_samples([PROGRAM, *words.split()], OURS) is without


def test_a_program_that_calls_the_harness_decides_for_itself_what_it_keeps() -> None:
    assert not keeps_no_samples(["pytest"], OURS)
