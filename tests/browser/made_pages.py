"""What the tests of pages read from a page, and how wide they open it."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from made_results import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OpenPage = Callable[..., "Page"]
DESKTOP, PHONE = 1280, 360


def expect(locator: "Locator") -> Any:
    """Playwright's assertions on what a locator finds; they wait until they hold."""
    from playwright.sync_api import expect as waiting

    return waiting(locator)


def sideways(page: "Page") -> int:
    """How many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def unfold(page: "Page") -> None:
    """Open whatever is folded."""
    page.locator("details").evaluate_all("folds => folds.forEach(fold => { fold.open = true; })")


def visible(page: "Page", selector: str) -> list[bool]:
    """Whether each of these elements is to be seen."""
    return list(page.locator(selector).evaluate_all("found => found.map(one => one.checkVisibility())"))


def column(table: "Locator", number: int) -> list[str]:
    """What the cells of a column sort by, from top to bottom."""
    read = "(rows, n) => rows.map(row => row.cells[n].dataset.order ?? row.cells[n].textContent.trim())"
    return list(table.locator("tbody tr").evaluate_all(read, number))


def samples(page: "Page") -> list[dict[str, Any]]:
    """The samples that a page holds, in their order."""
    data = json.loads(page.locator('.browser script[type="application/json"]').text_content() or "")
    names = ("key", "target", "slice", "image", "question", "truth", "goal", "change")
    return [
        {
            **{name: data["texts"][number] for name, number in zip(names, item, strict=False)},
            "answers": [
                {"model": data["texts"][model], "text": data["texts"][text], "outcome": data["texts"][outcome]}
                for model, text, outcome, _, _ in item[len(names)]
            ],
        }
        for item in data["items"]
    ]


def sort(head: "Locator", by: str, state: str | None) -> None:
    """Press a header's button by mouse or keyboard, and wait until its column is in that state."""
    button = head.get_by_role("button").last
    button.click() if by == "mouse" else button.press("Enter")
    if state is None:
        expect(head).not_to_have_attribute("aria-sort", re.compile("ending"))
    else:
        expect(head).to_have_attribute("aria-sort", state)


def choose(page: "Page", name: str, value: str, by: str = "mouse") -> None:
    """Choose a value of a filter; by keyboard it must be the next one."""
    field = page.locator(f"select[name={name}]")
    if by == "mouse":
        field.select_option(value)
    else:
        field.press("ArrowDown")
        assert field.input_value() == value


def expect_shown(page: "Page", shown: int, whole: int) -> None:
    """Wait until the page says that it shows so many samples."""
    expect(page.locator(".browser .live")).to_have_text(f"{shown:,} of {whole:,} samples")


def expect_sample(page: "Page", key: str) -> None:
    """Wait until the page shows this sample."""
    expect(page.locator(".sample h3")).to_have_text(key)


def check_harmless(page: "Page") -> None:
    """Every hostile text can be found in the browser, is shown as text, and has changed nothing."""
    page.wait_for_load_state()
    title = page.title()
    elements = page.locator("script, style, iframe, img[src=x], [onerror], [onload], [onmouseover]").count()
    held = samples(page)
    for text in HOSTILE:
        visible = text.replace("\u2028", "[U+2028]").replace("\u2029", "[U+2029]")
        for unseen in "\u202e\u202c\u2066\u2069":
            visible = visible.replace(unseen, f"[U+{ord(unseen):04X}]")
        place = next(item for item in held if any(answer["text"].startswith(text) for answer in item["answers"]))
        page.evaluate("wanted => { location.hash = `#sample=${encodeURIComponent(wanted)}` }", place["key"])
        expect_sample(page, place["key"])
        shown = page.locator(".sample .text").all_inner_texts()
        assert any(visible in one for one in shown), (visible, shown)
        page.locator(".sample .text").last.hover()
    assert page.locator("script, style, iframe, img[src=x], [onerror], [onload], [onmouseover]").count() == elements
    assert page.locator("iframe, img[src=x], [onerror], [onload], [onmouseover]").count() == 0
    assert page.title() == title != "pwned"
