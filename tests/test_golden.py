"""What a user sees is what the files of ``tests/golden`` hold; ``make golden`` rewrites them, on purpose."""

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from golden_set import GROUPS

TESTS = Path(__file__).resolve().parent
GOLDEN = TESTS / "golden"
SHOWN = 60  # lines of a difference


class Built(NamedTuple):
    """The folder of all groups as the program makes them now, and what was said on the way."""

    folder: Path
    said: str


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything once, in a process whose environment is always the same."""
    work, out = tmp_path_factory.mktemp("golden-work"), tmp_path_factory.mktemp("golden-built")
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "TMPDIR": str(out.parent),
        "HOME": str(work / "home"), "XDG_CONFIG_HOME": str(work / "config"), "XDG_CACHE_HOME": str(work / "cache"),
        "HF_HOME": str(work / "cache" / "hub"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "",
        "COLUMNS": "100", "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "golden_set", str(out)]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    return Built(out, done.stderr)


@pytest.mark.parametrize("group", GROUPS)
def test_what_a_user_sees_is_unchanged(built: Built, group: str, request: pytest.FixtureRequest) -> None:
    if not (built.folder / group).is_dir():
        pytest.fail(f"tests/golden/{group} could not be built:\n{built.said[-5000:]}", pytrace=False)
    if request.config.getoption("--rewrite-golden"):
        shutil.rmtree(GOLDEN / group, ignore_errors=True)
        shutil.copytree(built.folder / group, GOLDEN / group)
    if differences := compare(GOLDEN / group, built.folder / group):
        told = shown(differences)
        pytest.fail(f"{told}\n\nIf users are meant to see this change: make golden, and read its diff.", pytrace=False)


def test_no_file_is_of_no_group() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {*GROUPS, "README.md"}


def compare(kept: Path, now: Path) -> dict[Path, list[str]]:
    """The lines in which files differ, or one that says that a file is missing or one too many."""
    names = sorted({path.relative_to(folder) for folder in (kept, now) for path in folder.rglob("*") if path.is_file()})
    found = {kept / name: _difference(kept / name, now / name) for name in names}
    return {path: lines for path, lines in found.items() if lines}


def _difference(kept: Path, now: Path) -> list[str]:
    name = kept.relative_to(TESTS.parent)
    if not now.is_file():
        return [f"{name} is one too many: nothing makes it any more."]
    if not kept.is_file():
        return [f"{name} is missing."]
    texts = [path.read_text(encoding="utf-8").splitlines() for path in (kept, now)]
    return [*difflib.unified_diff(*texts, str(name), "now", n=1, lineterm="")]


def shown(differences: dict[Path, list[str]]) -> str:
    """The smallest differences, which tell most, up to ``SHOWN`` lines; what else differs by name."""
    lines, others = [], []
    for path, found in sorted(differences.items(), key=lambda one: len(one[1])):
        if not lines or len(lines) + len(found) <= SHOWN:
            lines += [*found[:SHOWN], ""]
        else:
            others.append(path.relative_to(TESTS.parent).as_posix())
    return "\n".join([*lines, *(["These differ as well:", *others] if others else [])])
