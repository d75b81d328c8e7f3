"""The console script ``pebench``; heavy modules are imported only by the command that needs them."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.files import write_whole
from pebench_tasks.versions import __version__


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Expected errors are one line on standard error and code 1."""
    words = sys.argv[1:] if argv is None else argv
    return exit_code(lambda: _run(words))


def _run(argv: Sequence[str]) -> int:
    named = argv[0] if argv else ""
    points = [] if named in OURS else entry_points(group="pebench.commands")
    offered = {point.name: point for point in points if point.name not in OURS}
    if named in offered:
        return int(offered[named].load()(argv[1:]))
    arguments = _parser(argv, offered).parse_args(argv)
    return int(arguments.run(arguments))


# A command's module has ``add_arguments(parser)`` and ``main(arguments)``, and is imported when the command is named.
MODULES = {
    "score": ("score checkpoints through lmms-eval, start-up paid once", "pebench_tasks.cli.score"),
    "rescore": ("compute every figure again from logged responses, without a model", "pebench_tasks.cli.rescore"),
    "mark": ("print the marks of responses in a file", "pebench_tasks.cli.mark"),
    "judge": ("let a language model, or an embedding, mark logged scene descriptions", "pebench_tasks.cli.judge"),
    "compare": ("differences between models on the same documents, with intervals", "pebench_tasks.cli.compare"),
    "robustness": ("what attacks bring back of what was to be forgotten", "pebench_tasks.cli.robustness"),
    "report": ("one page, Markdown and CSV of results, with the very responses", "pebench_tasks.cli.report"),
    "submit": ("write a leaderboard submission from results", "pebench_tasks.cli.submit"),
    "leaderboard": ("check submissions and build the site", "pebench_tasks.cli.leaderboard"),
}


OURS = ("data", "real", *MODULES)


def _parser(argv: Sequence[str], offered: Mapping[str, EntryPoint]) -> argparse.ArgumentParser:
    """The commands of this package, and below them those that others offer (``pebench.commands``).

    What is offered is a function: it takes the words after its name and returns the exit code; the first line of its
    docstring is its summary.
    """
    parser = argparse.ArgumentParser(
        prog="pebench", description="Has a multimodal model really forgotten, and what else broke?"
    )
    parser.add_argument("--version", action="version", version=f"pebench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    data = commands.add_parser("data", help="build, look at and choose a benchmark folder")
    data_commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)

    build = data_commands.add_parser("build", help="build a benchmark folder", formatter_class=_Defaults)
    _add_build_arguments(build)
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

    real = commands.add_parser("real", help="which public figures a base model knows")
    real_commands = real.add_subparsers(title="commands", metavar="COMMAND", required=True)
    known = real_commands.add_parser("filter", help="list the public figures that a scored base model named")
    if argv[:1] == ["real"]:
        _add_module(known, "pebench_tasks.cli.real")

    for name, (summary, module) in MODULES.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if argv[:1] == [name]:
            _add_module(command, module)
    for name, point in sorted(offered.items()):  # an installer lists them in any order
        commands.add_parser(name, help=_summary(point).replace("%", "%%"))
    return parser


def _summary(point: EntryPoint) -> str:
    try:
        return (point.load().__doc__ or "").partition("\n")[0]
    except Exception as error:  # another package's, which must not take our commands with it
        return f"cannot be loaded ({type(error).__name__})"


def _add_module(parser: argparse.ArgumentParser, module_name: str) -> None:
    module = import_module(module_name)
    module.add_arguments(parser)
    parser.set_defaults(run=module.main)


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default beside every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


SIZES = {"people": 20, "events": 20, "image_size": 64}  # of what is drawn, unless said otherwise


def _add_build_arguments(parser: argparse.ArgumentParser) -> None:
    sources = ("synthetic", "hub", "folder")
    parser.add_argument(
        "--source",
        choices=sources,
        required=True,
        help="drawn on the spot, the published images from the Hugging Face hub, or a local copy of them",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same splits (and same drawings)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    drawn = parser.add_argument_group("only with --source synthetic")
    drawn.add_argument("--people", type=int, metavar="N", help="fictitious people, 4 to 200 (default: 20)")
    drawn.add_argument("--events", type=int, metavar="N", help="event scenes, 3 to 40 (default: 20)")
    drawn.add_argument("--image-size", type=int, metavar="PX", help="side of the square images (default: 64)")
    drawn.add_argument(
        "--matched",
        type=int,
        metavar="N",
        help="further people, on whom nothing is ever trained: for membership tests (default: as many as forget20 "
        "forgets, a fifth of the people)",
    )
    published = parser.add_argument_group("only with --source hub and --source folder")
    published.add_argument("--path", type=Path, metavar="DIR", help="the copy: folders of images and PEBench.csv")
    published.add_argument("--revision", metavar="REV", help="branch, tag or commit on the hub (default: main)")
    published.add_argument(
        "--columns",
        metavar="ROLE=COLUMN,...",
        help="what columns of the table mean, where that is not clear by itself: image, person, event, description, "
        "keywords, age, gender, occupation, birthplace, city, country, region; nothing after = means there is none",
    )
    published.add_argument("--real", metavar="SRC", help="real people or entities: a folder or a hub id (therem/CLEAR)")
    published.add_argument("--real-columns", metavar="ROLE=COLUMN,...", help="its columns: image, name, description")
    published.add_argument(
        "--world", metavar="SRC", help="POPE's questions: a folder, a file or a hub id (lmms-lab/POPE)"
    )


def _build(arguments: argparse.Namespace) -> int:
    allowed = {
        "synthetic": (*SIZES, "matched"),
        "hub": ("revision", "columns", "real", "real_columns", "world"),
        "folder": ("path", "columns", "real", "real_columns", "world"),
    }
    for name in dict.fromkeys(name for names in allowed.values() for name in names):
        if getattr(arguments, name) is not None and name not in allowed[arguments.source]:
            raise BenchmarkError(
                f"--{name.replace('_', '-')} means nothing with --source {arguments.source}. Leave it out."
            )
    existed = arguments.out.exists()
    if arguments.source == "synthetic":
        from pebench_tasks.benchmark.synthetic.build import build_synthetic

        sizes = {name: getattr(arguments, name) for name in SIZES}
        benchmark = build_synthetic(
            arguments.out,
            **{name: SIZES[name] if size is None else size for name, size in sizes.items()},
            seed=arguments.seed,
            matched=arguments.matched,
        )
    else:
        from pebench_tasks.benchmark.published.build import build_published

        if arguments.source == "folder" and arguments.path is None:
            raise BenchmarkError("--source folder needs --path DIR: the folder that holds PEBench.csv and the images.")
        benchmark = build_published(
            arguments.out,
            folder=arguments.path,
            seed=arguments.seed,
            **{name: getattr(arguments, name) for name in allowed["hub"]},
        )
    state = "was already in" if existed else "in"
    count = len(benchmark.images)
    print(f"{benchmark.name} {state} {arguments.out}: {count} images, fingerprint {benchmark.fingerprint}")
    print(f"Look at it:   pebench data show {arguments.out}")
    print(f"Choose it:    pebench data use {arguments.out}    (or: export PEBENCH_DATA={arguments.out})")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from pebench_tasks.benchmark.contact_sheet import save_contact_sheet
    from pebench_tasks.benchmark.reading import open_benchmark
    from pebench_tasks.benchmark.splits import forget_name

    benchmark = open_benchmark(arguments.directory)
    forget = forget_name(arguments.forget)
    out = arguments.out or arguments.directory / "contact_sheet.png"
    save_contact_sheet(benchmark, forget, out)
    title = f"{len(benchmark.people)} people x {len(benchmark.events)} events"
    table = Table(title=title, box=None, title_justify="left", pad_edge=False)
    for column in ("  target", "ratio", "forgotten", "train", "test", "retain", "evaluated", "note"):
        table.add_column(column, justify="left" if column in ("  target", "ratio", "note") else "right", no_wrap=True)
    for target, ratios in benchmark.manifest["splits"].items():
        for ratio, split in ratios.items():
            counts = [str(n) for n in (len(split["ids"]), *split["images"].values())]
            mark, style = (">", "bold") if ratio == forget else (" ", "")
            note = split["note"].replace("the same set", "same")
            table.add_row(f"{mark} {target}", ratio, *counts, note, style=style)
    Console().print(table)
    for target in ("person", "event"):
        print(f"{forget}, {target}: {', '.join(benchmark.manifest['splits'][target][forget]['names'])}")
    if benchmark.matched_people:
        count, found = len(benchmark.matched_people), benchmark.matched_fingerprint
        print(f"{count} matched people, whom nothing is trained on: fingerprint {found}")
    print(f"data fingerprint {benchmark.fingerprint}; contact sheet: {out}")
    return 0


def _use(arguments: argparse.Namespace) -> int:
    from pebench_tasks.benchmark.choosing import settings_path
    from pebench_tasks.benchmark.reading import open_benchmark

    benchmark = open_benchmark(arguments.directory)
    path, chosen = settings_path(), arguments.directory.resolve()
    try:
        write_whole(path, json.dumps({"data": str(chosen)}) + "\n")
    except OSError as error:
        raise BenchmarkError(
            f"{path} cannot be written ({error.strerror}). Choose the folder for this shell:  export "
            f"PEBENCH_DATA={shlex.quote(str(chosen))}"
        ) from None
    print(
        f"{benchmark.name} ({benchmark.fingerprint}) in {arguments.directory} is now the default; remembered in {path}"
    )
    return 0
