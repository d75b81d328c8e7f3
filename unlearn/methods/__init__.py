"""The methods by their keys. A method names the sets it needs and, after ``*``, its hyper-parameters.

A method is a generator of named loss terms; each term is backpropagated before the next one is computed, so that
their graphs are never in memory together. The sets (see ``unlearn.data.sets``): ``everything``, ``remaining``,
``forget``, ``retain``, ``refusal``, ``choices``, ``swapped``, ``facts``, ``invented``.
"""

import difflib
import inspect
import math

from pebench_tasks.errors import BenchmarkError
from unlearn.answers import Hyperparameters, Method
from unlearn.methods.dpo import dpo
from unlearn.methods.finetune import finetune
from unlearn.methods.ga import ga
from unlearn.methods.gd import gd
from unlearn.methods.goal import goal
from unlearn.methods.kl import kl
from unlearn.methods.npo import npo
from unlearn.methods.po import po
from unlearn.methods.rmu import rmu
from unlearn.methods.simnpo import simnpo
from unlearn.methods.siu import siu

METHODS: dict[str, Method] = {
    "finetune": finetune,
    "goal": goal,
    "po": po,
    "ga": ga,
    "gd": gd,
    "kl": kl,
    "siu": siu,
    "dpo": dpo,
    "npo": npo,
    "simnpo": simnpo,
    "rmu": rmu,
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
    """The sets that the method's signature names, optional ones included; an epoch is one pass over the first."""
    parameters = inspect.signature(method).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]


def optional_sets(method: Method) -> list[str]:
    """Those of the needed sets that may be absent: the method then sees None."""
    parameters = inspect.signature(method).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.default is None]


def forgets(method: Method) -> bool:
    """Whether a method must know what is forgotten: all but those that train on everything."""
    return set(needed_sets(method)) != {"everything"}


def default_hyperparameters(method: Method) -> Hyperparameters:
    """The method's keyword-only parameters with their defaults."""
    return {p.name: p.default for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY}


def resolve_hyperparameters(method: Method, given: Hyperparameters) -> Hyperparameters:
    """The defaults overlaid with what was given.

    Raises ``BenchmarkError`` for one the method does not have, and for a value that is negative or not finite.
    """
    defaults = default_hyperparameters(method)
    if unknown := sorted(given.keys() - defaults.keys()):
        known = ", ".join(defaults) or "none"
        name = getattr(method, "__name__", str(method))
        raise BenchmarkError(f"The method {name!r} has no option {', '.join(unknown)}. Its own options: {known}.")
    for name, value in given.items():
        if not math.isfinite(value) or value < 0 or (name == "beta" and value == 0):
            allowed = "above 0" if name == "beta" else "0 or more"  # a loss is divided by beta
            raise BenchmarkError(f"{name} must be {allowed}, not {value}.")
    return {**defaults, **given}


def all_hyperparameters() -> dict[str, list[str]]:
    """Every hyper-parameter of any method, with the methods that have it."""
    users: dict[str, list[str]] = {}
    for key, method in METHODS.items():
        for name in default_hyperparameters(method):
            users.setdefault(name, []).append(key)
    return users


def hyperparameter_types() -> dict[str, type]:
    """Every hyper-parameter of any method, with its type, int or float.

    Raises ``TypeError`` for another type, and if two methods disagree: both have the one option of that name.
    """
    types: dict[str, type] = {}
    for key, method in METHODS.items():
        for p in inspect.signature(method).parameters.values():
            if p.kind is not p.KEYWORD_ONLY:
                continue
            if p.annotation not in (int, float):
                raise TypeError(f"{p.name} of {key} must be annotated int or float, not {p.annotation}.")
            if types.setdefault(p.name, p.annotation) is not p.annotation:
                raise TypeError(f"{p.name} is {p.annotation.__name__} in {key} and {types[p.name].__name__} elsewhere.")
    return types
