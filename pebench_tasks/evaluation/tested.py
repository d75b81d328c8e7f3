"""Which lmms-eval this package was tested with, and where its tasks lie; imported at every start, so nothing heavy."""

from importlib.metadata import version
from pathlib import Path

from pebench_tasks import __version__

TASKS = Path(__file__).parents[1] / "tasks"
TESTED = "0.7."
INSTALL = "pip install 'lmms-eval==0.7.3'"


def unsupported() -> str:
    """One line about an lmms-eval that was not tested with this package; empty for a tested one."""
    found = version("lmms-eval")
    if found.startswith(TESTED):
        return ""
    return f"PEBench {__version__} is tested with lmms-eval {TESTED}x, not {found}; install that:  {INSTALL}."
