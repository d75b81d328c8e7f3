"""``pebench report``: results as a page that people look at, as Markdown and as CSV.

Every figure is computed again from the logged responses (``rescore``), so that the page shows nothing that a file only
claims, and results of earlier versions have intervals too.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from markupsafe import Markup
from rich.console import Console
from rich.progress import track

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import csv_text, write_whole
from pebench_tasks.pages.collect import Collected, differences, forgotten_names, mark_task, shown_items
from pebench_tasks.pages.entries import Board, boards
from pebench_tasks.pages.page import render
from pebench_tasks.pages.plain import CSV_COLUMNS, csv_rows, markdown
from pebench_tasks.pages.samples import Item, browser, chosen, thumbnails
from pebench_tasks.pages.sections import unrecorded, view
from pebench_tasks.results.files import Result
from pebench_tasks.results.table import find_results

TITLE = "Unlearning results"
SAMPLES = 200  # of a slice in the page's browser
THUMBNAIL = 160  # pixels
FILES = ("report.html", "report.md", "report.csv")


def write_report(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    data: Path | str | None = None,
    goal: Path | str | None = None,
    samples: int | None = SAMPLES,
    thumbnail: int = THUMBNAIL,
    title: str = TITLE,
) -> Path:
    """Write ``report.html``, ``report.md`` and ``report.csv`` into ``out``; returns the path of the page.

    ``paths`` are what ``samples.read_logged`` takes, or folders of such folders. ``data`` and ``goal`` name the
    benchmark's folder and that of the Goals' results; else the recorded ones are used, else the chosen ones.
    ``samples``: documents of each slice in the browser, None for all, 0 for no browser; ``thumbnail``: pixels of their
    images. The same input gives the same bytes. Raises ``BenchmarkError`` for results that cannot stand in one table,
    or cannot be marked again.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise BenchmarkError(f"{out} is a file. Name a folder:  --out DIR")
    by_task: dict[str, list[Result]] = {}
    found = find_results(paths)
    for result in found.results:
        by_task.setdefault(result.task, []).append(result)
    progress = Console(stderr=True)
    collected = {
        task: mark_task(results, data=data, goal=goal, samples=samples)
        for task, results in track(
            by_task.items(), "marking responses", console=progress, transient=True, disable=not progress.is_terminal
        )
    }
    tables = boards([one.after.result for task in collected.values() for one in task.results])
    views = [view(board, forgotten=forgotten_names(board, collected[board.task].found)) for board in tables]
    lead = _lead(tables)
    unused = [f"{file.absolute().parent.name}/{file.name}: {why}" for file, why in found.passed_over]
    differing = unused + [line for board in tables for line in differences(board, collected[board.task])]
    lost = unrecorded(tables)
    command = _command(paths, data, goal, samples, thumbnail, title)
    page = render(
        "report.html.jinja",
        title=title,
        lead=lead,
        views=views,
        differing=differing,
        unrecorded=lost,
        command=command,
        browser=_browser(tables, collected, samples, thumbnail) if samples != 0 else None,
    )
    write_whole(out / "report.md", markdown(title, lead, differing, views, command))
    write_whole(out / "report.csv", csv_text(csv_rows(tables), list(CSV_COLUMNS)))
    write_whole(out / "report.html", page)
    for line in [*unused, *lost]:
        progress.print(f"left out: {line}", highlight=False, markup=False, soft_wrap=True)
    return out / "report.html"


def _lead(boards: Sequence[Board]) -> str:
    """What the page is about, in two sentences."""
    benchmark = boards[0].entries[0].result.provenance.benchmark.name or "PEBench"
    models = len({entry.name for board in boards for entry in board.entries})
    return (
        f"{models} model{'s' if models > 1 else ''}, measured on {benchmark}: "
        f"{', '.join(board.title.lower() for board in boards)}. Finetuned, which forgot nothing, and Goal, which never "
        "saw what is to be forgotten, are the bounds between which an unlearned model stands."
    )


def _browser(
    boards: Sequence[Board], collected: Mapping[str, Collected], samples: int | None, thumbnail: int
) -> Markup:
    found: list[Item] = []
    images: dict[str, str] = {}
    for board in boards:
        asked = shown_items(board, collected[board.task])
        wanted = {item.image for item in chosen(asked, samples)} - images.keys()
        images |= thumbnails(collected[board.task].found.benchmark, sorted(wanted), thumbnail)
        found += asked
    return browser(found, images, per_slice=samples)


def _command(
    paths: Sequence[Path | str],
    data: Path | str | None,
    goal: Path | str | None,
    samples: int | None,
    thumbnail: int,
    title: str,
) -> str:
    """The command that writes this report; of a path from the root only the last part."""
    words = ["pebench", "report", *map(_place, paths), "--out", "DIR"]
    for option, folder in (("--data", data), ("--goal", goal)):
        words += [] if folder is None else [option, _place(folder)]
    words += [] if samples == SAMPLES else ["--samples", "all" if samples is None else str(samples)]
    words += [] if thumbnail == THUMBNAIL else ["--thumbnail", str(thumbnail)]
    words += [] if title == TITLE else ["--title", title]
    return shlex.join(words)


def _place(path: Path | str) -> str:
    place = PurePath(path)
    return f".../{place.name}" if place.is_absolute() else str(place)
