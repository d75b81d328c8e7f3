"""Builds what ``tests/golden`` holds: what a user sees of PEBench, without what differs between runs and machines.

``python -m golden_set OUT`` does it in a process of its own, whose environment ``tests/test_golden.py`` sets, and in
the current folder, so that commands name short relative paths. Nothing here knows where a module of the package lies
beyond the names that are public (``pebench_tasks.cli:main``, the modules of ``python -m``), but for two that
``trained`` imports, since no command pre-trains the tiny model alone:
``pebench_tasks.benchmark.reading:open_benchmark`` and ``unlearn.protocol.tiny_model:pretrain``. Where these move,
``trained`` follows.
"""

# Modules with a function ``goldens``, which returns files by name, and folders of ``tests/golden``. In this order: the
# wrong input of ``errors`` is made of what the others leave.
GROUPS = ("help_texts", "public_names", "scored", "rescored", "pages", "judged", "trained", "errors")
