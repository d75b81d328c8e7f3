import json
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_observations import name, some_world, world

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scoring import FIGURES, Goal, forgotten_scene, mean, score
from pebench_tasks.marking.yes_no import world_f1
from pebench_tasks.results import resampling
from pebench_tasks.results.intervals import Observation, interval, observations, statistics


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


def test_ten_clusters_half_of_them_right() -> None:
    # Of ten draws k are right with probability C(10, k) / 1024: P(k <= 1) = 0.011 and P(k <= 2) = 0.055, so the 2.5 %
    # point is 2 of 10, and by symmetry the 97.5 % point is 8 of 10.
    rows = [name(person, event, 100.0 * (person < 5)) for person in range(10) for event in range(4)]
    assert interval(rows) == (50.0, 20.0, 80.0, 40, 10, "person", "")


def test_clusters_may_differ_in_size() -> None:
    # One person with 91 right answers, nine with one wrong answer each. A resample that draws the big one k times has
    # 91 k / (91 k + 10 - k): k = 0 (probability 0.9^10 = 0.35) gives 0; P(k >= 4) = 0.013 < 0.025 < P(k >= 3) = 0.070,
    # so the upper bound is 273 / 280.
    rows = [name(0, event, 100.0) for event in range(91)] + [name(person, 0, 0.0) for person in range(1, 10)]
    found = interval(rows)
    assert (found.value, found.low) == (91.0, 0.0)
    assert found.high == pytest.approx(100 * 273 / 280)


def test_below_ten_clusters_documents_are_resampled_and_the_note_says_so() -> None:
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
        assert interval(rows, seed=1) != interval(rows)


def test_one_document_has_no_spread_to_show() -> None:
    found = interval([name(0, 0, 100.0)])
    assert (found.value, found.low, found.high, found.n) == (100.0, 100.0, 100.0, 1)
    assert found.note == "over documents, conditional on this person; one document"


def test_where_nothing_varies_the_bounds_are_the_value() -> None:
    found = interval([name(person, event, 0.1) for person in range(12) for event in range(3)])
    assert found == (mean([0.1] * 36), 0.1, 0.1, 36, 12, "person", "nothing varies")
    # Every person is right half of the time: no doubt about the mean over people, and the note says so.
    found = interval([name(person, event, 100.0 * (event % 2)) for person in range(12) for event in range(2)])
    assert (found.low, found.high, found.note) == (50.0, 50.0, "nothing varies")
    right = interval([world(i, "random", "no", "no") for i in range(12)])  # F1 is 0/0
    assert (right.value, right.low, right.high, right.note) == (100.0, 100.0, 100.0, "nothing varies")


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
    # Any resample, also one in which a split has no documents, or no yes at all.
    rows = [one for one in some_world(images) if not (one.cluster == "w001" and "popular" in one.key)]
    values = [one.value for one in rows if isinstance(one.value, dict)]
    clusters = [one.cluster for one in rows]
    counted = resampling.tally(values, clusters)
    names = sorted(set(clusters))
    for weights in np.concatenate(list(resampling.bootstrap(np.random.default_rng(0), counted, 50))):
        times = dict(zip(names, weights, strict=True))
        drawn = [v for v, cluster in zip(values, clusters, strict=True) for _ in range(int(times[cluster]))]
        assert float(counted.figure(weights @ counted.rows)) == pytest.approx(world_f1(drawn))


def test_resampling_in_pieces_gives_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some_world(30)
    whole = interval(rows)
    monkeypatch.setattr(resampling, "CHUNK", 100)
    assert interval(rows) == whole


def test_the_clustered_interval_covers_the_truth_where_one_over_documents_does_not() -> None:
    # 40 people with 10 documents each; a person's documents are right with a probability of her own, drawn from
    # beta(2, 2): the truth is 50 %, the intra-cluster correlation 1 / (2 + 2 + 1) = 0.2. Documents as clusters have
    # a variance too small by 1 + 9 * 0.2 = 2.8.
    rng = np.random.default_rng(0)
    clustered = naive = 0
    for run in range(250):
        right = rng.random((40, 10)) < rng.beta(2, 2, size=(40, 1))
        rows = [name(p, e, 100.0 * float(right[p, e])) for p in range(40) for e in range(10)]
        for documents_alone in (False, True):
            asked = [row._replace(cluster=row.key) for row in rows] if documents_alone else rows
            found = interval(asked, seed=run, resamples=400)
            covered = found.low <= 50 <= found.high
            clustered, naive = clustered + (covered and not documents_alone), naive + (covered and documents_alone)
    assert 0.88 <= clustered / 250 <= 0.98
    assert naive / 250 < 0.82


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


def test_a_cell_has_an_interval_only_with_ten_people_and_is_small_below_five_people() -> None:
    known = {"age": 40, "region": "", "category": "Arts"}
    people = [{"id": f"p{i:03d}", "gender": "female" if i < 10 else "male", **known} for i in range(14)]
    small: Any = SimpleNamespace(people=people)
    nobody: Any = None
    rows = [name(person, 0, 100.0 * (person % 2)) for person in range(14)]
    cells = statistics(rows, small, nobody, "person")["groups"]["retain"]["gender"]
    assert cells["male"] == {"value": 50.0, "n": 4, "people": 4, "small": True}
    assert cells["female"] == {"value": 50.0, "low": 20.0, "high": 80.0, "n": 10, "people": 10, "small": False}
