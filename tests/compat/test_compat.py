"""The program that asks every pair of versions, without an environment: what it asks, what it keeps, what it writes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import compat
import environments
import fresh
import neighbours
import pytest
from packaging.version import Version

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import NEWEST

VERSIONS = {
    "python": "3.11.7", "transformers": "5.24.0", "lmms-eval": "0.7.3", "torch": "2.15.0", "peft": "0.21.2",
    "datasets": "5.2.0", "accelerate": "1.15.0",
}  # fmt: skip


def outcome(pair: str = "5.24.0/0.7.3", equal: str = "80 of 80", **features: str) -> dict[str, Any]:
    """What a pair gave where all is well but for what is named."""
    transformers, lmms_eval, *_ = pair.split("/")
    versions = {**VERSIONS, "transformers": transformers, "lmms-eval": lmms_eval}
    return {
        "pair": pair, "versions": versions, "features": dict.fromkeys(compat.FEATURES, "3 passed") | features,
        "equal": equal,
    }  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pairs that were asked; each of them is well."""
    pairs: list[str] = []

    def ask(pair: str, out: Path) -> dict[str, Any]:
        pairs.append(pair)
        if pair == "no/such":
            raise BenchmarkError("no such version")
        return outcome(pair)

    monkeypatch.setattr(compat, "ask", ask)
    return pairs


def run(folder: Path, *pairs: str, again: bool = False) -> int:
    return compat.run(pairs, [], folder / "out", folder / "page.md", again=again)


def test_what_was_asked_is_not_asked_again_unless_told(asked: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, "5.24.0/0.7.3") == 0
    assert run(tmp_path, "5.24.0/0.7.3", "5.19.0/0.7.1", "5.19.0/0.7.1/3.12") == 0
    assert asked == ["5.24.0/0.7.3", "5.19.0/0.7.1", "5.19.0/0.7.1/3.12"]
    assert len([line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("| 3.")]) == 3
    assert run(tmp_path, "5.24.0/0.7.3", again=True) == 0
    assert asked[3:] == ["5.24.0/0.7.3"]


def test_a_pair_that_cannot_be_made_is_said_and_the_others_are_asked(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "no/such", "5.24.0/0.7.3") == 1
    assert asked == ["no/such", "5.24.0/0.7.3"]
    assert "pair-no-such: not asked: no such version" in capsys.readouterr().err
    assert run(tmp_path, "no/such") == 1
    assert asked[2:] == ["no/such"]


def test_a_pair_that_does_not_work_is_an_error_and_the_page_says_what_failed(tmp_path: Path) -> None:
    bad = outcome("5.19.0/0.7.1", equal="79 of 80", plugin="test_tag: failure: no tag")
    worse = outcome("5.9.0/0.7.1", equal="... failed: ImportError")
    (tmp_path / "out").mkdir()
    for name, one in {"a": outcome(), "b": bad, "c": worse}.items():
        (tmp_path / "out" / f"pair-{name}.json").write_text(json.dumps(one))
    assert run(tmp_path) == 1
    page = (tmp_path / "page.md").read_text().splitlines()
    rows = [line for line in page if line.startswith("| 3.")]
    ticks = " | ".join(["✓ 3"] * len(compat.FEATURES))
    others = "2.15.0 | 0.21.2 | 5.2.0 | 1.15.0"
    assert rows == [
        f"| 3.11.7 | 5.9.0 | 0.7.1 | {others} | {ticks} | ✗ |",
        f"| 3.11.7 | 5.19.0 | 0.7.1 | {others} | ✓ 3 | ✓ 3 | ✓ 3 | ✓ 3 | ✗ | ✓ 3 | 79 of 80 |",
        f"| 3.11.7 | 5.24.0 | 0.7.3 | {others} | {ticks} | 80 of 80 |",
    ]
    assert [line for line in page if line.startswith("- 5.")] == [
        "- 5.9.0/0.7.1, equal answers: ... failed: ImportError",
        "- 5.19.0/0.7.1, plugin: test_tag: failure: no tag",
        "- 5.19.0/0.7.1, equal answers: 79 of 80",
    ]


def test_what_is_not_our_fault_is_no_error_but_said(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    one = outcome("5.24.0/0.7.1", **{"bare command": "test: failure: no such file"})
    (tmp_path / "out" / "pair-a.json").write_text(json.dumps(one))
    assert run(tmp_path) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| ✓ 3 | not ours | 80 of 80 |" in page
    assert "Bare command, *not ours*: the wheels of lmms-eval 0.7.1 and 0.7.2 lack a file" in page
    one["versions"]["lmms-eval"] = "0.7.3"
    (tmp_path / "out" / "pair-a.json").write_text(json.dumps(one))
    assert run(tmp_path) == 1


def test_every_feature_names_tests_that_there_are() -> None:
    tests = [test for tests in compat.FEATURES.values() for test in tests]
    for test in tests:
        file, _, name = test.partition("[")[0].partition("::")
        assert f"def {name}(" in (environments.ROOT / file).read_text(encoding="utf-8") if name else True


def test_a_feature_is_fine_only_where_all_its_tests_ran_and_passed(tmp_path: Path) -> None:
    everything = {test: "passed" for tests in compat.FEATURES.values() for test in tests}
    everything |= {f"{compat.FEATURES['packed questions'][0]}[eager-kl]": "passed"}
    plugin = compat.FEATURES["plugin"][0]
    everything[f"{plugin}::test_one"] = everything.pop(plugin)
    well = compat.features_of(everything)
    assert well["packed questions"] == "7 passed"
    assert well["plugin"] == "1 passed"
    assert (
        compat.features_of(everything | {f"{plugin}::test_two": "skipped: why"})["plugin"] == "test_two: skipped: why"
    )
    first = compat.FEATURES["answers"][0]
    del everything[first]
    assert compat.features_of(everything)["answers"] == f"{first.split('::')[1]}: did not run"
    file = first.split("::")[0]
    assert compat.features_of(everything | {file: "error: no module"})["answers"] == f"{file}: error: no module"


def test_what_pytest_reports_is_read(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\ndef test_well(): pass\ndef test_wrong(): assert 1 == 2\n"
        "@pytest.mark.parametrize('n', [1])\ndef test_left(n): pytest.skip('not here')\n"
    )
    (tmp_path / "test_none.py").write_text("import no_such_module\n")
    report = tmp_path / "report.xml"
    options = ["-q", "-n0", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, "--continue-on-collection-errors", "."]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert compat.read_report(report) == {
        "test_some.py::test_well": "passed",
        "test_some.py::test_wrong": "failure: assert 1 == 2",
        "test_some.py::test_left[1]": "skipped: not here",
        "test_none.py": "error: ModuleNotFoundError: No module named 'no_such_module'",
    }


def test_the_tested_set_stays_but_for_what_the_pair_ties() -> None:
    lines = ["# The versions\n", "torch==2.15.0\n", "lmms_eval==0.7.3\n", "huggingface_hub==2.4.0\n", "hf-xet==1.8.0\n"]
    assert environments.loosened(lines) == ["# The versions\n", "torch==2.15.0\n"]


def test_the_lowest_versions_are_the_bounds_and_the_pairs_lie_between_them_and_the_newest() -> None:
    lowest = dict(requirement.split("==") for requirement in compat.lower_bounds())
    assert list(lowest) == list(compat.LIBRARIES)
    pairs = [pair.split("/") for pair in compat.PAIRS if pair != compat.LOWEST]
    for number, library in enumerate(("transformers", "lmms-eval")):
        asked = sorted((pair[number] for pair in pairs), key=Version)
        assert asked[0] == lowest[library]
        assert asked[-1].startswith(NEWEST[library])


def test_the_other_sections_say_what_was_found() -> None:
    before = {
        "transformers": "5.24.0",
        "torch": "2.15.0",
        "peft": "0.21.2",
        "datasets": "5.2.0",
        "accelerate": "1.15.0",
    }
    found = {
        "before": before, "after": before, "tested": before | {"transformers": "5.23.0"}, "bare command": 8,
        "equal": "80 of 80", "milliseconds": {"tested": [4.0, 5.0, 9.0], "fresh": [2.0, 6.0, 5.0]},
    }  # fmt: skip
    told = "\n".join(fresh.lines(found))
    assert "then this package: transformers 5.24.0, torch 2.15.0" in told
    assert "Of what lmms-eval had brought nothing was changed." in told
    assert "| ratio | 0.50 | 1.00 |" in told
    told = "\n".join(fresh.lines(found | {"after": before | {"transformers": "5.23.0"}}))
    assert "Of what lmms-eval had brought transformers 5.24.0 became 5.23.0." in told
    pins = dict.fromkeys(neighbours.SHOWN, "1.0")
    rows = neighbours.lines({"vllm==1": pins, "other==2": {"error": "no solution"}})[-2:]
    assert rows == [f"| `vllm==1` | {' | '.join(['1.0'] * 6)} |", "| `other==2` | no: no solution |"]
