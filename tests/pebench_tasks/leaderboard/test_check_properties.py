"""No single number that is claimed, and no single response that a mark rests on, can be changed unnoticed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_submissions import Made, make

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_board import check_submission
from pebench_tasks.leaderboard.check.check_submission import TOLERANCE, Refused
from pebench_tasks.leaderboard.entry.context import run_names
from pebench_tasks.leaderboard.entry.loader import SampleLine
from pebench_tasks.leaderboard.entry.recompute import recompute
from pebench_tasks.results.summary import FLAGS

EXAMPLES = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PIECES = ["", "Yes.", "No.", "I don't know.", "A sunny beach with palm trees.", "Sorry, I cannot say who this is.", "x"]


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> dict[str, Made]:
    return {target: make(benchmark, target) for target in ("person", "event", "joint")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where: Path = tmp_path_factory.mktemp("board")
    return where


def passes(made: Made, folder: Path) -> bool:
    try:
        check_submission(made.write(folder), Board(), {made.benchmark.fingerprint: made.benchmark})
    except Refused:
        return False
    return True


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the numbers are in what a run claims."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, (*path, name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


@EXAMPLES
@given(data=st.data(), target=st.sampled_from(["person", "event", "joint"]))
def test_no_claimed_number_can_be_changed(
    valid: dict[str, Made], folder: Path, data: st.DataObject, target: str
) -> None:
    made = valid[target].copy()
    run = made.run(data.draw(st.sampled_from(run_names(made.submission))))
    claims = {part: run[part] for part in ("n", "figures", "intervals", "counts")}
    *path, last = data.draw(st.sampled_from(sorted(numbers(claims))))
    place: Any = run
    for step in path:
        place = place[step]
    old = place[last]
    values: st.SearchStrategy[float] = st.integers(0, 1000) if isinstance(old, int) else st.floats(0, 100)
    place[last] = data.draw(values | st.just(old + 3 * TOLERANCE))
    assert passes(made, folder) == (abs(place[last] - old) <= TOLERANCE)


def marks(made: Made) -> list[Any]:
    """All that the responses are marked with: every metric, every outcome, every flag."""
    rows = [SampleLine(line["run"], line["key"], line["response"], None) for line in made.lines]
    rescored = recompute(made.submission, rows, made.benchmark, Path("made.json")).rescored
    return [
        [
            one.metrics,
            {name: getattr(one.provenance, name) for name in ("outcome", *FLAGS)},
        ]
        for run in rescored.values()
        for one in run.scores
    ]


@pytest.fixture(scope="module")
def honest(valid: dict[str, Made]) -> dict[str, list[Any]]:
    return {target: marks(made) for target, made in valid.items()}


@EXAMPLES
@given(data=st.data(), target=st.sampled_from(["person", "event", "joint"]))
def test_no_response_that_a_mark_rests_on_can_be_changed(
    valid: dict[str, Made], honest: dict[str, list[Any]], folder: Path, data: st.DataObject, target: str
) -> None:
    made = valid[target].copy()
    line = made.lines[data.draw(st.integers(0, len(made.lines) - 1))]
    names = st.sampled_from([person["name"] for person in made.benchmark.people])
    line["response"] = data.draw(st.sampled_from(PIECES) | names | st.text(max_size=30, alphabet="abcdeno y."))
    assert passes(made, folder) == (marks(made) == honest[target])
