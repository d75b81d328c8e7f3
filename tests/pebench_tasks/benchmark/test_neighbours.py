import csv
from itertools import combinations

from pebench_tasks.benchmark.neighbours import PAIRS, alike_in, are_near, listed_pairs, near
from pebench_tasks.benchmark.synthetic.events import EVENTS
from pebench_tasks.marking.overlap import rouge_l
from pebench_tasks.marking.words import Text

ROWS = [{"id": event.id, "name": event.name, "description": event.description} for event in EVENTS]
IDS = {row["name"]: row["id"] for row in ROWS}


def test_every_listed_name_is_an_event_and_no_pair_is_listed_twice() -> None:
    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {name for row in rows for name in row.values()} <= IDS.keys()
    assert len(listed_pairs()) == len(rows)
    assert all(len(pair) == 2 for pair in listed_pairs())


def test_near_is_symmetric() -> None:
    for one, other in combinations(ROWS, 2):
        assert are_near(one, other) == are_near(other, one)
        assert (other["id"] in near(ROWS, [one["id"]])) == (one["id"] in near(ROWS, [other["id"]]))


def test_the_neighbours_of_some_events() -> None:
    def neighbours(*forgotten: str) -> set[str]:
        found = near(ROWS, [IDS[name] for name in forgotten])
        return {name for name, event in IDS.items() if event in found}

    assert neighbours("grocery shopping") == {"shopping mall"}
    assert neighbours("train station waiting") == {"airport waiting", "train commute"}
    assert neighbours("gym workout") == set()
    # A forgotten event is no retained one, near as it may be.
    assert neighbours("train station waiting", "train commute") == {"airport waiting"}


def test_forgotten_people_have_no_neighbours() -> None:
    assert near(ROWS, ["p000", "p001"]) == set()
    assert near(ROWS, ["p000", IDS["museum tour"]]) == {IDS["art gallery visit"]}


def test_events_of_other_names_are_near_if_their_descriptions_share_half_their_words() -> None:
    # 4 of 8 words in common, in order: ROUGE-L is 2 * 4 / (8 + 8) = 0.5; 3 of 8 give 0.375.
    events = [
        {"id": "a", "name": "wedding", "description": "guests dance under lamps near an old barn"},
        {"id": "b", "name": "ball", "description": "guests dance under lamps while the band plays"},
        {"id": "c", "name": "picnic", "description": "guests dance under trees while their dogs sleep"},
    ]
    assert near(events, ["a"]) == {"b"}


def test_where_meanings_are_compared_they_say_which_events_are_alike() -> None:
    """The listed pairs stay; words no longer count."""
    events = [
        {"id": "a", "name": "wedding", "description": "guests dance under lamps"},
        {"id": "b", "name": "ball", "description": "guests dance under lamps"},
        {"id": "c", "name": "picnic", "description": "a meal on the lawn"},
        {"id": "d", "name": "grocery shopping", "description": "crates"},
        {"id": "e", "name": "shopping mall", "description": "escalators"},
    ]
    alike = alike_in({"fingerprint": "embedding:m@0", "near": [["a", "c"]]})
    assert near(events, ["a"], alike) == {"c"}
    assert near(events, ["d"], alike) == {"e"}
    assert near(events, ["a"], alike_in({"fingerprint": "embedding:m@0", "near": []})) == set()
    assert near(events, ["a"], alike_in({"fingerprint": "openai:m/1"})) == near(events, ["a"], alike_in(None)) == {"b"}


def test_no_two_of_our_own_descriptions_are_near_by_their_words() -> None:
    texts = [Text.of(row["description"]) for row in ROWS]
    assert max(rouge_l(one, other) for one, other in combinations(texts, 2)) < 0.25
