"""What this package offers to the command ``pebench``: entry points of the group ``pebench.commands``.

Each takes the words after its name and returns the exit code; the first line of its docstring stands in ``pebench
--help``. What they need is imported when one is called.
"""

from collections.abc import Sequence

from pebench_tasks.errors import BenchmarkError


def unlearn(argv: Sequence[str]) -> int:
    """train or unlearn one checkpoint: python -m unlearn"""
    from unlearn.__main__ import main

    return main(argv)


def finetune(argv: Sequence[str]) -> int:
    """train on everything: python -m unlearn --method finetune"""
    return _with_method("finetune", argv)


def goal(argv: Sequence[str]) -> int:
    """train without the forget set: python -m unlearn --method goal"""
    return _with_method("goal", argv)


def demo(argv: Sequence[str]) -> int:
    """the whole protocol at once: python -m unlearn.demo"""
    from unlearn.demo import main

    return main(argv)


def attack(argv: Sequence[str]) -> int:
    """attack the weights, then ask again: python -m unlearn.attack"""
    from unlearn.attack import main

    return main(argv)


def sequence(argv: Sequence[str]) -> int:
    """several requests to forget, one after the other: python -m unlearn.sequence"""
    from unlearn.sequence import main

    return main(argv)


def table1(argv: Sequence[str]) -> int:
    """every method in miniature: python -m unlearn.table1"""
    from unlearn.table1 import main

    return main(argv)


def _with_method(method: str, argv: Sequence[str]) -> int:
    if any(word.partition("=")[0] == "--method" for word in argv):
        raise BenchmarkError(
            f"pebench {method} has its method. Leave --method out, or say  pebench unlearn --method ..."
        )
    return unlearn(["--method", method, *argv] if argv else [])
