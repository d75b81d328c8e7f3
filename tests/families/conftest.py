"""The matrix of families: what runs by default, what every check starts from, and the outcomes for the page."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from every_family import FAMILIES
from row import Row

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic

HERE = Path(__file__).parent
CHEAP = (  # run for every family in every test run
    "test_labels_are_the_answer_and_its_end_token",
    "test_a_batch_says_what_its_samples_say_alone",
    "test_questions_behind_one_image_say_what_they_say_alone",
    "test_the_references_logits_are_the_models",
    "test_a_frozen_tower_reads_an_image_once",
)


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Four people in four events at 64 px: 16 images, which every family learns by heart."""
    folder: Path = tmp_path_factory.mktemp("benchmark") / "data"
    return build_synthetic(folder, people=4, events=4, image_size=64, seed=0)


@pytest.fixture(scope="session", params=list(FAMILIES))
def row(
    request: pytest.FixtureRequest, benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Row]:
    """One family; what is expensive is made when first asked for, and kept as long as the family's checks last."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield Row(FAMILIES[request.param], benchmark, folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what only ``--families`` runs, and what is known to fail; leave the first out unless it is asked for."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if "row" not in parameters or not item.path.is_relative_to(HERE):  # the hook is given every test there is
            continue
        family, check = FAMILIES[parameters["row"]], item.originalname
        item.add_marker(pytest.mark.xdist_group(family.key))  # one process trains the family, once
        if family.runs and check not in CHEAP:
            item.add_marker(family.runs)
        if {check, f"{check}[{parameters.get('how')}]"} & set(family.limits):
            item.add_marker(pytest.mark.xfail(strict=True, reason="a known limit of the family"))
    if config.getoption("families") or "families" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("families")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("families")]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("outcomes") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(Path(config.getoption("outcomes"))))


class Outcomes:
    """Keeps what every check of the matrix found, and writes it at the end: the page's only source."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells: dict[str, dict[str, Any]] = {}  # by test

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("::")[2].partition("@")[0]  # behind it, xdist names the group
        check, _, parameters = test.rstrip("]").partition("[")
        family = max((key for key in FAMILIES if f"{parameters}-".startswith(f"{key}-")), key=len, default="")
        if report.when == "teardown" and report.nodeid in self.cells:  # what fixtures measured is known by now
            self.cells[report.nodeid] |= dict(report.user_properties)
        if not family or not (report.when == "call" or (report.when == "setup" and report.failed)):
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        expected = report.skipped and hasattr(report, "wasxfail")
        self.cells[report.nodeid] = {
            "family": family,
            "name": FAMILIES[family].name,
            "check": check,
            "how": parameters.removeprefix(family).removeprefix("-"),
            "outcome": "limit" if expected else report.outcome,
            "error": crash.message.splitlines()[0] if crash and (report.failed or expected) else "",
        }

    def pytest_sessionfinish(self) -> None:
        versions = {name: version(name) for name in ("transformers", "torch", "peft", "lmms-eval")}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        found = {"versions": versions, "cells": list(self.cells.values())}
        self.path.write_text(json.dumps(found, indent=1), encoding="utf-8")
