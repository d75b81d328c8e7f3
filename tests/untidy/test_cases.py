"""``cases.md`` is true: every fault in it has a test that is there."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COLUMNS = ["fault", "command", "printed before", "printed now", "test"]
RULE = re.compile(r":?-+:?")


def cells(line: str) -> list[str]:
    """The cells of a row of a Markdown table; ``\\|`` is no border."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def rows() -> list[list[str]]:
    """The rows of all tables in ``cases.md``, without heads and rules."""
    lines = (HERE / "cases.md").read_text(encoding="utf-8").splitlines()
    every = [cells(line) for line in lines if line.startswith("|")]
    return [row for row in every if row != COLUMNS and not all(RULE.fullmatch(cell) for cell in row)]


def defined(file: Path) -> set[str]:
    """The names of a file's test functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_every_fault_has_its_tests(row: list[str]) -> None:
    assert len(row) == len(COLUMNS), row
    assert all(row), row
    named = re.findall(r"`([\w/]+\.py)::(\w+)", row[-1])
    assert named, f"no test is named: {row[-1]}"
    for path, name in named:
        assert name in defined(ROOT / path), f"{path} has no {name}"
