from pathlib import Path

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.flags import refuse_without_effect

PROGRAM = "/usr/bin/lmms-eval"


@pytest.mark.parametrize(
    "options",
    [
        ["--reasoning_tags", '[["<a>", "</a>"]]'],
        ["--reasoning_tags=none"],
        ["--model", "pebench_hf", "--system_instruction", "Be brief."],
        ["--system_instr", ""],  # lmms-eval takes beginnings of options, too
    ],
)
@pytest.mark.parametrize("program", [PROGRAM, "/x/site-packages/lmms_eval/__main__.py"])
def test_an_option_without_effect_is_refused(program: str, options: list[str]) -> None:
    with pytest.raises(BenchmarkError, match=r"^--\w+ has no effect on our tasks: .*Leave it out\.$"):
        refuse_without_effect([program, *options])


@pytest.mark.parametrize("text", ["reasoning_tags: none\n", "- model: pebench_hf\n- system_instruction: Be brief.\n"])
def test_a_configuration_file_counts_as_the_command_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(BenchmarkError, match="has no effect"):
        refuse_without_effect([PROGRAM, "--config", str(tmp_path / "run.yaml")])


def test_other_options_and_other_programs_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("model: pebench_hf\n")
    refuse_without_effect([PROGRAM, "--model", "pebench_hf", "--config", str(tmp_path / "run.yaml")])
    refuse_without_effect(["pytest", "--system_instruction", "x"])
