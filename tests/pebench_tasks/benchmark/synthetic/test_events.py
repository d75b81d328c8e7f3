"""The 40 events and the stand-ins: what their names, keywords and descriptions promise."""

import re
import statistics
from itertools import combinations

import pytest
from rouge_score.rouge_scorer import RougeScorer

from pebench_tasks.benchmark.synthetic.events import EVENTS, NEIGHBOURS, STAND_INS, Event

ALL = (*EVENTS, *STAND_INS)
GENDERED = {
    "he",
    "she",
    "his",
    "her",
    "hers",
    "him",
    "himself",
    "herself",
    "man",
    "men",
    "woman",
    "women",
    "boy",
    "girl",
}


def sentences(event: Event) -> list[str]:
    return re.split(r"(?<=[.!?]) ", event.description)


def mentioned(event: Event) -> list[str]:
    return [word for word in event.keywords if re.search(rf"\b{re.escape(word)}\b", event.description.lower())]


def test_there_are_forty_events_and_six_stand_ins() -> None:
    assert [event.id for event in EVENTS] == [f"e{number:02d}" for number in range(40)]
    assert [event.id for event in STAND_INS] == [f"s{number:02d}" for number in range(6)]


def test_no_two_share_a_name_or_a_description() -> None:
    assert len({event.name for event in ALL}) == len({event.description for event in ALL}) == len(ALL)


def test_keywords_are_lower_case_and_occur_once() -> None:
    for event in ALL:
        assert len(event.keywords) >= 8, event.name
        assert len(set(event.keywords)) == len(event.keywords), event.name
        assert all(word == word.strip().lower() for word in event.keywords), event.name


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.name)
def test_a_description_is_two_or_three_sentences_of_25_to_45_words(event: Event) -> None:
    assert 25 <= len(event.description.split()) <= 45
    assert 2 <= len(sentences(event)) <= 3
    assert event.description.endswith(".")


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.name)
def test_a_description_mentions_at_least_four_keywords(event: Event) -> None:
    assert len(mentioned(event)) >= 4, mentioned(event)


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.name)
def test_a_description_names_nobody_and_no_gender(event: Event) -> None:
    inside = [word for sentence in sentences(event) for word in sentence.split()[1:]]
    assert [word for word in inside if word[0].isupper()] in ([], ["Milky", "Way"])
    assert not GENDERED & set(re.findall(r"[a-z]+", event.description.lower()))


def test_few_descriptions_open_with_the_same_word() -> None:
    openings = [event.description.split()[0] for event in ALL]
    assert max(openings.count(word) for word in openings) <= 4


def test_descriptions_are_far_apart_in_rouge_l() -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    scores = {
        (one.name, other.name): scorer.score(one.description, other.description)["rougeL"].fmeasure
        for one, other in combinations(ALL, 2)
    }
    assert statistics.median(scores.values()) <= 0.3
    assert max(scores.values()) <= 0.6, max(scores, key=lambda pair: scores[pair])


def test_neighbours_are_pairs_of_events_listed_once() -> None:
    names = {event.name for event in EVENTS}
    assert all(one in names and other in names and one != other for one, other in NEIGHBOURS)
    assert len({frozenset(pair) for pair in NEIGHBOURS}) == len(NEIGHBOURS)


def test_no_neighbours_are_among_the_first_ten_events() -> None:
    first = {event.name for event in EVENTS[:10]}
    assert not [pair for pair in NEIGHBOURS if first.issuperset(pair)]
