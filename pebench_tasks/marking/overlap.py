"""How much of a text another text says: ROUGE-L, keyword share, and the test for responses that say nothing."""

from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pebench_tasks.marking.words import Text, contains, normalise

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

SHORTEST = 4  # words; a shorter scene response describes nothing, and repetition is judged from here on


class Plain:
    """The tokenizer handed to rouge-score, for texts that are normalised: case, accents and punctuation never matter.

    On ASCII text the tokens are those of the package's default tokenizer without stemming.
    """

    tokenize = staticmethod(str.split)


@cache
def scorer() -> "RougeScorer":
    """The one scorer, every option given; built at first use, since the package's import takes a second or more."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False, split_summaries=False, tokenizer=Plain())


def rouge_l(response: Text, reference: Text) -> float:
    """ROUGE-L F-measure of two texts, 0-1: the longest common subsequence of words; 0 if either has no words."""
    return _rouge_l(response.plain, reference.plain)


@lru_cache(maxsize=16384)  # models that know the answer give it word for word, document after document
def _rouge_l(response: str, reference: str) -> float:
    return float(scorer().score(target=reference, prediction=response)["rougeL"].fmeasure)


@lru_cache(maxsize=16384)
def rouge_l_recall(response: str, reference: str) -> float:
    """ROUGE-L recall of two normalised texts, 0-1: how much of the reference stands in the response, in its order."""
    return float(scorer().score(target=reference, prediction=response)["rougeL"].recall)


def keyword_share(keywords: Iterable[str], response: Text) -> float:
    """The share of the distinct ``keywords`` that occur in ``response`` as whole words, 0-1; ValueError without any."""
    distinct = {tuple(normalise(keyword).split()) for keyword in keywords} - {()}
    if not distinct:
        raise ValueError("no keywords: a keyword share needs at least one")
    return sum(contains(response.words, keyword) for keyword in distinct) / len(distinct)


def degenerate(response: Text, *, scene: bool) -> bool:
    """Whether a response says nothing, by rule.

    It is degenerate if it has no words; if it should describe a scene and has fewer than four; or if it has four
    or more, and one word makes up more than half of them, or at most half of its three-word sequences are distinct
    (a loop). Fluent nonsense passes: this is a count of broken output, not a judgement of quality.
    """
    words = response.words
    if len(words) < SHORTEST:
        return scene or not words
    if max(Counter(words).values()) > len(words) / 2:
        return True
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(triples)) <= len(triples) / 2
