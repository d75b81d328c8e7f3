"""The methods by their keys. A method names the sets it needs and, after ``*``, its hyper-parameters.

A method is a generator of named loss terms; each term is backpropagated before the next one is computed, so that
their graphs are never in memory together. The sets (see ``unlearn.data``): ``everything``, ``remaining``, ``forget``,
``retain``.
"""

import difflib
import inspect

from pebench_tasks.errors import BenchmarkError
from unlearn.answers import Hyperparameters, Method
from unlearn.methods.finetune import finetune
from unlearn.methods.ga import ga
from unlearn.methods.gd import gd
from unlearn.methods.goal import goal

METHODS: dict[str, Method] = {
    "finetune": finetune,
    "goal": goal,
    "ga": ga,
    "gd": gd,
}


def find(key: str) -> Method:
    """The method behind a key; raises ``BenchmarkError`` that lists the known ones."""
    try:
        return METHODS[key]
    except KeyError:
        near = difflib.get_close_matches(key, METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise BenchmarkError(f"There is no method {key!r}. Known: {', '.join(METHODS)}.{hint}") from None


def needed_sets(method: Method) -> list[str]:
    """The sets that the method's signature names, in order; an epoch is one pass over the first."""
    parameters = inspect.signature(method).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]


def default_hyperparameters(method: Method) -> Hyperparameters:
    """The method's keyword-only parameters with their defaults."""
    return {p.name: p.default for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY}


def resolve_hyperparameters(method: Method, given: Hyperparameters) -> Hyperparameters:
    """The defaults overlaid with what was given; raises ``BenchmarkError`` for one the method does not have."""
    defaults = default_hyperparameters(method)
    if unknown := sorted(given.keys() - defaults.keys()):
        known = ", ".join(defaults) or "none"
        name = getattr(method, "__name__", str(method))
        raise BenchmarkError(f"The method {name!r} has no option {', '.join(unknown)}. Its own options: {known}.")
    return {**defaults, **given}


def all_hyperparameters() -> dict[str, list[str]]:
    """Every hyper-parameter of any method, with the methods that have it."""
    users: dict[str, list[str]] = {}
    for key, method in METHODS.items():
        for name in default_hyperparameters(method):
            users.setdefault(name, []).append(key)
    return users
