"""``pebench report``: one page, Markdown and CSV of results."""

import argparse
from pathlib import Path

from pebench_tasks.pages.report import FILES, SAMPLES, THUMBNAIL, TITLE, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench report``."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="models' folders, results or samples files, or a folder of such folders",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=f"where {', '.join(FILES)} go")
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as recorded, as chosen)")
    parser.add_argument(
        "--goal", type=Path, metavar="DIR", help="results of Goal models (default: as recorded, PEBENCH_GOAL)"
    )
    parser.add_argument(
        "--samples", type=_samples, default=SAMPLES, metavar="N",
        help=f"documents of each slice in the browser of samples, or all; 0: none (default: {SAMPLES})",
    )  # fmt: skip
    parser.add_argument(
        "--thumbnail", type=_pixels, default=THUMBNAIL, metavar="PX",
        help=f"size of the images in it (default: {THUMBNAIL})",
    )  # fmt: skip
    parser.add_argument("--title", default=TITLE, help=f'of the page (default: "{TITLE}")')


def main(arguments: argparse.Namespace) -> int:
    """Write the report, say where it is and return the exit code."""
    page = write_report(
        arguments.results,
        arguments.out,
        data=arguments.data,
        goal=arguments.goal,
        samples=arguments.samples,
        thumbnail=arguments.thumbnail,
        title=arguments.title,
    )
    for name in FILES:
        print(page.with_name(name))
    return 0


def _samples(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number or all, not {text!r}")
    return int(text)


def _pixels(text: str) -> int:
    if not text.isdecimal() or not 16 <= int(text) <= 2048:
        raise argparse.ArgumentTypeError(f"a number of pixels from 16 to 2048, not {text!r}")
    return int(text)
