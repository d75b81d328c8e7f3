"""What every result says of the run that it comes from, whatever was asked."""

from importlib.metadata import version
from typing import Any

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.choice import Choice
from pebench_tasks.versions import __version__


def where(model: dict[str, Any], benchmark: Benchmark, choice: Choice, started_in: str) -> dict[str, Any]:
    """The model, the benchmark, and the folder from which relative paths are seen."""
    return {
        "model": model,
        "benchmark": {"name": benchmark.name, "directory": str(choice.directory), "chosen": choice.reason},
        "started_in": started_in,
    }


def installed() -> dict[str, str]:
    """The versions that a result depends on."""
    return {"pebench": __version__} | {name: version(name) for name in ("lmms-eval", "transformers", "torch")}
