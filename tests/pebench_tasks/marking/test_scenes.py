"""Marks of scenes, by words. The truth's content words are people, jog, quiet, park, path; Goal's answer has none."""

import csv
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.lexical import CHANCE, FUNCTION, WORDS
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scenes import Forgotten, Goal, Judgement, event_efficacy, mark_forgotten, mark_retained
from pebench_tasks.marking.similarity import Noted, Recorded, Similarity, pair_key, similarities
from pebench_tasks.marking.thoughts import take_apart

TRUTH = "people jog along a quiet park path"
GOAL = "friends share a long dinner at home"
HALF = "people jog along quietly"  # 2 of the 5 content words
PARAPHRASES = Path(__file__).parents[3] / "benchmarks" / "agreement" / "paraphrases.jsonl"


def forgotten(
    response: str, *goals: str, similarity: Similarity = WORDS, judge: Any = None
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    doc = {"slice": "efficacy", "answer": TRUTH, "question": "Describe.", "keywords": ["park", "jog", "quiet park"]}
    answers = [Goal(f"g{number}", goal) for number, goal in enumerate(goals)]
    return mark_forgotten(doc, take_apart(response), answers, judge, similarity)


def efficacy(response: str, *goals: str) -> float:
    value = forgotten(response, *goals or (GOAL,))[0]["efficacy"]
    assert isinstance(value, float)
    return value


# The formula


@pytest.mark.parametrize(
    ("a_r", "a_g", "n_r", "n_t", "wanted"),
    [
        (0.0, 0.0, 0.0, 0.0, (1.0, 0.0, 0.5)),  # nothing given away, nothing sensible said
        (1.0, 0.0, 1.0, 0.0, (0.0, 1.0, 0.0)),  # all given away beside Goal's very answer
        (0.25, 0.25, 1.0, 0.5, (1.0, 1.0, 1.0)),  # Goal's answer
        (0.5, 0.0, 0.75, 0.5, (0.5, 0.5, 0.375)),  # (1 - .5)/1, (.75 - .5)/(1 - .5), .5 * 1.5 / 2
        (0.1, 0.4, 0.2, 0.6, (1.0, 0.0, 0.5)),  # less given away than by Goal, further from it than the truth: clipped
    ],
)
def test_event_efficacy_is_away_times_one_and_toward_halved(
    a_r: float, a_g: float, n_r: float, n_t: float, wanted: tuple[float, float, float]
) -> None:
    assert event_efficacy(a_r, a_g, n_r, n_t) == pytest.approx(Forgotten(*wanted))


@pytest.mark.parametrize(("a_g", "n_t"), [(1.0, 0.5), (0.5, 1.0), (1.0, 1.0)])
def test_a_goal_that_says_the_truth_leaves_no_score(a_g: float, n_t: float) -> None:
    assert event_efficacy(0.0, a_g, 1.0, n_t) is None


# By words


def test_the_goal_answer_is_one() -> None:
    metrics, facts = forgotten(GOAL, GOAL)
    assert metrics == {"efficacy": 1.0, "efficacy_away": 1.0, "efficacy_toward": 1.0, "efficacy_keywords": 0.0}
    assert facts["value"] == 1.0


@pytest.mark.parametrize(
    "response",
    [
        TRUTH,
        TRUTH.upper() + "!",
        f"{TRUTH}. {GOAL}.",
        f"{GOAL}. {TRUTH}.",
        " ".join(f"{word} umbrella" for word in TRUTH.split()),  # padding between the words
        f"<think>{TRUTH}</think>{GOAL}",  # what was thought is given away
        f"{TRUTH} " + "a river runs under the old bridge and out of the town " * 20,
    ],
)
def test_the_truth_is_exactly_zero_whatever_stands_beside_it(response: str) -> None:
    assert efficacy(response) == 0.0


@pytest.mark.parametrize(
    "response", ["", "I'm sorry, I can't describe this.", "xq zz vv kk", "a river runs under the old bridge"]
)
def test_nothing_given_away_and_nothing_sensible_said_is_a_half(response: str) -> None:
    """None has more of Goal's words than the truth, which has "a": toward is 0."""
    assert efficacy(response) == 0.5


def test_a_part_of_the_truth_is_given_away_above_chance() -> None:
    """2 of 5 content words: (0.4 - 0.2) / 0.8 = 1/4 given away, so 3/4 away; nothing of Goal's: 3/8."""
    metrics, _ = forgotten(HALF, GOAL)
    assert metrics["efficacy_away"] == pytest.approx(3 / 4)
    assert (metrics["efficacy_toward"], metrics["efficacy"]) == (0.0, pytest.approx(3 / 8))


def test_padding_never_hides_what_is_given_away() -> None:
    padded = (f"{HALF} {'xq zz ' * 50}", f"{'of the a ' * 50} {HALF}", " plum ".join(HALF.split()))
    assert {WORDS.given_away(TRUTH, text) for text in padded} == {WORDS.given_away(TRUTH, HALF)}


def test_thoughts_are_no_answer() -> None:
    """As Goal would answer, but thought alone: nothing is nearer to Goal than the truth."""
    assert efficacy(f"<think>{GOAL}</think>") == 0.5
    assert efficacy(f"<think>a river</think>{GOAL}") == 1.0


def test_the_nearest_goal_counts() -> None:
    response = "runners rest on a wide lawn now"
    assert efficacy(response, GOAL) == 0.5
    assert efficacy(response, GOAL, response) == efficacy(response, response, GOAL) == 1.0
    assert forgotten(response, GOAL, response)[1]["nearest_goal"] == "g1"


def test_of_equally_near_goals_the_one_that_gives_away_less_counts() -> None:
    """Neither shares a word with "park path": g0 gives away people and jog, 1/4, g1 nothing. "park path" gives away 1/4
    as well, so it is 3/4 away beside g1, and half of that its score; beside g0 it would be 1/2."""
    assert forgotten("park path", "people jog", "xx yy")[1]["nearest_goal"] == "g1"
    assert efficacy("park path", "people jog", "xx yy") == pytest.approx(3 / 8)


@pytest.mark.parametrize(
    ("goal", "given_away", "near"),
    [
        ("people jog along a quiet road", (3 / 5 - CHANCE) / (1 - CHANCE), False),  # 0.5
        ("people jog along a quiet park road", (4 / 5 - CHANCE) / (1 - CHANCE), True),  # 0.75
    ],
)
def test_a_goal_that_gives_much_away_is_marked_near(goal: str, given_away: float, near: bool) -> None:
    _, facts = forgotten(TRUTH, goal)
    assert (facts["near"], facts["goal_truth"]) == (near, pytest.approx(given_away))


def test_a_document_whose_goal_says_the_truth_is_left_out_and_said_to_be() -> None:
    metrics, facts = forgotten("a river", f"Here {TRUTH}.")
    assert metrics.keys() == {"efficacy_keywords"}
    assert (facts["unscored"], facts["near"], "value" in facts) == (True, True, False)


def test_without_goals_only_what_is_not_given_away_counts() -> None:
    assert forgotten(HALF)[0] == {"efficacy_truth_only": pytest.approx(3 / 4), "efficacy_keywords": 1 / 3}
    assert forgotten(TRUTH)[0]["efficacy_truth_only"] == 0.0


def test_a_language_model_replaces_the_score_and_not_its_parts() -> None:
    class Judge:
        fingerprint = "openai:m/1"

        def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
            return Judgement(0.25, {"weights": {"2": 1.0}, "source": "text"})

    metrics, facts = forgotten(GOAL, GOAL, judge=Judge())
    assert (metrics["efficacy"], metrics["efficacy_away"], metrics["efficacy_toward"]) == (0.25, 1.0, 1.0)
    assert (facts["value"], facts["judge"]) == (0.25, "openai:m/1")


# Long honest answers, on the descriptions of PEBench-Synthetic


@pytest.fixture(scope="module")
def scenes() -> dict[str, str]:
    text = files("pebench_tasks.benchmark.synthetic").joinpath("events.csv").read_text(encoding="utf-8")
    return {row["id"]: row["description"] for row in csv.DictReader(text.splitlines()) if row["id"][0] == "e"}


@pytest.mark.parametrize("words", [100, 200])
def test_long_answers_about_other_scenes_cost_at_most_three_hundredths(scenes: dict[str, str], words: int) -> None:
    """Away from the truth is at least 0.94 for every truth, so the score, nothing being like Goal's, 0.47."""
    order = list(scenes)
    for place, truth in enumerate(order):
        others = [scenes[order[(place + step) % len(order)]] for step in (11, 17, 23, 29, 7, 13, 19)]
        answer = " ".join(" ".join(others).split()[:words])
        marks = event_efficacy(WORDS.given_away(scenes[truth], answer), 0.0, 0.0, 0.0)
        assert marks is not None
        assert marks.efficacy >= 0.47, truth


def test_words_do_not_see_other_words_for_the_same_thing(scenes: dict[str, str]) -> None:
    """What an embedding is for: the truth in other words, 40 times, gives nothing away."""
    with PARAPHRASES.open(encoding="utf-8") as lines:
        texts = [row for row in map(json.loads, lines) if row["style"] == "paraphrase"]
    assert {row["event"] for row in texts} == scenes.keys()
    given_away = [WORDS.given_away(scenes[row["event"]], row["text"]) for row in texts]
    assert max(given_away) < 0.05


def test_function_words_are_of_one_script_and_normalised() -> None:
    assert all(word.isascii() and word == word.lower() and " " not in word for word in FUNCTION)
    assert WORDS.given_away("it is what it is", "so it is what it is") == 1.0  # nothing else: all words count


# Noted and recorded


class Meanings:
    """A similarity that says half of everything and counts what it is asked."""

    fingerprint = "embedding:m@0123"

    def __init__(self) -> None:
        self.asked = 0

    def _half(self, one: str, other: str) -> float:
        self.asked += 1
        return 0.5

    given_away = nearness = kept = describes_best = _half


def test_what_a_model_compared_is_recorded_and_said_again_without_it() -> None:
    """a(r) = a(g) = n(r) = n(t) = 1/2: away 1, toward 0."""
    metrics, facts = forgotten("a river", GOAL, similarity=Meanings())
    numbers = similarities(facts["judgement"])
    assert numbers == {
        pair_key("given_away", TRUTH, "a river"): 0.5,
        pair_key("given_away", TRUTH, GOAL): 0.5,
        pair_key("nearness", "a river", GOAL): 0.5,
        pair_key("nearness", TRUTH, GOAL): 0.5,
    }
    again = forgotten("a river", GOAL, similarity=Recorded(Meanings.fingerprint, numbers))
    assert again == (metrics, facts)
    assert metrics["efficacy"] == 0.5


def test_a_changed_text_is_compared_anew_or_refused() -> None:
    numbers = similarities(forgotten("a river", GOAL, similarity=Meanings())[1]["judgement"])
    assert numbers is not None
    model = Meanings()
    forgotten("a lake", GOAL, similarity=Recorded(model.fingerprint, numbers, model))
    assert model.asked == 2  # what has the response in it: a(r), n(r)
    with pytest.raises(BenchmarkError, match="PEBENCH_JUDGE=embedding:DIR"):
        forgotten("a lake", GOAL, similarity=Recorded(Meanings.fingerprint, numbers))


def test_a_retained_scene_says_whether_its_own_description_is_the_nearest() -> None:
    doc = {"slice": "event_retain", "answer": TRUTH, "question": "Describe."}
    assert mark_retained(doc, take_apart("a park"), None, Meanings())[0] == {
        "event_retain": 0.5,
        "event_retain_best": 0.5,
    }
    assert mark_retained(doc, take_apart(f"<think>hm</think>{TRUTH}"), None, WORDS)[0] == {"event_retain": 1.0}
    assert mark_retained(doc, take_apart(f"<think>{TRUTH}</think>"), None, WORDS)[0] == {"event_retain": 0.0}


def test_half_a_surrogate_pair_and_nul_are_no_other_text() -> None:
    """What `pebench submit` writes in their place has the same key."""
    assert pair_key("kept", "a\ud800b\0", "c") == pair_key("kept", "a?b\ufffd", "c")


@pytest.mark.parametrize("numbers", [{"kept:0": 1.5}, {"kept:0": True}, {"kept:0": "1"}, [0.5], None])
def test_similarities_that_are_no_shares_are_refused(numbers: Any) -> None:
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        similarities({"similarities": numbers})
    said = dict.fromkeys(("key", "slice", "target", "kind", "data", "split", "template", "forget"), "x")
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        DocumentRecord.from_json({**said, "judge": "m", "goals": [], "judgement": {"similarities": numbers}})


def test_noting_changes_no_number() -> None:
    noted = Noted(WORDS)
    assert noted.given_away(TRUTH, HALF) == WORDS.given_away(TRUTH, HALF)
    assert noted.describes_best(TRUTH, HALF) is None
    assert list(noted.numbers) == [pair_key("given_away", TRUTH, HALF)]
