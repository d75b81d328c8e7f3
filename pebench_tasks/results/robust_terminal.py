"""The results of the robust tasks on the terminal: what every attack shows that a model knows, on both sides."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pebench_tasks.results.robust import RobustResult
from pebench_tasks.results.task_files import empty_table, print_end

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
    print_end(
        console,
        "known, 0-1: how much of what is asked the answers show; n documents about so many people or events.",
        (result.results_file for result in results),
    )


def _table(result: RobustResult) -> Table:
    columns = ("attack", *SIDES, "n", "about")
    table = empty_table(result.checkpoint, result.task, result.provenance["forget"], columns)
    slices = result.provenance["slices"]
    for attack in dict.fromkeys(name.rpartition("_")[0] for name in slices):
        sides = [f"{attack}_{side}" for side in SIDES]
        values = [f"{result.known[name]:.3f}" if name in result.known else "-" for name in sides]
        of_forget = slices.get(sides[0], {"n": 0, "clusters": 0})
        table.add_row(attack, *values, str(of_forget["n"]), str(of_forget["clusters"]))
    return table
