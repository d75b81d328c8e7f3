"""The tables of a page as Markdown, to paste into a paper or a discussion, and as CSV with all digits."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pebench_tasks.pages.entries import Board, Entry, Figure
from pebench_tasks.pages.sections import View

CSV_COLUMNS = {
    "model": "what the report calls the model",
    "role": "finetuned (lower bound), model, or goal (upper bound)",
    "method": "as its run record says; empty without one",
    "target": "person, event or joint",
    "forget": "the forget set",
    "figure": "efficacy, generality, retain, scope, real, world (joint: person_... and event_...); "
    "efficacy_truth_only where no Goal answered; forget_quality, utility, distance_to_goal and its halves",
    "value": "the figure with all digits; empty where it was withheld or not measured",
    "low": "lower end of the 95 % interval, empty for what is computed from figures",
    "high": "upper end",
    "n": "documents behind the figure; empty for what is computed from figures",
    "partial": "answers that give a forgotten name away in part (first name or surname alone)",
    "unit": "percent (0-100) or share (0-1)",
    "resampled": "what the interval counts as one draw: person, event, figure, image or document",
    "clusters": "how many people, events, figures or images the documents are about",
    "note": "what to know about the figure",
}


def csv_rows(boards: Iterable[Board]) -> Iterator[dict[str, Any]]:
    """One row a model, target and figure, of the columns ``CSV_COLUMNS``."""
    for board in boards:
        for entry in board.entries:
            yield from _csv_rows(board, entry)


def _csv_rows(board: Board, entry: Entry) -> Iterator[dict[str, Any]]:
    provenance = entry.result.provenance
    who = {
        "model": entry.name,
        "role": entry.role,
        "method": provenance.model.method or "",
        "target": board.target,
        "forget": provenance.forget,
    }
    for name, figure in entry.figures.items():
        row = provenance.statistics.slices.get(name)
        found = {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n, "note": figure.note}
        found["partial"] = figure.partial
        unit = "percent" if figure.percent else "share"
        drawn = {"resampled": row.unit if row else "", "clusters": row.clusters if row else ""}
        yield {**who, "figure": name, **found, "unit": unit, **drawn}
    distance = entry.distance
    computed = {
        "forget_quality": entry.forget_quality,
        "utility": entry.utility,
        "distance_to_goal": distance and distance.distance,
        "distance_to_goal_forget": distance and distance.forget,
        "distance_to_goal_utility": distance and distance.utility,
    }
    for name, value in computed.items():
        yield {**who, "figure": name, "value": value, "unit": "share"}


def markdown(title: str, lead: str, differing: Sequence[str], views: Sequence[View], command: str) -> str:
    """The report without plots and samples."""
    lines = [f"# {_text(title)}", "", _text(lead), "", *_bullets(differing)]
    for view in views:
        lines += [f"## {_text(view.board.title)}", "", *_bullets(f"{n}: {value}" for n, value in view.measured)]
        lines += [*figures_table(view), ""]
        lines += ["In brackets: 95 % intervals.", ""]
        lines += _bullets([*view.footnotes, *view.warnings])
        lines += ["### Responses", "", *_accounting(view), ""]
        if view.neighbours:
            near = view.neighbours
            lines += ["### Neighbours", ""]
            lines += [_text(f"Forgotten: {', '.join(near.forgotten)}. Near: {', '.join(near.events['near'])}."), ""]
            lines += table(["model", "near", "other"], [[n, _cell(c), _cell(o)] for n, c, o in near.rows])
            lines += [""]
        for group in view.groups:
            lines += [f"### {_text(group.title.capitalize())} by group", ""]
            lines += table(
                ["attribute", "group", "people", *group.models],
                [[a, g, str(people), *map(_cell, figures)] for a, g, people, _, figures in group.rows],
                texts=2,
            )
            lines += [""]
    lines += ["## How to get this again", "", "```", command, "```", "", "Columns of report.csv:", ""]
    lines += table(["column", "meaning"], [[name, meaning] for name, meaning in CSV_COLUMNS.items()])
    return "\n".join(lines) + "\n"


def figures_table(view: View) -> list[str]:
    """The lines of the table of figures, in the shape of the paper's Table 1; n in the last row."""
    joint = view.board.target == "joint"
    distances = any(entry.distance for entry in view.board.entries)
    head = ["model", *(["concept"] if joint else []), *(" ".join(filter(None, (c, u))) for _, c, u in view.heads)]
    body = []
    for line in view.rows:
        distance = line.entry.distance
        cells = [line.entry.name, *([line.concept] if joint else []), *map(_cell, line.figures)]
        body.append(
            cells + ([f"{distance.distance:.3f}" if distance else "–"] if distances else []) + [str(line.empty)]
        )
    counts = {line.concept: [figure.n if figure else "–" for figure in line.figures] for line in view.rows}
    for concept, numbers in counts.items():
        body.append(["n", *([concept] if joint else []), *map(str, numbers), *([""] if distances else []), ""])
    return table([*head, *(["to Goal"] if distances else []), "empty"], body, texts=2 if joint else 1)


def table(head: Sequence[str], body: Iterable[Sequence[str]], *, texts: int = 1) -> list[str]:
    """The lines of a Markdown table whose first ``texts`` columns are words, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    rows = [[_text(cell) for cell in head], rule, *([_text(cell) for cell in row] for row in body)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _accounting(view: View) -> list[str]:
    counts = view.accounting
    rows = [[model, name, *("–" if n is None else str(n) for n in values)] for model, name, values in counts.rows]
    caption = f"{counts.caption[0].upper()}{counts.caption[1:]}"
    return [caption, "", *table(["model", "slice", *counts.columns], rows, texts=2)]


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    interval = f" ({figure.interval})" if figure.interval else ""
    note = f" [{figure.note}]" if figure.value is None and figure.note else ""
    partial = "" if figure.partial is None else f", {figure.partial} partial"
    return f"{figure.text}{interval}{partial}{note}"


def _bullets(items: Iterable[str]) -> list[str]:
    found = [f"- {_text(item)}" for item in items]
    return [*found, ""] if found else []


def _text(words: str) -> str:
    """Words that Markdown shows as they are, on one line."""
    escaped = "".join(f"\\{letter}" if letter in r"\|<[*`" else letter for letter in words)
    return " ".join(escaped.split())
