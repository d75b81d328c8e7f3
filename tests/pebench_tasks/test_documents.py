from collections import Counter

import pebench_templates
import pytest

from pebench_tasks.benchmark import Benchmark
from pebench_tasks.documents import documents

SLICES = {"efficacy", "generality", "retain", "scope", "real", "world"}


@pytest.mark.parametrize("target", ["person", "event"])
def test_every_document_has_a_key_of_its_own_and_an_image(benchmark: Benchmark, target: str) -> None:
    rows = documents(benchmark, target, "forget20")
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows[:30]:
        assert benchmark.image(row["image"]).mode == "RGB"


@pytest.mark.parametrize("target", ["person", "event"])
def test_the_first_six_documents_hold_all_six_slices(benchmark: Benchmark, target: str) -> None:
    assert {row["slice"] for row in documents(benchmark, target, "forget20")[:6]} == SLICES


@pytest.mark.parametrize(("target", "asked", "other"), [("person", "name", "scene"), ("event", "scene", "name")])
def test_scope_asks_for_the_concept_that_must_stay(benchmark: Benchmark, target: str, asked: str, other: str) -> None:
    kinds = {row["slice"]: row["kind"] for row in documents(benchmark, target, "forget20")}
    assert kinds == {
        "efficacy": asked, "generality": asked, "retain": asked, "scope": other, "real": asked, "world": "yesno"
    }  # fmt: skip


@pytest.mark.parametrize("target", ["person", "event"])
def test_slices_read_the_images_of_the_protocol(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, "forget20")
    images = {
        name: {r["image"] for r in documents(benchmark, target, "forget20") if r["slice"] == name} for name in SLICES
    }
    assert images["efficacy"] == images["scope"] == set(split.train)
    assert images["generality"] == set(split.test)
    assert images["retain"] == set(split.retain_eval)
    assert images["real"] == {row["key"] for row in benchmark.real if row["part"] == "eval"}


def test_retain_all_asks_every_retained_image(benchmark: Benchmark) -> None:
    rows = documents(benchmark, "person", "forget20", retain_all=True)
    assert {r["image"] for r in rows if r["slice"] == "retain"} == set(benchmark.split("person", "forget20").retain)


def test_questions_are_canonical_and_answers_are_the_truth(benchmark: Benchmark) -> None:
    people = {row["id"]: row["name"] for row in benchmark.people}
    events = {row["id"]: row["description"] for row in benchmark.events}
    for row in documents(benchmark, "person", "forget20"):
        if row["slice"] in ("efficacy", "generality", "retain"):
            assert row["question"] == pebench_templates.render("person_question", phrasing=0)
            assert row["answer"] == people[row["person"]]
        elif row["slice"] == "scope":
            assert row["question"] == pebench_templates.render("scene_question", phrasing=0)
            assert row["answer"] == events[row["event"]]


def test_world_has_three_splits_of_one_size_half_of_each_yes(benchmark: Benchmark) -> None:
    rows = [row for row in documents(benchmark, "event", "forget20") if row["slice"] == "world"]
    counts = Counter((row["category"], row["answer"]) for row in rows)
    assert set(counts) == {(split, truth) for split in ("random", "popular", "adversarial") for truth in ("yes", "no")}
    assert len(set(counts.values())) == 1


def test_documents_carry_the_fingerprints_that_joins_need(benchmark: Benchmark) -> None:
    row = documents(benchmark, "person", 20)[0]
    assert row["data"] == benchmark.fingerprint
    assert row["split"] == benchmark.split("person", "forget20").split_id
    assert row["template"] == pebench_templates.fingerprint()
    assert row["forget"] == "forget20"
