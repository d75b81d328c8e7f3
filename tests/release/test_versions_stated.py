"""What CONTRIBUTING.md says of versions is so: of the package, of the tasks, of every kind of file."""

import json
import re
from pathlib import Path

import yaml

from pebench_tasks.versions import TASKS_FOLDER, __version__, task_version

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"pebench-[a-z]+/\d+")
SCHEMA = ROOT / "pebench_tasks" / "leaderboard" / "entry" / "submission.schema.json"


def test_every_format_of_a_file_is_listed_with_the_module_that_sets_it() -> None:
    rows = re.findall(
        r"^\|.*`(pebench-[a-z]+/\d+)`.*\[(\S+)\]\((\S+)\)", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE
    )
    assert all(place == named for _, named, place in rows)
    listed = {(one, place) for one, _, place in rows}
    found = {
        (one, str(path.relative_to(ROOT)))
        for folder in ("pebench_tasks", "unlearn")
        for path in (ROOT / folder).rglob("*.py")
        for one in re.findall(rf'^[A-Z_]*FORMAT = "({NAMED.pattern})"', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert listed == found


def test_no_module_writes_a_format_of_its_own_accord() -> None:
    """A format stands in one constant; elsewhere only in docstrings, comments and messages to users."""
    for folder in ("pebench_tasks", "unlearn"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                if re.search(rf'"{NAMED.pattern}"', line) and not line.startswith("- "):
                    assert re.match(r"[A-Z_]*FORMAT = ", line), f"{path}: {line}"


def test_the_schema_of_submissions_is_called_by_their_format() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    name, _, number = schema["properties"]["format"]["const"].partition("/")
    assert (name, schema["$id"]) == ("pebench-submission", f"urn:pebench:submission:{number}")


def test_citation_and_changelog_name_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [name for name in sections if name != "Unreleased"]
    assert sections[:1] in (["Unreleased"], released[:1])
    assert released[0] == citation["version"] == __version__


def test_the_version_of_the_tasks_heads_their_changelog() -> None:
    _, _, changes = (TASKS_FOLDER / "README.md").read_text(encoding="utf-8").partition("### Changelog")
    newest = re.search(r"^\* (\d+\.\d+)\b", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == task_version()
