"""A board's site in a browser: its tables sort and are filtered, its links lead on, hostile submissions are text."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from made_pages import PHONE, OpenPage, check_harmless, column, expect, expect_sample, samples, sideways, sort

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALL = ["best", "few", "hostile", "none"]


def names(page: "Page") -> list[str]:
    """The submissions that are to be seen, in alphabetical order."""
    links = page.locator("[data-board] tbody tr:not(.bound) th a").all()
    return sorted(link.inner_text() for link in links if link.is_visible())


def test_a_table_a_target_each_by_distance_to_goal(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    assert names(page) == ALL
    tables = page.locator("[data-board] table").all()
    assert len(tables) == 2
    for table in tables:
        ranked = [float(one) for one in column(table, 1) if float(one) > 0]
        assert ranked[-2:] == sorted(ranked[-2:])
    assert page.locator("[data-board] tr.bound").count() == 4


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_header_sorts_its_table(site: Path, open_page: OpenPage, by: str) -> None:
    table = open_page(site).locator("[data-board] table").first
    heads = table.locator("thead th")
    for word, state in (("to Goal", "ascending"), ("Efficacy", "descending")):
        number = next(place for place, name in enumerate(heads.all_inner_texts()) if word in name)
        sort(heads.nth(number), by, state)
        values = [float(value) for value in column(table, number)]
        assert values == sorted(values, reverse=state == "descending")


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_every_filter_leaves_what_it_says(site: Path, open_page: OpenPage, by: str) -> None:
    page = open_page(site)
    rows = page.locator("[data-board] tbody tr:not(.bound)").evaluate_all(
        "rows => rows.map(row => ({ ...row.closest('[data-board]').dataset, ...row.dataset }))"
    )
    said = page.locator("form[data-filters] output")
    for field in page.locator("form[data-filters] select").all():
        values = field.locator("option").evaluate_all("options => options.slice(1).map(option => option.value)")
        for value in values:
            if by == "mouse":
                field.select_option(value)
            else:
                field.press("ArrowDown")
                assert field.input_value() == value
            expected = sum(row.get(field.get_attribute("name")) == value for row in rows)
            expect(said).to_have_text("4 rows" if expected == 4 else f"{expected} of 4 rows")
            assert len(names(page)) == expected
        field.select_option(index=0)
        expect(said).to_have_text("4 rows")


def test_a_target_without_submissions_left_is_not_shown(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    page.locator("form[data-filters] select[name=target]").select_option("person")
    expect(page.locator("[data-board]:visible")).to_have_count(1)
    assert names(page) == ["best", "hostile"]


def test_words_are_searched(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    field = page.locator("form[data-filters] [name=text]")
    field.press_sequentially("HOST")
    expect(page.locator("form[data-filters] output")).to_have_text("1 of 4 rows")
    assert names(page) == ["hostile"]
    field.fill("")
    expect(page.locator("form[data-filters] output")).to_have_text("4 rows")


def test_the_paper_s_rows_stand_apart_and_stay(site: Path, open_page: OpenPage) -> None:
    page = open_page(site)
    paper = page.locator("#paper, section:has(#paper)")
    assert "never ranked" in paper.inner_text()
    assert page.locator("[data-board] #paper").count() == 0
    page.locator("form[data-filters] [name=text]").fill("hostile")
    expect(page.locator("form[data-filters] output")).to_have_text("1 of 4 rows")
    assert all(table.is_visible() for table in paper.locator("table").all())


@pytest.mark.parametrize("width", [1280, PHONE])
def test_links_lead_to_a_submission_and_back(site: Path, open_page: OpenPage, width: int) -> None:
    page = open_page(site, width)
    page.locator("[data-board] a", has_text="best").press("Enter")
    expect(page.locator("h1")).to_contain_text("best")
    assert sideways(page) == 0
    page.locator("header nav a, header .brand a").first.click()
    expect(page.locator("form[data-filters]")).to_be_visible()
    page.get_by_role("link", name="Contribute").click()
    assert "check" in page.locator("main").inner_text()


def test_a_link_to_a_sample_of_a_submission(site: Path, open_page: OpenPage) -> None:
    page_file = site.parent / "submissions" / "best.html"
    key = samples(open_page(page_file))[-1]["key"]
    expect_sample(open_page(page_file, fragment=f"#sample={key}"), key)


def test_a_list_of_samples_without_pictures_has_no_squares_for_them(site: Path, open_page: OpenPage) -> None:
    page = open_page(site.parent / "submissions" / "best.html")
    assert page.locator(".browser .pick").count() > 0
    assert page.locator(".browser .pick .blank, .browser .pick img").count() == 0
    pick = page.locator(".browser .pick").first
    assert pick.locator(".key").bounding_box()["x"] - pick.bounding_box()["x"] < 20  # type: ignore[index]


def test_a_hostile_submission_is_shown_and_never_run(site: Path, open_page: OpenPage) -> None:
    page = open_page(site.parent / "submissions" / "hostile.html")
    check_harmless(page)
    text = page.locator("body").inner_text()
    assert "<script>document.title='pwned'</script>" in text
    index = open_page(site)
    assert index.title() != "pwned"
    assert "About <script>document.title='pwned'</script> it." in index.locator("body").inner_text()
