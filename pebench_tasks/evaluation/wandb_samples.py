"""Our samples as lmms-eval's logger for Weights & Biases reads samples (``--wandb_log_samples``).

``WandbLogger._generate_dataset`` of lmms-eval 0.7 wants every metric of ``metric_list`` in every sample, where ours
have those of their slice, and takes prompts and responses out of lists, where samples hold texts: of each it would show
the first letter, and of an empty response it fails.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from pebench_tasks.evaluation.extending import extend
from pebench_tasks.results.files import TARGETS
from pebench_tasks.results.likelihoods import LIKELIHOOD_TASKS
from pebench_tasks.results.robust import ROBUST_TASKS

Samples = Sequence[Mapping[str, Any]]
Generate = Callable[[Any, Samples, Mapping[str, Any]], Any]


def extend_wandb_logger(logger: type) -> bool:
    """Let ``WandbLogger`` take the samples of our tasks, once; False where it is not the logger that was tested."""
    return extend(logger, "_generate_dataset", _with_ours, ["self", "data", "config"].__eq__)


def _with_ours(generate: Generate) -> Generate:
    @wraps(generate)
    def generate_dataset(self: Any, data: Samples, config: Mapping[str, Any]) -> Any:
        if config["task"] in {*TARGETS, *ROBUST_TASKS.values(), *LIKELIHOOD_TASKS.values()}:
            metrics = [metric["metric"] for metric in config["metric_list"]]
            data = [_whole(sample, metrics) for sample in data]
        return generate(self, data, config)

    return generate_dataset


def _whole(sample: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, Any]:
    """A sample with every metric, None where it has none; what is no number is JSON: a column is of one kind."""
    values = {name: sample.get(name) for name in metrics}
    values |= {name: json.dumps(value) for name, value in values.items() if isinstance(value, dict | list)}
    return {**sample, **values, "arguments": [sample["arguments"]], "resps": [sample["resps"]]}
