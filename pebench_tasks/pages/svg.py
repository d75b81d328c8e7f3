"""From an Altair chart to SVG that stands inside a page: its colours are the page's variables, its fonts the page's."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair
    from markupsafe import Markup

INK, MUTED, LINE, PAPER = "var(--ink)", "var(--muted)", "var(--line)", "var(--paper)"
SERIES = tuple(f"var(--s{number})" for number in range(8))
FONT_SIZE = 12  # pixels
LARGER = 1.2  # how large a plot is shown where there is room


def specification(chart: "altair.LayerChart | altair.FacetChart") -> dict[str, Any]:
    """The chart in the page's look as Vega-Lite's own JSON; building it takes longer than drawing it."""
    return dict(_dressed(chart).to_dict(validate=False))


def svg(drawing: Mapping[str, Any], label: str) -> "Markup":
    """A chart's specification as one ``<svg>`` element without ids, styles or links; ``label`` says what it shows.

    Every mark with a ``description`` gets it as its ``<title>``, which browsers show on hovering.
    """
    import vl_convert
    from markupsafe import Markup

    drawn = vl_convert.vegalite_to_svg(dict(drawing))
    for attribute in ('xmlns="http://www.w3.org/2000/svg"', 'xmlns:xlink="http://www.w3.org/1999/xlink"'):
        drawn = drawn.replace(f" {attribute}", "", 1)
    root = ElementTree.fromstring(drawn)
    for element in root.iter():
        description = element.attrib.pop("aria-label", None)
        for name in ("role", "aria-roledescription", "aria-hidden"):
            element.attrib.pop(name, None)
        if description is not None:
            ElementTree.SubElement(element, "title").text = description
    del root.attrib["class"]
    for side in ("width", "height"):
        root.attrib[side] = f"{LARGER * float(root.attrib[side]):.0f}"
    root.attrib.update({"role": "img", "aria-label": label})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _dressed(chart: "altair.LayerChart | altair.FacetChart") -> "altair.LayerChart | altair.FacetChart":
    """The chart in the page's look: no background, thin lines, text in the page's font and colours."""
    axis = {
        "aria": False, "domain": False, "ticks": False, "gridColor": LINE, "labelColor": MUTED, "titleColor": INK,
        "labelFontSize": FONT_SIZE, "titleFontSize": FONT_SIZE, "titleFontWeight": "normal", "labelPadding": 6,
    }  # fmt: skip
    legend = {
        "aria": False, "labelColor": INK, "labelFontSize": FONT_SIZE, "title": None, "orient": "bottom",
        "labelLimit": 300, "symbolSize": 80, "symbolStrokeWidth": 1.5, "symbolOpacity": 1,
    }  # fmt: skip
    view = {"stroke": "transparent", "fill": "transparent"}
    return chart.configure(font="inherit", background="transparent", axis=axis, legend=legend, view=view)
