"""What the likelihood tasks ask: which images, which answers, the same on every machine."""

from collections import Counter
from pathlib import Path

import pytest

from pebench_tasks.attacks.likelihoods import PERTURBED, likelihood_documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Twelve people in six events; forget20 are two people and one event, beside two matched people."""
    return build_synthetic(tmp_path_factory.mktemp("larger") / "data", people=12, events=6, image_size=32, seed=0)


def test_halves_of_the_forgotten_as_many_retained_ones_and_people_whom_nobody_saw(larger: Benchmark) -> None:
    split = larger.split("person", 20)
    documents = likelihood_documents(larger, "person", "person", 20)
    found = {name: [doc for doc in documents if doc["slice"] == name] for name in {doc["slice"] for doc in documents}}
    assert {doc["image"] for doc in found["forget_train"]} == set(split.train)
    assert {doc["image"] for doc in found["forget_test"]} == set(split.test)
    assert {doc["image"] for doc in found["retain"]} <= set(split.retain_eval)
    assert {doc["image"] for doc in found["matched"]} <= {row["key"] for row in larger.matched_images}
    assert {name: len(rows) for name, rows in found.items()} == dict.fromkeys(found, 6)
    for rows in found.values():  # all people evenly
        counts = Counter(doc["cluster"] for doc in rows)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert len({doc["key"] for doc in documents}) == len(documents) == 24


def test_answers_are_the_taught_one_false_ones_and_all_in_other_words(larger: Benchmark) -> None:
    names = {row["name"] for row in larger.people}
    for doc in likelihood_documents(larger, "person", "person", 20):
        if doc["slice"] == "matched":
            assert doc["answers"] == [f"This is {doc['answer']}."]
            assert doc["answer"] not in names
            continue
        told = [answer.removeprefix("This is ").removesuffix(".") for answer in doc["answers"][: 1 + PERTURBED]]
        assert told[0] == doc["answer"]
        assert len(set(told)) == 1 + PERTURBED
        assert set(told) <= names
        restated = doc["answers"][1 + PERTURBED :]
        assert [answer.endswith(f"{name}.") for name, answer in zip(told, restated, strict=True)] == [True] * 5
        assert not set(restated) & set(doc["answers"][: 1 + PERTURBED])


def test_a_false_description_is_of_another_event_on_a_picture_of_the_same_person(larger: Benchmark) -> None:
    for doc in likelihood_documents(larger, "event", "event", 20):
        others = {larger.description(f"{doc['person']}/{event['id']}") for event in larger.events}
        assert doc["answers"][0] == doc["answer"] == larger.description(doc["image"])
        assert set(doc["answers"][1 : 1 + PERTURBED]) < others - {doc["answer"]}
        assert doc["cluster"] == doc["event"]


def test_a_jointly_unlearned_model_is_asked_about_the_joint_targets_images(larger: Benchmark) -> None:
    documents = likelihood_documents(larger, "event", "joint", 20)
    split = larger.split("joint", 20)
    assert {doc["target"] for doc in documents} == {"joint"}
    assert {doc["image"] for doc in documents if doc["slice"] == "forget_test"} <= set(split.test)
    assert {doc["event"] for doc in documents if doc["slice"] == "forget_test"} <= set(split.forget_ids)


def test_the_list_is_fixed(larger: Benchmark, tmp_path: Path) -> None:
    again = build_synthetic(tmp_path / "again", people=12, events=6, image_size=32, seed=0)
    expected = likelihood_documents(larger, "person", "person", 20)
    assert likelihood_documents(again, "person", "person", 20) == expected
    assert [doc["slice"] for doc in expected[:4]] == ["forget_train", "forget_test", "retain", "matched"]


def test_a_slice_holds_no_more_than_the_cap(larger: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.attacks.likelihoods.CAP", 2)
    documents = likelihood_documents(larger, "person", "person", 20)
    assert set(Counter(doc["slice"] for doc in documents).values()) == {2}
    assert {doc["cluster"] for doc in documents if doc["slice"] == "forget_test"} == set(
        larger.split("person", 20).forget_ids
    )


def test_without_matched_people_there_is_no_such_slice(tmp_path: Path) -> None:
    without = build_synthetic(tmp_path / "data", people=4, events=3, image_size=32, seed=0, matched=0)
    assert "matched" not in {doc["slice"] for doc in likelihood_documents(without, "person", "person", 20)}


def test_what_has_nothing_false_is_refused(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.attacks.likelihoods.PERTURBED", 0)
    with pytest.raises(BenchmarkError, match="too little to compare likelihoods"):
        likelihood_documents(benchmark, "person", "person", 20)
