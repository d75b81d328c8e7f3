"""The results of the robust tasks on the terminal: what every attack shows that a model knows, on both sides."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pebench_tasks.results.robust import RobustResult

SIDES = ("forget", "retain")


def print_robust(results: Sequence[RobustResult]) -> None:
    """Print a table a result, an attack a row; a dash where nothing was asked."""
    console = Console()
    for result in results:
        console.print(_table(result))
        for side, pair in result.provenance.get("pairs", {}).items():
            console.print(
                f"asked of the image and in text alone ({side}): both known {pair['both']}, of the image only "
                f"{pair['image_only']}, in text only {pair['text_only']}, neither {pair['neither']}; leak "
                f"{pair['leak']:.3f}, retain {pair['retain']:.3f}",
                highlight=False,
                soft_wrap=True,
            )
    console.print(
        "known, 0-1: how much of what is asked the answers show; n documents about so many people or events.\n"
        "What a figure means, only those of Finetuned and Goal beside it can say.",
        style="dim",
    )
    for file in dict.fromkeys(result.results_file for result in results):
        console.print(str(file), highlight=False, soft_wrap=True)


def _table(result: RobustResult) -> Table:
    title = f"{Path(result.checkpoint).name}, {result.task}, {result.provenance['forget']}"
    table = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("attack")
    for column in (*SIDES, "n", "about"):
        table.add_column(column, justify="right")
    slices = result.provenance["slices"]
    for attack in dict.fromkeys(name.rpartition("_")[0] for name in slices):
        sides = [f"{attack}_{side}" for side in SIDES]
        values = [f"{result.known[name]:.3f}" if name in result.known else "-" for name in sides]
        of_forget = slices.get(sides[0], {"n": 0, "clusters": 0})
        table.add_row(attack, *values, str(of_forget["n"]), str(of_forget["clusters"]))
    return table
