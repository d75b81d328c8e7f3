"""Has a multimodal model really forgotten, and what else broke? The questions, the marking, and what people look at.

The Python API is ``open_benchmark``, ``build_synthetic``, ``evaluate``, ``rescore``, ``compare``, ``table``, ``report``
and ``submit``; each is imported when it is first used, so that ``import pebench_tasks`` loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pebench_tasks.versions import __version__ as __version__

if TYPE_CHECKING:
    from pebench_tasks.benchmark.reading import open_benchmark
    from pebench_tasks.benchmark.synthetic.build import build_synthetic
    from pebench_tasks.evaluation.checkpoints import evaluate
    from pebench_tasks.leaderboard.submit.submit import submit
    from pebench_tasks.pages.report import write_report as report
    from pebench_tasks.results.comparison import compare
    from pebench_tasks.results.rescore import rescore_all as rescore
    from pebench_tasks.results.table import table

__all__ = ["build_synthetic", "compare", "evaluate", "open_benchmark", "report", "rescore", "submit", "table"]
_PLACES = {
    "build_synthetic": ("benchmark.synthetic.build", "build_synthetic"),
    "compare": ("results.comparison", "compare"),
    "evaluate": ("evaluation.checkpoints", "evaluate"),
    "open_benchmark": ("benchmark.reading", "open_benchmark"),
    "report": ("pages.report", "write_report"),
    "rescore": ("results.rescore", "rescore_all"),
    "submit": ("leaderboard.submit.submit", "submit"),
    "table": ("results.table", "table"),
}


if not TYPE_CHECKING:  # which would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, function = _PLACES[name]
        return getattr(import_module(f"{__name__}.{module}"), function)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
