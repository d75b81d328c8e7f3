"""The source distribution and the wheel: what is in them, and that either works without the checkout.

They are built as ``make dist`` builds them, the wheel out of the source distribution, from a copy of this checkout with
things in it that must not be published. The installed ones run on the packages of this environment: dependencies take
7 GB, and what of them an empty environment gets is tried by the release workflow and by hand (RELEASING.md).
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from pebench_tasks.versions import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = {"pebench_tasks": "pebench_tasks", "unlearn": "unlearn", "templates": "pebench_templates"}
NAME = f"pebench-{__version__}"
PAPERS = {
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md",
    "RESPONSIBLE_USE.md", "SECURITY.md", "THIRD_PARTY.md", "constraints.txt", "pyproject.toml", "setup.cfg", "setup.py",
}  # fmt: skip
LICENCES = ("LICENSE", "THIRD_PARTY.md", "pebench_tasks/pages/vendor/dataTables.License.txt")
NEVER = ("tests/test_golden.py", "runs/demo/table.csv", "benchmarks/tables.py", "docs/index.md", ".venv/bin/python")


class Built(NamedTuple):
    """Both files, and the copy that they were built from."""

    sdist: Path
    wheel: Path
    source: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A copy of the checkout, as it is without its ignored files, and what ``make dist`` makes of it."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    source.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEVER:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("not for the public")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return Built(folder / f"{NAME}.tar.gz", folder / f"{NAME}-py3-none-any.whl", source)


def of_the_packages(source: Path, inside: dict[str, str]) -> set[str]:
    """Every file of the packages, by its path below the folder that ``inside`` names for each."""
    return {
        f"{inside[name]}/{path.relative_to(source / name).as_posix()}"
        for name in PACKAGES
        for path in (source / name).rglob("*")
        if path.is_file()
    }


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built: Built) -> None:
    """Templates, task YAMLs, tables, recipes, the vendored library: a file that is forgotten in setup.cfg is missed."""
    with zipfile.ZipFile(built.wheel) as wheel:
        found = {name for name in wheel.namelist() if not name.startswith(f"{NAME}.dist-info/")}
    assert found == of_the_packages(built.source, PACKAGES)


def test_the_source_distribution_adds_what_builds_it_and_no_tests_and_no_runs(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        found = {one.name.removeprefix(f"{NAME}/") for one in sdist if one.isfile()}
    made = {name for name in found if name.startswith("pebench.egg-info/")}
    assert found - made == of_the_packages(built.source, {name: name for name in PACKAGES}) | PAPERS


def test_the_licences_go_with_the_wheel(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        metadata = wheel.read(f"{NAME}.dist-info/METADATA").decode()
        for name in LICENCES:
            assert wheel.read(f"{NAME}.dist-info/licenses/{name}") == (ROOT / name).read_bytes()
    assert "License-Expression: Apache-2.0 AND MIT" in metadata.splitlines()


def in_this_environment(own: Path) -> None:
    """Let the environment ``own`` see the packages of this one behind its own; editable ones stay out of sight."""
    (packages,) = own.glob("lib/python*/site-packages")
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_pip_installs_it_into_an_empty_environment_and_it_works(built: Built, kind: str, tmp_path: Path) -> None:
    """The other tests here say that both hold the same files."""
    own, tools = tmp_path / "own", tmp_path / "tools"
    subprocess.run([sys.executable, "-m", "venv", str(own)], check=True)
    tools.mkdir()  # what builds a source distribution, and without a network cannot be fetched for it
    for name in ("setuptools", "_distutils_hack"):
        (tools / name).symlink_to(Path(sysconfig.get_path("purelib"), name))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PEBENCH_", "PIP_"))}
    clean |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*words: str, **variables: str) -> str:
        command = [str(own / "bin" / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=clean | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    file = str(getattr(built, kind))
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    run("python", "-m", "pip", "install", *offline, file, PYTHONPATH=str(tools))
    in_this_environment(own)

    places = run("python", "-c", "import pebench_tasks as a, unlearn as b, pebench_templates as c; print(a, b, c)")
    assert places.count(f"{own}/lib/") == 3
    assert "unlearn" in run("pebench", "--help")
    built_by = ("--source", "synthetic", "--people", "4", "--events", "3", "--image-size", "32", "--out", "bench")
    run("pebench", "data", "build", *built_by)
    assert "forget20" in run("pebench", "data", "show", "bench")
    loaded = "import lmms_eval.models; from lmms_eval.tasks import TaskManager"  # as its command does
    assert "pebench_people" in run("python", "-c", f"{loaded}; print(TaskManager(include_defaults=False).all_tasks)")
