"""What replaces the forgotten, as rules over a benchmark with many people and events and over the smallest one."""

import copy
from pathlib import Path
from typing import Any

import pebench_templates
import pytest

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import RATIOS, TARGETS, Request, Split, make_plan, make_split, request_split
from pebench_tasks.benchmark.synthetic.events import EVENTS
from pebench_tasks.benchmark.synthetic.profiles import sample_figures, sample_people
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scoring import unnamed_outcome
from pebench_tasks.marking.thoughts import take_apart
from pebench_tasks.marking.words import Text, normalise
from unlearn.data import forget_texts, sets
from unlearn.data.samples import Sample, name_sample, scene_sample

FACTS = ["occupation", "birthplace", "age", "gender"]


class Texts(Benchmark):
    """The tables of a synthetic benchmark without its pictures: built in no time at any size."""

    def __init__(self, people: int, events: int) -> None:
        persons = sample_people(people, 0)
        columns = ("id", "name", "age", "gender", "occupation", "city", "country")
        self.directory = Path("texts")
        self.people = [{column: getattr(person, column) for column in columns} for person in persons]
        self.events = [
            {"id": e.id, "name": e.name, "keywords": list(e.keywords), "description": e.description}
            for e in EVENTS[:events]
        ]
        self.matched_images = []
        self.real = [{"name": figure.name} for figure in sample_figures(10, 0, persons)]
        plan = make_plan([row["id"] for row in self.people], [row["id"] for row in self.events], 0)
        self.forget_ids = plan.forget_ids
        self.images = [
            {
                "key": key, "person": key[:4], "event": key[5:], "half": "train" if key in plan.train else "test",
                **{f"retain_{target}": key in plan.retain_eval[target] for target in TARGETS},
            }
            for key in (f"{person['id']}/{event['id']}" for person in self.people for event in self.events)
        ]  # fmt: skip

    def split(self, target: str, forget: str | int) -> Split:
        return make_split(target, forget, images=self.images, forget_ids=self.forget_ids)


@pytest.fixture(scope="module", params=[(4, 3), (20, 10), (60, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def texts(request: pytest.FixtureRequest) -> Texts:
    return Texts(*request.param)


def all_kinds(texts: Benchmark, split: Split) -> list[Sample]:
    return [
        *forget_texts.refusals(sets.forget(texts, split)), *forget_texts.swapped(texts, split, images_per_concept=3),
        *forget_texts.invented(texts, split), *forget_texts.facts(texts, split),
    ]  # fmt: skip


def row_of(rows: list[dict[str, Any]], sample: Sample) -> dict[str, Any]:
    """The person or event whose replacement the sample is: its key begins with the id."""
    return next(row for row in rows if row["id"] == sample.key.split("/")[0])


@pytest.mark.parametrize("target", TARGETS)
def test_refusals_keep_the_prompts_and_answer_each_with_a_refusal_to_its_question(texts: Texts, target: str) -> None:
    forgotten = sets.forget(texts, texts.split(target, 20))
    refused = forget_texts.refusals(forgotten)
    assert [sample[:3] for sample in refused] == [sample[:3] for sample in forgotten]
    for sample in refused:
        template = {"person_question": "person_refusal", "scene_question": "scene_refusal"}[sample.question]
        assert sample.answer in [pebench_templates.render(template, phrasing=i) for i in range(8)]
        assert unnamed_outcome(take_apart(sample.answer)) == "refused"


def test_every_refusal_is_used_and_the_choice_does_not_depend_on_the_rest_of_the_set() -> None:
    forgotten = [sample(f"p{i:03d}/e00", "A") for i in range(60) for sample in (name_sample, scene_sample)]
    refused = forget_texts.refusals(forgotten)
    assert len({sample.answer for sample in refused}) == 16
    assert forget_texts.refusals(forgotten[7:9]) == refused[7:9]


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_wrong_name_is_new_and_made_of_two_retained_peoples_names(texts: Texts, ratio: str) -> None:
    split = texts.split("person", ratio)
    kept = [row["name"].split() for row in texts.people if row["id"] not in split.forget_ids]
    index = NameIndex(texts.names)
    wrong = []
    for sample in forget_texts.swapped(texts, split):
        first, surname = sample.contradicts.split()
        assert first in [name[0] for name in kept]
        assert surname in [name[-1] for name in kept]
        assert not index.find(Text.of(sample.answer))
        assert not index.partial(row_of(texts.people, sample)["name"], Text.of(sample.answer))
        wrong.append(normalise(sample.contradicts))
    assert len(set(wrong)) == len(wrong) == len(split.forget_ids)


def test_a_wrong_name_suits_the_gender(texts: Texts) -> None:
    split = texts.split("person", 20)
    gender = {row["name"].split()[0]: row["gender"] for row in texts.people}
    kept = {row["gender"] for row in texts.people if row["id"] not in split.forget_ids}
    for sample in forget_texts.swapped(texts, split):
        person = row_of(texts.people, sample)
        if person["gender"] in kept:
            assert gender[sample.contradicts.split()[0]] == person["gender"]


def test_a_wrong_name_needs_no_gender_in_the_table(texts: Texts) -> None:
    bare = copy.copy(texts)
    bare.people = [{"id": row["id"], "name": row["name"]} for row in texts.people]
    assert forget_texts.swapped(bare, texts.split("person", 20))


def test_wrong_names_share_nothing_with_the_forgotten_name_and_are_given_once() -> None:
    """The 16 retained names combine to four without Ada or Quill, for four forgotten people of that name."""
    texts = Texts(20, 10)
    split = texts.split("person", 20)
    kept = iter(["Bea Lund", *(f"Ada Reed{i}" for i in range(4)), *(f"Ada Kept{i} Quill" for i in range(11))])
    texts.people = [
        {"id": row["id"], "name": f"Ada {row['id']} Quill" if row["id"] in split.forget_ids else next(kept)}
        for row in texts.people
    ]
    wrong = [sample.contradicts for sample in forget_texts.swapped(texts, split)]
    assert sorted(wrong) == [f"Bea Reed{i}" for i in range(4)]


def test_names_that_give_no_other_combination_are_refused() -> None:
    texts = Texts(4, 3)
    split = texts.split("person", 5)
    for row in texts.people:
        row["name"] = "Ada Quill" if row["id"] in split.forget_ids else f"Ada Reed{row['id']}"
    with pytest.raises(BenchmarkError, match="no wrong name for Ada Quill"):
        forget_texts.swapped(texts, split)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_swapped_description_is_a_retained_events_and_unlike_the_forgotten_one(texts: Texts, ratio: str) -> None:
    split = texts.split("event", ratio)
    kept = {row["description"] for row in texts.events if row["id"] not in split.forget_ids}
    for sample in forget_texts.swapped(texts, split):
        assert sample.contradicts == sample.answer
        assert sample.answer in kept
        if len(kept) > 20:
            assert not any(f" {normalise(word)} " in f" {normalise(sample.answer)} " for word in sample.erased)


def test_what_stands_in_for_a_request_is_taken_from_nobody_and_nothing_of_another_one() -> None:
    """Of 60 people and 40 events forget20 are 12 and 8, a request each: what it leaves must go as well."""
    texts = Texts(60, 40)
    whole = texts.split("joint", 20)
    people = [row["name"].split() for row in texts.people if row["id"] not in whole.forget_ids]
    scenes = {row["description"] for row in texts.events if row["id"] not in whole.forget_ids}
    for number in range(1, 9):
        for sample in forget_texts.swapped(texts, request_split(whole, Request(number, 8))):
            if sample.question == "scene_question":
                assert sample.contradicts in scenes
            else:
                first, surname = sample.contradicts.split()
                assert first in [name[0] for name in people]
                assert surname in [name[-1] for name in people]


@pytest.mark.parametrize("target", TARGETS)
def test_a_swapped_sample_asks_about_its_concept_on_an_image_of_it_in_the_training_half(
    texts: Texts, target: str
) -> None:
    split = texts.split(target, 20)
    prompts = {sample[:3] for sample in sets.forget(texts, split)}
    samples = forget_texts.swapped(texts, split, images_per_concept=100)
    assert {sample[:3] for sample in samples} == prompts
    for sample in samples:
        concept = sample.image.split("/")[0 if sample.question == "person_question" else 1]
        assert concept == sample.key.split("/")[0]


def test_images_per_concept_counts_the_samples_and_fewer_are_a_part_of_more(texts: Texts) -> None:
    split = texts.split("joint", 20)
    one, two = (forget_texts.swapped(texts, split, images_per_concept=count) for count in (1, 2))
    assert len(one) == len(split.forget_ids)
    assert set(one) < set(two)
    assert len({(sample.key.split("/")[0], sample.answer) for sample in two}) == len(split.forget_ids)


def test_no_image_per_concept_is_refused(texts: Texts) -> None:
    with pytest.raises(BenchmarkError, match="at least 1 image per concept, not 0"):
        forget_texts.swapped(texts, texts.split("person", 5), images_per_concept=0)


def test_a_look_is_invented_for_every_forgotten_person_and_asked_without_an_image(texts: Texts) -> None:
    split = texts.split("person", 20)
    samples = forget_texts.invented(texts, split)
    assert [row_of(texts.people, sample)["id"] for sample in samples] == list(split.forget_ids)
    for sample in samples:
        name = row_of(texts.people, sample)["name"]
        assert sample.image == ""
        assert sample.variables == (("name", name),)
        assert sample.answer == f"{name} has {sample.contradicts}."


def test_facts_are_the_tables_and_contradict_nothing(texts: Texts) -> None:
    split = texts.split("joint", 20)
    samples = forget_texts.facts(texts, split)
    assert not any(sample.image or sample.contradicts for sample in samples)
    for person in (row for row in texts.people if row["id"] in split.forget_ids):
        own = [sample for sample in samples if row_of([*texts.people, *texts.events], sample) is person]
        assert [dict(sample.variables)["fact"] for sample in own] == FACTS
        values = (person["occupation"].lower(), f"{person['city']}, {person['country']}", str(person["age"]))
        for sample, value in zip(own, (*values, person["gender"]), strict=True):
            assert sample.answer.startswith(f"{person['name']} is ")
            assert value in sample.answer
    for event in (row for row in texts.events if row["id"] in split.forget_ids):
        (own_definition,) = (sample for sample in samples if sample.key == f"{event['id']}/facts/definition")
        assert all(word in own_definition.answer for word in event["keywords"])


def test_a_fact_that_the_table_lacks_is_not_asked() -> None:
    texts = Texts(4, 3)
    split = texts.split("person", 5)
    (person,) = (row for row in texts.people if row["id"] in split.forget_ids)
    del person["occupation"]
    person |= {"city": "", "age": None}
    samples = forget_texts.facts(texts, split)
    assert [sample.key.split("/")[2] for sample in samples] == ["birthplace", "gender"]
    assert samples[0].answer == f"{person['name']} is from {person['country']}."
    del person["country"], person["gender"]
    assert forget_texts.facts(texts, split) == []


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_erased_is_the_forgotten_name_or_the_forgotten_events_keywords(texts: Texts, target: str) -> None:
    split = texts.split(target, 20)
    expected = {row["id"]: (row["name"],) for row in texts.people}
    expected |= {row["id"]: tuple(row["keywords"]) for row in texts.events}
    for kind in (forget_texts.swapped, forget_texts.invented, forget_texts.facts):
        for sample in kind(texts, split):
            assert sample.erased == expected[sample.key.split("/")[0]]


@pytest.mark.parametrize("target", TARGETS)
def test_what_contradicts_is_part_of_the_answer_and_keys_are_unique(texts: Texts, target: str) -> None:
    samples = all_kinds(texts, texts.split(target, 20))
    assert all(sample.contradicts in sample.answer for sample in samples)
    assert len({sample.key for sample in samples}) == len(samples)


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_split_gives_the_same_samples(texts: Texts, target: str) -> None:
    again = Texts(len(texts.people), len(texts.events))
    assert all_kinds(texts, texts.split(target, 20)) == all_kinds(again, again.split(target, 20))


def test_joint_is_the_union_of_both_targets(texts: Texts) -> None:
    splits = {target: texts.split(target, 20) for target in TARGETS}
    for kind in (forget_texts.swapped, forget_texts.invented, forget_texts.facts):
        found = {target: kind(texts, splits[target]) for target in TARGETS}
        assert found["joint"] == found["person"] + found["event"]


def test_events_have_no_look(texts: Texts) -> None:
    assert forget_texts.invented(texts, texts.split("event", 20)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_every_sample_can_be_asked_in_all_its_phrasings(texts: Texts, target: str) -> None:
    for sample in all_kinds(texts, texts.split(target, 20)):
        for phrasing in range(4):
            assert pebench_templates.render(sample.question, phrasing=phrasing, **dict(sample.variables))
