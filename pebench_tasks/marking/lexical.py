"""Scenes compared by their words: the similarity that needs no model, and sees no other words for the same thing.

Words are given away where they stand in the truth's order, with anything between them: the recall of ROUGE-L, so that
no text beside the truth hides it. Counted so, long answers about something else give much away, 0.20 in the mean at
100 words and 0.31 at the most (40 descriptions of PEBench-Synthetic, others than the truth and its neighbours in a
row, cut at that length), nearly all of it "a", "of" and "the". Therefore only content words count: English function
words (``FUNCTION``) are left out of both texts, which brings 100 words to 0.04 in the mean and 0.15 at the most, 200
words to 0.07 and 0.24, 300 words to 0.09 and 0.20. What remains is chance; ``CHANCE`` is as much as such answers
reach, taken off and the rest stretched, (recall - c)/(1 - c). It is the same for every length: whatever is written
beside a leak never lowers what counts as given away, and the truth in its order is exactly 1. Then 100 words about
other scenes give nothing away, 200 words 0.05 at the most; half of the truth gives away 0.37 in the mean; the truth in
other words, 40 times, nothing, which is what words do not see. In other languages function words count, so long
answers give more away.
"""

from pebench_tasks.marking.overlap import rouge_l, rouge_l_recall
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.marking.words import Text

CHANCE = 0.2  # recall of content words that up to 300 words about other scenes reach

# Articles, pronouns, prepositions, conjunctions, auxiliaries, quantifiers, and what apostrophes leave ("it s").
_ENGLISH = """
    a an the this that these those there here it its he him his she her they them their we us our you your i me my
    who whom whose which what where when why how and or nor but if then than so as because while although though
    at by for from in into of off on onto out over to up down with within without under above below beneath behind
    beside beyond between among amid before after through throughout across along around round near next toward towards
    against about upon per via until since during is are was were be been being am do does did done has have had having
    can could may might must shall should will would not no any some each every all both either neither few more most
    much many several such other others another same too very just only also even still yet quite rather one ones
    s t d ll re ve m
"""
FUNCTION = frozenset(_ENGLISH.split())


class Lexical:
    """Texts compared word by word."""

    fingerprint = LEXICAL

    def given_away(self, truth: str, text: str) -> float:
        """The recall of the truth's content words, in their order, above chance."""
        recall = rouge_l_recall(_content(text), _content(truth))
        return max(0.0, (recall - CHANCE) / (1 - CHANCE))

    def nearness(self, one: str, other: str) -> float:
        """ROUGE-L F."""
        return rouge_l(Text.of(one), Text.of(other))

    def kept(self, truth: str, text: str) -> float:
        """ROUGE-L F."""
        return self.nearness(text, truth)

    def describes_best(self, truth: str, text: str) -> None:
        """Words are no meanings."""
        return


def _content(text: str) -> str:
    """The content words of a text, normalised; all words of one that has nothing else."""
    words = Text.of(text).words
    return " ".join([word for word in words if word not in FUNCTION] or words)


WORDS = Lexical()
