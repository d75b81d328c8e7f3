"""Words for the tests that run the real harness: its tasks, and how to read what it returns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

TASKS = ["pebench_people", "pebench_events"]
JOINT = "pebench_joint"
LIMIT = 24  # enough for every slice: the first documents hold them all
EVERY_FIGURE = 150  # enough for every public figure
NEW_TOKENS = 12  # untrained models hardly end an answer by themselves
SHORT: dict[str, Any] = {"device": "cpu", "limit": LIMIT, "max_new_tokens": NEW_TOKENS}
Evaluate = Callable[..., dict[str, Any]]
Command = Callable[..., None]
MakeCheckpoint = Callable[..., Path]


def responses(results: dict[str, Any]) -> dict[str, str]:
    """All responses of a run by task and document key."""
    return {
        f"{task}:{sample['provenance']['key']}": sample["filtered_resps"][0]
        for task, samples in results["samples"].items()
        for sample in samples
    }


def provenance(results: dict[str, Any], task: str = TASKS[0]) -> dict[str, Any]:
    """The recorded provenance of one task."""
    found: dict[str, Any] = results["results"][task]["provenance,none"]
    return found
