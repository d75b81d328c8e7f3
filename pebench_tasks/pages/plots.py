"""The plots of a page, drawn by Altair: what was forgotten against what was kept, the profile, differences.

A mark's form and colour both tell the models apart. Each plot is about 330 pixels wide, so that its letters can be read
on a phone; elsewhere it is shown a little larger, and two stand side by side.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.pages.entries import Board, Entry, Figure, cell
from pebench_tasks.pages.labels import Box, place
from pebench_tasks.pages.svg import FONT_SIZE, INK, MUTED, SERIES, specification, svg

if TYPE_CHECKING:
    import altair
    from markupsafe import Markup

WIDTH, HEIGHT = 270, 260  # of the plane, in pixels, without its axes
MARGIN = 14  # inside the frame, so that marks at 0 and 1 are whole
RADIUS = 7
DOTS_WIDTH = 220  # of the rows
STAR = "M0,-1.2L0.29,-0.4L1.14,-0.37L0.48,0.15L0.71,0.97L0,0.5L-0.71,0.97L-0.48,0.15L-1.14,-0.37L-0.29,-0.4Z"
SHAPES = ("circle", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
HOLLOW = "transparent"
DOTS = "dots"  # the name of the data of a plot of rows


class Dot(NamedTuple):
    """One value with its interval in a plot of rows."""

    row: str
    series: str
    value: float
    low: float
    high: float
    text: str  # what the mark says on hovering


class Drawn(NamedTuple):
    """The plots of a board."""

    plane: "Markup | None"  # None where it was not asked for
    profile: "Markup"
    neighbours: "Markup | None"


class Series(NamedTuple):
    """How a model is drawn wherever it occurs."""

    name: str
    colour: str
    shape: str
    fill: str


def draw(board: Board) -> Drawn:
    """All plots of a board."""
    return Drawn(plane(board), profile(board), neighbours(board))


def plane(board: Board) -> "Markup":
    """Forget quality against retained utility: Goal a star, Finetuned a hollow square, the best corner top right.

    Models without either are left out; both axes end at 1 and begin at a fifth below the lowest model.
    """
    import altair

    points: list[dict[str, Any]] = [
        {"series": e.name, "x": e.forget_quality, "y": e.utility, "text": _says(e.name, e.forget_quality, e.utility)}
        for e in board.entries
        if e.forget_quality is not None and e.utility is not None
    ]
    roles = {entry.name: entry.role for entry in board.entries}
    x_low, y_low = (_fifth_below(min((point[axis] for point in points), default=0.0)) for axis in ("x", "y"))

    def across(value: float) -> float:
        return MARGIN + (value - x_low) / (1 - x_low) * (WIDTH - 2 * MARGIN)

    def down(value: float) -> float:
        return HEIGHT - MARGIN - (value - y_low) / (1 - y_low) * (HEIGHT - 2 * MARGIN)

    def at(name: str, x: float, y: float) -> dict[str, float]:
        """A place in pixels as values of the axes."""
        return {
            f"{name}_x": x_low + (x - MARGIN) / (WIDTH - 2 * MARGIN) * (1 - x_low),
            f"{name}_y": y_low + (HEIGHT - MARGIN - y) / (HEIGHT - 2 * MARGIN) * (1 - y_low),
        }

    points.sort(key=lambda point: (roles[point["series"]] == "model", -point["y"]))  # the bounds are labelled first
    labels = place(
        [(across(point["x"]), down(point["y"]), point["series"]) for point in points],
        Box(0, 0, WIDTH, HEIGHT),
        size=FONT_SIZE,
        radius=RADIUS,
    )
    names = [
        {
            **point,
            "label": label.text,
            "align": label.align,
            "joined": label.joined is not None,
            **at("to", label.x, label.y),
            **at("end", *(label.joined or (label.x, label.y))),
        }
        for point, label in zip(points, labels, strict=True)
    ]
    x_scale = altair.Scale(domain=[x_low, 1], range=[MARGIN, WIDTH - MARGIN])
    y_scale = altair.Scale(domain=[y_low, 1], range=[HEIGHT - MARGIN, MARGIN])
    forgetting = "forget quality" + (" (from the truth alone)" if _truth_only(board) else "")
    x_title, y_title = f"{forgetting} →", "retained utility →"
    x = altair.X("x:Q", title=x_title, scale=x_scale, axis=_ticks(x_low))
    y = altair.Y("y:Q", title=y_title, scale=y_scale, axis=_ticks(y_low))
    to_x, to_y = altair.X("to_x:Q", scale=x_scale, title=x_title), altair.Y("to_y:Q", scale=y_scale, title=y_title)
    data = altair.Data(values=names)
    lines = altair.Chart(data).transform_filter("datum.joined").mark_rule(color=MUTED, strokeWidth=0.8, aria=False)
    texts = altair.Chart(data).mark_text(
        align=altair.expr("datum.align"), baseline="middle", fontSize=FONT_SIZE, color=INK, aria=False
    )
    marks = altair.Chart(data).mark_point(size=90, strokeWidth=1.8, opacity=1)
    chart = altair.layer(
        lines.encode(x=x, y=y, x2="end_x", y2="end_y"),
        marks.encode(x=x, y=y, description="text:N", **_look(series(board.entries), legend=None)),
        texts.encode(x=to_x, y=to_y, text="label:N"),
    ).properties(width=WIDTH, height=HEIGHT)
    return svg(
        specification(chart),
        f"Forget quality against retained utility of {_list(board)}; every number is in the table.",
    )


def profile(board: Board) -> "Markup":
    """The figures as shares, a row a figure and a mark a model, with the 95 % intervals."""
    dots = [
        _dot(row_name(figure.name, board.target), entry.name, figure)
        for entry in board.entries
        for figure in entry.figures.values()
        if figure.value is not None
    ]
    label = f"The figures of {_list(board)} as shares from 0 to 1, with 95 % intervals; every number is in the table."
    return dot_rows(dots, series(board.entries), (0.0, 1.0), label)


def neighbours(board: Board) -> "Markup | None":
    """The retained events near a forgotten one against the others; None unless there are both."""
    dots = []
    for entry in board.entries:
        if found := entry.result.provenance.statistics.neighbours:
            for part, row in (("near", found.near), ("other", found.other)):
                if figure := cell(part, row, percent=False):
                    dots.append(_dot(f"{part} events", entry.name, figure))
    if len({dot.row for dot in dots}) < 2:
        return None
    label = f"Retain of events near a forgotten one and of the others, of {_list(board)}, with 95 % intervals."
    return dot_rows(dots, series(board.entries), (0.0, 1.0), label)


def changes(dots: Sequence[Dot], models: Sequence[str], label: str) -> "Markup":
    """Differences (as shares) with intervals around 0, a row a figure and a mark for each of ``models``."""
    furthest = max((abs(end) for dot in dots for end in (dot.low, dot.value, dot.high)), default=0.0)
    reach = max(0.1, math.ceil(furthest * 10 - 1e-9) / 10)
    drawn = [_model_series(place, name) for place, name in enumerate(models)]
    return dot_rows(dots, drawn, (-reach, reach), label)


def dot_rows(dots: Sequence[Dot], drawn: Sequence[Series], domain: tuple[float, float], label: str) -> "Markup":
    """A row of marks with intervals for each name; within a row every model has its own line, the rows are banded."""
    rows = tuple(dict.fromkeys(dot.row for dot in dots))
    names = [one.name for one in drawn]
    places = {name: str(place) for place, name in enumerate(names)}
    columns = max(1, min(4, int(310 / (30 + 7 * max(map(len, names), default=1)))))
    looks = tuple(one._replace(name=places[one.name]) for one in drawn)
    values = [{**dot._asdict(), "series": places[dot.series]} for dot in dots]
    empty = _rows(rows, looks, domain, columns)
    return svg({**empty, "datasets": {DOTS: values}, "params": [{"name": "names", "value": names}]}, label)


@lru_cache(maxsize=32)
def _rows(
    rows: tuple[str, ...], drawn: tuple[Series, ...], domain: tuple[float, float], columns: int
) -> dict[str, Any]:
    """The specification of ``dot_rows`` without its values and without its models' names, which are numbers here.

    A board's submissions have it in common.
    """
    import altair

    models = [one.name for one in drawn]
    line = 9 if len(models) > 6 else 12
    band = len(models) * line + 12
    data = altair.NamedData(name=DOTS)
    signed = domain[0] < 0
    x = altair.X(
        "value:Q", title=None, scale=altair.Scale(domain=list(domain), range=[RADIUS, DOTS_WIDTH - RADIUS], nice=False),
        axis=altair.Axis(
            tickCount=5, format="+.2~f" if signed else ".1f", labelFlush=False, labelOverlap=True,
            labelExpr=f"datum.value == 0 ? '{'0' if signed else '0.0'}' : datum.label",
        ),
    )  # fmt: skip
    y = altair.Y(
        "row:N", title=None, scale=altair.Scale(domain=list(rows), paddingInner=0, paddingOuter=0),
        axis=altair.Axis(grid=True, bandPosition=1, tickBand="extent", labelColor=INK, labelLimit=260, labelPadding=8),
    )  # fmt: skip
    offset = altair.YOffset("series:N", scale=altair.Scale(domain=models, paddingOuter=0.8), sort=models)
    legend = altair.Legend(columns=columns, labelExpr="names[+datum.value]") if len(models) > 1 else None
    base = altair.Chart(data).encode(x=x, y=y, yOffset=offset)
    look = _look(drawn, legend=legend)
    zero = altair.Chart(altair.Data(values=[{"zero": 0}])).mark_rule(color=MUTED, strokeWidth=1.2, aria=False)
    chart = altair.layer(
        *([zero.encode(x=altair.X("zero:Q", title=None))] if signed else []),
        base.mark_rule(strokeWidth=1.8, opacity=0.75, aria=False).encode(x="low:Q", x2="high:Q", stroke=look["stroke"]),
        base.mark_point(size=55, strokeWidth=1.6, opacity=1).encode(description="text:N", **look),
    ).properties(width=DOTS_WIDTH, height=band * len(rows))
    return specification(chart)


def series(entries: Sequence[Entry]) -> list[Series]:
    """How each model is drawn: Finetuned a hollow square, Goal a star (the second one hollow), the others by turn."""
    found = []
    counts = {"finetuned": 0, "model": 0, "goal": 0}
    for entry in entries:
        place = counts[entry.role]
        counts[entry.role] += 1
        if entry.role == "finetuned":
            found.append(Series(entry.name, MUTED, "square", HOLLOW if place == 0 else MUTED))
        elif entry.role == "goal":
            found.append(Series(entry.name, INK, STAR, INK if place == 0 else HOLLOW))
        else:
            found.append(_model_series(place, entry.name))
    return found


def _model_series(place: int, name: str) -> Series:
    colour = SERIES[place % len(SERIES)]
    return Series(name, colour, SHAPES[place % len(SHAPES)], colour)


def row_name(figure: str, target: str) -> str:
    """What a figure is called beside its row."""
    plain = figure.removesuffix(TRUTH_ONLY)
    ending = " (truth only)" if figure.endswith(TRUTH_ONLY) else ""
    if target == "joint" and "_" in plain:
        concept, _, metric = plain.partition("_")
        return f"{metric}, {'people' if concept == 'person' else 'events'}{ending}"
    return plain + ending


def _look(drawn: Sequence[Series], legend: "altair.Legend | None") -> dict[str, Any]:
    """The channels that tell models apart, in one legend."""
    import altair

    domain = [one.name for one in drawn]

    def scale(values: Sequence[str]) -> altair.Scale:
        return altair.Scale(domain=domain, range=list(values))

    return {
        "stroke": altair.Stroke("series:N", scale=scale([one.colour for one in drawn]), legend=legend),
        "fill": altair.Fill("series:N", scale=scale([one.fill for one in drawn]), legend=legend),
        "shape": altair.Shape("series:N", scale=scale([one.shape for one in drawn]), legend=legend),
    }


def _dot(row: str, name: str, figure: Figure) -> Dot:
    assert figure.value is not None
    unit = 100 if figure.percent else 1
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    interval = f" ({figure.interval})" if figure.interval else ""
    says = f"{name}, {row}: {figure.text}{interval}, n {figure.n}"
    return Dot(row, name, figure.value / unit, low / unit, high / unit, says)


def _says(name: str, forget: float | None, utility: float | None) -> str:
    return f"{name}: forget quality {forget:.2f}, retained utility {utility:.2f}"


def _truth_only(board: Board) -> bool:
    return any(column.endswith(TRUTH_ONLY) for column in board.columns)


def _fifth_below(value: float) -> float:
    """The highest of 0, 0.2, 0.4 and 0.6 that is at least 0.02 below."""
    return min(0.6, max(0.0, math.floor((value - 0.02) * 5) / 5))


def _ticks(low: float) -> "altair.Axis":
    import altair

    step = 0.2 if low < 0.6 else 0.1
    count = round((1 - low) / step)
    return altair.Axis(
        values=[round(low + step * place, 2) for place in range(count + 1)], format=".1f", labelFlush=False
    )


def _list(board: Board) -> str:
    return ", ".join(entry.name for entry in board.entries)
