"""The report in a browser: its tables sort, its samples are found, whatever a model has answered."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from made_pages import (
    PHONE,
    OpenPage,
    check_harmless,
    choose,
    column,
    expect,
    expect_sample,
    expect_shown,
    samples,
    sort,
)
from made_results import CAST, HOSTILE

from pebench_tasks.pages.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FILTERS = ("target", "slice", "model", "outcome")


# Tables


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_header_sorts_its_table(report: Path, open_page: OpenPage, by: str) -> None:
    page = open_page(report)
    table = page.locator("table.sortable").first
    heads = table.locator("thead th")
    number = next(place for place, name in enumerate(heads.all_inner_texts()) if "Retain" in name)
    before = column(table, number)
    sort(heads.nth(number), by, "descending")
    values = [float(value) for value in column(table, number)]
    assert values == sorted(map(float, before), reverse=True)
    assert column(table, number) != before
    sort(heads.nth(number), by, "ascending")
    assert [float(value) for value in column(table, number)] == sorted(values)
    sort(heads.nth(number), by, None)
    assert column(table, number) == before


# Samples


def test_without_a_choice_every_sample_is_there(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    held = samples(page)
    expect_shown(page, len(held), len(held))
    assert {answer["model"] for item in held for answer in item["answers"]} == set(CAST)
    assert page.locator(".sample h3").inner_text() == held[0]["key"]
    sample = page.locator(".sample").inner_text()
    for text in (held[0]["question"], held[0]["truth"], *(answer["text"] for answer in held[0]["answers"])):
        assert text in sample


def test_the_list_says_whose_its_signs_are(report: Path, open_page: OpenPage) -> None:
    """Above it by their order, and each sign by itself; with one model chosen only that one's is left."""
    page = open_page(report)
    first = samples(page)[0]["answers"]
    models = [answer["model"] for answer in first]
    whose, signs = page.locator(".browse-list .whose p"), page.locator(".browse-list li").first.locator(".tone")
    expect(whose).to_have_text(f"Signs, left to right: {', '.join(models)}")
    assert [sign.get_attribute("title") for sign in signs.all()] == [f"{a['model']}: {a['outcome']}" for a in first]
    choose(page, "model", "gd")
    expect(whose).to_have_text("Signs, left to right: gd")
    expect(signs).to_have_count(1)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_every_filter_leaves_what_it_says(report: Path, open_page: OpenPage, by: str) -> None:
    page = open_page(report)
    held = samples(page)
    for name in FILTERS:
        values = page.locator(f"select[name={name}] option").all_inner_texts()[1:]
        assert set(values) == {value for item in held for value in of(item, name)}
        for value in values[:3]:
            choose(page, name, value, by)
            expected = [item for item in held if value in of(item, name)]
            expect_shown(page, len(expected), len(held))
            expect_sample(page, expected[0]["key"])
            if name == "model":
                expect(page.locator(".answer b")).to_have_text([value])
        choose(page, name, "")
        expect_shown(page, len(held), len(held))


def test_an_outcome_is_that_of_the_chosen_model(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    held = samples(page)
    refused = [item for item in held if ("gd", "refused") in [(a["model"], a["outcome"]) for a in item["answers"]]]
    assert refused
    choose(page, "model", "gd")
    choose(page, "outcome", "refused")
    expect_shown(page, len(refused), len(held))
    choose(page, "model", "finetuned")
    expect_shown(page, 0, len(held))


def test_words_are_searched_in_questions_truths_and_answers(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    held = samples(page)
    field = page.locator(".browser [name=text]")
    field.press_sequentially("NOT SURE who")
    found = [item for item in held if any("not sure who" in text.lower() for text in of(item, "text"))]
    assert found
    expect_shown(page, len(found), len(held))
    expect(field).to_be_focused()
    field.fill("who is the PERSON")
    expect_shown(page, len([item for item in held if "who is the person" in item["question"].lower()]), len(held))
    field.fill("nobody ever said this")
    expect_shown(page, 0, len(held))
    assert "No sample fits" in page.locator(".sample").inner_text()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_samples_are_stepped_through_and_the_focus_stays(report: Path, open_page: OpenPage, by: str) -> None:
    page = open_page(report)
    keys = [item["key"] for item in samples(page)]
    title = page.locator(".sample h3")

    def press(name: str) -> None:
        button = page.locator(".sample").get_by_role("button", name=name)
        button.click() if by == "mouse" else button.press("Enter")

    press("Next")
    press("Next")
    assert title.inner_text() == keys[2]
    assert page.evaluate("document.activeElement.textContent") == "Next"
    press("Previous")
    assert title.inner_text() == keys[1]
    assert page.evaluate("document.activeElement.textContent") == "Previous"
    press("Previous")
    assert title.inner_text() == keys[0]
    assert page.locator(".sample").get_by_role("button", name="Previous").is_disabled()
    assert page.evaluate("document.querySelector('.sample').contains(document.activeElement)")


def test_the_list_is_paged_by_mouse(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    keys = [item["key"] for item in samples(page)]
    assert listed(page) == keys[:12]
    page.get_by_role("button", name="Next page of samples").click()
    assert listed(page) == keys[12:24]
    page.locator(".browse-list li button").nth(3).click()
    assert page.locator(".sample h3").inner_text() == keys[15]
    page.get_by_role("button", name="Previous page of samples").click()
    assert listed(page) == keys[:12]


def test_the_list_is_walked_by_keyboard(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    keys = [item["key"] for item in samples(page)]
    title = page.locator(".sample h3")
    page.locator(".browse-list li button").first.focus()
    last = len(keys) - 1
    steps = {"ArrowDown": 1, "ArrowRight": 2, "ArrowUp": 1, "PageDown": 13, "PageUp": 1, "End": last, "Home": 0}
    for key, place in [*steps.items(), ("ArrowLeft", 0), ("End", last), ("ArrowDown", last)]:
        page.keyboard.press(key)
        assert title.inner_text() == keys[place]
        chosen = page.locator(".browse-list [aria-current=true]")
        assert keys[place] in chosen.inner_text()
        assert chosen.evaluate("button => button === document.activeElement")


def test_a_link_opens_its_sample_whatever_is_filtered(report: Path, open_page: OpenPage) -> None:
    held = samples(open_page(report))
    wanted = held[40]
    page = open_page(report, fragment=f"#sample={wanted['key']}&target={wanted['target']}")
    title = page.locator(".sample h3")
    assert title.inner_text() == wanted["key"]
    other = [item for item in held if item["slice"] != wanted["slice"]]
    choose(page, "slice", other[0]["slice"])
    expect_shown(page, len([item for item in held if item["slice"] == other[0]["slice"]]), len(held))
    page.evaluate("key => { location.hash = `#sample=${key}` }", wanted["key"])
    expect_sample(page, wanted["key"])
    page.locator(".sample").get_by_role("button", name="Next").click()
    following = open_page(report, fragment="#" + page.evaluate("location.hash.slice(1)"))
    assert following.locator(".sample h3").inner_text() == title.inner_text()


def test_a_link_to_a_sample_that_is_not_there_says_so(report: Path, open_page: OpenPage) -> None:
    page = open_page(report, fragment="#sample=p999/e99/<b>name")
    assert page.locator(".live").inner_text() == "p999/e99/<b>name is not among the samples of this page"
    assert page.locator(".sample h3").inner_text() == samples(page)[0]["key"]


def test_a_phone_shows_a_sample_whole(report: Path, open_page: OpenPage) -> None:
    page = open_page(report, PHONE)
    page.locator(".sample").get_by_role("button", name="Next").click()
    for part in page.locator(".sample img, .sample .text, .sample h3").all():
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE


def test_hostile_answers_and_names_are_shown_and_never_run(
    hostile_scores: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    title = HOSTILE[0]
    page = open_page(write_report([hostile_scores], tmp_path, samples=None, title=title))
    check_harmless(page)
    assert page.locator("h1").inner_text() == title


def of(item: dict[str, object], name: str) -> list[object]:
    """The values of a sample that a filter compares."""
    answers: list[dict[str, object]] = item["answers"]  # type: ignore[assignment]
    return [answer[name] for answer in answers] if name in answers[0] else [item[name]]


def listed(page: "Page") -> list[str]:
    """The keys in the list of samples."""
    keys: Locator = page.locator(".browse-list .key")
    return keys.all_inner_texts()
