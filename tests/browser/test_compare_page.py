"""The comparison in a browser: changes sort, changed documents are found."""

from pathlib import Path

import pytest
from made_pages import OpenPage, check_harmless, choose, column, expect_sample, expect_shown, samples, sort

from pebench_tasks.pages.comparison import write_comparison
from pebench_tasks.results.comparison import compare_models, read_models


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_changes_sort_by_size(comparison: Path, open_page: OpenPage, by: str) -> None:
    table = open_page(comparison).locator("table.sortable").first
    heads = table.locator("thead th")
    number = next(place for place, name in enumerate(heads.all_inner_texts()) if "Change" in name)
    before = column(table, number)
    sort(heads.nth(number), by, "descending")
    assert [float(value) for value in column(table, number)] == sorted(map(float, before), reverse=True)
    assert column(table, number) != before


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_documents_that_changed_are_filtered(comparison: Path, open_page: OpenPage, by: str) -> None:
    page = open_page(comparison)
    held = samples(page)
    values = page.locator("select[name=change] option").all_inner_texts()[1:]
    assert {"better", "worse", "same"} <= set(values) == {item["change"] for item in held}
    for value in values:
        choose(page, "change", value, by)
        expected = [item for item in held if item["change"] == value]
        expect_shown(page, len(expected), len(held))
        expect_sample(page, expected[0]["key"])
        assert value in page.locator(".sample .mark").all_inner_texts()


def test_the_first_sample_is_one_that_changed_and_says_in_which_model(comparison: Path, open_page: OpenPage) -> None:
    page = open_page(comparison)
    assert samples(page)[0]["change"] != "same"
    answers = page.locator(".answer .who").all_inner_texts()
    assert [answer.split()[0] for answer in answers] == ["finetuned", "gd", "goal"]
    assert "than finetuned" not in answers[0]
    assert any("than finetuned" in answer for answer in answers[1:])


def test_hostile_answers_and_names_are_shown_and_never_run(
    hostile_scores: Path, tmp_path: Path, open_page: OpenPage
) -> None:
    models = read_models([hostile_scores / "finetuned", hostile_scores / "hostile"])
    page = open_page(write_comparison(models, compare_models(models), tmp_path))
    check_harmless(page)
    assert "onerror" in page.locator("h1").inner_text()
