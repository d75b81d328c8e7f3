"""``python -m unlearn``: train or unlearn one checkpoint."""

import logging
import sys
from collections.abc import Sequence

from pebench_tasks.errors import BenchmarkError
from unlearn import arguments


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
    logging.getLogger("unlearn").setLevel(logging.INFO)
    try:
        ours, theirs = arguments.parse(argv)
        from unlearn import trainer

        print(trainer.run(ours, theirs))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from the last saved step", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
