"""Whether an answer denies, or leaves open, that somebody is the one whose name it says.

Read is the clause in which the name stands, in front of it and behind it, and the one that follows ("NAME? No.").
Phrases that hold a "not" and affirm all the same ("no doubt", "none other than", "can't deny") are passed over, and so
is what is not about the name: "with no hat", "the woman who is not smiling is NAME", a "no" that answers ("No, this is
NAME"). English; of some other languages the plain "not".
"""

import re
from collections.abc import Sequence

from pebench_tasks.marking.spelling import Word
from pebench_tasks.marking.words import normalise

_MOST_BEFORE, _MOST_AFTER = 40, 12  # words of a clause that are read

_BE = r"(?:is|was|s|are|must be|may be|might be|could be|should be|has to be)"
_NOT = r"(?:not|never|(?:is|was|are|do|does|did|ca|could|wo|would|has|have)n t|cannot|cant|isnt|dont|doesnt)"
_ANYBODY = r"(?:(?:any|some|every|no) ?(?:one|body|thing)|any (?:other )?(?:person|woman|man))"
_BUT_NAME = r"(?:else )?(?:but|except|other than|than)"
_SURE = r"(?:doubt|question|hesitation|denying|mistake|mistaking|secret|wonder|surprise)"
_NO_DENIAL = re.compile(
    # affirms
    rf"\b(?:(?:no|without|beyond|little|not) (?:(?:a|an|any|all|the|reasonable|slightest) )*{_SURE}"
    rf"|{_NOT} (?:be )?(?:doubt|deny|denied|miss|mistake|help but|kidding|joking|lying)"
    rf"|if i (?:am|m) not (?:\w+ )?(?:mistaken|wrong)|unless i (?:am|m) (?:\w+ )?(?:mistaken|wrong)"
    rf"|(?:none|no|nobody|no one) (?:{_BUT_NAME})|{_NOT} (?:\w+ )?be {_ANYBODY} {_BUT_NAME}"
    rf"|not (?:only|just|merely|simply|impossible|unlikely)"
    # is about something else
    rf"|(?:with no|without)(?: (?:a|an|any|her|his))? \w+)\b"
    rf"|\bwho(?:m|se)?\b.* (?={_BE}(?: \w+)?$)"
    rf"|^(?:(?:oh|well) )*no (?=(?:this|that|it|she|he|i|they|these|the|her|his|my|you|we|not)\b)"
)
_DENIES = re.compile(
    rf"\b(?:{_NOT}|nor|neither|no|nobody|none|nothing|unsure|uncertain|unclear|unknown|unable|impossible|unlikely|hardly"
    rf"|scarcely|doubt(?!less)\w*|den(?:y|ies|ied)|whether|wonder\w*|refus\w+|declin\w+|falsely|wrongly"
    rf"|if(?! (?:i|memory|my|you|anything)\b)|nicht|kein|keine|pas|jamais|nunca|non e|nao|niet|не)\b"
    rf"|\b(?:than|except|except for|instead of|mis(?:taken?|took) (?:\w+ )?for|(?:{_ANYBODY}|all|one) (?:else )?but)$"
    rf"|(?:不是|并非|並非|不像|无法|無法|不能|不认识|不認識|不知道|是否|不确定|不確定)(?!.*而是)"
)
_NOT_INSIDE = re.compile(r"\b(?:not|never|isn t|wasn t|no)(?: \w+)?$")  # "Anna, not Müller"
_DENIED_AFTER = re.compile(
    r"^(?:(?:is|was) not|isn t|wasn t) (?:in|the|who|shown|depicted|pictured|present|visible|her|him|here)\b"
    r"|^(?:does not|doesn t|did not|didn t) (?:\w+ )?(?:appear|feature|figure)\b"
    r"|^(?:is|was) (?:nowhere|absent|missing)\b"
    r"|^(?:(?:it|this|that|she|he) )?(?:(?:is|was|s) not|isn t|wasn t)$"
)
_DENIED_BEHIND = tuple(
    map(normalise, ("ではない", "ではなく", "ではあり", "じゃない", "じゃなく", "じゃあり", "가 아니", "이 아니"))
)
_ADVERBS = r"(?:(?:i think|i believe|in fact|actually|certainly|clearly|definitely|probably|really) )*"
_IT = r"(?:(?:it|this|that|she|he|they) )?"
_HER = r"(?: (?:her|him|them|so|true|correct|right|the case|the person|the one|(?:this|that) (?:person|one)))?"
_IS_NOT = re.compile(
    rf"(?:no )?{_ADVERBS}(?:{_IT}{_ADVERBS}(?:is|was|s) {_ADVERBS}not|{_IT}(?:isn|wasn) t|not){_HER}"
    rf"|{_ADVERBS}(?:no|nope|never|hardly|unlikely)|i (?:do not|don t) think so|i doubt it"
)
_BUT = re.compile(r"^(?:but|although|though|yet|however) ")


def denied(words: Sequence[Word], places: Sequence[int]) -> bool:
    """Whether the name whose words stand at ``places`` is denied or left open."""
    start, end = min(places), max(places) + 1
    if _DENIES.search(_NO_DENIAL.sub(" ", _said(words[_begin(words, start) : start]))):
        return True
    inside = (place for place in places if place > start and place - 1 not in places)
    if any(_NOT_INSIDE.search(_said(words[max(start, place - 2) : place])) for place in inside):
        return True
    clause, after = words[end - 1].clause, _clause(words, end)
    if after and after[0].clause == clause:
        said = _said(after)
        if _DENIED_AFTER.search(said) or said.startswith(_DENIED_BEHIND):
            return True
        after = _clause(words, end + len(after))
    said = _said(after)
    bare = _BUT.sub("", said)
    return (words[end - 1].asked or bare != said) and _IS_NOT.fullmatch(bare) is not None


def _begin(words: Sequence[Word], place: int) -> int:
    """Where the clause of a word begins, or what is read of it."""
    first = place
    while first > max(0, place - _MOST_BEFORE) and words[first - 1].clause == words[place].clause:
        first -= 1
    return first


def _clause(words: Sequence[Word], place: int) -> Sequence[Word]:
    """The words from a place to the end of their clause, or what is read of them."""
    end = place
    while end < min(len(words), place + _MOST_AFTER) and words[end].clause == words[place].clause:
        end += 1
    return words[place:end]


def _said(words: Sequence[Word]) -> str:
    return " ".join(word.plain for word in words)
