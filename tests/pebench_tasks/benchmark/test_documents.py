from collections import Counter

import pebench_templates
import pytest

from pebench_tasks.benchmark.documents import Document, both_forgotten, documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.scoring import JOINT_SLICES

SLICES = {"efficacy", "generality", "retain", "scope", "real", "world"}


@pytest.mark.parametrize("target", ["person", "event", "joint"])
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


# The joint target: of 4 people x 3 events one of each is forgotten, so 3 + 4 - 1 = 6 images, one of them twice


@pytest.fixture
def joint(benchmark: Benchmark) -> list[Document]:
    return documents(benchmark, "joint", "forget20")


def images(rows: list[Document], *slices: str) -> list[str]:
    return sorted(row["image"] for row in rows if row["slice"] in slices)


def test_the_first_nine_joint_documents_hold_all_nine_slices(joint: list[Document]) -> None:
    assert [row["slice"] for row in joint[:9]] == list(JOINT_SLICES)
    assert {row["slice"] for row in joint} == set(JOINT_SLICES)


def test_joint_asks_every_forgotten_concept_on_all_its_images(benchmark: Benchmark, joint: list[Document]) -> None:
    person, event = benchmark.split("joint", "forget20").forget_ids
    everywhere = [row["key"] for row in benchmark.images]
    assert images(joint, "person_efficacy", "person_generality") == [key for key in everywhere if person in key]
    assert images(joint, "event_efficacy", "event_generality") == [key for key in everywhere if event in key]


def test_joint_asks_the_images_of_each_half_in_its_own_slices(benchmark: Benchmark, joint: list[Document]) -> None:
    split = benchmark.split("joint", "forget20")
    assert set(images(joint, "person_efficacy", "event_efficacy")) == set(split.train)
    assert set(images(joint, "person_generality", "event_generality")) == set(split.test)


def test_only_the_image_in_which_both_are_forgotten_is_asked_both(benchmark: Benchmark, joint: list[Document]) -> None:
    split = benchmark.split("joint", "forget20")
    forgotten = [row for row in joint if row["slice"].endswith(("_efficacy", "_generality"))]
    twice = [image for image, asked in Counter(row["image"] for row in forgotten).items() if asked == 2]
    assert len(forgotten) == 3 + 4
    assert twice == ["/".join(split.forget_ids)]
    assert both_forgotten(split) == {"train": int(twice[0] in split.train), "test": int(twice[0] in split.test)}
    assert sum(both_forgotten(split).values()) == 1


def test_joint_never_asks_about_a_concept_that_stays_in_a_forgotten_image(
    benchmark: Benchmark, joint: list[Document]
) -> None:
    split = benchmark.split("joint", "forget20")
    for row in joint:
        if row["image"] in {*split.train, *split.test}:
            assert row["person" if row["kind"] == "name" else "event"] in split.forget_ids
            assert row["slice"].startswith("person_" if row["kind"] == "name" else "event_")


def test_joint_asks_both_questions_where_nothing_is_forgotten(benchmark: Benchmark, joint: list[Document]) -> None:
    split = benchmark.split("joint", "forget20")
    assert images(joint, "person_retain") == images(joint, "event_retain") == sorted(split.retain_eval)
    figures = sorted(row["key"] for row in benchmark.real if row["part"] == "eval")
    assert images(joint, "person_real") == images(joint, "event_real") == figures
    everything = documents(benchmark, "joint", "forget20", retain_all=True)
    assert images(everything, "person_retain") == images(everything, "event_retain") == sorted(split.retain)


def test_joint_asks_what_the_single_tasks_ask(benchmark: Benchmark, joint: list[Document]) -> None:
    """Question, answer and key of a forgotten concept are the same; split and slice tell the documents apart."""
    for concept in ("person", "event"):
        single = {row["key"]: row for row in documents(benchmark, concept, "forget20") if row["slice"] != "scope"}
        for row in joint:
            if row["slice"] in (f"{concept}_efficacy", f"{concept}_generality", f"{concept}_real", "world"):
                differing = {name for name, value in row.items() if single[row["key"]][name] != value}
                assert differing == {"target", "split"} | ({"slice"} if row["slice"] != "world" else set())


def test_only_joint_forgets_two_concepts_in_one_image(benchmark: Benchmark) -> None:
    for target in ("person", "event"):
        assert both_forgotten(benchmark.split(target, "forget20")) == {"train": 0, "test": 0}
