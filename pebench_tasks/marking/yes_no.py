"""World: yes/no questions about objects, read and scored as POPE does (arXiv 2305.10355), invalid answers counted."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Literal, NotRequired, TypedDict

from pebench_tasks.marking.words import Text, normalise

Answer = Literal["yes", "no", "invalid"]
MOST_MISSING = 0.05  # share of documents without a mark above which there is no figure; ours: the paper says nothing
OPPOSITE: dict[str, str] = {"yes": "no", "no": "yes"}


class YesNo(TypedDict):
    """One World document: its POPE split, the truth (yes or no) and the answer that was read."""

    split: str
    truth: str
    answer: Answer
    unfinished: NotRequired[Literal[True]]  # among a metric's values: the response's thoughts have no end


_MEANT = {"yeah": "yes", "yep": "yes", "yup": "yes", "nope": "no", "nah": "no"}
# What may stand before a yes or no that answers, and is passed over.
_LEAD = (
    r"(?:(?:final |short |my |the |correct )*(?:answer|response|conclusion)(?: (?:is|would be|should be))?"
    r"|so|thus|therefore|hence|well|in (?:short|conclusion|summary)|overall|then|and|it is|that s a|it s a|a"
    r"|i (?:would|d|ll) say|absolutely|definitely|certainly|clearly|obviously|probably|indeed|sure|of course|ok|okay"
    r"|hm+)"
)
_ANSWERS = re.compile(rf"^(?:{_LEAD} )*(yes|yeah|yep|yup|no|nope|nah)(?: \1)*$")
_BEGINS = re.compile(
    rf"^(?:{_LEAD} )*(yes|yeah|yep|yup|nope|nah)\b|^(?:{_LEAD} )*(no)(?:$| (?:there|it|this|that|i|the|we|not)\b)"
)
# A "no" that belongs to one of these says nothing of what is to be seen.
_NOTHING_SEEN = "doubt|question|reason|way|hurry|need|clue|idea|problem|one|matter|comment|thanks|information|answer"
_NOTHING_THERE = re.compile(
    rf"\bthere (?:is|are|was|were|s) no (?!{_NOTHING_SEEN})\w+"
    rf"|\b(?:i|we|you) (?:can )?(?:see|find|spot) no (?!{_NOTHING_SEEN})\w+"
    rf"|\b(?:image|picture|photo|photograph|scene) (?:shows|has|contains|includes) no (?!{_NOTHING_SEEN})\w+"
    r"|^no \w+(?: \w+){0,2} (?:is|are|can be) (?:\w+ )?(?:visible|present|seen|shown|there|in)\b"
    rf"|^no (?!{_NOTHING_SEEN})\w+$"
)
_SOMETHING_THERE = re.compile(r"\bthere (?:is|are|was|were) (?!no\b|not\b|n t\b)\w+")


def read_answer(response: Text) -> Answer:
    """The yes or no that a response gives, whatever its case and punctuation, else "invalid".

    Read are its clauses. The first one, where it is or begins with a yes or no; else the last one that is nothing but
    one ("So yes", "the answer is no"); else a no where something is said not to be there and nothing to be there
    ("There is no dog"). A "no" that only belongs to another word ("I have no idea") answers nothing, and a question
    that is repeated ("yes or no?") is passed over.
    """
    clauses = [plain for clause in _CLAUSE.split(response.raw) if (plain := normalise(clause))]
    clauses = [left for clause in clauses if (left := _REPEATED.sub(" ", clause).strip())]
    if not clauses:
        return "invalid"
    if found := _BEGINS.match(clauses[0]):
        return _meaning(found[1] or found[2])
    for clause in reversed(clauses):
        if found := _ANSWERS.match(clause):
            return _meaning(found[1])
    whole = " ".join(clauses)
    if _NOTHING_THERE.search(whole) and not _SOMETHING_THERE.search(whole):
        return "no"
    return "invalid"


_CLAUSE = re.compile(r"[.!?;:,\n{}<>()\[\]\"|]+|\bbut\b", re.IGNORECASE)
_REPEATED = re.compile(r"\b(?:yes or no|no or yes)\b")


def _meaning(word: str) -> Answer:
    return "yes" if _MEANT.get(word, word) == "yes" else "no"


def predicted(document: YesNo) -> str:
    """What a document counts as having answered: an invalid response is the opposite of the truth."""
    return OPPOSITE[document["truth"]] if document["answer"] == "invalid" else document["answer"]


def withheld(function: Callable[[Sequence[YesNo]], float]) -> Callable[[Sequence[YesNo]], float | None]:
    """A figure of World that is None where more than 5 % of the responses are unfinished thoughts."""

    @wraps(function)
    def figure(documents: Sequence[YesNo]) -> float | None:
        if not documents:
            raise ValueError("no World documents: there is nothing to average")
        unfinished = sum("unfinished" in document for document in documents)
        return None if unfinished > MOST_MISSING * len(documents) else function(documents)

    return figure


@withheld
def world_f1(documents: Sequence[YesNo]) -> float:
    """The figure of World: see ``mean_f1``."""
    return mean_f1(documents)


def mean_f1(documents: Sequence[YesNo]) -> float:
    """Mean F1 of the splits, in percent; "yes" is the positive class, a split without documents is left out.

    Where no truth is "yes" and no "yes" was answered the F1 is 0/0; every answer is right then, so it counts as 100
    (complete splits are half "yes": it happens only under ``--limit``).
    """
    splits: defaultdict[str, list[YesNo]] = defaultdict(list)
    for document in documents:
        splits[document["split"]].append(document)
    return math.fsum(f1(split) for split in splits.values()) / len(splits)


def f1(documents: Sequence[YesNo]) -> float:
    """F1 of one split, in percent."""
    both = sum(predicted(document) == document["truth"] == "yes" for document in documents)
    either = sum("yes" in (predicted(document), document["truth"]) for document in documents)
    return 100.0 * 2 * both / (both + either) if either else 100.0


@withheld
def world_accuracy(documents: Sequence[YesNo]) -> float:
    """The share of right answers, in percent."""
    return 100.0 * sum(document["answer"] == document["truth"] for document in documents) / len(documents)


@withheld
def world_invalid_rate(documents: Sequence[YesNo]) -> float:
    """The share of responses without a yes or no, 0-1."""
    return sum(document["answer"] == "invalid" for document in documents) / len(documents)


@withheld
def world_yes_ratio(documents: Sequence[YesNo]) -> float:
    """The share of documents that count as answered "yes", 0-1."""
    return sum(predicted(document) == "yes" for document in documents) / len(documents)
