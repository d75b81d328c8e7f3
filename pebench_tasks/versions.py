"""Our version and our tasks', and what is done differently for some versions of the libraries we stand on.

Each difference names the version at which it can go; what lmms-eval's own methods are extended by checks them where it
is (``plugin``, ``evaluation.wandb_samples``). Imported at every start of lmms-eval, so nothing heavy.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import Version

__version__ = "0.1.0"
TASKS_FOLDER = Path(__file__).parent / "tasks"
TESTED_LMMS_EVAL = ("0.7.1", "0.8")  # from, and before
INSTALL_LMMS_EVAL = "pip install 'lmms-eval>=0.7.1,<0.8'"
NEWEST = {"lmms-eval": "0.7.3", "transformers": "5.24"}  # of the versions tested; 5.24 is every 5.24.x
CHECKPOINTING = {"activation_checkpointing": "gradient_checkpointing"}  # TrainingArguments: from 5.23, before


@cache
def task_version() -> str:
    """The version of our tasks (``metadata.version``), as results of this package carry it."""
    base = (TASKS_FOLDER / "_pebench_base").read_text(encoding="utf-8")
    return base.rpartition("version:")[2].strip()


def unsupported_lmms_eval() -> str:
    """One line about an lmms-eval that this package does not work with; empty for any other."""
    found = version("lmms-eval")
    oldest, after = map(Version, TESTED_LMMS_EVAL)
    if oldest <= Version(found) < after:
        return ""
    return (
        f"PEBench {__version__} needs lmms-eval {oldest} or newer and before {after}, not {found}; install that:  "
        f"{INSTALL_LMMS_EVAL}."
    )


@cache
def say_untested() -> None:
    """Warn, once in a process, of libraries newer than the newest that were tested: they are tried all the same."""
    for library, newest in NEWEST.items():
        found = Version(version(library))
        if found.release[: len(Version(newest).release)] > Version(newest).release:
            print(
                f"pebench: {library} {found} is newer than {newest}, the newest that PEBench {__version__} was tested "
                "with; going on.",
                file=sys.stderr,
            )


def known_arguments(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Of the arguments those that a function has: ``process_docs_parallel`` of lmms-eval goes with 0.7.2."""
    return {name: value for name, value in arguments.items() if name in inspect.signature(function).parameters}


def kept_cache(model_kwargs: Mapping[str, Any]) -> Any:
    """The key-value cache among a model's arguments: ``cache`` in transformers 5.24, ``past_key_values`` before."""
    return model_kwargs.get("cache", model_kwargs.get("past_key_values"))


def takes_features(model: Any) -> bool:
    """Whether ``generate`` takes a model's image features in place of images: never before transformers 5.18."""
    return hasattr(model, "_supports_mm_encoder_outputs") and bool(model._supports_mm_encoder_outputs())


def training_option(name: str, known: Collection[str]) -> str:
    """An option of TrainingArguments by the name that the installed transformers has.

    ``activation_checkpointing`` was ``gradient_checkpointing`` before 5.23.
    """
    if name in known:
        return name
    for new, old in CHECKPOINTING.items():
        for wanted, other in ((new, old), (old, new)):
            if name.startswith(wanted) and (found := other + name.removeprefix(wanted)) in known:
                return found
    return name


def hide_deprecated_calls_of_peft() -> None:
    """Peft 0.21 asks models by a name that transformers 5.23 gave up; goes with the first peft that does not."""
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
