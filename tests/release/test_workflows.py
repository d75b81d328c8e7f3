"""The files that GitHub reads: by its own schema, pinned to commits, and without rights where strangers' code runs.

Whether they do there what they say is not known: they have never run.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import validators
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "pebench_tasks" / "leaderboard" / "site" / "check_workflow.yml"
OURS = sorted((ROOT / ".github" / "workflows").iterdir())
WORKFLOWS = [*OURS, BOARD]


@cache
def schema(name: str) -> Validator:
    """Of a schema that check-jsonschema brings along (from SchemaStore), so that nothing is downloaded."""
    text = files("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{name}.json").read_text(encoding="utf-8")
    whole = json.loads(text)
    return validators.validator_for(whole)(whole)


def workflow(path: Path) -> dict[str, Any]:
    """A workflow as GitHub reads it; YAML 1.1 takes the key ``on`` for true."""
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text("utf-8")).items()}


def steps(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All steps of all jobs."""
    for job in content["jobs"].values():
        yield from job["steps"]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def content(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each workflow in turn."""
    return workflow(request.param)


def test_a_workflow_follows_githubs_schema(content: dict[str, Any]) -> None:
    error = best_match(schema("github-workflows").iter_errors(content))
    assert error is None, f"{error.json_path}: {error.message}"


@pytest.mark.parametrize(
    "wrong",
    [{"jobs": {}}, {"permission": {}}, {"jobs": {"ci": {"runs-on": "ubuntu-24.04", "step": []}}}, {"on": "pushed"}],
    ids=str,
)
def test_the_schema_refuses_what_github_would(wrong: dict[str, Any]) -> None:
    assert not schema("github-workflows").is_valid({**workflow(OURS[0]), **wrong})


def test_actions_are_pinned_to_commits_and_no_expression_becomes_a_command(content: dict[str, Any]) -> None:
    for step in steps(content):
        assert re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}", step["uses"]) if "uses" in step else "run" in step
        assert "${{" not in step.get("run", "")


def test_nothing_may_be_written_and_no_secret_is_named_but_for_publishing(content: dict[str, Any]) -> None:
    assert content["permissions"] == {"contents": "read"}
    allowed = {name: job["permissions"] for name, job in content["jobs"].items() if "permissions" in job}
    assert allowed in ({}, {"publish": {"id-token": "write"}})
    assert "secrets." not in json.dumps(content)
    for step in steps(content):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_ci_runs_what_anybody_runs() -> None:
    found = workflow(ROOT / ".github" / "workflows" / "ci.yml")
    assert [step["run"] for step in steps(found) if "run" in step] == [".ci/run"]


def test_only_a_tag_is_published_after_both_files_were_tried() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    publish = jobs["publish"]
    assert (publish["if"], publish["environment"]) == ("github.ref_type == 'tag'", "pypi")
    assert set(publish["needs"]) == {"build", "try"}
    assert jobs["try"]["strategy"]["matrix"]["file"] == ["*.whl", "*.tar.gz"]


@pytest.mark.parametrize(
    ("tag", "changes", "said"),
    [
        ("v1.2.3", "## 1.2.3", ""),
        ("v1.2.4", "## 1.2.3", "The tag is v1.2.4, the version in pebench_tasks/versions.py 1.2.3."),
        ("1.2.3", "## 1.2.3", "The tag is 1.2.3, "),
        ("v1.2.3", "## Unreleased", 'CHANGELOG.md has no section "## 1.2.3".'),
    ],
)
def test_a_tag_must_be_the_version_and_have_its_changes(tmp_path: Path, tag: str, changes: str, said: str) -> None:
    build = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["build"]["steps"]
    script = next(step["run"] for step in build if step.get("name") == "The tag is the version")
    (tmp_path / "pebench_tasks").mkdir()
    (tmp_path / "pebench_tasks" / "versions.py").write_text('"""A docstring."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changes}\n\n- A line.\n")
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env={"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (int(bool(said)), "")
    assert said in done.stdout


def test_the_citation_follows_its_schema() -> None:
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    error = best_match(schema("citation-file-format").iter_errors(content))
    assert error is None, f"{error.json_path}: {error.message}"
