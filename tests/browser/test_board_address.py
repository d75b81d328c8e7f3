"""The board's filters stand in its address, so that a filtered view can be linked."""

from pathlib import Path
from typing import TYPE_CHECKING

from made_pages import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page


def names(page: "Page") -> list[str]:
    """The submissions that are to be seen."""
    found = page.locator("[data-board] tbody tr:not(.bound) th a")
    return [one.inner_text() for one in found.all() if one.is_visible()]


def said(page: "Page") -> str:
    return page.locator("form[data-filters] output").inner_text()


def test_what_is_filtered_by_keyboard_stands_in_the_address_and_opens_again(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    everything = names(page)
    page.locator("form[data-filters] [name=text]").focus()
    page.keyboard.type("best")
    page.wait_for_function("() => location.hash === '#text=best'")
    assert names(page) == ["best"]
    assert said(page) == "1 of 4 rows"
    again = open_page(site, fragment="#text=best")
    assert names(again) == ["best"]
    assert again.locator("[name=text]").input_value() == "best"
    page.locator("form[data-filters] [name=text]").fill("")
    page.wait_for_function("() => location.hash === ''")
    assert names(page) == everything


def test_a_target_in_the_address_hides_the_other_tables(site: Path, open_page: OpenPage) -> None:
    page = open_page(site, fragment="#target=event")
    assert sorted(names(page)) == ["few", "none"]
    assert page.locator("[data-board]:visible").count() == 1
    assert page.locator("#paper").is_visible()
    page.evaluate("location.hash = '#target=person'")
    page.wait_for_function("() => document.querySelector('[name=target]').value === 'person'")
    assert sorted(names(page)) == ["best", "hostile"]


def test_a_choice_that_does_not_exist_filters_nothing(site: Path, open_page: OpenPage) -> None:
    page = open_page(site, fragment="#base=gone")
    assert len(names(page)) == 4
    assert page.locator("[name=base]").input_value() == ""


def test_the_place_of_a_section_in_the_address_filters_nothing(site: Path, open_page: OpenPage) -> None:
    page = open_page(site, fragment="#paper")
    assert len(names(page)) == 4


def test_verified_only_leaves_no_row_where_nothing_is_verified(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    page.locator("[name=verified]").select_option("yes")
    page.wait_for_function("() => location.hash === '#verified=yes'")
    assert names(page) == []
    assert said(page) == "0 of 4 rows"
