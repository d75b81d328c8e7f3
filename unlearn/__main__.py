"""``python -m unlearn``: train or unlearn one checkpoint."""

import logging
import os
import sys
from collections.abc import Sequence

from pebench_tasks.errors import exit_code
from pebench_tasks.versions import say_untested
from unlearn import arguments
from unlearn.recipes.choosing import choose


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Expected errors are one line on standard error and code 1."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or {"-h", "--help"} & set(argv):
        arguments.print_help()
        return 0
    if {"--help_all", "--help-all"} & set(argv):
        arguments.print_all_help()
        return 0
    logging.basicConfig(format="%(message)s")
    first = int(os.environ.get("RANK", 0)) == 0  # of several processes
    logging.getLogger("unlearn").setLevel(logging.INFO if first else logging.WARNING)

    def command() -> int:
        if first:
            say_untested()
        ours, theirs = arguments.parse(argv, choose)
        from unlearn.training.run import train_from_options

        finished = train_from_options(ours, theirs)
        if first:
            print(finished)
        return 0

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
