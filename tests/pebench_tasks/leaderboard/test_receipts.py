from pathlib import Path

import pytest
from made_submissions import Made, make

from pebench_tasks import cli
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check import check_board as module
from pebench_tasks.leaderboard.check import receipts
from pebench_tasks.leaderboard.check.board import read_board
from pebench_tasks.leaderboard.check.check_board import Outcome, check_board
from pebench_tasks.leaderboard.check.check_submission import Checked


@pytest.fixture(scope="module")
def made(benchmark: Benchmark) -> Made:
    return make(benchmark, "event")


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    """A board of one submission."""
    made.copy().write(tmp_path / "board")
    return tmp_path / "board"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the submissions that were really computed."""
    names: list[str] = []
    original = module.check_submission

    def watched(path: Path, *rest: object) -> Checked:
        names.append(path.stem)
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "check_submission", watched)
    return names


def run(folder: Path, benchmark: Benchmark, *, fresh: bool = False) -> Outcome:
    return check_board(folder, {benchmark.fingerprint: benchmark}, fresh=fresh)


def test_what_passed_is_not_computed_again(folder: Path, benchmark: Benchmark, computed: list[str]) -> None:
    first, again = run(folder, benchmark), run(folder, benchmark)
    assert computed == ["made"]
    assert first == again  # every figure, interval and count of every run


def test_fresh_computes_again(folder: Path, benchmark: Benchmark, computed: list[str]) -> None:
    run(folder, benchmark)
    run(folder, benchmark, fresh=True)
    assert computed == ["made", "made"]


def test_receipts_lie_in_the_user_s_cache_and_nowhere_else(folder: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    before = sorted(folder.iterdir())
    run(folder, benchmark)
    assert sorted(folder.iterdir()) == before
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["made.json"]


def test_another_submission_needs_a_check_of_its_own(
    folder: Path, made: Made, benchmark: Benchmark, computed: list[str]
) -> None:
    run(folder, benchmark)
    changed = made.copy()
    changed.submission["description"] = "Better."
    changed.write(folder)
    run(folder, benchmark)
    assert computed == ["made", "made"]


def test_other_samples_are_not_covered_by_a_receipt(folder: Path, made: Made, benchmark: Benchmark) -> None:
    run(folder, benchmark)
    changed = made.copy()
    changed.line("retain")["response"] = "Nothing."
    (folder / "made.samples.jsonl.gz").write_bytes(changed.packed())
    assert set(run(folder, benchmark).refused) == {"made"}


def test_a_refused_submission_has_no_receipt(folder: Path, made: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    wrong = made.copy()
    wrong.run()["n"] += 1
    wrong.write(folder)
    for _ in range(2):
        assert "n: " in str(run(folder, benchmark).refused["made"])
    assert not list((tmp_path / "cache").rglob("made.json"))


def test_another_setting_of_the_board_makes_receipts_void(folder: Path, benchmark: Benchmark) -> None:
    run(folder, benchmark)
    (folder / "board.json").write_text('{"judges": ["another"]}')
    assert "not one of this board's: another" in str(run(folder, benchmark).refused["made"])


def test_other_code_makes_receipts_void(
    folder: Path, benchmark: Benchmark, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, benchmark)
    monkeypatch.setattr(receipts, "_code", lambda: "changed")
    run(folder, benchmark)
    assert computed == ["made", "made"]


def test_a_benchmark_that_is_no_longer_at_hand_is_missed(folder: Path, benchmark: Benchmark) -> None:
    run(folder, benchmark)
    assert "is at hand" in str(check_board(folder, {}).refused["made"])


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"key": 1, "submission": {}, "runs": []}'])
def test_a_damaged_receipt_is_no_receipt(
    folder: Path, benchmark: Benchmark, damage: str, computed: list[str], tmp_path: Path
) -> None:
    run(folder, benchmark)
    (receipt,) = (tmp_path / "cache").rglob("made.json")
    receipt.write_text(damage)
    assert set(run(folder, benchmark).checked) == {"made"}
    assert computed == ["made", "made"]


def test_an_interrupt_leaves_the_receipts_of_what_passed(
    folder: Path, made: Made, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    second = made.copy()
    second.run()["weights"] = second.run()["record"]["weights"] = "d" * 16
    second.write(folder, "second")
    original = module.check_submission

    def interrupted(path: Path, *rest: object) -> Checked:
        if path.stem == "second":
            raise KeyboardInterrupt
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "check_submission", interrupted)
    assert cli.main(["leaderboard", "check", str(folder), "--data", str(benchmark.directory)]) == 130
    assert "run the same command again" in capsys.readouterr().err
    found = receipts.Receipts(folder, read_board(folder), {benchmark.fingerprint: benchmark})
    assert found.find(folder / "made.json") is not None
    assert found.find(folder / "second.json") is None
