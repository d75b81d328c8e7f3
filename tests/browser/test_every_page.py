"""What holds for every page that people look at: reports, comparisons, the leaderboard's pages."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from made_pages import DESKTOP, PHONE, OpenPage, sideways, unfold, visible

if TYPE_CHECKING:
    from playwright.sync_api import Page


# What every page has from the layout is tried once with all inside, once with linked files.
of_the_layout = pytest.mark.parametrize("any_page", ["comparison", "index"], indirect=True)


@pytest.mark.parametrize("width", [pytest.param(DESKTOP, marks=pytest.mark.slow), PHONE])
def test_a_page_loads_fits_and_is_accessible(
    any_page: Path, open_page: OpenPage, axe: Callable[["Page"], None], width: int
) -> None:
    """No error, no outside request (``open_page``), no sideways scrolling, nothing serious for axe-core."""
    page = open_page(any_page, width)
    for theme, bright in (("light", True), ("dark", False)):
        page.emulate_media(color_scheme=theme)
        paper = str(page.evaluate("getComputedStyle(document.body).backgroundColor")).strip("rgb()").split(",")
        assert (sum(map(int, paper)) > 3 * 128) == bright
        assert sideways(page) == 0
        axe(page)
    unfold(page)
    assert sideways(page) == 0


def test_without_a_script_the_tables_are_readable(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page, PHONE, java_script_enabled=False)
    unfold(page)
    rows = visible(page, "table tbody tr")
    assert all(rows)
    assert len(rows) >= open_page(any_page, PHONE).locator("table tbody tr").count()
    if any_page.name != "contribute.html":
        assert rows
    if page.locator(".browser").count():
        assert "need JavaScript" in page.locator(".browser").inner_text()
    assert not any(visible(page, "button:not([popovertarget]), select, input"))
    assert sideways(page) == 0


def test_print_has_every_result_and_no_controls(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page, theme="dark")
    results = "h2, tr, td, th, .plot, .notes li, .facts"
    on_screen = visible(page, results)
    page.emulate_media(media="print")
    in_print = visible(page, results)
    assert any(in_print) or any_page.name == "contribute.html"
    assert all(printed for shown, printed in zip(on_screen, in_print, strict=True) if shown)
    assert not any(visible(page, "form, .theme, .why"))
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


@of_the_layout
def test_the_theme_is_chosen_by_mouse_and_by_keyboard_and_kept(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page, theme="light")

    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    page.locator(".theme label", has_text="dark").click()
    dark = paper()
    assert dark != light
    page.reload()
    assert paper() == dark
    page.locator(".theme input:checked").press("ArrowLeft")
    assert page.locator(".theme input:checked").get_attribute("value") == "light"
    assert paper() == light


@of_the_layout
def test_the_keyboard_skips_to_the_content(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_word_is_explained_in_place(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page, PHONE)
    questions = page.locator(".why")
    if any_page.name == "contribute.html":
        assert questions.count() == 0
        return
    question = questions.first
    explained = page.locator(f"#{question.get_attribute('popovertarget')}")
    assert not explained.is_visible()
    question.press("Enter")
    assert explained.is_visible()
    assert sideways(page) == 0
    page.keyboard.press("Escape")
    assert not explained.is_visible()
    question.click()
    assert len(explained.inner_text()) > 30


def test_every_id_occurs_once_and_every_reference_leads_somewhere(any_page: Path, open_page: OpenPage) -> None:
    page = open_page(any_page)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    for name in ("popovertarget", "aria-labelledby", "aria-describedby"):
        wanted = page.evaluate(f"[...document.querySelectorAll('[{name}]')].map(one => one.getAttribute('{name}'))")
        assert set(" ".join(wanted).split()) <= set(ids)
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.getAttribute('href'))")
    for link in links:
        if link.startswith("#"):
            assert link[1:] in ids
        elif not link.startswith("https://"):
            assert (any_page.parent / link.partition("#")[0]).is_file(), link
