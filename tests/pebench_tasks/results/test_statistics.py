import json
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_observations import name, scene, some_world, world

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import FIGURES, forgotten_scene, mean, score
from pebench_tasks.marking.yes_no import world_f1
from pebench_tasks.results.intervals import Observation, interval, observations, statistics
from pebench_tasks.results.tallies import figure_of, tally


def provenances(benchmark: Benchmark, target: str, *, goal: bool = True) -> list[DocumentRecord]:
    """What a model that sees everything, and has forgotten nothing, leaves behind."""
    index = NameIndex(benchmark.names)
    goals = [Goal("g" * 16, "a quiet place")] if goal else []
    return [
        score(doc, doc["answer"], index, goals if forgotten_scene(doc["kind"], doc["slice"]) else []).provenance
        for doc in documents(benchmark, target, "forget20")
    ]


# What an observation is about


def test_a_cluster_is_what_the_question_asks_about(benchmark: Benchmark) -> None:
    for target in FIGURES:
        asked = {row["key"]: row for row in documents(benchmark, target, "forget20")}
        figures = {row["key"]: row["figure"] for row in benchmark.real}
        for one in observations(provenances(benchmark, target), benchmark):
            row = asked[one.key]
            about = {"name": row["person"], "scene": row["event"], "yesno": row["image"]}[row["kind"]]
            assert one.cluster == (about or figures[row["image"]])
            assert (one.person, one.event, one.kind) == (row["person"], row["event"], row["kind"])


def test_event_efficacy_without_a_goal_is_another_figure(benchmark: Benchmark) -> None:
    found = {one.slice for one in observations(provenances(benchmark, "event", goal=False), benchmark)}
    assert found == {"efficacy_truth_only", "generality_truth_only", "retain", "scope", "real", "world"}


# The interval


def test_the_value_is_the_figure_to_the_last_digit() -> None:
    values = [Random(1).random() for _ in range(50)]
    assert interval([name(i // 5, i % 5, v) for i, v in enumerate(values)]).value == mean(values)
    marked = some_world(20)
    assert interval(marked).value == world_f1([one.value for one in marked if isinstance(one.value, dict)])


def test_below_ten_clusters_documents_count_one_by_one_and_the_note_says_so() -> None:
    rows = [name(person, event, 100.0 * (event % 2)) for person in range(9) for event in range(4)]
    found = interval(rows)
    assert (found.unit, found.clusters, found.n) == ("document", 9, 36)
    assert found.note == "over documents, conditional on these 9 people"
    assert found.low < 50 < found.high
    assert interval([*rows, name(9, 0, 0.0)]).unit == "person"
    assert interval(rows[:4]).note == "over documents, conditional on this person"


def test_the_order_of_the_documents_does_not_matter() -> None:
    for rows in ([name(i // 4, i % 4, Random(i).random()) for i in range(60)], some_world(12)):
        shuffled = Random(0).sample(rows, len(rows))
        assert interval(rows) == interval(shuffled)


def test_twenty_of_twenty_is_not_certain() -> None:
    # About 20 people, or one by one about 5: 0.025^(1/20) = e^(-3.68888 / 20) = 0.83157. About 10 people: 0.69150.
    found = interval([name(person, event, 100.0) for person in range(5) for event in range(4)])
    assert found[:3] == (100.0, pytest.approx(83.157, abs=1e-3), 100.0)
    assert found.note == "over documents, conditional on these 5 people; nothing varies"
    assert interval([name(person, 0, 100.0) for person in range(20)])[1:3] == found[1:3]
    found = interval([name(person, event, 100.0) for person in range(10) for event in range(2)])
    assert found == (100.0, pytest.approx(69.150, abs=1e-3), 100.0, 20, 10, "person", "nothing varies")
    found = interval([name(person, event, 0.0) for person in range(10) for event in range(2)])
    assert found == (0.0, 0.0, pytest.approx(30.850, abs=1e-3), 20, 10, "person", "nothing varies")


def test_one_document_says_next_to_nothing() -> None:
    found = interval([name(0, 0, 100.0)])
    assert (found.value, found.low, found.high, found.n) == (100.0, 2.5, 100.0, 1)
    assert found.note == "over documents, conditional on this person; one document"


def test_scenes_that_are_all_alike_may_be_another_value_elsewhere() -> None:
    # In 10 events another score was never met: at most 0.30850 of all events have one, of 0 or of 1. 0.4 (1 - 0.30850)
    # is 0.2766, and 0.3085 higher 0.5851.
    found = interval([scene(person, event, 0.4) for person in range(3) for event in range(10)])
    assert found == (mean([0.4] * 30), pytest.approx(0.2766, abs=1e-4), pytest.approx(0.5851, abs=1e-4), 30, 10,
                     "event", "nothing varies")  # fmt: skip
    found = interval([scene(person, event, 1.0) for person in range(3) for event in range(10)])
    assert (found.value, found.high, found.note) == (1.0, 1.0, "nothing varies")
    assert found.low == pytest.approx(0.69150, abs=1e-5)


def test_a_perfect_f1_is_as_sure_as_its_images_are_many() -> None:
    # 0.025^(1/12) = e^(-0.307407) = 0.73535.
    right = interval([world(i, "random", "yes", "yes") for i in range(12)])
    assert (right.value, right.high, right.note) == (100.0, 100.0, "nothing varies")
    assert right.low == pytest.approx(73.535, abs=1e-3)
    wrong = interval([world(i, "random", "yes", "no") for i in range(12)])
    assert (wrong.value, wrong.low, wrong.high) == (0.0, 0.0, pytest.approx(26.465, abs=1e-3))
    # Two images with a yes are all that an F1 rests on: 0.025^(1/2) = 0.15811.
    few = interval([world(i, "random", *(["yes", "yes"] if i < 2 else ["no", "no"])) for i in range(12)])
    assert (few.value, few.low) == (100.0, pytest.approx(15.811, abs=1e-3))
    nothing = interval([world(i, "random", "no", "no") for i in range(12)])  # F1 is 0/0
    assert (nothing.value, nothing.low, nothing.high) == (100.0, 0.0, 100.0)


def test_no_figure_is_without_an_interval() -> None:
    """All counts of right answers, about few people and about many; scenes at both ends; World."""
    rows = [[name(i % people, i // people, 100.0 * (i < right)) for i in range(2 * people)]
            for people in (1, 2, 9, 10, 30) for right in (0, 1, people, 2 * people)]  # fmt: skip
    rows += [[scene(i, i % 10, value if i else 1 - value) for i in range(20)] for value in (0.0, 0.3, 1.0)]
    rows += [some_world(images) for images in (1, 9, 30)]
    for some in rows:
        found = interval(some)
        whole = 1 if some[0].kind == "scene" else 100
        assert 0 <= found.low <= found.value <= found.high <= whole
        assert found.high - found.low > 0.01 * whole


def test_without_a_value_there_is_no_interval() -> None:
    for rows in ([], [name(0, 0, None)]):
        with pytest.raises(ValueError, match="no values"):
            interval(rows)


def test_failed_judgements_are_left_out() -> None:
    rows = [name(person, 0, 100.0 * (person % 2)) for person in range(20)]
    assert interval([*rows, name(20, 0, None)]) == interval(rows)


def test_bounds_lie_within_the_range() -> None:
    for share in (0.01, 0.5, 0.99):
        random = Random(0)
        found = interval([name(i // 3, i % 3, 100.0 * (random.random() < share)) for i in range(90)])
        assert 0 <= found.low <= found.value <= found.high <= 100


@pytest.mark.parametrize("images", [1, 3, 15])
def test_added_up_world_documents_give_their_f1(images: int) -> None:
    # Any clusters, any number of times: also without documents of a split, or without any yes.
    rows = [one for one in some_world(images) if not (one.cluster == "w001" and "popular" in one.key)]
    values = [one.value for one in rows if isinstance(one.value, dict)]
    clusters = [one.cluster for one in rows]
    counted = tally(values, clusters)
    names = sorted(set(clusters))
    for weights in np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), size=50):
        times = dict(zip(names, weights, strict=True))
        some = [v for v, cluster in zip(values, clusters, strict=True) for _ in range(int(times[cluster]))]
        assert float(figure_of(weights @ counted)) == pytest.approx(world_f1(some))


# All figures of one result


@pytest.mark.parametrize("target", ["person", "event", "joint"])
def test_every_figure_has_its_interval_and_its_number_of_documents(benchmark: Benchmark, target: str) -> None:
    rows = provenances(benchmark, target)
    found = statistics(observations(rows, benchmark), benchmark, benchmark.split(target, "forget20"), target)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert tuple(found["slices"]) == FIGURES[target]
    assert {s: one["n"] for s, one in found["slices"].items()} == {
        s: sum(row.slice == s for row in rows) for s in FIGURES[target]
    }
    assert found["slices"]["world"]["value"] == 100.0


def test_results_are_the_same_bytes_in_any_order(benchmark: Benchmark) -> None:
    rows = provenances(benchmark, "joint")
    split = benchmark.split("joint", "forget20")
    first, second = (
        json.dumps(statistics(observations(some, benchmark), benchmark, split, "joint")) for some in (rows, rows[::-1])
    )
    assert first == second


def test_a_figure_with_too_many_failed_judgements_is_withheld(benchmark: Benchmark) -> None:
    split = benchmark.split("event", "forget20")

    def retain(failed: int) -> dict[str, Any]:
        rows = [
            Observation(
                f"p{i:03d}/e01/scene", "retain", None if i < failed else 0.5, "e01", f"p{i:03d}", "e01", "scene"
            )
            for i in range(40)
        ]
        row: dict[str, Any] = statistics(rows, benchmark, split, "event")["slices"]["retain"]
        return row

    assert (retain(2)["value"], retain(2)["n"], retain(2)["failed"]) == (0.5, 38, 2)
    assert (retain(3)["value"], retain(3)["low"], retain(3)["n"]) == (None, None, 37)
    assert retain(3)["note"] == "withheld: the judge failed on 3 of 40"


def test_near_and_other_events_make_up_the_retained_ones() -> None:
    names = ["museum tour", "art gallery visit", "zoo visit", "gym workout"]
    events = [{"id": f"e{i:02d}", "name": event, "description": f"d{i}"} for i, event in enumerate(names)]
    small: Any = SimpleNamespace(events=events, people=[])
    forgets: Any = SimpleNamespace(forget_ids=("e00",))

    rows = [
        Observation(f"p{p:03d}/e{e:02d}/scene", "retain", 0.2 * e, f"e{e:02d}", f"p{p:03d}", f"e{e:02d}", "scene")
        for p in range(3)
        for e in (1, 2, 3)
    ]
    found = statistics(rows, small, forgets, "event")["neighbours"]
    assert found["slice"] == "retain"
    assert found["forgotten"] == ["museum tour"]
    assert (found["near"]["events"], found["near"]["n"]) == (["art gallery visit"], 3)
    assert found["near"]["value"] == pytest.approx(0.2)
    assert (found["other"]["events"], found["other"]["n"]) == (["gym workout", "zoo visit"], 6)
    assert found["other"]["value"] == pytest.approx(0.5)


def test_where_no_event_is_near_it_says_none(benchmark: Benchmark) -> None:
    rows = observations(provenances(benchmark, "event"), benchmark)
    found = statistics(rows, benchmark, benchmark.split("event", "forget20"), "event")["neighbours"]
    assert (found["near"]["n"], found["near"]["events"], found["near"]["note"]) == (0, [], "none")
    people = observations(provenances(benchmark, "person"), benchmark)
    assert statistics(people, benchmark, benchmark.split("person", "forget20"), "person")["neighbours"] == {}


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("person", ["efficacy", "generality", "retain"]),
        ("event", ["scope"]),
        ("joint", ["person_efficacy", "person_generality", "person_retain"]),
    ],
)
def test_groups_divide_every_slice_that_asks_a_name(benchmark: Benchmark, target: str, named: list[str]) -> None:
    rows = observations(provenances(benchmark, target), benchmark)
    found = statistics(rows, benchmark, benchmark.split(target, "forget20"), target)
    assert list(found["groups"]) == named
    for slice_name, attributes in found["groups"].items():
        assert list(attributes) == ["age", "gender", "region", "occupation"]
        for cells in attributes.values():
            assert sum(cell["n"] for cell in cells.values()) == found["slices"][slice_name]["n"]


def test_every_group_has_an_interval_and_is_small_below_five_people() -> None:
    known = {"age": 40, "region": "", "category": "Arts"}
    people = [{"id": f"p{i:03d}", "gender": "female" if i < 10 else "male", **known} for i in range(14)]
    small: Any = SimpleNamespace(people=people)
    nobody: Any = None
    rows = [name(person, 0, 100.0 * (person % 2)) for person in range(14)]
    cells = statistics(rows, small, nobody, "person")["groups"]["retain"]["gender"]
    of_documents, of_people = interval(rows[10:]), interval(rows[:10])
    assert cells["male"] == {
        "value": 50.0, "low": of_documents.low, "high": of_documents.high, "n": 4, "people": 4, "small": True,
    }  # fmt: skip
    assert cells["female"] == {
        "value": 50.0, "low": of_people.low, "high": of_people.high, "n": 10, "people": 10, "small": False,
    }  # fmt: skip
