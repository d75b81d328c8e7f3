import json
from dataclasses import replace
from typing import Any

import pytest

from pebench_tasks.marking.record import DOCUMENT, DocumentRecord

LOGGED = {**dict.fromkeys(DOCUMENT, "a"), "judge": None, "goals": ["g1", "g2"]}


@pytest.mark.parametrize("value", [100.0, None, {"split": "random", "truth": "yes", "answer": "no"}])
def test_what_was_logged_is_read_back(value: Any) -> None:
    record = replace(DocumentRecord.from_json(LOGGED), value=value, near=True, goal_truth=0.75, judge="lexical")
    logged = json.loads(json.dumps(record.as_json()))
    assert DocumentRecord.from_json(logged) == record
    assert (record.goals, logged["goals"]) == (("g1", "g2"), ["g1", "g2"])


def test_withheld_is_logged_last_and_only_where_scores_are() -> None:
    record = DocumentRecord.from_json(LOGGED)
    assert "withheld" not in record.as_json()
    withheld = replace(record, withheld="never read").as_json()
    assert list(withheld)[-1] == "withheld"
    assert DocumentRecord.from_json(withheld).withheld == "never read"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"slice": 3}, "slice is 3, not a text"),
        ({"judge": ["a"]}, "the judge is no text, or the Goals are no list"),
        ({"goals": "g"}, "the judge is no text, or the Goals are no list"),
        ({"value": "1"}, "the value is '1', not a number"),
        ({"value": {"split": "random", "truth": "maybe", "answer": "no"}}, "is no answer to a yes/no question"),
        ({"judgement": {"source": "text"}}, "weights"),
    ],
)
def test_another_form_is_an_error(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError), match=complaint):
        DocumentRecord.from_json(LOGGED | change)


def test_a_failed_judgement_says_why() -> None:
    assert DocumentRecord.from_json({**LOGGED, "judgement": {"failed": "timeout"}}).failure == "timeout"
    assert DocumentRecord.from_json({**LOGGED, "judgement": {"weights": {"2": 1.0}}}).failure == ""
    assert DocumentRecord.from_json(LOGGED).failure == ""
