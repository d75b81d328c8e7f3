"""The robust tasks in the real harness: a tiny model that is asked everything, and backends that cannot be."""

from pathlib import Path
from typing import Any

import pytest
from harness_runs import Evaluate

from pebench_tasks.attacks import QUESTION_ATTACKS, SIDES
from pebench_tasks.marking.attack_record import AttackRecord
from pebench_tasks.results.robust import ROBUST_TASKS

ROBUST = list(ROBUST_TASKS.values())
EVERY_SLICE = {f"{attack}_{side}" for attack in QUESTION_ATTACKS for side in SIDES}


@pytest.fixture
def asked(evaluate: Evaluate, llava: Path) -> dict[str, Any]:
    return evaluate("pebench_hf", f"pretrained={llava},device=cpu", ROBUST, limit=None)


def test_every_attack_is_asked_on_both_sides_and_has_a_metric(asked: dict[str, Any]) -> None:
    for task in ROBUST:
        figures = asked["results"][task]
        found = {name.partition(",")[0] for name, value in figures.items() if isinstance(value, float)}
        assert found >= EVERY_SLICE
        assert all(0 <= figures[f"{name},none"] <= 1 for name in EVERY_SLICE)
        said = figures["provenance,none"]
        assert set(said["slices"]) == EVERY_SLICE
        assert (said["withheld"], said["not_asked"]) == ("", {})
        for sample in asked["samples"][task]:
            record = AttackRecord.from_json(sample["provenance"])
            assert sample[record.slice] == record.value
