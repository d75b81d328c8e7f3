"""Observations for the tests of intervals and paired tests, without a benchmark behind them."""

from random import Random
from typing import Any

from pebench_tasks.marking.yes_no import YesNo
from pebench_tasks.results.intervals import Observation


def name(person: int, event: int, value: float | None, slice_name: str = "retain") -> Observation:
    """One name question; its value is 0 or 100, as a rule."""
    p, e = f"p{person:03d}", f"e{event:02d}"
    return Observation(f"{p}/{e}/name", slice_name, value, p, p, e, "name")


def scene(person: int, event: int, value: float | None, slice_name: str = "retain") -> Observation:
    """One scene question; its value is 0 to 1."""
    p, e = f"p{person:03d}", f"e{event:02d}"
    return Observation(f"{p}/{e}/scene", slice_name, value, e, p, e, "scene")


def world(image: int, split: str, truth: str, answer: Any) -> Observation:
    """One yes/no question; an image has one of each POPE split at most."""
    key = f"w{image:03d}"
    marked = YesNo(split=split, truth=truth, answer=answer)
    return Observation(f"{key}/{split}", "world", marked, key, "", "", "yesno")


def some_world(images: int, seed: int = 0) -> list[Observation]:
    """Questions of all three splits on every image, answered at random."""
    random = Random(seed)
    return [
        world(image, split, random.choice(["yes", "no"]), random.choice(["yes", "no", "invalid"]))
        for image in range(images)
        for split in ("random", "popular", "adversarial")
    ]
