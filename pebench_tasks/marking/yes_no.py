"""World: yes/no questions about objects, read and scored as POPE does (arXiv 2305.10355), invalid answers counted."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, TypedDict

from pebench_tasks.marking.words import Text

Answer = Literal["yes", "no", "invalid"]
OPPOSITE: dict[str, str] = {"yes": "no", "no": "yes"}


class YesNo(TypedDict):
    """One World document: its POPE split, the truth (yes or no) and the answer that was read."""

    split: str
    truth: str
    answer: Answer


def read_answer(response: Text) -> Answer:
    """The first word of the response that is "yes" or "no", whatever its case and punctuation, else "invalid".

    Only these two words count: "There is no dog" is a no, "There is a dog", "nope" and "not" are invalid.
    """
    for word in response.words:
        if word == "yes":
            return "yes"
        if word == "no":
            return "no"
    return "invalid"


def predicted(document: YesNo) -> str:
    """What a document counts as having answered: an invalid response is the opposite of the truth."""
    return OPPOSITE[document["truth"]] if document["answer"] == "invalid" else document["answer"]


def world_f1(documents: Sequence[YesNo]) -> float:
    """Mean F1 of the splits, in percent; "yes" is the positive class, a split without documents is left out.

    Where no truth is "yes" and no "yes" was answered the F1 is 0/0; every answer is right then, so it counts as 100
    (complete splits are half "yes": it happens only under ``--limit``).
    """
    splits: defaultdict[str, list[YesNo]] = defaultdict(list)
    for document in _some(documents):
        splits[document["split"]].append(document)
    return math.fsum(f1(split) for split in splits.values()) / len(splits)


def f1(documents: Sequence[YesNo]) -> float:
    """F1 of one split, in percent."""
    both = sum(predicted(document) == document["truth"] == "yes" for document in documents)
    either = sum("yes" in (predicted(document), document["truth"]) for document in documents)
    return 100.0 * 2 * both / (both + either) if either else 100.0


def world_accuracy(documents: Sequence[YesNo]) -> float:
    """The share of right answers, in percent."""
    right = sum(document["answer"] == document["truth"] for document in _some(documents))
    return 100.0 * right / len(documents)


def world_invalid_rate(documents: Sequence[YesNo]) -> float:
    """The share of responses without a yes or no, 0-1."""
    return sum(document["answer"] == "invalid" for document in _some(documents)) / len(documents)


def world_yes_ratio(documents: Sequence[YesNo]) -> float:
    """The share of documents that count as answered "yes", 0-1."""
    return sum(predicted(document) == "yes" for document in _some(documents)) / len(documents)


def _some(documents: Sequence[YesNo]) -> Sequence[YesNo]:
    if not documents:
        raise ValueError("no World documents: there is nothing to average")
    return documents
