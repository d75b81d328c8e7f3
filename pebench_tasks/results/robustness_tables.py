"""What attacks bring back, as tables: for the terminal, and for a paper in LaTeX."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pebench_tasks.files import write_whole
from pebench_tasks.results.robustness import Robustness, Row, by_model, uninformative, verdict, worst_cases

LEGEND = (
    "Columns Finetuned, model and Goal: known, 0-1, under the same attack and budget, on what was to be forgotten. "
    "recovered: (model - Goal) / (Finetuned - Goal), with its 95 % interval; 0 is what Goal shows. retain: known of "
    "what had to stay, and the change from Finetuned. * the worst case of its access level, not pooled with others. "
    "weights, inside: as reported by who has the checkpoint; inside are diagnostics, no attacks."
)
SILENT = "uninformative here, as Finetuned shows no more than Goal"


def show(found: Robustness, console: Console) -> None:
    """Print a table a concept and model, what it says in words, and what was not asked or says nothing."""
    for (concept, model), rows in by_model(found.rows).items():
        console.print(_table(f"{model}, {concept}", rows))
        for line in verdict(rows):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        if silent := uninformative(rows):
            names = ", ".join(row.point.name for row in silent)
            console.print(f"{SILENT}: {names}", highlight=False, soft_wrap=True, markup=False)
        lacking = {point.name: why for point, why in found.not_asked[model].items() if point.concept == concept}
        if lacking:
            said = ", ".join(f"{name} ({why})" for name, why in lacking.items())
            console.print(f"not asked: {said}", highlight=False, soft_wrap=True, markup=False)
        if note := next((row.recovery.note for row in rows if row.recovery.note), ""):
            console.print(f"intervals {note}", highlight=False, soft_wrap=True, markup=False)
        console.print()
    for concept, (finetuned, goal) in found.references.items():
        console.print(f"{concept}: Finetuned is {finetuned}, Goal is {goal}.", highlight=False, markup=False)
    console.print(LEGEND, style="dim", highlight=False)


def _table(title: str, rows: Sequence[Row]) -> Table:
    view = Table(title=Text(title), box=None, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    view.add_column("attack", no_wrap=True)
    for column in ("Finetuned", "model", "Goal", "recovered", "95 %", "retain", "change"):
        view.add_column(column, justify="right", no_wrap=True)
    worst_of = [case.point for case in worst_cases(rows).values()]
    access = ""
    for row in rows:
        if not row.recovery.informative:
            continue
        if row.point.access != access:
            access = row.point.access
            view.add_row(Text(access, style="bold"))
        star = "*" if row.point in worst_of else " "
        view.add_row(f"{star} {row.point.name}", *_cells(row))
    return view


def _cells(row: Row) -> list[str]:
    found, kept = row.recovery, row.retain
    known = [f"{value:.2f}" for value in (found.finetuned, found.model, found.goal)]
    share = [f"{found.share:.2f}", f"{found.low:.2f}, {found.high:.2f}"]
    return [*known, *share, *(["-", ""] if kept is None else [f"{kept.second:.2f}", f"{kept.value:+.2f}"])]


def write_latex(found: Robustness, path: Path) -> None:
    """Write a booktabs table of the worst cases and every attack's recovered share to ``path``: models in columns."""
    write_whole(path, "\n".join(_latex(found)) + "\n")


def _latex(found: Robustness) -> Iterator[str]:
    tables = by_model(found.rows)
    for concept in dict.fromkeys(concept for concept, _ in tables):
        models = [model for of, model in tables if of == concept]
        finetuned, goal = found.references[concept]
        shares = {(row.model, row.point): row for model in models for row in tables[concept, model]}
        worst_of = {model: {case.point for case in worst_cases(tables[concept, model]).values()} for model in models}
        yield f"% recovered {concept} knowledge between {goal} (0) and {finetuned} (1), 95 % intervals"
        yield rf"\begin{{tabular}}{{l{'r' * len(models)}}}"
        yield r"\toprule"
        yield " & ".join(["attack", *map(_escaped, models)]) + r" \\"
        access = ""
        for point in dict.fromkeys(point for _, point in shares):
            if point.access != access:
                access = point.access
                yield r"\midrule"
                yield rf"\multicolumn{{{len(models) + 1}}}{{l}}{{\emph{{{access}}}}} \\"
            cells = [_latex_cell(shares.get((model, point)), point in worst_of[model]) for model in models]
            yield " & ".join([_escaped(point.name), *cells]) + r" \\"
        yield r"\bottomrule"
        yield r"\end{tabular}"


def _latex_cell(row: Row | None, is_worst: bool) -> str:
    if row is None or row.recovery.share is None:
        return "--"
    share = f"{row.recovery.share:.2f}"
    bold = rf"\textbf{{{share}}}" if is_worst else share
    return f"{bold} [{row.recovery.low:.2f}, {row.recovery.high:.2f}]"


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "_%&#$" else letter for letter in text)
