"""The board that ships with the repository: the demo's six runs."""

import shlex
from pathlib import Path

import pytest

from pebench_tasks import cli
from pebench_tasks.leaderboard.check.board import read_board
from pebench_tasks.leaderboard.check.check_board import check_board, open_benchmarks

BOARD = Path(__file__).parents[2] / "benchmarks" / "leaderboard"


@pytest.mark.slow
def test_the_shipped_board_gives_its_figures_again_on_the_benchmark_that_its_command_draws(tmp_path: Path) -> None:
    ((fingerprint, facts),) = read_board(BOARD).benchmarks.items()
    assert cli.main([*shlex.split(facts.build)[1:], "--out", str(tmp_path / "data")]) == 0
    benchmarks = open_benchmarks([tmp_path / "data"])
    assert list(benchmarks) == [fingerprint]
    outcome = check_board(BOARD, benchmarks, fresh=True)
    assert not outcome.refused
    assert sorted(outcome.checked) == sorted(
        f"{method}-{target}" for method in ("ga", "gd", "simnpo") for target in ("person", "event")
    )
