"""What a run of lmms-eval prints at its end: our tasks' rows so that they can be read, and below them what to do next.

``make_table`` of lmms-eval 0.7 sorts the rows of a task by name and writes N/A where it knows no standard error. The
rows of a task of ours come in the order of its ``metric_list`` instead, and what is N/A beside a figure is left blank,
or out where it is a whole column. Other tasks' rows, and every figure, stay as they are.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from pebench_tasks.evaluation.extending import extend
from pebench_tasks.evaluation.session import session
from pebench_tasks.results.likelihoods import LIKELIHOOD_TASKS
from pebench_tasks.results.robust import ROBUST_TASKS

Results = Mapping[str, Any]
MakeTable = Callable[..., str]
PARAMETERS = ["result_dict", "column", "sort_results"]
COLUMNS = ("Tasks", "Metric", "Value")
MISSING = "N/A"
UNCERTAINTY = "±"  # between a figure and its standard errors


def extend_table(module: ModuleType) -> bool:
    """Let a module of lmms-eval that prints results print ours so, once; False where it has another ``make_table``."""
    return extend(module, "make_table", _with_ours, PARAMETERS.__eq__)


def _with_ours(make_table: MakeTable) -> MakeTable:
    @wraps(make_table)
    def table(result_dict: Results, column: str = "results", sort_results: bool = False) -> str:
        orders = {
            figures.get("alias", task).strip(): list(result_dict["higher_is_better"][task])
            for task, figures in result_dict[column].items()
            if "provenance,none" in figures  # a task of ours, or somebody's variant of one
        }
        printed = make_table(result_dict, column, sort_results)
        if not orders:
            return printed
        return "\n".join([tidy(printed, orders), *next_step(result_dict)])  # after the table, which is printed last

    return table


def tidy(printed: str, orders: Mapping[str, Sequence[str]]) -> str:
    """A table in Markdown, with whatever stands below it, whose rows have another order and fewer cells.

    ``orders``: by a task's name in the table its metrics in their order. A table without the usual columns stays.
    """
    table, separator, rest = printed.partition("\n\n")
    lines = [line.strip("|").split("|") for line in table.strip().splitlines()]
    names = [cell.strip() for cell in lines[0]] if lines else []
    if not set(COLUMNS) <= set(names):
        return printed
    task, metric, value = map(names.index, COLUMNS)
    head, rule, *rows = lines

    def place(row: Sequence[str]) -> int:
        order = orders.get(row[task].strip(), ())
        return order.index(row[metric].strip()) if row[metric].strip() in order else len(order)

    found = list(dict.fromkeys(row[task] for row in rows))
    rows.sort(key=lambda row: (found.index(row[task]), place(row)))
    kept = [i for i in range(len(names)) if i <= value or any(row[i].strip() != MISSING for row in rows)]
    for row in rows:
        if row[task].strip() in orders:
            row[value + 1 :] = _blank(row[value + 1 :])
    shown = ["|".join(["", *(row[i] for i in kept), ""]) for row in (head, rule, *rows)]
    return "\n".join(shown) + separator + rest


def _blank(cells: Sequence[str]) -> list[str]:
    """The cells behind a figure without those that say that there is nothing, and without a sign before nothing."""
    nothing = all(cell.strip() in (MISSING, UNCERTAINTY) for cell in cells)
    empty = (MISSING, UNCERTAINTY) if nothing else (MISSING,)
    return [" " * len(cell) if cell.strip() in empty else cell for cell in cells]


def next_step(result_dict: Results) -> Iterator[str]:
    """What to look at, once for a folder, where results and samples of ours were written."""
    output = result_dict["config"].get("resolved_cli_args", {}).get("output_path")
    if output is None or "model_name_sanitized" not in result_dict:
        return
    folder = Path(output) / result_dict["model_name_sanitized"]
    date = str(result_dict["date"]).replace(":", "-")
    shown = {task for task, figures in result_dict["results"].items() if "provenance,none" in figures}
    attacked = shown & {*ROBUST_TASKS.values()}
    told = shown - {*ROBUST_TASKS.values(), *LIKELIHOOD_TASKS.values()}
    lines = {
        f"Look at figures and answers:  pebench report {shlex.quote(str(folder))} --out report": told,
        f"Beside Finetuned's and Goal's:  pebench robustness {shlex.quote(str(output))}": attacked,
    }
    for line, tasks in lines.items():
        written = [f"{date}_results.json", *(f"{date}_samples_{task}.jsonl" for task in sorted(tasks))]
        if tasks and all((folder / name).is_file() for name in written) and session.is_new(line):
            yield line
