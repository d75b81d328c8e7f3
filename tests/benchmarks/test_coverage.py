"""The committed table of coverage: what the limits promise stands in it, and it can be written again."""

from pathlib import Path

import coverage
import pytest

TABLE = Path(coverage.__file__).parent / "results" / "coverage.md"
PROMISED = 0.93


def cells(text: str) -> dict[str, list[list[str]]]:
    """The rows of each section's table, without its heads."""
    found: dict[str, list[list[str]]] = {}
    for section in text.split("\n## ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
        found[section.splitlines()[0]] = rows[2:]
    return found


def test_the_limits_cover_the_truth_as_often_as_promised() -> None:
    *over_clusters, (_, few) = cells(TABLE.read_text(encoding="utf-8")).items()
    assert len(over_clusters) == len(coverage.KINDS)
    for title, rows in over_clusters:
        assert [(int(row[0]), float(row[1])) for row in rows] == [
            (c, i) for c in coverage.CLUSTERS for i in coverage.ICCS
        ]
        for clusters, icc, *found in rows:
            covered = [float(cell.split()[0]) for cell in found]
            ours, bootstrap = covered[:3], covered[3:]
            assert min(ours) >= PROMISED, (title, clusters, icc)
            if (float(icc), int(clusters)) == (0.2, 10):
                assert min(bootstrap) < PROMISED, title
    for clusters, icc, *found in few:  # of these very clusters, however alike their documents are
        assert min(float(cell.split()[0]) for cell in found[:3]) >= PROMISED, (clusters, icc)


@pytest.mark.parametrize("title", coverage.KINDS)
def test_every_scenario_is_simulated_with_the_limits_that_ship(title: str) -> None:
    found, again = (coverage.cover(coverage.KINDS[title], coverage.ours, 10, 0.9, 0.2, 250) for _ in range(2))
    assert found == again
    assert 0.9 <= found.coverage <= 1
    assert 0 < found.width < 0.5


def test_the_page_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in {"CLUSTERS": (10,), "FEW": (2,), "ICCS": (0.2,), "TRUTHS": (0.9,), "CHUNK": 10}.items():
        monkeypatch.setattr(coverage, name, few)
    found = cells("\n".join(coverage.lines(10)))
    assert [len(rows) for rows in found.values()] == [1] * 6
