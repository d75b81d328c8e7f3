"""Results as ``rescore`` returns them, made of figures alone, for the tests of what pages show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import PERCENT
from pebench_tasks.pages.entries import Board, boards
from pebench_tasks.results.files import TASKS, Result
from pebench_tasks.results.record import ResultRecord

SPLIT, DATA = "5" * 16, "d" * 16
GOAL = {"efficacy": 100.0, "generality": 100.0, "retain": 98.0, "scope": 1.0, "real": 95.0, "world": 90.0}
FINETUNED = GOAL | {"efficacy": 0.0, "generality": 0.0}


def result(name: str, figures: dict[str, float], target: str = "person", method: str = "gd",
           notes: Mapping[str, str] = {}, **changed: Any) -> Result:  # fmt: skip
    """A result as ``rescore`` returns it, with 20 documents a slice and intervals of 10 points on either side.

    ``notes``: of intervals, by figure.
    """
    slices = {figure.removesuffix(TRUTH_ONLY): {"n": 20, "recognised": 3, "empty": 0} for figure in figures}
    rows = {}
    for figure, value in figures.items():
        unit = 1.0 if figure.removesuffix(TRUTH_ONLY) in PERCENT[target] else 0.01
        rows[figure] = {"value": value, "low": value - 10 * unit, "high": value + 10 * unit, "n": 20, "clusters": 10,
                        "unit": "person", "note": notes.get(figure, ""), "failed": 0}  # fmt: skip
    trained = {"finetune": {"target": "", "split": ""}}.get(method, {"target": target, "split": SPLIT})
    model = {"pretrained": f"/models/{name}", "method": method, "weights": name, "data": DATA, **trained}
    provenance = {
        "data": DATA, "split": SPLIT, "template": "t", "forget": "forget20", "target": target, "judge": None,
        "withheld": "", "mostly_empty": [], "other_split": "", "never_learned": False, "slices": slices,
        "statistics": {"slices": rows, "neighbours": {}, "groups": {}}, "model": model, "goal": None, **changed,
    }  # fmt: skip
    here = Path(__file__)  # a file that exists: results beside which no results file lies stand in no table
    samples = Path(f"/scores/{name}/s.jsonl")
    record = ResultRecord.from_json(provenance)
    return Result(f"/models/{name}", TASKS[target], "1.1", figures, record, here, samples)


def board(*results: Result) -> Board:
    """The one board of results of one task."""
    (one,) = boards(results)
    return one
