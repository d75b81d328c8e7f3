from dataclasses import replace

import pytest

from pebench_tasks.marking.failures import count_signs, echoes, unanswered
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DOCUMENT, DocumentRecord
from pebench_tasks.marking.scoring import score
from pebench_tasks.marking.words import Text

QUESTION = "Who is the person in this image?"
SCENE = "Describe the scene in detail."
FAILED = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500 - overloaded"


@pytest.mark.parametrize(
    "response",
    [
        QUESTION,
        "who is the person in this image",
        f"{QUESTION} Ana Sol",
        f"USER: <image>\n{QUESTION} ASSISTANT: Ana Sol",
        f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>",
        f"[INST] {QUESTION} [/INST]",
        f"User:{QUESTION}<end_of_utterance>\nAssistant: Ana Sol",
        f"Question: {QUESTION} Answer: Ana Sol",
    ],
)
def test_a_repeated_question_is_an_echo_with_or_without_role_words(response: str) -> None:
    assert echoes(QUESTION, Text.of(response))


@pytest.mark.parametrize(
    ("question", "response"),
    [
        (QUESTION, ""),
        (QUESTION, "The person in this image is Ana Sol."),
        (QUESTION, "You ask who is the person in this image. It is Ana Sol."),
        (SCENE, "I would rather not describe the scene in detail."),
        (SCENE, "Describe the scene in detailed words? A market."),
        ("Is there a dog?", "There is a dog."),
        ("", "Anything."),
    ],
)
def test_words_of_the_question_in_an_answer_are_none(question: str, response: str) -> None:
    assert not echoes(question, Text.of(response))


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (FAILED, True),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", True),
        ('Error: can only concatenate str (not "NoneType") to str', True),  # async_openai without content
        (f"It said {FAILED}", False),
        ("Error: I cannot tell.", False),
        ("", False),
    ],
)
def test_only_the_harness_own_messages_count_as_failed_requests(response: str, message: bool) -> None:
    assert unanswered(Text.of(response)) is message


@pytest.mark.parametrize("response", [f"USER: {QUESTION} ASSISTANT: Ana Sol", f"{QUESTION} Bo Li", FAILED])
def test_a_sign_of_failure_changes_no_mark(response: str) -> None:
    doc = {
        "key": "p000/e00/name", "slice": "retain", "target": "person", "kind": "name", "data": "d", "split": "s",
        "template": "t", "forget": "forget05", "answer": "Ana Sol", "question": QUESTION,
    }  # fmt: skip
    names = NameIndex(["Ana Sol", "Bo Li"])
    marked, unasked = score(doc, response, names), score({**doc, "question": ""}, response, names)
    assert (marked.provenance.echoed, marked.provenance.unanswered) == (response != FAILED, response == FAILED)
    assert unasked.provenance == replace(marked.provenance, echoed=False)
    assert marked.metrics == unasked.metrics
    assert marked.metrics.keys() == {"retain", "empty", "degenerate"}


def documents(**slices: tuple[int, int, int]) -> dict[str, list[DocumentRecord]]:
    """Slices of n documents, of which so many are echoed and so many unanswered."""
    nothing = DocumentRecord(**dict.fromkeys(DOCUMENT, ""))
    return {
        name: [replace(nothing, echoed=i < echoed, unanswered=i < failed) for i in range(n)]
        for name, (n, echoed, failed) in slices.items()
    }


def test_more_than_half_is_mostly_echoed_and_one_failed_request_is_one_too_many() -> None:
    assert count_signs(documents(retain=(4, 2, 0), real=(4, 3, 0), world=(4, 0, 1))) == {
        "echoed": {"retain": 2, "real": 3},
        "unanswered": {"world": 1},
        "mostly_echoed": ["real"],
    }
