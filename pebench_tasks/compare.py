"""``pebench compare``: what changed from one model to others, figure by figure, on the documents that both answered."""

import argparse
import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole

if TYPE_CHECKING:  # numpy and pyarrow are not needed to list the options
    from rich.table import Table

    from pebench_tasks.benchmark import Benchmark
    from pebench_tasks.logged import Logged
    from pebench_tasks.paired import Difference
    from pebench_tasks.statistics import Observation


class Row(NamedTuple):
    """One figure of two models."""

    figure: str
    percent: bool  # else a share, 0-1
    difference: "Difference"
    p_holm: float  # p corrected for the figures of this task


class Comparison(NamedTuple):
    """One task of two models: its figures, and what to know before believing them."""

    task: str
    first: str  # the baseline
    second: str
    rows: list[Row]
    notes: list[str]


def compare(paths: Sequence[Path | str], *, data: Path | str | None = None, seed: int = 0) -> list[Comparison]:
    """Compare the first model's results with each of the others', task by task.

    A path is what ``logged.read_logged`` takes. ``data`` names the benchmark folder; else the recorded one, else the
    chosen one is used. Raises ``BenchmarkError`` for results that differ in more than the model, or share no task.
    """
    from pebench_tasks.logged import read_logged, refuse_mixed
    from pebench_tasks.rescore import benchmark_of

    if len(paths) < 2:
        raise BenchmarkError("A comparison needs the results of at least two models.")
    models = [{one.result.task: one for one in read_logged(path)} for path in paths]
    names = _names(paths, models)
    tasks = [task for task in models[0] if any(task in model for model in models[1:])]
    if not tasks:
        raise BenchmarkError(f"{paths[0]} shares no task with the others. Score all models on the same targets.")
    comparisons = []
    for task in tasks:
        having = {name: model[task] for name, model in zip(names, models, strict=True) if task in model}
        refuse_mixed([one.result for one in having.values()])
        baseline, *others = having.values()
        benchmark = benchmark_of(baseline, data)
        first = _figures(baseline, benchmark)
        target = baseline.result.provenance["target"]
        for name, other in zip(list(having)[1:], others, strict=True):
            rows, notes = _rows(first, _figures(other, benchmark), target, seed)
            withheld = [f"{n}: {why}" for n in (names[0], name) if (why := having[n].result.provenance["withheld"])]
            comparisons.append(Comparison(task, names[0], name, rows, withheld + notes))
    return comparisons


def _names(paths: Sequence[Path | str], models: Sequence[dict[str, "Logged"]]) -> list[str]:
    """What each model is called: its checkpoint's name, or the path as given where two are called alike."""
    short = [Path(next(iter(model.values())).result.checkpoint).name for model in models]
    names = [name if short.count(name) == 1 else str(path) for name, path in zip(short, paths, strict=True)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BenchmarkError(f"{twice[0]} is given twice. Name the results of different models.")
    return names


def _figures(logged: "Logged", benchmark: "Benchmark") -> dict[str, list["Observation"]]:
    """The observations of each figure; none where the result's scores are withheld."""
    from pebench_tasks.scoring import TRUTH_ONLY
    from pebench_tasks.statistics import observations

    documents: list[dict[str, Any]] = []
    for sample in [] if logged.result.provenance["withheld"] else logged.samples:
        name = sample.provenance["slice"]
        # Results of earlier versions have the value only among the metrics.
        values = [sample.metrics[metric] for metric in (name, name + TRUTH_ONLY) if metric in sample.metrics]
        documents.append({**({"value": values[0]} if values else {}), **sample.provenance})
    figures: defaultdict[str, list[Observation]] = defaultdict(list)
    for observation in observations(documents, benchmark):
        figures[observation.slice].append(observation)
    return figures


def _rows(
    first: dict[str, list["Observation"]], second: dict[str, list["Observation"]], target: str, seed: int
) -> tuple[list[Row], list[str]]:
    from pebench_tasks.paired import difference, holm
    from pebench_tasks.scoring import MOST_FAILED, PERCENT
    from pebench_tasks.statistics import in_order

    differences: dict[str, Difference] = {}
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for figure in in_order(first.keys() | second.keys(), target):
        pair = first.get(figure, []), second.get(figure, [])
        if any(sum(o.value is None for o in model) > MOST_FAILED * len(model) for model in pair):
            notes["withheld: the judge failed on too many documents"].append(figure)
        elif (found := difference(*pair, seed=seed)) is None:
            notes["the models share no document"].append(figure)
        else:
            differences[figure] = found
            if found.note:
                notes[f"interval and p {found.note}"].append(figure)
            if found.left_out:
                what = "only one model answered them, or a judgement failed"
                notes[f"{found.left_out} documents left out: {what}"].append(figure)
    corrected = holm({figure: found.p for figure, found in differences.items()})
    rows = [Row(name, name in PERCENT[target], found, corrected[name]) for name, found in differences.items()]
    return rows, [f"{', '.join(figures)}: {note}" for note, figures in notes.items()]


def table(comparison: Comparison) -> "Table":
    """One comparison for the terminal."""
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{comparison.task}: from {comparison.first} to {comparison.second}")
    view = Table(title=title, box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("figure", "from", "to", "change", "95 % interval", "p", "n", "better", "worse"):
        view.add_column(column, justify="left" if column == "figure" else "right", no_wrap=column != "figure")
    for row in comparison.rows:
        found, digits = row.difference, 1 if row.percent else 3
        values = f"{found.first:.{digits}f}", f"{found.second:.{digits}f}", f"{found.value:+.{digits}f}"
        between = f"{found.low:+.{digits}f} to {found.high:+.{digits}f}"
        p = "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
        view.add_row(row.figure, *values, between, p, str(found.n), str(found.better), str(found.worse))
    return view


def write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write every row with all its digits to ``path``."""
    rows = list(_csv_rows(comparisons))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["task"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def _csv_rows(comparisons: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    for comparison in comparisons:
        for row in comparison.rows:
            found = row.difference._asdict()
            values = {
                "figure_from": found.pop("first"),
                "figure_to": found.pop("second"),
                "change": found.pop("value"),
                "low": found.pop("low"),
                "high": found.pop("high"),
                "p": found.pop("p"),
                "p_holm": row.p_holm,
            }
            who = {"task": comparison.task, "from": comparison.first, "to": comparison.second, "figure": row.figure}
            yield {**who, **values, **found}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench compare``."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS",
        help="two or more models' folders, results or samples files; the first is what the others are compared with",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark folder (default: as recorded, as chosen)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the resampling (default: 0)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the rows, all digits, to this file")


def main(arguments: argparse.Namespace) -> int:
    """Compare, print a table per task and model, and return the exit code."""
    from rich.console import Console

    comparisons = compare(arguments.results, data=arguments.data, seed=arguments.seed)
    console = Console()
    for comparison in comparisons:
        console.print(table(comparison))
        for note in comparison.notes:
            console.print(note, highlight=False, soft_wrap=True, markup=False)
        console.print()
    console.print(
        "Percent: 0-100; scenes: 0-1; higher is better everywhere. better, worse: documents. p: two-sided, from "
        "exchanging the models' answers, all about one person, event, figure or image together; corrected for the "
        "figures of a table (Holm), the intervals are not.",
        style="dim", highlight=False,
    )  # fmt: skip
    if arguments.csv is not None:
        write_csv(comparisons, arguments.csv)
        console.print(str(arguments.csv), highlight=False, soft_wrap=True, markup=False)
    return 0
