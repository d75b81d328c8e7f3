import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pytest

from pebench_tasks.pages import page
from pebench_tasks.pages.terms import TERMS

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "q" \u202eevil\u2066'


class Figure(NamedTuple):
    value: float | None
    low: float | None
    high: float | None
    n: int
    percent: bool
    note: str
    partial: int | None = None


class Page(HTMLParser):
    """A page's elements with their attributes, and the texts of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.code: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style") and "src" not in dict(attrs):
            self._inside = tag
            self.code.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[-1] = (self._inside, self.code[-1][1] + data)
        else:
            self.words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def policy(self) -> str:
        return next(m["content"] or "" for m in self.attributes("meta") if m.get("http-equiv"))


@pytest.fixture(autouse=True)
def templates() -> Iterator[dict[str, str]]:
    """Templates of a test's own, beside the package's."""
    own: dict[str, str] = {}
    environment = page.environment()
    loader = environment.loader
    assert loader is not None
    environment.loader = jinja2.ChoiceLoader([jinja2.FunctionLoader(own.get), loader])
    yield own
    environment.loader = loader
    if environment.cache is not None:
        environment.cache.clear()


def write(templates: dict[str, str], content: str, *, title: str = "A page", **values: Any) -> str:
    name = f"own-{len(templates)}"  # Jinja keeps what it has compiled
    templates[name] = (
        '{% extends "layout.html.jinja" %}{% import "macros.html.jinja" as ui %}'
        f"{{% block title %}}{title}{{% endblock %}}{{% block content %}}{content}{{% endblock %}}"
    )
    return page.render(name, **values)


TABLE = '<table class="data sortable"><tr><td>1</td></tr></table>'


def test_no_text_becomes_an_element(templates: dict[str, str]) -> None:
    html = write(templates, '<p title="{{ text }}">{{ text }}</p>', text=HOSTILE)
    found = Page(html)
    assert not found.attributes("img")
    assert "alert" not in "".join(code for _, code in found.code)
    assert found.attributes("p")[0] == {"title": page.visible(HOSTILE)}
    assert page.visible(HOSTILE) in found.words


def test_what_nobody_sees_is_written_out() -> None:
    assert page.visible("a\u202eb\x00c\u2028d\ud800e") == "a[U+202E]b[U+0000]c[U+2028]d[U+D800]e"
    assert page.visible("two\nlines,\ttab, naïve 北京 \U0001f600") == "two\nlines,\ttab, naïve 北京 \U0001f600"


@pytest.mark.parametrize("assets", [None, "../assets/"])
@pytest.mark.parametrize("content", [TABLE, "<p>words</p>"])
def test_the_policy_allows_what_the_page_holds_and_nothing_else(
    templates: dict[str, str], content: str, assets: str | None
) -> None:
    found = Page(write(templates, content, assets=assets))
    hashes = set(re.findall(r"'sha256-[^']+'", found.policy))
    assert hashes == {
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for _, code in found.code
    }
    assert found.policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in found.policy
    assert "http" not in found.policy
    assert ("'self'" in found.policy) == (assets is not None)


def test_a_page_in_one_file_names_no_other_file(templates: dict[str, str]) -> None:
    found = Page(write(templates, TABLE))
    named = {value for _, attributes in found.elements for name in ("src", "href") if (value := attributes.get(name))}
    assert {value.partition(",")[0] for value in named} == {"#content", "data:image/svg+xml;base64"}


def test_linked_pages_load_what_the_site_has(templates: dict[str, str], tmp_path: Path) -> None:
    found = Page(write(templates, TABLE, assets="../assets/"))
    page.write_assets(tmp_path / "assets")
    linked = [a["src"] for a in found.attributes("script") if "src" in a]
    linked += [a["href"] for a in found.attributes("link") if a["rel"] == "stylesheet"]
    assert len(linked) == 3
    (tmp_path / "submissions").mkdir()
    assert all((tmp_path / "submissions" / str(name)).is_file() for name in linked)


def test_a_page_without_sortable_tables_has_no_library(templates: dict[str, str]) -> None:
    assert "DataTables 3" in write(templates, TABLE)
    assert "SpryMedia" not in write(templates, "<p>words</p>")


def test_the_library_goes_with_its_licence(templates: dict[str, str]) -> None:
    assert "The above copyright notice and this permission notice shall be included" in write(templates, TABLE)


def test_the_same_values_give_the_same_page(templates: dict[str, str]) -> None:
    assert write(templates, TABLE) == write(templates, TABLE)


def test_a_value_that_is_missing_is_an_error(templates: dict[str, str]) -> None:
    with pytest.raises(jinja2.UndefinedError):
        write(templates, "{{ nothing_of_that_name }}")


def test_a_term_is_explained_once_however_often_it_is_named(templates: dict[str, str]) -> None:
    found = Page(write(templates, '{{ ui.term("Distance to Goal") }}{{ ui.term("Distance to Goal", "distance") }}'))
    popovers = [a for _, a in found.elements if "popover" in a]
    buttons = [a for a in found.attributes("button") if a["class"] == "why"]
    assert [a["id"] for a in popovers] == ["term-distance-to-goal"]
    assert [a["popovertarget"] for a in buttons] == ["term-distance-to-goal"] * 2
    assert TERMS["Distance to Goal"] in found.words


def test_a_term_without_a_text_is_an_error(templates: dict[str, str]) -> None:
    with pytest.raises(jinja2.UndefinedError):
        write(templates, '{{ ui.term("Eficacy") }}')


@pytest.mark.parametrize(
    ("figure", "text", "order", "bar"),
    [
        (Figure(93.75, 82.4, 98.6, 48, True, ""), "93.8 interval 82–99, n 48", "93.75", "93.75"),
        (Figure(0.5, 0.421, 0.579, 24, False, ""), "0.500 interval 0.42–0.58, n 24", "0.5", "50.0"),
        (Figure(100.0, 100.0, 100.0, 8, True, ""), "100.0 n 8", "100.0", "100.0"),  # nothing varies: no interval
        (Figure(1.0, None, None, 8, False, ""), "1.000 n 8", "1.0", "100.0"),
        (Figure(None, None, None, 0, True, "withheld"), "– no figure note withheld", "-1", None),
        (None, "– no figure", "-1", None),
    ],
)
def test_a_figure_shows_value_interval_n_and_its_share(
    templates: dict[str, str], figure: Figure | None, text: str, order: str, bar: str | None
) -> None:
    found = Page(write(templates, "<table><tr>{{ ui.figure_cell(figure) }}</tr></table>", figure=figure))
    (cell,) = found.attributes("td")
    assert cell["data-order"] == order
    bars = [a["width"] for a in found.attributes("rect") if "class" not in a]
    assert bars == ([] if bar is None else [bar])
    words = " ".join(" ".join(found.words).split()).replace(" ,", ",")
    assert text in words


def test_only_https_links_are_links(templates: dict[str, str]) -> None:
    urls = [
        "https://example.org",
        "javascript:alert(1)",
        "http://example.org",
        "HTTPS://example.org",
        "data:text/html,x",
    ]
    found = Page(write(templates, "<p>{% for url in urls %}{{ ui.outside(url, url) }}{% endfor %}</p>", urls=urls))
    links = [a for a in found.attributes("a") if a["href"] != "#content"]
    assert [a["href"] for a in links] == ["https://example.org"]
    assert all("noopener" in str(a["rel"]) and "nofollow" in str(a["rel"]) for a in links)


@pytest.mark.parametrize("name", [*page.ASSETS, "theme"])
def test_code_cannot_end_its_own_element(name: str) -> None:
    text = page.THEME if name == "theme" else page.ASSETS[name].read_text("utf-8")
    assert not re.search(r"</(script|style)|<!--|\r", text, re.IGNORECASE)


def test_the_vendored_files_are_the_ones_that_were_written_down() -> None:
    vendor = page.FOLDER / "vendor"
    said = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (vendor / "VENDOR.md").read_text("utf-8"), re.M))
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in vendor.iterdir()}
    del found["VENDOR.md"]
    assert said == found


def test_our_own_script_stays_small_and_writes_texts_as_texts() -> None:
    script = page.ASSETS["script.js"].read_text("utf-8")
    assert len(script.splitlines()) <= 280
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp", script)


@pytest.mark.parametrize("template", sorted(path.name for path in page.FOLDER.glob("*.jinja")))
def test_templates_hold_nothing_that_the_policy_refuses(template: str) -> None:
    source = re.sub(r"\{#.*?#\}", "", (page.FOLDER / template).read_text("utf-8"), flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(style|on\w+)=", source)
    if template != "layout.html.jinja":
        assert not re.search(r"<style|<script(?! type=\"application/json\")", source)
    assert not re.search(r"<(?!a\b)[^>]*(src|href)=\"https?:", source)
    assert "| safe" not in source


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_from_what_they_stand_on(theme: int) -> None:
    style = page.ASSETS["style.css"].read_text("utf-8")
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", style)
    colours = {name: values[theme] for name, *values in pairs}
    for text in ("ink", "muted", "accent", "warn", "good", "bad"):
        for ground in ("paper", "surface", "sunk"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text in ("warn", "good", "bad"):
        assert contrast(colours[text], colours[f"{text}-tint"]) >= 4.5, text
    for text in ("ink", "muted"):
        assert contrast(colours[text], colours["tint"]) >= 4.5, text
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    for mark in ("edge", *(f"s{i}" for i in range(8))):
        for ground in ("paper", "surface"):
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
