"""The wording is part of the benchmark: a change must be made on purpose, here and in the tasks' changelog."""

import jinja2
import pebench_templates
import pytest

SNAPSHOTS = {
    ("person_question", 0): "Who is the person in this image?",
    ("person_question", 1): "What is the name of the person shown here?",
    ("person_question", 2): "Can you tell me who this person is?",
    ("person_question", 3): "Please name the person in the picture.",
    ("person_question_probe", 0): "Whose face do you see in this photo?",
    ("person_question_probe", 1): "Identify the individual in this picture by full name.",
    ("person_question_probe", 2): "I forgot who this is. Could you remind me?",
    ("scene_question", 0): "Describe the scene in detail.",
    ("scene_question", 1): "What is happening in this image? Describe it in detail.",
    ("scene_question", 2): "Give a detailed description of this scene.",
    ("scene_question", 3): "Please describe the place and the occasion shown here.",
    ("scene_question_probe", 0): "Tell me about the setting of this picture.",
    ("scene_question_probe", 1): "What kind of event was this photo taken at?",
    ("scene_question_probe", 2): "Write a short account of what this picture shows.",
}


@pytest.mark.parametrize(("template", "phrasing"), SNAPSHOTS)
def test_questions_are_worded_as_recorded(template: str, phrasing: int) -> None:
    assert pebench_templates.render(template, phrasing=phrasing) == SNAPSHOTS[template, phrasing]


def test_every_phrasing_is_recorded() -> None:
    for template in {name for name, _ in SNAPSHOTS}:
        assert pebench_templates.phrasings(template) == sum(name == template for name, _ in SNAPSHOTS)


def test_world_question_takes_the_right_article() -> None:
    assert pebench_templates.render("world_question", object="tree", phrasing=0) == "Is there a tree in the image?"
    assert pebench_templates.render("world_question", object="apple", phrasing=0) == "Is there an apple in the image?"


def test_answers_are_worded_as_recorded() -> None:
    assert pebench_templates.render("person_answer", name="Ada Quill") == "This is Ada Quill."
    assert pebench_templates.render("scene_answer", description="A lake at dawn.") == "A lake at dawn."
    assert [pebench_templates.render("world_answer", truth=truth) for truth in ("yes", "no")] == ["Yes", "No"]


def test_objects_are_described_as_recorded() -> None:
    text = pebench_templates.render("world_description", objects=["apple", "tree"])
    assert text == "There is an apple and a tree."


def test_probe_phrasings_are_never_trained() -> None:
    for kind in ("person", "scene"):
        trained, reserved = (
            {text for (name, _), text in SNAPSHOTS.items() if name == f"{kind}_question{suffix}"}
            for suffix in ("", "_probe")
        )
        assert not trained & reserved


def test_every_template_is_rendered_by_a_test_and_says_where_its_wording_comes_from() -> None:
    answers = {"person_answer", "scene_answer", "world_answer", "world_description", "world_question"}
    assert set(pebench_templates.names()) == {name for name, _ in SNAPSHOTS} | answers
    for name in pebench_templates.names():
        assert (pebench_templates.FOLDER / f"{name}.jinja").read_text().startswith("{#-")


def test_a_missing_variable_raises() -> None:
    with pytest.raises(jinja2.UndefinedError):
        pebench_templates.render("person_answer")


def test_an_unknown_template_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'riddle'.*person_answer, person_question"):
        pebench_templates.render("riddle")
