"""A real headless Chromium for the tests of pages, which fails a test on every error and every outside request."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

import pytest
from made_pages import DESKTOP, OpenPage
from made_results import HOSTILE, Respond, forgets, hostile, knows, never_saw, write_cast, write_result

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.site.site import build_site
from pebench_tasks.pages.comparison import write_comparison
from pebench_tasks.pages.report import write_report
from pebench_tasks.results.comparison import compare_models, read_models

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


PATIENCE = 20_000  # milliseconds
HOSTILE_NAME = "<img src=x onerror=document.title='pwned'> & co"


@pytest.fixture(scope="module")  # for longer, its event loop would stand in the way of other modules' own
def chromium() -> Iterator["Browser"]:
    """The installed Chromium; without one the tests are skipped, or fail where CI runs them."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if executable is None:
        _missing("There is no chromium. Install it (Debian: apt-get install chromium) or name it: CHROMIUM=PATH")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _missing("There is no playwright. Install the tools of development: pip install '.[dev]'")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[OpenPage]:
    """Opens a file; whatever its pages do until the test ends must be without errors and without outside requests."""
    problems: list[str] = []
    contexts = []

    def open_file(
        path: Path, width: int = DESKTOP, theme: str = "light", *, fragment: str = "", **options: Any
    ) -> "Page":
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **options)
        contexts.append(context)
        folder = path.resolve().parent
        folder = folder.parent if folder.name == "submissions" else folder  # of a site

        def inside(url: str) -> bool:
            parts = urlsplit(url)
            own = parts.scheme == "file" and folder in Path(unquote(parts.path)).resolve().parents
            return own or parts.scheme == "data"

        context.on("request", lambda r: None if inside(r.url) else problems.append(f"request: {r.url}"))
        context.on("requestfailed", lambda r: problems.append(f"failed: {r.url[:200]} {r.failure}"))
        context.on("console", lambda m: problems.append(f"console: {m.text}") if m.type in ("error", "warning") else 0)
        context.on("weberror", lambda e: problems.append(f"script: {e.error}"))
        context.on("dialog", lambda d: (problems.append(f"dialog: {d.message}"), d.dismiss()))
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(path.resolve().as_uri() + fragment)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def axe() -> Callable[["Page"], None]:
    """Fails on what axe-core calls serious or critical, and prints it."""
    from axe_playwright_python.sync_playwright import Axe

    def check(page: "Page") -> None:
        # It would fetch linked style sheets itself ("preload"), which the page's policy forbids.
        found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
        grave = [violation for violation in found if violation["impact"] in ("serious", "critical")]
        lines = [
            f"{violation['id']} ({violation['impact']}): {violation['help']}\n    {node['html'][:300]}\n    "
            f"{node['failureSummary']}"
            for violation in grave
            for node in violation["nodes"][:5]
        ]
        assert not grave, "\n".join(lines)

    return check


# Pages, made from results whose answers are known


@pytest.fixture(scope="session")
def scores(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finetuned, two methods and Goal, on people and on events: a folder of one folder each."""
    return write_cast(tmp_path_factory.mktemp("results"), benchmark)


@pytest.fixture(scope="session")
def report(scores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all of them; 15 samples of a slice."""
    return write_report([scores], tmp_path_factory.mktemp("report"), samples=15)


@pytest.fixture(scope="session")
def comparison(scores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finetuned compared with a method and Goal."""
    models = read_models([scores / name for name in ("finetuned", "gd", "goal")])
    return write_comparison(models, compare_models(models), tmp_path_factory.mktemp("comparison"))


@pytest.fixture(scope="session")
def hostile_scores(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finetuned, and a model of hostile answers and name, on people."""
    folder = tmp_path_factory.mktemp("hostile")
    write_result(folder, benchmark, "person", "finetuned", knows, method="finetune")
    write_result(folder, benchmark, "person", "hostile", hostile, model={"pretrained": HOSTILE_NAME})
    return folder


@pytest.fixture(scope="session")
def site(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of a board of four submissions, two on each target; "best" forgets most, "hostile" says what harms."""
    board, out = tmp_path_factory.mktemp("board"), tmp_path_factory.mktemp("site") / "site"
    (board / "board.json").write_text(json.dumps({"title": "A board", "about": f"About {HOSTILE[0]} it."}))
    for number, (name, target, respond) in enumerate(
        [
            ("best", "person", forgets),
            ("hostile", "person", hostile),
            ("few", "event", forgets),
            ("none", "event", knows),
        ]
    ):
        write_submission(board, benchmark, target, name, respond, weights=f"{number:016x}")
    return build_site(board, out, data=[benchmark.directory])


@pytest.fixture(params=["report", "comparison", "index", "submission", "contribute"])
def any_page(request: pytest.FixtureRequest) -> Path:
    """Each kind of page in turn."""
    if request.param in ("report", "comparison"):
        return Path(request.getfixturevalue(request.param))
    index = Path(request.getfixturevalue("site"))
    return {
        "index": index,
        "submission": index.parent / "submissions" / "best.html",
        "contribute": index.parent / "contribute.html",
    }[request.param]


def write_submission(
    board: Path, benchmark: Benchmark, target: str, name: str, respond: Respond, *, weights: str
) -> None:
    """A submission whose model answers as ``respond`` says; its texts are hostile as far as the schema lets them."""
    from made_submissions import make

    answers = {"finetuned": knows, "goal-0": never_saw, "model": respond}
    made = make(benchmark, target, answer=lambda run, document: answers[run](document))
    run = made.run()
    run["weights"] = run["record"]["weights"] = weights
    if name == "hostile":
        made.submission["description"] = " ".join(text for text in HOSTILE if text.isprintable())
        run["name"] = HOSTILE_NAME
        run["record"]["arguments"] = {"learning_rate": HOSTILE[1]}
    made.write(board, name)
