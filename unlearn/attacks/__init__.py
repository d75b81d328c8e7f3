"""Attacks on a checkpoint's weights: has it really forgotten? One file an attack, with its recipe and source.

An attack is a ``plan`` (what it asks, what it trains on) and a ``run`` that changes the weights and scores them; a look
inside ``reads`` them.
"""

import difflib
from collections.abc import Sequence
from functools import partial

from pebench_tasks.errors import BenchmarkError
from unlearn.attacks import depth, lens, relearn, rescale, rounding
from unlearn.attacks.plan import Attack


def _relearn(arm: str) -> Attack:
    return Attack("weights", relearn.recipe(arm), partial(relearn.plan, arm), relearn.run)


WEIGHT_ATTACKS: dict[str, Attack] = {
    "relearn_half": _relearn("half"),
    "relearn_same": _relearn("same"),
    "relearn_others": _relearn("others"),
    "relearn_unrelated": _relearn("unrelated"),
    "rounding": Attack("weights", rounding.RECIPE, rounding.plan, rounding.run),
    "rescale": Attack("inside", rescale.RECIPE, rescale.plan, rescale.run, needs=("finetuned",)),
    "depth": Attack("inside", depth.RECIPE, depth.plan, reads=depth.read, needs=("finetuned", "goal")),
    "lens": Attack("inside", lens.RECIPE, lens.plan, reads=lens.read),
}


def chosen(names: Sequence[str]) -> list[str]:
    """The attacks that these words name, ``relearn`` for all its arms; ``BenchmarkError`` for an unknown one."""
    found: dict[str, None] = {}
    for name in names:
        mine = [key for key in WEIGHT_ATTACKS if name in (key, key.partition("_")[0])]
        if not mine:
            families = dict.fromkeys(key.partition("_")[0] for key in WEIGHT_ATTACKS)
            known = [*families, *(key for key in WEIGHT_ATTACKS if key not in families)]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise BenchmarkError(f"There is no attack {name!r}.{hint} Known: {', '.join(known)}.")
        found |= dict.fromkeys(mine)
    if not found:
        raise BenchmarkError("--attacks names no attack.")
    return [*found]
