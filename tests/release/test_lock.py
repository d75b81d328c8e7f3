"""requirements.lock is constraints.txt for every platform, with hashes; it lags behind until ``make lock`` is run."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
AGAIN = "run  make lock"
TESTED = {  # what constraints.txt is of
    "python_version": "3.11", "python_full_version": "3.11.7", "implementation_name": "cpython",
    "platform_python_implementation": "CPython", "sys_platform": "linux", "platform_system": "Linux",
    "os_name": "posix", "platform_machine": "x86_64",
}  # fmt: skip


def locked() -> dict[str, Requirement]:
    """Every package of the lock, by its normalised name."""
    lines = re.findall(r"^([A-Za-z0-9].*?) \\$", LOCK, re.MULTILINE)
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def constraints() -> dict[str, str]:
    """Every version of constraints.txt, by its package's normalised name."""
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def wanted() -> list[Requirement]:
    """What setup.cfg asks for, with the extras that the lock covers."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    lines = f"{config['options']['install_requires']}\n{extras['dev']}\n{extras['docs']}\n{extras['judge']}".split("\n")
    return [Requirement(line) for line in lines if line]


def test_the_lock_holds_the_tested_versions_and_nothing_else_for_their_platform() -> None:
    here = {name: one for name, one in locked().items() if one.marker is None or one.marker.evaluate(TESTED)}
    assert {name: str(one.specifier).removeprefix("==") for name, one in here.items()} == constraints(), AGAIN


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_is_required_is_locked(requirement: Requirement) -> None:
    found = locked().get(canonicalize_name(requirement.name))
    assert found is not None, AGAIN
    (pin,) = found.specifier
    assert requirement.specifier.contains(pin.version, prereleases=True), AGAIN


def test_every_package_has_hashes_and_no_host_is_named() -> None:
    """Where packages come from is the reader's choice (``--index-url``), and the hashes hold for any place."""
    packages: list[str] = []
    hashes: list[int] = []
    for line in LOCK.splitlines():
        if line.startswith("    --hash=sha256:"):
            hashes.append(len(packages))
        elif not line.startswith("#"):
            packages.append(line)
    assert set(hashes) == set(range(1, len(packages) + 1))
    assert not re.search(r"://|^-|--(extra-)?index|--find-links", LOCK, re.MULTILINE)
