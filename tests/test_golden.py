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
PATHS = (TESTS.parent, TESTS, TESTS / "pebench_tasks" / "judge")  # the package, golden_set, judge_server
SHOWN = 60  # lines of a difference
PYTHON = "python.txt"  # in a group that is compared only on the Python it names


class Built(NamedTuple):
    """The folder of all groups as the program makes them now, and what was said on the way."""

    folder: Path
    said: str


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything once, in a process whose environment is always the same."""
    work, out = tmp_path_factory.mktemp("golden-work"), tmp_path_factory.mktemp("golden-built")
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, PATHS)), "TMPDIR": str(out.parent),
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
    if reason := other_python(GOLDEN / group, built.folder / group):
        pytest.skip(reason)
    if differences := compare(GOLDEN / group, built.folder / group):
        told = shown(differences)
        pytest.fail(f"{told}\n\nIf users are meant to see this change: make golden, and read its diff.", pytrace=False)


def test_no_file_is_of_no_group() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {*GROUPS, "README.md"}


FILES = {
    "results.json": '{\n "efficacy,none": 93.75,\n "retain,none": 70.0\n}\n',
    "help.txt": "usage: pebench compare\n  --data DIR\n  --seed S\n",
    "errors.txt": "$ pebench compare a\nexit 1\nerror: A comparison needs two models.\n",
}


def written(folder: Path, **changed: str) -> Path:
    """A folder of ``FILES``, a file of which may have another text."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(changed.get(name.partition(".")[0], text))
    return folder


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("results.json", ' "retain,none": 70.0', ' "retain,none": 70.1'),
        ("help.txt", "  --seed S", "  --sed S"),
        ("errors.txt", "error: A comparison needs two models.", "error: A comparison needs three models."),
        ("errors.txt", "exit 1", "exit 2"),
    ],
)
def test_one_digit_option_or_word_is_found_and_shown(name: str, before: str, after: str, tmp_path: Path) -> None:
    kept = written(tmp_path / "kept")
    now = written(tmp_path / "now", **{name.partition(".")[0]: FILES[name].replace(before, after)})
    differences = compare(kept, now)
    assert [path.name for path in differences] == [name]
    assert {f"-{before}", f"+{after}"} < {*shown(differences).splitlines()}


def test_a_file_that_is_missing_or_one_too_many_is_named(tmp_path: Path) -> None:
    kept, now = written(tmp_path / "kept"), written(tmp_path / "now")
    (kept / "help.txt").unlink()
    (now / "errors.txt").unlink()
    told = shown(compare(kept, now))
    assert "kept/help.txt is missing." in told
    assert "kept/errors.txt is one too many: nothing makes it any more." in told


def test_same_files_have_no_difference(tmp_path: Path) -> None:
    assert compare(written(tmp_path / "kept"), written(tmp_path / "now")) == {}


def test_of_many_differences_the_smallest_are_shown_and_the_others_named(tmp_path: Path) -> None:
    kept = written(tmp_path / "kept", results="0\n" * SHOWN)
    now = written(tmp_path / "now", results="1\n" * SHOWN, errors="nothing\n")
    lines = shown(compare(kept, now)).splitlines()
    assert "+nothing" in lines
    assert "+1" not in lines
    assert lines[-2:] == ["These differ as well:", (kept / "results.json").as_posix()]


def test_a_group_with_another_python_s_help_is_not_compared(tmp_path: Path) -> None:
    kept, now = written(tmp_path / "kept"), written(tmp_path / "now")
    assert other_python(kept, now) == ""
    for folder, python in ((kept, "3.11"), (now, "3.12")):
        (folder / PYTHON).write_text(f"{python}\n")
    assert other_python(kept, now) == f"{kept.name} is of Python 3.11; argparse lays out otherwise in 3.12"
    assert other_python(kept, kept) == ""


def other_python(kept: Path, now: Path) -> str:
    """Why a group is not compared: its texts are those of another Python than this one."""
    if not (kept / PYTHON).is_file():
        return ""
    theirs, ours = ((folder / PYTHON).read_text(encoding="utf-8").strip() for folder in (kept, now))
    if theirs == ours:
        return ""
    return f"{kept.name} is of Python {theirs}; argparse lays out otherwise in {ours}"


def compare(kept: Path, now: Path) -> dict[Path, list[str]]:
    """The lines in which files differ, or one that says that a file is missing or one too many."""
    names = sorted({path.relative_to(folder) for folder in (kept, now) for path in folder.rglob("*") if path.is_file()})
    found = {kept / name: _difference(kept / name, now / name) for name in names}
    return {path: lines for path, lines in found.items() if lines}


def _difference(kept: Path, now: Path) -> list[str]:
    name = _named(kept)
    if not now.is_file():
        return [f"{name} is one too many: nothing makes it any more."]
    if not kept.is_file():
        return [f"{name} is missing."]
    texts = [path.read_text(encoding="utf-8").splitlines() for path in (kept, now)]
    return [*difflib.unified_diff(*texts, name, "now", n=1, lineterm="")]


def _named(path: Path) -> str:
    """A path as it is told: within the repository from its root."""
    return path.relative_to(TESTS.parent).as_posix() if path.is_relative_to(TESTS.parent) else path.as_posix()


def shown(differences: dict[Path, list[str]]) -> str:
    """The smallest differences, which tell most, up to ``SHOWN`` lines; what else differs by name."""
    lines, others = [], []
    for path, found in sorted(differences.items(), key=lambda one: len(one[1])):
        if not lines or len(lines) + len(found) <= SHOWN:
            lines += [*found[:SHOWN], ""]
        else:
            others.append(_named(path))
    return "\n".join([*lines, *(["These differ as well:", *others] if others else [])])
