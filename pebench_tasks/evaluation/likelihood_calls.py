"""What lmms-eval 0.7 must be taught before a chat model tells how likely given answers are.

- ``ConfigurableMessagesTask``, the form of every task for a chat model, asserts that a task generates. The form for
  other models makes the right requests of a ``multiple_choice`` or ``loglikelihood`` task, and is its base class.
- ``evaluate`` turns every result that is no text into one, ``"(-1.2, False)"``: the pair of a likelihood too, of any
  model, which every such task then fails to read.
- What is asked of our own tasks only ``pebench_hf`` tells, token by token. Others return a loss, or fail.

Each is extended once a process, before a task of ours or a model of ours is used; lmms-eval 0.7.1 to 0.7.3 are alike.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from lmms_eval.api.task import ConfigurableMessagesTask, ConfigurableTask

from pebench_tasks.evaluation.extending import extend

LIKELIHOOD_TYPES = ("multiple_choice", "loglikelihood")
NOT_ASKED = (float("nan"), False)  # the harness's pair where nobody was asked


def extend_likelihoods(evaluator: ModuleType) -> bool:
    """Let chat models be asked for likelihoods; False where lmms-eval is not as it was tested."""
    requests = extend(
        ConfigurableMessagesTask, "construct_requests", _also_likelihoods, ["self", "doc_id", "ctx", "kwargs"].__eq__
    )
    return extend(evaluator, "unwrap_generation_output", _but_pairs, ["output"].__eq__) and requests


def _also_likelihoods(construct_requests: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(construct_requests)
    def construct(self: Any, doc_id: int, ctx: str, **kwargs: Any) -> Any:
        if self.OUTPUT_TYPE in LIKELIHOOD_TYPES:
            return ConfigurableTask.construct_requests(self, doc_id, ctx, **kwargs)
        return construct_requests(self, doc_id, ctx, **kwargs)

    return construct


def _but_pairs(unwrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(unwrap)
    def unwrap_generation_output(output: Any) -> Any:
        if isinstance(output, tuple | list) and len(output) == 2 and isinstance(output[0], float):
            return output, None
        return unwrap(output)

    return unwrap_generation_output


@contextmanager
def asking_likelihoods(model: Any, ours: Collection[str], say: Callable[[str], None]) -> Iterator[None]:
    """While this lasts, a model that does not tell tokens' likelihoods is not asked for those of our tasks."""
    if getattr(model, "tells_tokens", False) or not hasattr(model, "loglikelihood"):
        yield
        return
    loglikelihood = model.loglikelihood

    @wraps(loglikelihood)
    def asked(requests: Sequence[Any]) -> list[Any]:
        others = [request for request in requests if request.task_name not in ours]
        if len(others) < len(requests):
            say("this model does not tell how likely an answer is: that is not asked, and no score. pebench_hf does")
        answers = iter(loglikelihood(others) if others else ())
        return [NOT_ASKED if request.task_name in ours else next(answers) for request in requests]

    model.loglikelihood = asked
    try:
        yield
    finally:
        del model.loglikelihood
