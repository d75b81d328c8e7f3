"""THIRD_PARTY.md has a row for whatever others made, and says of a package's licence what the package says."""

import ast
import importlib.metadata
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
VENDOR = ROOT / "pebench_tasks" / "pages" / "vendor"
PACKAGES = {"pebench_tasks": "pebench_tasks", "unlearn": "unlearn", "templates": "pebench_templates"}
# What packages write in free text, and in classifiers where the text is the licence itself, and what is meant.
MEANT = {
    "Apache": "Apache-2.0",
    "APACHE": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
}


def rows() -> dict[str, str]:
    """The licence of every package with a row; what stands behind it in brackets is a remark."""
    _, _, table = PAGE.partition("## Installed beside it")
    found = re.findall(r"^\| ([\w-]+) \| (.+?)(?: \(.*\))? \| [^|]+ \|$", table, re.MULTILINE)
    return {canonicalize_name(name): licence for name, licence in found if name != "package"}


def dependencies() -> dict[str, set[str]]:
    """The packages that setup.cfg asks for, by where: "" for every use, else the extra."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {
        where: {canonicalize_name(Requirement(line).name) for line in lines.split("\n") if line}
        for where, lines in listed.items()
    }


def said(name: str) -> str:
    """What an installed package says of its licence; of one that says nothing the first line of its licence file."""
    one = importlib.metadata.distribution(name)
    if expression := one.metadata.get("License-Expression"):
        return str(expression)
    text = one.metadata.get("License") or ""
    if not text or len(text) > 50:  # nothing, or the whole licence
        classifiers = one.metadata.get_all("Classifier") or []
        text = next((line.split(" :: ")[-1] for line in classifiers if line.startswith("License :: ")), "")
    if not text:
        file = next(file for file in one.files or [] if file.name.startswith("LICENSE"))
        text = file.read_text(encoding="utf-8").splitlines()[0]
    return MEANT.get(text, text.removesuffix(" License"))


def test_every_dependency_has_a_row_and_every_row_a_dependency() -> None:
    assert set(rows()) == set().union(*dependencies().values())


@pytest.mark.parametrize("name", sorted(rows()))
def test_a_row_says_what_the_package_says(name: str) -> None:
    try:
        found = said(name)
    except importlib.metadata.PackageNotFoundError:
        assert name in dependencies()["qlora"]  # only for a GPU
        pytest.skip(f"{name} is not installed")
    assert rows()[name] == found, "Read the licence of this version, then change the row (or MEANT)."


def test_what_the_code_imports_is_a_dependency_by_name() -> None:
    """That another package happens to bring it along is luck, which an update of that package ends."""
    owners = importlib.metadata.packages_distributions()
    imported = set()
    for folder in PACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - set(PACKAGES.values()) - {"_typeshed"}
    named = dependencies()
    assert {canonicalize_name(owners[name][0]) for name in foreign} <= named[""] | named["judge"] | named["qlora"]


def test_what_is_vendored_has_a_row_of_its_version() -> None:
    """Its hashes are compared in ``test_page.py``."""
    versions = re.findall(r"npm package `([^`]+)` ([\d.]+)", (VENDOR / "VENDOR.md").read_text(encoding="utf-8"))
    assert versions == [("datatables.net", "3.1.5")]
    assert "| DataTables 3.1.5, `dataTables.min.js`, unmodified | npm package `datatables.net` |" in PAGE
    assert {path.name for path in VENDOR.iterdir()} == {"VENDOR.md", "dataTables.min.js", "dataTables.License.txt"}
