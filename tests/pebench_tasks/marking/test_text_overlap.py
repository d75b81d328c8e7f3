import subprocess
import sys

import pytest
from rouge_score.rouge_scorer import RougeScorer

from pebench_tasks.marking.overlap import degenerate, keyword_share, rouge_l
from pebench_tasks.marking.words import Text


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    """Common subsequence "the cat sat" (3 words): precision 3/4, recall 3/6, F = 2 * .75 * .5 / 1.25 = 0.6."""
    assert rouge_l(Text.of("the black cat sat"), Text.of("the cat sat on a mat")) == pytest.approx(0.6)


def test_rouge_l_of_a_text_with_itself_is_one() -> None:
    assert rouge_l(Text.of("A quiet park."), Text.of("A quiet park.")) == 1.0


def test_rouge_l_heeds_the_order_of_words() -> None:
    """Common subsequence of length 1 of 3: precision = recall = F = 1/3."""
    assert rouge_l(Text.of("a b c"), Text.of("c b a")) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("response", "reference"), [("", "a park"), ("a park", ""), ("", ""), ("?!", "a park")])
def test_rouge_l_without_words_is_zero(response: str, reference: str) -> None:
    assert rouge_l(Text.of(response), Text.of(reference)) == 0.0


def test_rouge_l_does_not_see_case_accents_and_punctuation() -> None:
    assert rouge_l(Text.of("UN CAFÉ — très-calme!"), Text.of("un cafe tres calme")) == 1.0


def test_rouge_l_reads_every_script() -> None:
    """The package's own tokenizer drops all that is not a-z and 0-9, and would give 0."""
    assert rouge_l(Text.of("тихий парк"), Text.of("тихий парк")) == 1.0


def test_rouge_l_does_not_stem() -> None:
    assert rouge_l(Text.of("walking"), Text.of("walked")) == 0.0


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("The runners' club meets at 9:30, in the old_town.", "A club of runners meets in the town at 9."),
        ("It's a well-lit studio; the crew isn't there.", "It is a well lit studio and the crew is there"),
    ],
)
def test_on_ascii_text_it_is_the_packages_own_figure(response: str, reference: str) -> None:
    own = RougeScorer(["rougeL"], use_stemmer=False, split_summaries=False)
    assert rouge_l(Text.of(response), Text.of(reference)) == own.score(reference, response)["rougeL"].fmeasure


def test_keywords_count_once_and_as_whole_words() -> None:
    """Distinct: park, coffee shop, well lit. "park" stands there, "coffee shop" in one piece; well is not lit: 2/3."""
    keywords = ["park", "Park", "coffee shop", "well-lit"]
    assert keyword_share(keywords, Text.of("A Park beside the coffee-shop, well and truly lit")) == pytest.approx(2 / 3)
    assert keyword_share(keywords, Text.of("parking, a coffee in a shop")) == 0.0
    assert keyword_share(keywords, Text.of("well lit park coffee shop")) == 1.0


@pytest.mark.parametrize("keywords", [[], ["", "..."]])
def test_keyword_share_without_keywords_is_an_error(keywords: list[str]) -> None:
    with pytest.raises(ValueError, match="no keywords"):
        keyword_share(keywords, Text.of("a park"))


@pytest.mark.parametrize("scene", [True, False])
@pytest.mark.parametrize(
    ("response", "says_nothing"),
    [
        ("", True),
        ("...", True),
        ("A man sits in a park.", False),
        ("park park park a", True),  # one word, 3 of 4
        ("park a park b", False),  # exactly half
        ("in the park in the park in the park", True),  # 7 triples, 3 distinct
        ("a b c a b c", False),  # abc bca cab abc: 3 of 4 distinct
        ("a b a b a b", True),  # aba bab aba bab: 2 of 4 distinct, at most half
    ],
)
def test_repetition_and_silence_are_degenerate(response: str, says_nothing: bool, scene: bool) -> None:
    assert degenerate(Text.of(response), scene=scene) is says_nothing


def test_a_description_of_three_words_is_degenerate_and_a_name_is_not() -> None:
    assert degenerate(Text.of("A quiet park"), scene=True)
    assert not degenerate(Text.of("Ana Ana López"), scene=False)
    assert not degenerate(Text.of("Yes"), scene=False)


def test_a_description_said_three_times_is_a_loop_and_twice_is_not() -> None:
    """Twenty words twice: 38 triples, 20 distinct, more than half; three times: 58 and 20."""
    description = " ".join(f"word{i}" for i in range(20)) + " "
    assert not degenerate(Text.of(description * 2), scene=True)
    assert degenerate(Text.of(description * 3), scene=True)


def test_importing_the_scoring_does_not_import_the_slow_package() -> None:
    heavy = "('rouge_score', 'nltk', 'torch')"
    code = f"import sys, pebench_tasks.marking.scoring; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
