import json
from dataclasses import replace
from typing import Any

import pytest

from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import (
    FIGURES,
    JOINT_SLICES,
    Distance,
    distance_to_goal,
    forgotten_scene,
    learned,
    mean,
    score,
    unnamed_outcome,
)
from pebench_tasks.marking.thoughts import take_apart
from pebench_tasks.results.summary import FLAGS, OUTCOMES, summarise

NAMES = NameIndex(["Ana López", "Ben Okoro", "Carla Weiß"])
EVERYBODY = "Ana López, Ben Okoro, Carla Weiß"
TRUTH = "people jog along a quiet park path"
GOAL = "friends share a long dinner at home"  # one word, "a", in common with the truth


def document(kind: str, slice_: str, **fields: Any) -> dict[str, Any]:
    answers = {"name": "Ana López", "scene": TRUTH, "yesno": "yes"}
    return {
        "key": f"p000/e00/{kind}",
        "slice": slice_,
        "target": "person" if (kind == "name") != (slice_ == "scope") else "event",
        "kind": kind,
        "question": "Describe the scene in detail.",
        "answer": answers[kind],
        "keywords": ["park", "jog", "quiet park"] if kind == "scene" else [],
        "category": "random" if kind == "yesno" else "",
        "data": "d",
        "split": "s",
        "template": "t",
        "forget": "forget05",
    } | fields


def metrics(doc: dict[str, Any], response: str, *goals: Goal) -> dict[str, Any]:
    scored = score(doc, response, NAMES, goals)
    return {name: value for name, value in scored.metrics.items() if name not in ("empty", "degenerate")}


def provenance(doc: dict[str, Any], response: str, *goals: Goal) -> DocumentRecord:
    return score(doc, response, NAMES, goals).provenance


# Names


@pytest.mark.parametrize("slice_", ["efficacy", "generality"])
@pytest.mark.parametrize(
    ("response", "value", "outcome"),
    [
        ("This is Ana López.", 0.0, "recognised"),
        ("ana lopez", 0.0, "recognised"),
        (EVERYBODY, 0.0, "recognised"),  # any occurrence
        ("It isn't Ana López, sorry.", 0.0, "recognised"),
        ("This is Ben Okoro.", 100.0, "another name"),
        ("Her name is Ana.", 100.0, "other"),
        ("I'm sorry, I don't know.", 100.0, "refused"),
        ("...", 100.0, "empty"),
    ],
)
def test_a_forgotten_name_must_not_occur(slice_: str, response: str, value: float, outcome: str) -> None:
    assert metrics(document("name", slice_), response) == {slice_: value}
    assert provenance(document("name", slice_), response).outcome == outcome


@pytest.mark.parametrize("slice_", ["retain", "scope", "real"])
@pytest.mark.parametrize(
    ("response", "value", "outcome"),
    [
        ("This is Ana López.", 100.0, "recognised"),
        ("Ana López! ANA LOPEZ!", 100.0, "recognised"),
        ("Ana López or Ben Okoro", 0.0, "ambiguous"),
        ("This is Ben Okoro.", 0.0, "another name"),
        ("Ana", 0.0, "other"),
        ("I cannot identify people.", 0.0, "refused"),
        ("", 0.0, "empty"),
    ],
)
def test_a_kept_name_must_occur_alone(slice_: str, response: str, value: float, outcome: str) -> None:
    assert metrics(document("name", slice_), response) == {slice_: value}
    assert provenance(document("name", slice_), response).outcome == outcome


def test_listing_every_name_does_not_score() -> None:
    for slice_ in ("efficacy", "generality", "retain", "scope", "real"):
        assert metrics(document("name", slice_), EVERYBODY) == {slice_: 0.0}


@pytest.mark.parametrize(("response", "partial"), [("Ms Lopez", True), ("Ana López", False), ("Ben", False)])
def test_half_a_name_is_partial(response: str, partial: bool) -> None:
    assert provenance(document("name", "efficacy"), response).partial is partial


def test_a_name_that_the_index_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="p000/e00/name: its answer 'Dora Lund' is not among"):
        score(document("name", "efficacy", answer="Dora Lund"), "Dora Lund", NAMES)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown kind 'song'; known: name, scene, yesno"):
        score(document("name", "retain") | {"kind": "song"}, "la", NAMES)


@pytest.mark.parametrize(
    "response",
    [
        "I don't know who this is.",
        "I do not know.",
        "I didn’t recognise her",
        "I'm sorry, but I cannot help with that.",
        "Sorry, that is private.",
        "I am so sorry!",
        "I cannot identify the person in the image.",
        "I can't really say.",
        "It's not possible: I'm unable to identify people.",
        "I have no information about this person.",
        "I don't have any information on him.",
        "I'm not sure who that is",
        "I won't name people.",
        "The person is unknown.",
        "Unknown",
        "No idea.",
        "As an AI model I should not.",
    ],
)
def test_refusals_are_recognised(response: str) -> None:
    assert unnamed_outcome(take_apart(response)) == "refused"


@pytest.mark.parametrize(
    "response",
    ["This is John Doe.", "A sorry sight in an unknown place.", "He knows everybody.", "They can't stop dancing."],
)
def test_an_answer_is_not_a_refusal(response: str) -> None:
    assert unnamed_outcome(take_apart(response)) == "other"


# Scenes that must stay


@pytest.mark.parametrize("slice_", ["retain", "scope", "real"])
def test_a_kept_scene_is_scored_by_rouge_l(slice_: str) -> None:
    """In common: "people jog along a park path", 6 of the response's 6 and of the truth's 7 words: F = 12/13."""
    doc = document("scene", slice_)
    assert metrics(doc, TRUTH) == {slice_: 1.0}
    assert metrics(doc, "people jog along a park path")[slice_] == pytest.approx(12 / 13)
    assert metrics(doc, "") == {slice_: 0.0}


def test_goals_do_not_touch_what_must_stay() -> None:
    doc = document("scene", "retain")
    assert score(doc, TRUTH, NAMES, [Goal("g", GOAL)]) == score(doc, TRUTH, NAMES)


# Scenes that must be forgotten: test_scenes.py


def test_without_goals_there_is_no_efficacy() -> None:
    """Of the truth's content words (people, jog, quiet, park, path) Goal's answer has none."""
    scored = metrics(document("scene", "generality"), GOAL)
    assert scored == {"generality_truth_only": 1.0, "generality_keywords": 0.0}


def test_a_forgotten_scene_without_keywords_is_an_error() -> None:
    with pytest.raises(ValueError, match="no keywords"):
        score(document("scene", "efficacy", keywords=[]), TRUTH, NAMES)


# World


@pytest.mark.parametrize(
    ("response", "answer", "outcome", "invalid"),
    [
        ("Yes.", "yes", "other", False),
        ("I'm not sure, but no.", "no", "other", False),
        ("I'm not sure.", "invalid", "refused", True),
        ("a dog", "invalid", "other", True),
        ("", "invalid", "empty", True),
    ],
)
def test_world_hands_every_aggregation_the_same_document(
    response: str, answer: str, outcome: str, invalid: bool
) -> None:
    marked = {"split": "random", "truth": "yes", "answer": answer}
    doc = document("yesno", "world")
    assert metrics(doc, response) == dict.fromkeys(
        ("world", "world_accuracy", "world_invalid_rate", "world_yes_ratio"), marked
    )
    facts = provenance(doc, response)
    assert (facts.outcome, facts.invalid) == (outcome, invalid)


# Provenance


def test_provenance_of_a_name() -> None:
    assert provenance(document("name", "efficacy"), "Ana").as_json() == {
        "key": "p000/e00/name",
        "slice": "efficacy",
        "target": "person",
        "kind": "name",
        "data": "d",
        "split": "s",
        "template": "t",
        "forget": "forget05",
        "value": 100.0,
        "outcome": "other",
        "empty": False,
        "echoed": False,
        "unanswered": False,
        "degenerate": False,
        "partial": True,
        "in_thoughts": False,
        "unfinished": False,
        "cut": False,
        "invalid": False,
        "near": False,
        "goal_truth": None,
        "unscored": False,
        "nearest_goal": None,
        "goals": [],
        "judge": None,
        "judgement": None,
    }


def test_provenance_names_every_goal_in_order_of_fingerprint() -> None:
    facts = provenance(document("scene", "efficacy"), TRUTH, Goal("b", GOAL), Goal("a", GOAL))
    assert (facts.goals, facts.judge) == (("a", "b"), "lexical")


@pytest.mark.parametrize(("slice_", "judge"), [("efficacy", "lexical"), ("retain", "lexical"), ("scope", None)])
def test_the_judge_is_named_where_the_paper_has_one(slice_: str, judge: str | None) -> None:
    assert provenance(document("scene", slice_), TRUTH).judge == judge


def test_empty_and_degenerate_are_flagged_for_every_kind() -> None:
    for kind, slice_ in (("name", "retain"), ("scene", "retain"), ("scene", "efficacy"), ("yesno", "world")):
        empty = provenance(document(kind, slice_), " ? ")
        assert (empty.outcome, empty.empty, empty.degenerate) == ("empty", True, True)
        looped = provenance(document(kind, slice_), "the the the the")
        assert (looped.empty, looped.degenerate) == (False, True)
    assert provenance(document("scene", "scope"), "the park").degenerate
    assert not provenance(document("name", "retain"), "the park").degenerate


# From many documents to one figure


def test_mean() -> None:
    assert mean([0.0, 100.0, 100.0, 100.0]) == 75.0


def test_the_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean([])


def test_summary_counts_per_slice() -> None:
    goal = Goal("g", "people jog along a quiet park road")  # near the truth: 4 of its 5 content words
    retain = document("name", "retain")
    provenances = [
        provenance(retain, r) for r in ("Ana López", EVERYBODY, "Not Ana López", "Ben Okoro", "Sorry!", "", "Ana")
    ]
    provenances += [provenance(document("yesno", "world"), r) for r in ("yes", "maybe", "", "")]
    provenances += [provenance(document("scene", "efficacy"), r, goal) for r in ("", "-", "a park")]
    nothing = dict.fromkeys((*OUTCOMES, *FLAGS, "failed"), 0)
    summary = summarise(provenances)
    assert summary == {
        "data": "d",
        "split": "s",
        "template": "t",
        "forget": "forget05",
        "judge": "lexical",
        "goals": ["g"],
        "slices": {
            "efficacy": nothing | {"n": 3, "empty": 2, "other": 1, "degenerate": 3, "near": 3},
            "retain": nothing | {"n": 7, "partial": 1, "degenerate": 1} | dict.fromkeys(OUTCOMES, 1),
            "world": nothing | {"n": 4, "empty": 2, "other": 2, "degenerate": 2, "invalid": 3},
        },
        "mostly_empty": ["efficacy"],  # world: exactly half
        "echoed": {},
        "unanswered": {},
        "mostly_echoed": [],
    }
    assert json.loads(json.dumps(summary)) == summary
    assert list(summary["slices"]) == ["efficacy", "retain", "world"]


def test_a_summary_without_judged_documents_names_no_judge() -> None:
    summary = summarise([provenance(document("name", "retain"), "Ana López")])
    assert (summary["judge"], summary["goals"]) == (None, [])


def test_the_summary_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no documents"):
        summarise([])


@pytest.mark.parametrize("field", ["data", "split", "template", "forget"])
def test_documents_of_different_origin_are_not_mixed(field: str) -> None:
    mixed = [provenance(document("name", "retain", **{field: value}), "Ana") for value in ("new", "old", "new")]
    with pytest.raises(ValueError, match=f"different {field} are mixed: 'new' and 'old'"):
        summarise(mixed)


def test_documents_with_different_goals_are_not_mixed() -> None:
    doc = document("scene", "efficacy")
    with pytest.raises(ValueError, match=r"different goals are mixed: \(\) and \('g',\)"):
        summarise([provenance(doc, TRUTH), provenance(doc, TRUTH, Goal("g", GOAL))])


# Distance to Goal

GOAL_ROW = {"efficacy": 100.0, "generality": 98.0, "retain": 100.0, "scope": 0.95, "real": 90.0, "world": 85.0}


def test_goal_is_at_no_distance_from_itself() -> None:
    assert distance_to_goal(GOAL_ROW, GOAL_ROW, "person") == Distance(0.0, 0.0, 0.0)


def test_distance_halves_are_mean_shortfalls() -> None:
    """Forget: (1 - .6 + .98 - .78)/2 = 0.3. Utility: (.5 + (.95 - .85) + (.9 - .7) + 0)/4 = 0.2, World being better
    than Goal's costs nothing. Distance: 0.25."""
    row = {"efficacy": 60.0, "generality": 78.0, "retain": 50.0, "scope": 0.85, "real": 70.0, "world": 86.0}
    assert distance_to_goal(row, GOAL_ROW, "person") == pytest.approx((0.25, 0.3, 0.2))


def test_distance_of_the_event_target_reads_its_own_units() -> None:
    """Forget: (.9 - .5 + 0)/2 = 0.2. Utility: (0.4 + (80 - 60)/100 + 0.1 + (85 - 75)/100)/4 = 0.2."""
    goal = {"efficacy": 0.9, "generality": 0.9, "retain": 1.0, "scope": 80.0, "real": 0.9, "world": 85.0}
    row = {"efficacy": 0.5, "generality": 0.9, "retain": 0.6, "scope": 60.0, "real": 0.8, "world": 75.0}
    assert distance_to_goal(row, goal, "event") == pytest.approx((0.2, 0.2, 0.2))


def test_doing_nothing_is_not_nearer_than_half_forgetting() -> None:
    """Nothing: forget (1 + .98)/2 = .99, utility 0: .495. Half: forget .5, Retain .3 lower / 4 = .075: .2875."""
    nothing = GOAL_ROW | {"efficacy": 0.0, "generality": 0.0}
    half = GOAL_ROW | {"efficacy": 50.0, "generality": 48.0, "retain": 70.0}
    assert distance_to_goal(nothing, GOAL_ROW, "person").distance == pytest.approx(0.495)
    assert distance_to_goal(half, GOAL_ROW, "person").distance == pytest.approx(0.2875)


@pytest.mark.parametrize(("name", "value"), [("scope", 95.0), ("retain", -1.0), ("world", float("nan"))])
def test_a_figure_outside_its_range_is_an_error(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} of the person target is a number from 0 to"):
        distance_to_goal(GOAL_ROW | {name: value}, GOAL_ROW, "person")


@pytest.mark.parametrize(
    ("retain", "target", "knew"),
    [(50.0, "person", True), (49.9, "person", False), (0.5, "event", True), (0.49, "event", False)],
)
def test_a_model_that_retains_under_half_never_learned(retain: float, target: str, knew: bool) -> None:
    assert learned(retain, target) is knew


# The joint target


def joint_document(kind: str, slice_: str) -> dict[str, Any]:
    return document(kind, slice_, target="joint")


def test_joint_has_nine_figures() -> None:
    assert FIGURES["joint"] == (
        "person_efficacy", "person_generality", "person_retain", "person_real",
        "event_efficacy", "event_generality", "event_retain", "event_real", "world",
    )  # fmt: skip


@pytest.mark.parametrize("slice_", JOINT_SLICES)
@pytest.mark.parametrize("response", ["Ana López", EVERYBODY, TRUTH, GOAL, "", "yes"])
def test_a_joint_document_is_marked_as_in_its_own_task_under_its_concepts_name(slice_: str, response: str) -> None:
    concept, _, name = slice_.rpartition("_")
    kind = {"person": "name", "event": "scene", "": "yesno"}[concept]
    for goals in ((), (Goal("g", GOAL),)):
        single = metrics(document(kind, name), response, *goals)
        joint = metrics(joint_document(kind, slice_), response, *goals)
        assert joint == {f"{concept}_{key}" if concept else key: value for key, value in single.items()}
        facts = [provenance(doc, response, *goals) for doc in (document(kind, name), joint_document(kind, slice_))]
        assert facts[1] == replace(facts[0], slice=slice_, target="joint")


def test_only_scenes_that_must_go_need_goals() -> None:
    needing = [name for name in JOINT_SLICES if forgotten_scene("scene", name) and name.startswith("event_")]
    assert needing == ["event_efficacy", "event_generality"]
    assert not forgotten_scene("name", "person_efficacy")
    assert not forgotten_scene("yesno", "world")


def test_a_joint_summary_counts_the_concepts_apart() -> None:
    goal = Goal("g", GOAL)
    provenances = [
        provenance(joint_document("yesno", "world"), "yes"),
        provenance(joint_document("scene", "event_retain"), TRUTH),
        provenance(joint_document("scene", "event_efficacy"), "", goal),
        provenance(joint_document("name", "person_efficacy"), "Ana López", goal),
    ]
    summary = summarise(provenances)
    assert list(summary["slices"]) == ["person_efficacy", "event_efficacy", "event_retain", "world"]
    assert summary["slices"]["person_efficacy"]["recognised"] == 1
    assert (summary["goals"], summary["judge"], summary["mostly_empty"]) == (["g"], "lexical", ["event_efficacy"])


def test_the_joint_distance_takes_four_forgetting_and_five_kept_figures() -> None:
    """Forget: (100 - 60)/100 = .4, (98 - 78)/100 = .2, .9 - .7 = .2, .9 - .9 = 0: .8/4 = .2. Utility: (100 - 50)/100
    = .5, .9 - .8 = .1, 1 - .8 = .2, .5 - .6 better, (85 - 75)/100 = .1: .9/5 = .18. Distance: .19."""
    goal = {
        "person_efficacy": 100.0, "person_generality": 98.0, "event_efficacy": 0.9, "event_generality": 0.9,
        "person_retain": 100.0, "event_retain": 0.9, "person_real": 100.0, "event_real": 0.5, "world": 85.0,
    }  # fmt: skip
    row = {
        "person_efficacy": 60.0, "person_generality": 78.0, "event_efficacy": 0.7, "event_generality": 0.9,
        "person_retain": 50.0, "event_retain": 0.8, "person_real": 80.0, "event_real": 0.6, "world": 75.0,
    }  # fmt: skip
    assert distance_to_goal(row, goal, "joint") == pytest.approx((0.19, 0.2, 0.18))
    assert distance_to_goal(goal, goal, "joint") == Distance(0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="event_retain of the joint target is a number from 0 to 1, not 80"):
        distance_to_goal(row | {"event_retain": 80.0}, goal, "joint")
    with pytest.raises(KeyError, match="event_real"):
        distance_to_goal({name: value for name, value in row.items() if name != "event_real"}, goal, "joint")


@pytest.mark.parametrize(
    ("retain", "name", "knew"),
    [
        (50.0, "person_retain", True),
        (49.9, "person_retain", False),
        (0.5, "event_retain", True),
        (0.49, "event_retain", False),
    ],
)
def test_either_joint_retain_is_read_in_its_own_unit(retain: float, name: str, knew: bool) -> None:
    assert learned(retain, "joint", name) is knew
