"""The results of the likelihood tasks on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pebench_tasks.results.likelihoods import SCORES, LikelihoodResult
from pebench_tasks.results.task_files import empty_table, print_end

FIGURES = {
    "probability": ".3f",
    "rank": ".1f",
    "first_rank": ".1f",
    "loss": ".2f",
    "truth_ratio": ".3f",
    "choice": ".2f",
}


def print_likelihoods(results: Sequence[LikelihoodResult]) -> None:
    """Print a table a result, a slice a row, and how well members are told; a dash where nothing is known."""
    console = Console()
    for result in results:
        console.print(_table(result))
        told = result.provenance["membership"]
        for name in SCORES:
            if row := told.get(name):
                bounds = f"{row['low']:.2f}-{row['high']:.2f}"
                console.print(f"membership by {name}: AUC {row['value']:.2f} ({bounds}), {row['n']} documents")
        if result.provenance["no_membership"]:
            console.print(f"no membership figure: {result.provenance['no_membership']}", soft_wrap=True)
    print_end(
        console,
        "probability, ranks and loss of the true answer; truth ratio, 0-1: 1 is best, forgotten or kept.",
        (result.results_file for result in results),
    )


def _table(result: LikelihoodResult) -> Table:
    columns = ("slice", *(name.replace("_", " ") for name in FIGURES), "n", "about")
    table = empty_table(result.checkpoint, result.task, result.provenance["forget"], columns)
    for name, row in result.provenance["slices"].items():
        figures = row["figures"]
        cells = [f"{figures[one]['value']:{how}}" if one in figures else "-" for one, how in FIGURES.items()]
        table.add_row(name, *cells, str(row["n"]), str(row["clusters"]))
    return table
