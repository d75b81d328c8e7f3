"""``pebench leaderboard build``: a board folder as a static site that works on any host, and from a file."""

import json
import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from pebench_tasks.benchmark.reading import Benchmark, shared_benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.leaderboard.check.board import Board, Verified, is_verified, read_board, read_verified
from pebench_tasks.leaderboard.check.check_board import Checked, check_board, open_benchmarks, processes
from pebench_tasks.leaderboard.site import exports, site_pages
from pebench_tasks.leaderboard.site.exports import FORMAT
from pebench_tasks.leaderboard.site.ranking import Listed, Row, tables
from pebench_tasks.leaderboard.site.site_pages import submission_page
from pebench_tasks.pages.entries import boards
from pebench_tasks.pages.page import write_assets

HERE = Path(__file__).parent
WORKFLOW, SCHEMA = "check_workflow.yml", "submission.schema.json"
MANY = 60  # submissions from which a second process pays for its start of some seconds
MARKER = "board.json"  # its format says that a folder is a site of ours


def build_site(board: Path, out: Path, *, data: Sequence[Path] = (), title: str | None = None) -> Path:
    """Write the site of the board folder ``board`` to ``out`` and return its index; the same board, the same bytes.

    ``data``: the benchmarks' folders. Nothing is written unless every submission passes the check. Raises
    ``BenchmarkError`` where one does not, and where ``out`` holds anything but a site of ours.
    """
    _refuse_foreign(out)
    config = read_board(board)
    benchmarks = open_benchmarks(data)
    outcome = check_board(board, benchmarks, processes=processes())
    if outcome.refused:
        name, reason = next(iter(outcome.refused.items()))
        more = f" (and {len(outcome.refused) - 1} more)" if len(outcome.refused) > 1 else ""
        raise BenchmarkError(
            f"{name} is refused{more}: {reason} No site was built; see  pebench leaderboard check {board}"
        )
    checked = list(outcome.checked.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.partial-") as folder:
        fresh = Path(folder) / "site"
        _write(fresh, board, config if title is None else config._replace(title=title), checked, benchmarks)
        _replace(fresh, out)
    return out / "index.html"


def _write(
    site: Path, folder: Path, board: Board, checked: Sequence[Checked], benchmarks: Mapping[str, Benchmark]
) -> None:
    """All files of the site into the new folder ``site``."""
    verified = read_verified(folder)
    found = tables([_listed(one, verified) for one in checked])
    names = {fingerprint: benchmark.name for fingerprint, benchmark in benchmarks.items()}
    workflow = (HERE / WORKFLOW).read_text(encoding="utf-8")
    write_assets(site / "assets")
    for name, text in {
        "index.html": site_pages.index(found, board.title, board.about, names),
        "contribute.html": site_pages.contribute(board, workflow),
        "board.json": exports.board_json(found, board.title, names),
        "board.csv": exports.board_csv(found, names),
        WORKFLOW: workflow,
        SCHEMA: files("pebench_tasks.leaderboard.entry").joinpath(SCHEMA).read_text(encoding="utf-8"),
    }.items():
        write_whole(site / name, text)
    by_name = {one.name: one for one in checked}
    jobs = [
        _Job(row, sum(other.rank is not None for other in table.rows), by_name[row.listed.name], board,
             benchmarks[table.key.benchmark].directory, site / "submissions")
        for table in found
        for row in table.rows
    ]  # fmt: skip
    (site / "submissions").mkdir()
    for _ in track(_run(jobs), "pages", total=len(jobs), transient=True):
        pass


class _Job(NamedTuple):
    """One submission's page and files to write."""

    row: Row
    of: int  # ranked rows in its table
    checked: Checked
    board: Board
    data: Path  # its benchmark's folder
    folder: Path  # where it goes


def _run(jobs: Sequence[_Job]) -> Iterator[None]:
    """Write all pages, in processes of their own where there are many: a page is half reading, half drawing."""
    if len(jobs) < MANY:
        yield from map(_write_page, jobs)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads that hold locks
    # An interrupt is this process's to handle; leaving the block ends the others.
    with context.Pool(processes(), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap(_write_page, jobs, chunksize=4)


def _write_page(job: _Job) -> None:
    checked = job.checked
    page = submission_page(job.row, job.of, checked, shared_benchmark(job.data), job.board)
    write_whole(job.folder / f"{checked.name}.html", page)
    for file in (checked.file, checked.file.with_name(checked.submission["samples"]["file"])):
        shutil.copyfile(file, job.folder / file.name)


def _listed(checked: Checked, verified: Mapping[str, Verified]) -> Listed:
    """A submission with its runs as a board of their own, under the names that its page calls them by."""
    results, names = [], []
    for run, result in checked.results.items():
        # One file holds the samples of all runs; as results of their own they need places of their own.
        results.append(result._replace(samples_file=result.samples_file / run))
        number = run.removeprefix("goal-")
        names.append({"finetuned": "Finetuned", "model": checked.name, "goal-0": "Goal"}.get(run, f"Goal {number}"))
    own = boards(results, names)[0]
    word = is_verified(checked.file, dict(verified))
    return Listed(checked.name, checked.submission, own, word, checked.bounds)


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    try:
        ours = json.loads((out / MARKER).read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, LookupError, TypeError):
        ours = out.is_dir() and not any(out.iterdir())
    if not ours:
        raise BenchmarkError(f"{out} exists and is no site of ours. Name another folder:  --out SITE")


def _replace(fresh: Path, out: Path) -> None:
    """Put the new site in the place of the old one, which is there until then."""
    if out.exists():
        out.rename(fresh.with_name("old"))
    fresh.rename(out)
