"""The documentation's site, built as ``make docs`` builds it: pages fit, ask nothing of outside, and are accessible."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_pages import DESKTOP, PHONE, sideways

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("index", "methods", "published-data", "scoring", "troubleshooting")


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said of requests."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served; its search needs a server."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("mkdocs", reason="There is no mkdocs. Install it: pip install '.[docs]'")
    site = tmp_path_factory.mktemp("docs")
    for command in (
        ("docs/assemble.py", "build/docs"),
        ("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)),
    ):
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-5000:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("width", [pytest.param(DESKTOP, marks=pytest.mark.slow), PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_is_accessible(
    address: str, chromium: "Browser", axe: Callable[["Page"], None], name: str, width: int
) -> None:
    """No error, no outside request, no sideways scrolling, nothing serious for axe-core, in light and dark."""
    problems: list[str] = []
    for theme in ("light", "dark"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        context.on("request", lambda r: None if r.url.startswith(address) else problems.append(f"request: {r.url}"))
        context.on("console", lambda m: problems.append(f"console: {m.text}") if m.type in ("error", "warning") else 0)
        context.on("weberror", lambda e: problems.append(f"script: {e.error}"))
        page = context.new_page()
        page.goto(f"{address}/{name}.html")
        page.wait_for_load_state("networkidle")
        assert sideways(page) == 0
        axe(page)
        context.close()
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_no_line_of_help_is_cut(address: str, chromium: "Browser", width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{address}/command-line.html")
    hidden = page.locator(".help > code").evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
    assert len(hidden) > 15
    assert max(hidden) == 0
    page.close()


def test_a_word_is_found(address: str, chromium: "Browser") -> None:
    page = chromium.new_page()
    page.goto(f"{address}/index.html")
    page.get_by_role("textbox", name="Search").fill("WRONG QUESTIONS")
    page.locator(".md-search-result__link:visible", has_text="Scoring").first.wait_for()
    page.close()
