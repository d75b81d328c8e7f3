"""Our version and our tasks', and what is done differently for some versions of the libraries we stand on.

Each difference names the version at which it can go; what lmms-eval's own methods are extended by checks them where it
is (``plugin``, ``evaluation.wandb_samples``). Imported at every start of lmms-eval, so nothing heavy.
"""

import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path

__version__ = "0.1.0"
TASKS_FOLDER = Path(__file__).parent / "tasks"
TESTED_LMMS_EVAL = "0.7."
INSTALL_LMMS_EVAL = "pip install 'lmms-eval==0.7.3'"


@cache
def task_version() -> str:
    """The version of our tasks (``metadata.version``), as results of this package carry it."""
    base = (TASKS_FOLDER / "_pebench_base").read_text(encoding="utf-8")
    return base.rpartition("version:")[2].strip()


def unsupported_lmms_eval() -> str:
    """One line about an lmms-eval that was not tested with this package; empty for a tested one."""
    found = version("lmms-eval")
    if found.startswith(TESTED_LMMS_EVAL):
        return ""
    return (
        f"PEBench {__version__} is tested with lmms-eval {TESTED_LMMS_EVAL}x, not {found}; install that:  "
        f"{INSTALL_LMMS_EVAL}."
    )


def hide_deprecated_calls_of_peft() -> None:
    """Peft 0.21 asks models by a name that transformers 5.23 gave up; goes with the first peft that does not."""
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
