"""What ``evaluate`` of lmms-eval is called with and no task is told."""

from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from harness_runs import LIMIT, Evaluate, provenance
from lmms_eval.api.instance import GenerationResult, TokenCounts

from pebench_tasks.evaluation.harness_call import Counting, counting_of, extend_evaluate, was_cut
from pebench_tasks.evaluation.session import session

PEOPLE = "pebench_people"
LONG = "word " * 20  # 100 bytes


@pytest.mark.parametrize(
    ("text", "tokens", "counting", "cut"),
    [
        (LONG, 16, "each", True),
        (LONG, 15, "each", False),
        ("Yes", 16, "each", True),  # of special tokens nothing is to be seen
        ("", 16, "each", True),
        (LONG, None, "each", None),
        ("Yes", None, "each", False),  # no token has less than a byte
        (LONG, 16, "by a server", True),
        ("", 16, "by a server", True),  # thoughts that the server keeps for itself
        (LONG, 15, "by a server", False),
        (LONG, 20, "by a server", True),
        (LONG, 0, "by a server", None),  # async_openai where the server says nothing
        ("", 0, "by a server", None),
        ("a long word " * 2, 6, "by a server", None),  # openai then counts words
        ("Yes", 1, "by a server", False),
        (LONG, 15, "the longest of a batch", False),
        (LONG, 16, "the longest of a batch", None),
        ("Yes", 16, "the longest of a batch", False),
        ("", 16, "the longest of a batch", None),
        (LONG, None, "the longest of a batch", None),
    ],
)
def test_an_answer_was_cut_where_the_backend_says_so_of_it_alone(
    text: str, tokens: int | None, counting: Counting, cut: bool | None
) -> None:
    assert was_cut(text, tokens, 16, counting) is cut
    assert was_cut(text, tokens, None, counting) is None


def test_who_counts_each_answer() -> None:
    class Stock:
        batch_size: Any = 8

    assert counting_of(Stock()) == "the longest of a batch"
    Stock.batch_size = 1
    assert counting_of(Stock()) == "each"
    Stock.__module__ = "lmms_eval.models.chat.async_openai"
    assert counting_of(Stock()) == "by a server"


class Backend:
    """Answers three documents: one with all 4 tokens, one with fewer, one without a number."""

    batch_size = 1

    def __init__(self) -> None:
        self.task_dict = {PEOPLE: {"test": [{"key": f"p00{i}/e00/name"} for i in range(3)]}}

    def generate_until(self, requests: Sequence[Any]) -> list[Any]:
        return [
            GenerationResult("one two three four", TokenCounts(output_tokens=4)),
            GenerationResult("one", TokenCounts(output_tokens=2)),
            "one two three four",
        ]


def called(**given: Any) -> tuple[list[tuple[str, str, bool | None]], Backend]:
    """What is noted when ``evaluate`` is called so, as the harness calls it, and the backend."""
    noted: list[tuple[str, str, bool | None]] = []

    def evaluate(lm: Any, task_dict: Any, system_instruction: str | None = None) -> Any:
        requests = [SimpleNamespace(args=("?", None, {"max_new_tokens": 4}, i, PEOPLE, "test")) for i in range(3)]
        return lm.generate_until(requests)

    evaluator = ModuleType("evaluator")
    vars(evaluator)["evaluate"] = evaluate
    assert extend_evaluate(evaluator, lambda *note: noted.append(note))
    extended = evaluator.evaluate
    assert extend_evaluate(evaluator)
    assert evaluator.evaluate is extended
    backend = Backend()
    assert len(extended(lm=backend, **given)) == 3
    return noted, backend


@pytest.mark.parametrize("tasks", [{PEOPLE: object()}, {"my group": {PEOPLE: object()}}])
def test_of_our_tasks_every_answer_is_noted(tasks: Any) -> None:
    noted, backend = called(task_dict=tasks)
    assert noted == [("person", "p000/e00/name", True), ("person", "p001/e00/name", False),
                     ("person", "p002/e00/name", None)]  # fmt: skip
    assert "generate_until" not in vars(backend)  # the next call finds it as it was


def test_other_tasks_are_left_alone() -> None:
    noted, _ = called(task_dict={"pope": object()}, system_instruction="Be brief.")
    assert noted == []


def test_a_system_s_turn_is_refused_whoever_gives_it() -> None:
    with pytest.raises(SystemExit, match="system_instruction has no effect on our tasks"):
        called(task_dict={PEOPLE: object()}, system_instruction="Be brief.")


def test_another_evaluate_is_left_alone() -> None:
    evaluator = ModuleType("evaluator")
    vars(evaluator)["evaluate"] = lambda model: model
    assert not extend_evaluate(evaluator)
    assert evaluator.evaluate("m") == "m"


# In a run


def test_answers_that_take_all_tokens_are_counted_and_said(
    llava: Any, evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    results = evaluate(
        "pebench_hf", f"pretrained={llava},device=cpu", [PEOPLE], gen_kwargs="max_new_tokens=1", limit=LIMIT
    )
    found = provenance(results)
    assert all(counts["cut"] == counts["n"] for counts in found["slices"].values())
    assert "cut_unknown" not in found
    n = found["slices"]["efficacy"]["n"]
    assert f"{PEOPLE}: responses were cut at 1 tokens: efficacy {n} of {n}, " in capsys.readouterr().err


def test_a_system_s_turn_is_refused_where_a_program_gives_it(llava: Any, evaluate: Evaluate) -> None:
    with pytest.raises(SystemExit, match="system_instruction has no effect"):
        evaluate("pebench_hf", f"pretrained={llava},device=cpu", [PEOPLE], system_instruction="Be brief.", limit=1)
    session.close()
