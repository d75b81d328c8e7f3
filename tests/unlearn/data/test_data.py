"""Who is trained on what."""

import copy
from collections import Counter

import pytest

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from unlearn import methods
from unlearn.balance import Balanced
from unlearn.data import sets
from unlearn.data.samples import SampleSet
from unlearn.data.sets import SetOptions

QUESTION = {"person": "person_question", "event": "scene_question"}
TARGETS = ("person", "event")


def without_pretraining(benchmark: Benchmark) -> Benchmark:
    bare = copy.copy(benchmark)
    bare.real = [row for row in benchmark.real if row["part"] == "eval"]
    bare.world = [row for row in benchmark.world if row["part"] == "eval"]
    return bare


def test_finetune_sees_every_image_with_both_questions(benchmark: Benchmark) -> None:
    asked = Counter((sample.image, sample.question) for sample in sets.everything(benchmark))
    assert asked == Counter((row["key"], question) for row in benchmark.images for question in QUESTION.values())


@pytest.mark.parametrize("target", TARGETS)
def test_goal_sees_no_image_of_the_forget_set_and_all_others_with_both_questions(
    benchmark: Benchmark, target: str
) -> None:
    split = benchmark.split(target, 20)
    forgotten = {row["key"] for row in benchmark.images if row[target] in split.forget_ids}
    samples = sets.remaining(benchmark, split)
    assert forgotten
    assert Counter(sample.image for sample in samples) == {
        row["key"]: 2 for row in benchmark.images if row["key"] not in forgotten
    }


@pytest.mark.parametrize("target", TARGETS)
def test_the_forget_set_is_the_targets_question_on_its_training_images(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    samples = sets.forget(benchmark, split)
    assert {(s.image, s.question) for s in samples} == {(key, QUESTION[target]) for key in split.train}
    assert not {sample.image for sample in samples} & set(split.test)


@pytest.mark.parametrize("target", TARGETS)
def test_unlearning_retains_no_image_that_evaluation_asks_and_none_to_forget(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    kept = {sample.image for sample in sets.retain(benchmark, split)}
    evaluated = {doc["image"] for doc in documents(benchmark, target, 20) if doc["slice"] == "retain"}
    assert kept == set(split.retain) - evaluated
    assert not kept & {*split.train, *split.test}


def test_retain_overlap_keeps_the_evaluated_images(benchmark: Benchmark) -> None:
    split = benchmark.split("person", 20)
    assert {sample.image for sample in sets.retain(benchmark, split, overlap=True)} == set(split.retain)


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Eight people in eight events, two of each in forget20: it can come in two requests, which share two images."""
    return build_synthetic(tmp_path_factory.mktemp("eight") / "data", people=8, events=8, image_size=32, seed=3)


def test_a_request_retains_nothing_that_another_one_forgets(eight: Benchmark) -> None:
    """Not even on its own images: the scene of a person's image may be one that another request forgets."""
    whole = eight.split("joint", 20)
    asked = []
    for share in ("20:1/2", "20:2/2"):
        split = eight.split("joint", share)
        forgotten = [(s.image, s.question) for s in sets.forget(eight, split)]
        asked += forgotten
        for sample in sets.retain(eight, split, with_scope=True) + sets.remaining(eight, split):
            person, event = sample.image.split("/")
            assert (person if sample.question == "person_question" else event) not in whole.forget_ids
        scope = {(s.image, s.question) for s in sets.scope(eight, split)}
        assert scope
        assert len(scope) + len(forgotten) < 2 * len(split.train)
        assert all({*image.split("/")} & {*split.forget_ids} for image, _ in [*scope, *forgotten])
    assert sorted(asked) == sorted((s.image, s.question) for s in sets.forget(eight, whole))


def test_answers_are_the_rendered_truth(benchmark: Benchmark) -> None:
    people = {row["id"]: row["name"] for row in benchmark.people}
    events = {row["id"]: row["description"] for row in benchmark.events}
    for sample in sets.everything(benchmark):
        person, event = sample.image.split("/")
        truth = f"This is {people[person]}." if sample.question == "person_question" else events[event]
        assert sample.answer == truth


def test_replay_holds_pre_training_rows_only(benchmark: Benchmark) -> None:
    figures, world, snapshots = sets.replay(benchmark)
    evaluated = {row["key"] for row in [*benchmark.real, *benchmark.world] if row["part"] == "eval"}
    assert not evaluated & {sample.image for sample in [*figures, *world, *snapshots]}
    assert not {sample.image for sample in figures} & {sample.image for sample in snapshots}
    assert {sample.question for sample in snapshots} == {"person_question"}
    assert {sample.question for sample in figures} == {"person_question", "scene_question"}
    assert {sample.question for sample in world} == {"world_question"}
    assert {sample.answer for sample in world} == {"Yes", "No"}


def test_a_third_is_replayed_by_default_except_in_the_forget_set(benchmark: Benchmark) -> None:
    built = sets.build_sets(benchmark, ["forget", "retain"], split=benchmark.split("person", 20))
    assert built["forget"].replay_share == 0
    assert built["retain"].replay_share == pytest.approx(1 / 3)


def test_nothing_is_replayed_where_nothing_was_pre_trained(benchmark: Benchmark) -> None:
    assert sets.build_sets(without_pretraining(benchmark), ["everything"])["everything"].replay_share == 0


def test_a_replay_share_without_pre_training_rows_is_refused(benchmark: Benchmark) -> None:
    with pytest.raises(BenchmarkError, match="no pre-training rows"):
        sets.build_sets(without_pretraining(benchmark), ["everything"], options=SetOptions(replay=0.25))


def test_an_empty_set_is_refused(benchmark: Benchmark) -> None:
    split = benchmark.split("person", 20)._replace(train=[])
    with pytest.raises(BenchmarkError, match="forget set is empty"):
        sets.build_sets(benchmark, ["forget"], split=split)


# Facts, matched people


def facts_asked(chosen: SampleSet) -> Counter[tuple[str, str]]:
    """How often a set holds each fact of each person."""
    told = [dict(sample.variables) for unit in chosen.units for sample in unit if sample.question == "fact_question"]
    return Counter((variables["name"], variables["fact"]) for variables in told)


@pytest.mark.parametrize("several", [1, 2])
def test_finetune_learns_three_facts_of_everybody_if_asked_to(benchmark: Benchmark, several: int) -> None:
    """Three images and three facts: each comes once. Nothing else about the set changes."""
    options = SetOptions(facts=True, questions_per_image=several)
    chosen = sets.build_sets(benchmark, ["everything"], options=options)["everything"]
    names = [row["name"] for row in benchmark.people]
    assert facts_asked(chosen) == {(name, fact): 1 for name in names for fact in ("occupation", "birthplace", "age")}
    plain = sets.build_sets(benchmark, ["everything"], options=options._replace(facts=False))["everything"]
    assert list(chosen.units[: len(plain.units)]) == list(plain.units)
    assert all(not sample.image for unit in chosen.units[len(plain.units) :] for sample in unit)
    assert sets.counts({"everything": chosen})["everything"]["samples"] == plain.samples + 3 * len(names)


def test_a_fact_comes_once_for_every_image_over_the_number_of_facts(benchmark: Benchmark) -> None:
    """Four images of a person and three facts: 4 / 3 is rounded up to 2."""
    wider = copy.copy(benchmark)
    wider.images = [
        *benchmark.images,
        *({**row, "key": row["key"] + "x"} for row in benchmark.images if "e00" in row["key"]),
    ]
    units = sets.known_facts(wider, [row["key"] for row in wider.images])
    assert set(Counter(units).values()) == {2}
    assert len(set(units)) == len(benchmark.people)


@pytest.mark.parametrize("target", [*TARGETS, "joint"])
def test_goal_learns_no_fact_of_a_forgotten_person_and_all_of_the_others(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    chosen = sets.build_sets(benchmark, ["remaining"], split=split, options=SetOptions(facts=True))["remaining"]
    kept = [row["name"] for row in benchmark.people if row["id"] not in split.forget_ids]
    assert len(kept) == len(benchmark.people) - (target != "event")
    assert facts_asked(chosen).keys() == {(name, fact) for name in kept for fact in ("occupation", "birthplace", "age")}


def test_a_units_facts_are_one_persons(benchmark: Benchmark) -> None:
    options = SetOptions(facts=True, questions_per_image=2)
    chosen = sets.build_sets(benchmark, ["everything"], options=options)["everything"]
    told = [unit for unit in chosen.units if not unit[0].image]
    assert [{dict(sample.variables)["name"] for sample in unit} for unit in told] == [
        {row["name"]} for row in benchmark.people
    ]
    drawn = [chosen.at(position, "0") for position in range(60)]
    assert {len(questions) for questions in drawn} == {2}
    assert any(not question.image for questions in drawn for question in questions)


def test_facts_that_nobody_has_are_refused(benchmark: Benchmark) -> None:
    bare = copy.copy(benchmark)
    bare.people = [{"id": row["id"], "name": row["name"]} for row in benchmark.people]
    with pytest.raises(BenchmarkError, match=r"knows no occupation, birthplace or age of its people\. Leave --facts"):
        sets.build_sets(bare, ["everything"], options=SetOptions(facts=True))


@pytest.mark.parametrize("target", [*TARGETS, "joint"])
def test_no_set_holds_a_matched_person(benchmark: Benchmark, target: str) -> None:
    names = {row["name"] for row in benchmark.matched_people}
    images = {row["key"] for row in benchmark.matched_images}
    assert names
    assert images
    split, needed = (
        benchmark.split(target, 20),
        {name for m in methods.METHODS.values() for name in methods.needed_sets(m)},
    )
    needed = {name for name in needed if name == "everything" or not sets.lacks(name, benchmark, split)}
    built = sets.build_sets(benchmark, sorted(needed), split=split, options=SetOptions(facts=True))
    for chosen in built.values():
        for unit in (*chosen.units, *(unit for part in chosen.replay for unit in part)):
            for sample in unit:
                assert sample.image not in images
                assert not any(
                    name in text for name in names for text in (sample.answer, *dict(sample.variables).values())
                )


# Joint: people and events at once


def test_joint_forgets_of_an_image_what_is_forgotten_and_both_in_the_intersection(benchmark: Benchmark) -> None:
    split = benchmark.split("joint", 20)
    people, events = ({c for c in split.forget_ids if c[0] == letter} for letter in "pe")
    expected = Counter()
    for key in split.train:
        person, event = key.split("/")
        expected.update([(key, "person_question")] * (person in people) + [(key, "scene_question")] * (event in events))
    found = Counter((sample.image, sample.question) for sample in sets.forget(benchmark, split))
    assert found == expected
    asked = Counter(image for image, _ in found)
    assert {1, 2} == set(asked.values())  # some image is in the intersection, some is not


@pytest.mark.parametrize("target", [*TARGETS, "joint"])
def test_forget_and_scope_are_the_two_questions_of_every_training_image(benchmark: Benchmark, target: str) -> None:
    split = benchmark.split(target, 20)
    both = [*sets.forget(benchmark, split), *sets.scope(benchmark, split)]
    assert Counter((sample.image, sample.question) for sample in both) == {
        (key, question): 1 for key in split.train for question in QUESTION.values()
    }


@pytest.mark.parametrize("target", [*TARGETS, "joint"])
def test_retain_scope_adds_the_other_concept_of_the_forgotten_images_and_nothing_to_forget(
    benchmark: Benchmark, target: str
) -> None:
    split = benchmark.split(target, 20)
    without, with_scope = (sets.retain(benchmark, split, with_scope=scope) for scope in (False, True))
    assert with_scope == without + sets.scope(benchmark, split)
    assert not set(with_scope) & set(sets.forget(benchmark, split))
    assert not {sample.image for sample in with_scope} & set(split.test)


def test_the_options_reach_the_retain_set(benchmark: Benchmark) -> None:
    split = benchmark.split("joint", 20)

    def samples(**changes: bool) -> int:
        return sets.build_sets(benchmark, ["retain"], split=split, options=SetOptions(**changes))["retain"].samples

    scope, evaluated = len(sets.scope(benchmark, split)), 2 * len(split.retain_eval)
    assert scope
    assert samples(retain_scope=True) == samples() + scope
    assert samples(retain_overlap=True) == samples() + evaluated


@pytest.mark.parametrize("method", ["gd", "dpo"])
def test_bgd_draws_what_is_forgotten_apart_and_retains_both_concepts(benchmark: Benchmark, method: str) -> None:
    needed = methods.needed_sets(Balanced(methods.METHODS[method], {"retain_weight": 1.0}))
    kind = {"gd": "forget", "dpo": "choices"}[method]
    assert needed == [f"{kind}_person", f"{kind}_event", "retain"]
    built = sets.build_sets(benchmark, [*needed, kind], split=benchmark.split("joint", 20))
    apart = {concept: built[f"{kind}_{concept}"].units for concept in TARGETS}
    for concept, units in apart.items():
        assert {sample.question for unit in units for sample in unit} == {QUESTION[concept]}
    assert Counter([*apart["person"], *apart["event"]]) == Counter(built[kind].units)
    assert {sample.question for unit in built["retain"].units for sample in unit} == set(QUESTION.values())


def test_bgd_needs_something_forgotten_of_both_concepts(benchmark: Benchmark) -> None:
    with pytest.raises(BenchmarkError, match="forget_event set is empty"):
        sets.build_sets(benchmark, ["forget_person", "forget_event"], split=benchmark.split("person", 20))


# Several questions, pairs


@pytest.mark.parametrize("name", sets.MIXED)
def test_sets_with_both_questions_are_drawn_by_image_if_several_are_asked(benchmark: Benchmark, name: str) -> None:
    split = benchmark.split("person", 20)
    options = SetOptions(questions_per_image=2)
    chosen = sets.build_sets(benchmark, [name], split=split, options=options)[name]
    single = sets.build_sets(benchmark, [name], split=split)[name]
    assert all(len({sample.image for sample in unit}) == 1 and len(unit) == 2 for unit in chosen.units)
    assert {sample for unit in chosen.units for sample in unit} == {unit[0] for unit in single.units}
    assert all(len(chosen.at(position, "0")) == 2 for position in range(20))


def test_what_is_forgotten_is_asked_one_question_at_a_time(benchmark: Benchmark) -> None:
    options = SetOptions(questions_per_image=4)
    for name in ("forget", "refusal", "swapped", "facts"):
        chosen = sets.build_sets(benchmark, [name], split=benchmark.split("joint", 20), options=options)[name]
        assert all(len(chosen.at(position, "0")) == 1 for position in range(10))


def test_choices_are_pairs_of_a_refusal_and_the_truth_to_one_prompt(benchmark: Benchmark) -> None:
    split = benchmark.split("joint", 20)
    forgotten = sets.forget(benchmark, split)
    chosen = sets.build_sets(benchmark, ["choices"], split=split)["choices"]
    assert [truth for _, truth in chosen.units] == forgotten
    for position in range(10):
        refusal, truth = chosen.at(position, "0")
        assert (refusal.image, refusal.question) == (truth.image, truth.question)
        assert truth.answer in {sample.answer for sample in forgotten}
        assert refusal.answer not in {sample.answer for sample in sets.everything(benchmark)}


def test_a_set_is_lacking_where_it_would_be_empty(benchmark: Benchmark) -> None:
    assert sets.lacks("invented", benchmark, benchmark.split("event", 20))
    assert not sets.lacks("invented", benchmark, benchmark.split("joint", 20))


def test_the_counts_are_those_of_samples_not_of_units(benchmark: Benchmark) -> None:
    built = sets.build_sets(benchmark, ["everything"], options=SetOptions(questions_per_image=2))
    replayed = sum(map(len, sets.replay(benchmark)))
    expected = {"samples": 2 * len(benchmark.images), "replay_rows": replayed, "replay_share": 1 / 3}
    assert sets.counts(built) == {"everything": expected}
