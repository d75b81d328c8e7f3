"""Whose an error is: the checkpoint's, which its libraries refused, or our own code's.

The class of an error does not tell: a damaged file is a ValueError or a KeyError as a slip of ours is, and of a damaged
``tokenizer.json`` the library says nothing but ``Exception``.
"""

import traceback

OURS = "pebench_tasks"
# The third holds the code that checkpoints bring along.
LIBRARIES = ("transformers", "peft", "transformers_modules", "sentence_transformers")


def raised_by_libraries(error: BaseException) -> bool:
    """Whether an error came up in a library that loads and runs checkpoints, in a call that our own code made.

    What our own code raises, or what it asks of torch or Python itself, is no fault of a checkpoint's.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [name.partition(".")[0] for name in modules]
    below = packages[len(packages) - packages[::-1].index(OURS) :] if OURS in packages else packages
    return any(package in LIBRARIES for package in below)
