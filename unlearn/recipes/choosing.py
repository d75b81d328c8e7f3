"""The recipe of a method: which file it is, and which one a command takes that names none."""

import logging
from argparse import Namespace
from pathlib import Path

from pebench_tasks.backend.sizes import LARGE
from pebench_tasks.errors import BenchmarkError
from unlearn import methods
from unlearn.arguments import RECIPES, TARGETS

log = logging.getLogger("unlearn")


def find(folder: Path, method: str, target: str = "") -> Path:
    """The recipe of a method and target: the folder's METHOD_TARGET.yaml, else its METHOD.yaml."""
    for name in (f"{method}_{target}.yaml", f"{method}.yaml"):
        if (folder / name).is_file():
            return folder / name
    raise BenchmarkError(f"{folder} has no recipe for {method} (neither {method}_{target}.yaml nor {method}.yaml).")


def of_size(parameters: int) -> Path:
    """The folder of recipes for models with so many parameters: small ones learn from steps that would ruin others."""
    return RECIPES if parameters >= LARGE else RECIPES / "tiny"


def choose(options: Namespace) -> Path | None:
    """The recipe of a command that names none, by the size of its model; says which it is and what wins over it.

    None where the command cannot mean anything, or its model cannot be read: that is refused by whoever needs it.
    Raises ``BenchmarkError`` for a model whose size cannot be told.
    """
    method, target = options.method, options.target
    if method not in methods.METHODS or not options.model:
        return None
    if methods.forgets(methods.METHODS[method]) and target not in TARGETS:
        return None
    from unlearn.training.loading import count_parameters, read_config

    try:
        config = read_config(options.model, trust_remote_code=options.trust_remote_code)
    except BenchmarkError:
        return None
    try:
        parameters = count_parameters(config, trust_remote_code=options.trust_remote_code)
    except BenchmarkError as error:
        raise BenchmarkError(f"{options.model} is of no known size: {error}. Name a recipe with --config.") from error
    try:
        recipe = find(of_size(parameters), method, target)
    except BenchmarkError as error:
        raise BenchmarkError(f"{error} Name a file of options with --config.") from error
    log.info(
        "recipe %s: for models of %s %d million parameters, and this one has %s million; options of the command win "
        "over it, --config NAME or FILE.yaml takes another",
        recipe.relative_to(RECIPES).with_suffix(""),
        "at least" if parameters >= LARGE else "fewer than",
        LARGE // 10**6,
        f"{parameters / 10**6:,.1f}",
    )
    return recipe
