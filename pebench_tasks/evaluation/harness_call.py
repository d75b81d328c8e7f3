"""What lmms-eval's ``evaluate`` knows and tells no task: a system's turn, what the model is, how long answers were.

``simple_evaluate`` of lmms-eval 0.7 calls ``evaluate`` by its name in the module, so it is extended there, once a
process: a system's turn is refused whoever gives it, a command or a program, and of each answer it is noted whether it
took all the tokens that it was allowed. Only the backend can know that, and not every one does:

- ``pebench_hf`` counts the tokens of each answer; so does every backend that answers one at a time and says a number.
- So do the API backends where the server tells. Where it does not, they say 0, or as many as there are words.
- A stock backend that answers in batches pads them: the number it says of an answer is that of the longest in its
  batch. Below the limit that is enough to know that none was cut.
- A text of fewer bytes than tokens are allowed was not cut, whatever the longest of its batch took.

Where none of these tells, it is unknown, and results say so. Documents of the robust tasks that the model cannot be
asked (``abilities``) do not reach it.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any, Literal

from pebench_tasks.evaluation.abilities import abilities, needs
from pebench_tasks.evaluation.extending import extend
from pebench_tasks.evaluation.flags import refuse_instruction
from pebench_tasks.evaluation.likelihood_calls import asking_likelihoods
from pebench_tasks.evaluation.session import boundary, session
from pebench_tasks.results.files import TARGETS
from pebench_tasks.results.likelihoods import LIKELIHOOD_TASKS
from pebench_tasks.results.robust import ROBUST_TASKS

Counting = Literal["each", "by a server", "the longest of a batch"]
Noted = Callable[[str, str, bool | None], None]  # target, key of the document, whether it was cut
OURS = {*TARGETS, *ROBUST_TASKS.values(), *LIKELIHOOD_TASKS.values()}
ASKED_FOR = {"lm", "task_dict", "system_instruction"}  # what must be among the arguments of ``evaluate``


def extend_evaluate(evaluator: ModuleType, note: Noted | None = None) -> bool:
    """Let ``evaluator.evaluate`` refuse and note, once; False where it is not the function that was tested."""
    return extend(
        evaluator, "evaluate", lambda evaluate: _with_ours(evaluate, note or session.answered), ASKED_FOR.issubset
    )


def _with_ours(evaluate: Callable[..., Any], note: Noted) -> Callable[..., Any]:
    @wraps(evaluate)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = inspect.signature(evaluate).bind(*args, **kwargs).arguments
        if not OURS & set(_tasks(given["task_dict"])):
            return evaluate(*args, **kwargs)
        boundary(refuse_instruction)(given.get("system_instruction"))
        with _noting(given["lm"], note), asking_likelihoods(given["lm"], LIKELIHOOD_TASKS.values(), session.announce):
            return evaluate(*args, **kwargs)

    return call


def _tasks(tasks: Mapping[Any, Any]) -> Iterator[str]:
    """The names of the tasks, those in groups too."""
    for name, task in tasks.items():
        if isinstance(task, Mapping):
            yield from _tasks(task)
        else:
            yield str(name)


@contextmanager
def _noting(model: Any, note: Noted) -> Iterator[None]:
    """While this lasts, what ``model`` generates for our tasks is noted."""
    generate = model.generate_until
    counting = counting_of(model)

    @wraps(generate)
    def generate_until(requests: Sequence[Any]) -> Any:
        answers = _answers(model, generate, requests)
        for request, answer in zip(requests, answers, strict=False):  # too few are the harness's business
            doc_id, task, split = request.args[-3:]
            if task in TARGETS:
                allowed = next((one for one in request.args if isinstance(one, Mapping)), {}).get("max_new_tokens")
                counts, said = getattr(answer, "token_counts", None), getattr(answer, "text", answer)
                tokens = None if counts is None else counts.output_tokens
                cut = was_cut(said if isinstance(said, str) else "", tokens, allowed, counting)
                note(TARGETS[task], model.task_dict[task][split][doc_id]["key"], cut)
        return answers

    model.generate_until = generate_until
    try:
        yield
    finally:
        del model.generate_until


def _answers(model: Any, generate: Callable[..., Any], requests: Sequence[Any]) -> list[Any]:
    """The answers to all requests; to a document of a robust task that the backend cannot be asked an empty one."""
    able = abilities(model)
    left_out = [_left_out(model, request, able) for request in requests]
    if not any(left_out):
        return list(generate(requests))
    asked = [request for request, left in zip(requests, left_out, strict=True) if not left]
    answers = iter(generate(asked) if asked else [])
    return ["" if left else next(answers) for left in left_out]


def _left_out(model: Any, request: Any, able: Collection[str]) -> bool:
    doc_id, task, split = request.args[-3:]
    if task not in ROBUST_TASKS.values():
        return False
    document = model.task_dict[task][split][doc_id]
    lacking = next((need for need in needs(document["turns"]) if need not in able), "")
    if lacking:
        session.robust.leave_out(document, lacking)
    return bool(lacking)


def counting_of(model: Any) -> Counting:
    """How a backend counts tokens."""
    if "openai" in type(model).__module__:
        return "by a server"
    exact = getattr(model, "counts_each", False) or str(getattr(model, "batch_size", 1)) == "1"
    return "each" if exact else "the longest of a batch"


def was_cut(text: str, tokens: int | None, allowed: int | None, counting: Counting) -> bool | None:
    """Whether an answer took all tokens that it was allowed; None where nobody knows.

    ``tokens`` is what the backend says that it took.
    """
    if allowed is None:
        return None
    if counting == "each" and tokens is not None:
        return tokens >= allowed
    if counting == "by a server" and tokens is not None and tokens >= allowed:
        return True
    if 0 < len(text.encode("utf-8", "replace")) < allowed:
        return False
    if not tokens or (counting == "by a server" and tokens == len(text.split())):
        return None
    return False if tokens < allowed else None
