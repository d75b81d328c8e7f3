"""The console script ``pebench``; heavy modules are imported only by the command that needs them."""

import argparse
import json
from pathlib import Path

from pebench_tasks import __version__
from pebench_tasks.errors import exit_code


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Expected errors are one line on standard error and code 1."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: int(arguments.run(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pebench", description="Has a multimodal model really forgotten, and what else broke?"
    )
    parser.add_argument("--version", action="version", version=f"pebench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    data = commands.add_parser("data", help="build, look at and choose a benchmark folder")
    data_commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)

    build = data_commands.add_parser("build", help="build a benchmark folder", formatter_class=_Defaults)
    build.add_argument("--source", choices=["synthetic"], required=True, help="where the benchmark comes from")
    build.add_argument("--people", type=int, default=20, metavar="N", help="fictitious people, 4 to 200")
    build.add_argument("--events", type=int, default=10, metavar="N", help="event scenes, 3 to 40")
    build.add_argument("--image-size", type=int, default=64, metavar="PX", help="side of the square images")
    build.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same bytes")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    build.set_defaults(run=_build)

    show = data_commands.add_parser(
        "show", help="write a contact sheet and print the counts", formatter_class=_Defaults
    )
    show.add_argument("directory", type=Path, metavar="DIR")
    show.add_argument("--forget", default="forget05", metavar="RATIO", help="whose forget targets are marked")
    show.add_argument("--out", type=Path, metavar="PNG", help="the picture to write (DIR/contact_sheet.png)")
    show.set_defaults(run=_show)

    use = data_commands.add_parser("use", help="make a benchmark folder the default of this user")
    use.add_argument("directory", type=Path, metavar="DIR")
    use.set_defaults(run=_use)

    score = commands.add_parser("score", help="score checkpoints through lmms-eval, start-up paid once")
    _add_score_arguments(score)
    score.set_defaults(run=_score)
    return parser


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default beside every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def _add_score_arguments(parser: argparse.ArgumentParser) -> None:
    from pebench_tasks.score import add_arguments

    add_arguments(parser)


def _build(arguments: argparse.Namespace) -> int:
    from pebench_tasks.build import build_synthetic

    benchmark = build_synthetic(
        arguments.out,
        people=arguments.people,
        events=arguments.events,
        image_size=arguments.image_size,
        seed=arguments.seed,
    )
    print(f"{benchmark.name} in {arguments.out}: {len(benchmark.images)} images, fingerprint {benchmark.fingerprint}")
    print(f"Look at it:   pebench data show {arguments.out}")
    print(f"Choose it:    pebench data use {arguments.out}    (or: export PEBENCH_DATA={arguments.out})")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from pebench_tasks.benchmark import open_benchmark
    from pebench_tasks.show import save_contact_sheet
    from pebench_tasks.splits import forget_name

    benchmark = open_benchmark(arguments.directory)
    forget = forget_name(arguments.forget)
    out = arguments.out or arguments.directory / "contact_sheet.png"
    save_contact_sheet(benchmark, forget, out)
    table = Table(
        title=f"{len(benchmark.people)} people x {len(benchmark.events)} events", box=None, title_justify="left"
    )
    for column in ("target", "ratio", "forgotten", "train", "test", "retain", "evaluated", "note"):
        table.add_column(column, justify="left" if column in ("target", "ratio", "note") else "right", no_wrap=True)
    for target, ratios in benchmark.manifest["splits"].items():
        for ratio, split in ratios.items():
            counts = [str(n) for n in split["images"].values()]
            table.add_row(target, ratio, str(len(split["ids"])), *counts, split["note"].replace("the same set", "same"))
    console = Console()
    console.print(table)
    for target in ("person", "event"):
        console.print(
            f"{forget} forgets the {target}: {', '.join(benchmark.manifest['splits'][target][forget]['names'])}"
        )
    console.print(f"data fingerprint {benchmark.fingerprint}; contact sheet: {out}")
    return 0


def _use(arguments: argparse.Namespace) -> int:
    from pebench_tasks.benchmark import open_benchmark, settings_path

    benchmark = open_benchmark(arguments.directory)
    path = settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_text(json.dumps({"data": str(arguments.directory.resolve())}) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(
        f"{benchmark.name} ({benchmark.fingerprint}) in {arguments.directory} is now the default; remembered in {path}"
    )
    return 0


def _score(arguments: argparse.Namespace) -> int:
    from pebench_tasks.score import main as score_main

    return score_main(arguments)
