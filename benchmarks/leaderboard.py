"""How long a board of N submissions takes to check and to build, and how fast its index is in a browser.

    python benchmarks/leaderboard.py --board runs/leaderboard/board --data runs/demo/data --work DIR [--submissions N]

Writes into DIR (kept for another run, which goes on where one was interrupted) N submissions made from the real ones
of the board: other names, other weights, a few responses changed, all figures computed again, so that each is valid
and none is like another. Then it checks them all without receipts and with them, builds the site twice (plots are
kept), opens the index in headless Chromium, and prints one JSON object: seconds, sizes, milliseconds.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import statistics
import time
from pathlib import Path
from random import Random
from typing import Any

from rich.progress import track

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check.board import BOARD, submission_files
from pebench_tasks.leaderboard.check.check_board import check_board, open_benchmarks
from pebench_tasks.leaderboard.entry.context import claims
from pebench_tasks.leaderboard.entry.loader import SampleLine, read_samples, read_submission
from pebench_tasks.leaderboard.entry.recompute import recompute
from pebench_tasks.leaderboard.site.site import build_site

CHANGED = 0.05  # of the unlearned model's responses
READY = """() => {
    const table = document.querySelector("table.sortable");
    return table && table.querySelector("th[aria-sort], th .dt-column-order") !== null;
}"""


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", type=Path, required=True, help="a board folder with real submissions")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="their benchmarks")
    parser.add_argument("--work", type=Path, required=True, help="a folder for everything that is made")
    parser.add_argument("--submissions", type=int, default=1000, metavar="N")
    parser.add_argument("--chromium", metavar="FILE", help="the browser (default: playwright's own)")
    options = parser.parse_args()
    os.environ["XDG_CACHE_HOME"] = str(options.work.resolve() / "cache")  # receipts and plots of this run alone
    board = options.work / f"board-{options.submissions}"
    benchmarks = open_benchmarks(options.data)
    make(options.board, board, options.submissions, benchmarks)
    measured: dict[str, Any] = {"submissions": options.submissions, "cores": os.cpu_count()}
    for name in ("check", "check with receipts"):
        started = time.perf_counter()
        outcome = check_board(board, benchmarks)
        measured[f"{name}, s"] = round(time.perf_counter() - started, 1)
        assert len(outcome.checked) == options.submissions, outcome.refused
    for name in ("build", "build with plots kept"):
        started = time.perf_counter()
        index = build_site(board, options.work / f"site-{options.submissions}", data=options.data)
        measured[f"{name}, s"] = round(time.perf_counter() - started, 1)
    files = [path for path in index.parent.rglob("*") if path.is_file()]
    measured["index, KB"] = round(index.stat().st_size / 1024)
    measured["index compressed, KB"] = round(len(gzip.compress(index.read_bytes())) / 1024)
    measured["site, MB"] = round(sum(path.stat().st_size for path in files) / 2**20, 1)
    measured |= in_browser(index, options.chromium)
    print(json.dumps(measured, indent=1))


def make(source: Path, board: Path, count: int, benchmarks: dict[str, Benchmark]) -> None:
    """Fill ``board`` with ``count`` submissions after those of ``source``; those that are there stay."""
    board.mkdir(parents=True, exist_ok=True)
    if (source / BOARD).is_file():
        shutil.copyfile(source / BOARD, board / BOARD)
    real = []
    for path in submission_files(source):
        submission = read_submission(path)
        real.append((submission, list(read_samples(path.with_name(submission["samples"]["file"]), submission))))
    for number in track(range(count), description="submissions", transient=True):
        submission, lines = real[number % len(real)]
        path = board / f"{submission['name'][:50]}-{number:04d}.json"
        if not path.exists():
            write(vary(submission, lines, path, number, benchmarks), path)


def vary(
    original: dict[str, Any], lines: list[SampleLine], path: Path, number: int, benchmarks: dict[str, Benchmark]
) -> tuple[dict[str, Any], bytes]:
    """A valid submission with its samples: other weights, some answers of another document of the same model."""
    rng = Random(number)
    submission = json.loads(json.dumps(original))
    own = [line for line in lines if line.run == "model"]
    share = CHANGED * rng.random() * 2
    answers = {
        line.key: rng.choice(own).response if rng.random() < share else f"{line.response} "
        for line in own
        if line.judgement is None
    }
    changed = [
        line._replace(response=answers[line.key]) if line.run == "model" and line.key in answers else line
        for line in lines
    ]
    rows = [
        {name: value for name, value in line._asdict().items() if name != "judgement" or value is not None}
        for line in changed
    ]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)
    model = submission["runs"]["model"]
    model["weights"] = model["record"]["weights"] = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    submission["name"] = path.stem
    submission["samples"] |= {
        "file": f"{path.stem}.samples.jsonl.gz", "sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed),
    }  # fmt: skip
    benchmark = benchmarks[submission["benchmark"]["fingerprint"]]
    model |= claims(recompute(submission, changed, benchmark, path).rescored["model"])
    return submission, packed


def write(made: tuple[dict[str, Any], bytes], path: Path) -> None:
    """Both files, the submission last."""
    submission, packed = made
    path.with_name(submission["samples"]["file"]).write_bytes(packed)
    path.write_text(json.dumps(submission, indent=1) + "\n", encoding="utf-8")


def in_browser(index: Path, chromium: str | None) -> dict[str, float]:
    """Milliseconds, the median of five: from navigation to sorted tables, to an answered filter, and to a sort."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {"ready, ms": [], "filtered, ms": [], "sorted, ms": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(index.resolve().as_uri(), wait_until="commit")
            page.wait_for_function(READY)
            live = page.locator("form[data-filters] output")
            page.wait_for_function("() => document.querySelector('form[data-filters] output')?.textContent")
            found["ready, ms"].append(1000 * (time.perf_counter() - started))
            before = live.text_content()
            started = time.perf_counter()
            page.fill("form[data-filters] input[name=text]", "-000")
            page.wait_for_function(
                "before => document.querySelector('form[data-filters] output').textContent !== before", arg=before
            )
            found["filtered, ms"].append(1000 * (time.perf_counter() - started))
            page.fill("form[data-filters] input[name=text]", "")
            page.wait_for_function(
                "before => document.querySelector('form[data-filters] output').textContent === before", arg=before
            )
            head = page.locator("table.sortable").first.locator("thead th").nth(3)
            started = time.perf_counter()
            head.locator("[role=button], .dt-column-order, button").last.click()
            page.wait_for_function("() => document.querySelector('table.sortable th[aria-sort]') !== null")
            found["sorted, ms"].append(1000 * (time.perf_counter() - started))
            page.close()
        browser.close()
    return {name: round(statistics.median(values)) for name, values in found.items()}


if __name__ == "__main__":
    main()
