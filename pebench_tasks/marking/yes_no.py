"""World: yes/no questions about objects, read and scored as POPE does (arXiv 2305.10355), invalid answers counted."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
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
_YES_NO = r"(?:yes|yeah|yep|yup|no|nope|nah)"
_LABEL = r"(?:final |short |my |the |correct )*(?:answer|response|conclusion|verdict|result|output|assistant)"
# What may stand before a yes or no that answers, and is passed over.
_LEAD = (
    rf"(?:{_LABEL}(?: (?:is|would be|should be))?"
    r"|so|thus|therefore|hence|well|in (?:short|conclusion|summary)|overall|then|and|it is|that s a|it s a|a"
    r"|i (?:would|d|ll) say|absolutely|definitely|certainly|clearly|obviously|probably|indeed|sure|of course|ok|okay"
    r"|sorry|unfortunately|sadly|actually|honestly|hm+|\d+)"
)
_LEADS = re.compile(rf"{_LEAD}(?: {_LEAD})*")
_ANSWERS = re.compile(rf"^(?:{_LEAD} )*({_YES_NO})(?: \1)*$")
_BEGINS = re.compile(
    rf"^(?:(?:{_LEAD}|oh) )*(yes|yeah|yep|yup|nope|nah)\b"
    rf"|^(?:{_LEAD} )*(no)(?:$| (?:there|it|this|that|i|the|we|they|he|she|you|not|because|since|as|only|just|in|on"
    r"|is the|is my)\b)"
)
# "I believe the answer to that is no", "That would be a yes": the end of a clause, or all that follows "answer is".
_CONCLUDES = re.compile(
    r"\b(?:answer|response|conclusion|verdict)(?: \w+){0,4}? (?:is|would be|must be|should be)"
    rf" (?:\w+ )??({_YES_NO})\b"
    r"|\b(?:think|believe|guess|suppose|say|answer|appears|seems|confirm|go(?:ing)? with)"
    rf"(?: that)?(?: (?:it|that) (?:is|s))?(?: an?)? ({_YES_NO})$"
    rf"|\b(?:that|it) (?:would be|is|s) an? ({_YES_NO})$|\b(?:so|therefore|thus|hence) ({_YES_NO})$"
)
_NO_CONCLUSION = re.compile(
    r"\b(?:no(?! doubt)|not|cannot|\w+n t|can t|whether|if|neither|either|or|could|may|might|nor)\b"
)
_SAID_NO = re.compile(  # the same in other words; as many say "Certainly!" and begin, there are none for yes
    r"(?:certainly|definitely|absolutely|clearly|obviously|probably|surely|of course|apparently) not|not at all|no way"
    r"|i (?:don t|do not) (?:think|believe) so|i think not|(?:i (?:m|am) )?afraid not|not that i can see"
    r"|none(?: at all)?|not in (?:this|the) \w+|negative"
)
# A "no" that belongs to one of these says nothing of what is to be seen.
_NOTHING_SEEN = (
    r"(?:(?:clear|good|real|further|definite|more) )?"
    r"(?:doubt|question|reason|way|hurry|need|clue|idea|problem|matter|comment|thanks|information|answer|worr|telling"
    r"|wonder|denying|point|sense|use|harm|image\b|picture\b|photo\b|\d"
    r"|one\b(?! (?:in|on|at|here|there|visible|present)\b))"
)
_SEEN = r"(?:visible|present|seen|shown|there|in|found|depicted)"
_NO_NOUN = rf"no (?!{_NOTHING_SEEN})\w+"
_SOME_NOUN = r"(?:a|an|any) (?!image|picture|photo|reason|problem|answer|question|way|clue|details?\b)\w+"
_IS_NOT = r"(?:(?:is|are|was|were) not|isn t|aren t|wasn t|weren t)"
_SEE_NOT = r"(?:do not|don t|did not|didn t|cannot|can not|can t|could not|couldn t) (?:\w+ )?(?:see|find|spot|detect)"
_NOTHING_THERE = re.compile(
    rf"\bthere (?:is|are|was|were|s) (?:{_NO_NOUN}|none\b)|\bthere {_IS_NOT} {_SOME_NOUN}"
    rf"|\b(?:i|we|you) (?:(?:can )?(?:see|find|spot) {_NO_NOUN}|{_SEE_NOT} {_SOME_NOUN})"
    rf"|\b(?:image|picture|photo|photograph|scene) (?:(?:shows|has|contains|includes) {_NO_NOUN}"
    rf"|(?:does not|doesn t) (?:\w+ )?(?:show|contain|have|include|depict|feature) {_SOME_NOUN})"
)
# The same where the response begins with it.
_NOTHING_FIRST = re.compile(
    rf"no \w+(?: \w+){{0,2}} (?:is|are|can be) (?:\w+ )?{_SEEN}\b.*|{_NO_NOUN}(?: (?:here|at all|in (?:this|the) \w+))?"
    rf"|no such \w+|(?:none|nobody) (?:is|are|can be) (?:\w+ )?{_SEEN}\b.*"
    rf"|(?:a|an|any|the) (?!image|picture|photo|answer|question)\w\w+(?: \w\w+)? "
    rf"(?:(?:{_IS_NOT}|can(?:not| not| t) be) (?:\w+ )?{_SEEN}\b.*|(?:is|are) absent\b.*)"
)
_SOMETHING_THERE = re.compile(r"\bthere (?:is|are|was|were) (?!no\b|none\b|not\b|n t\b)\w+")
_CLAUSE = re.compile(r"[.!?;:,\n{}<>()\[\]\"|–—]+|\s--?\s|\bbut\b", re.IGNORECASE)
_CONTRAST = re.compile(r"\bbut (?:there|i|you|we|it|an?|the|some|one|only)\b", re.IGNORECASE)
_REPEATED = re.compile(r"\b(?:yes\s*(?:/|\||or)\s*no|no\s*(?:/|\||or)\s*yes|yes and no|no and yes)\b", re.IGNORECASE)
_TRUTH_VALUE = re.compile(r"(\"(?:answer|response|result)\"\s*:\s*)(true|false)\b", re.IGNORECASE)


def read_answer(response: Text) -> Answer:
    """The yes or no that a response gives, whatever its case and punctuation, else "invalid".

    Read are its clauses. The first one, where it is or begins with a yes or no, and the one behind "Answer:"; else the
    last one that is nothing but one, or concludes with one ("So yes", "I believe the answer is no"); else a no where
    something is said not to be there and nothing to be there ("There is no dog"). A "no" that only belongs to another
    word ("I have no idea") answers nothing, and "yes or no?" and "yes and no" are passed over.
    """
    clauses = _clauses(response.raw)
    if not clauses:
        return "invalid"
    for clause in (clauses[0], *(after for label, after in pairwise(clauses) if re.fullmatch(_LABEL, label))):
        if found := _BEGINS.match(clause):
            return _meaning(found[1] or found[2])
    if _SAID_NO.fullmatch(clauses[0]):
        return "no"
    for clause in reversed(clauses):
        if found := _ANSWERS.match(clause):
            return _meaning(found[1])
        found = _CONCLUDES.search(clause)
        if found and not _NO_CONCLUSION.search(clause[: found.start(found.lastindex or 0)]):
            return _meaning(found[found.lastindex or 0])
    if _NOTHING_FIRST.fullmatch(clauses[0]) or _SAID_NO.fullmatch(clauses[-1]):
        return "no"
    whole = " ".join(clauses)
    if _SOMETHING_THERE.search(whole) or _CONTRAST.search(response.raw):
        return "invalid"
    return "no" if _NOTHING_THERE.search(whole) else "invalid"


def _clauses(raw: str) -> list[str]:
    """The clauses of a response, normalised, without a repeated "yes or no" and what leads up to the first one."""
    said = _TRUTH_VALUE.sub(lambda found: found[1] + ("yes" if found[2].lower() == "true" else "no"), raw)
    clauses = [plain for clause in _CLAUSE.split(_REPEATED.sub(" ", said)) if (plain := normalise(clause))]
    while len(clauses) > 1 and _LEADS.fullmatch(clauses[0]):
        del clauses[0]
    return clauses


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
