"""What the harness's own command prints of a run of our tasks: at its start, in its table, and below it."""

import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from harness_runs import JOINT, TASKS, Command

from pebench_tasks import cli
from pebench_tasks.evaluation.announce import NO_GOAL
from pebench_tasks.evaluation.flags import NO_SAMPLES
from pebench_tasks.evaluation.printed_table import extend_table, tidy
from pebench_tasks.marking.scoring import SLICES

WORLD = ["world_accuracy", "world_invalid_rate", "world_yes_ratio"]
ROWS = {
    "pebench_people": [*SLICES, *WORLD, "empty", "degenerate"],
    "pebench_events": [
        "efficacy_truth_only", "generality_truth_only", *SLICES[2:],
        "efficacy_keywords", "generality_keywords", *WORLD, "empty", "degenerate",
    ],
    "pebench_joint": [
        "person_efficacy", "person_generality", "person_retain", "person_real",
        "event_efficacy_truth_only", "event_generality_truth_only", "event_retain", "event_real", "world",
        "event_efficacy_keywords", "event_generality_keywords", *WORLD, "empty", "degenerate",
    ],
}  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows(printed: str) -> list[dict[str, str]]:
    """The rows of a table in Markdown, the first of what was printed."""
    head, _, *lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [dict(zip(cells(head), cells(line), strict=True)) for line in lines]


def test_a_run_prints_figures_in_the_papers_order_and_what_to_do_next(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command(f"pebench,{JOINT}", "--output_path", "out put", "--log_samples")
    printed, said = capsys.readouterr()
    table = rows(printed)
    assert {task: [row["Metric"] for row in table if row["Tasks"] == task] for task in ROWS} == ROWS
    assert len(table) == sum(map(len, ROWS.values()))
    assert "N/A" not in printed
    for row in table:
        assert float(row["Value"]) >= 0
        if row["Metric"] in ("empty", "degenerate"):  # of all documents
            assert float(row["Stderr_CLT"]) >= 0
    assert NO_SAMPLES not in said
    assert said.count(NO_GOAL) == 1  # for both tasks that forget events
    last = printed.splitlines()[-1]
    words = shlex.split(last.partition(":  ")[2])
    assert words[:2] == ["pebench", "report"]
    assert printed.count("pebench report") == 1
    (results,) = Path(words[2]).glob("*_results.json")
    assert Path(words[2]).parent == Path("out put")
    assert set(json.loads(results.read_text())["results"]) == {*TASKS, JOINT}
    assert cli.main(words[1:]) == 0
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize("words", [[], ["--output_path", "out"]])
def test_without_samples_it_is_said_at_the_start_and_no_next_step_is_offered(
    command: Command,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command(TASKS[0], *words)
    printed, said = capsys.readouterr()
    assert [row["Metric"] for row in rows(printed)] == ROWS[TASKS[0]]
    assert "pebench report" not in printed
    assert said.count(NO_SAMPLES) == 1
    assert NO_GOAL not in said  # nobody asked about events
    assert len(list(tmp_path.rglob("*_results.json"))) == len(words) / 2


TABLE = """\
|Tasks|Filter|Metric|   |Value|   |Stderr|Stderr_CLT|
|-----|------|------|---|----:|---|------|---------:|
|other|none  |b     |↑  |    1|±  |N/A   |       N/A|
|other|none  |a     |   |    2|±  |N/A   |       0.1|
|ours |none  |empty |↓  |    3|±  |N/A   |       0.2|
|ours |none  |world |↑  |  N/A|±  |N/A   |       N/A|
|ours |none  |real  |↑  |    5|±  |N/A   |       0.3|


Throughput Summary
"""


def test_other_tasks_rows_stay_and_a_figure_that_was_withheld_is_still_said_to_be() -> None:
    assert tidy(TABLE, {"ours": ["real", "world", "empty"]}) == (
        "|Tasks|Filter|Metric|   |Value|   |Stderr_CLT|\n"
        "|-----|------|------|---|----:|---|---------:|\n"
        "|other|none  |b     |↑  |    1|±  |       N/A|\n"
        "|other|none  |a     |   |    2|±  |       0.1|\n"
        "|ours |none  |real  |↑  |    5|±  |       0.3|\n"
        "|ours |none  |world |↑  |  N/A|   |          |\n"
        "|ours |none  |empty |↓  |    3|±  |       0.2|\n\n\nThroughput Summary\n"
    )


@pytest.mark.parametrize("printed", ["", "|Groups|Metric|Value|\n|--|--|--|\n|ours|a|1|\n", "no table"])
def test_what_is_no_table_of_tasks_stays_as_it_is(printed: str) -> None:
    assert tidy(printed, {"ours": ["a"]}) == printed


def test_a_module_whose_table_has_changed_is_left_alone() -> None:
    def make_table(results: dict[str, Any]) -> str:
        return "theirs"

    module = ModuleType("program")
    assert not extend_table(module)
    module.make_table = make_table  # type: ignore[attr-defined]
    assert not extend_table(module)
    assert module.make_table is make_table
