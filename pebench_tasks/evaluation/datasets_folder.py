"""A folder of the run's own for what ``datasets`` keeps of a task, where the user's cannot be written.

lmms-eval loads every task through ``datasets``, also ours, whose one file is in this package: nothing of it is worth
keeping, so a home that cannot be written is no reason to fail.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "LMMS_EVAL_DATASETS_CACHE"  # of lmms-eval: the folder it hands to ``datasets``


def own_datasets_folder() -> str:
    """Name a folder of this process to lmms-eval if it needs one; the line that says so, empty where all is well."""
    if os.environ.get(VARIABLE):
        return ""
    hub = os.environ.get("HF_HOME", f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/huggingface")
    usual = Path(os.path.expandvars(os.environ.get("HF_DATASETS_CACHE", f"{hub}/datasets"))).expanduser()
    if writable(usual):
        return ""
    folder = tempfile.mkdtemp(prefix="pebench-datasets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = folder
    return f"{usual} cannot be written; what lmms-eval keeps there of its tasks is in {folder} during this run"


def writable(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)
