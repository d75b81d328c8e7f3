"""From a template to a page: one layout, one style, a policy that lets the page load nothing that is not in it."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pebench_tasks.files import write_whole
from pebench_tasks.pages.terms import TERMS
from pebench_tasks.versions import __version__

FOLDER = Path(__file__).parent
LIBRARY = "dataTables.min.js"
LIBRARY_LICENCE = "dataTables.License.txt"
ASSETS = {
    "style.css": FOLDER / "style.css",
    "script.js": FOLDER / "script.js",
    LIBRARY: FOLDER / "vendor" / LIBRARY,
    LIBRARY_LICENCE: FOLDER / "vendor" / LIBRARY_LICENCE,
}
# Before the page is drawn: the chosen colours, and a class for what only works with a script.
THEME = """
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try { root.dataset.theme = localStorage.getItem("pebench-theme") || "auto"; } catch { root.dataset.theme = "auto"; }
})();
"""
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1c6b78"/>'
    '<path d="M10 25V7h7a6 6 0 0 1 0 12h-7" fill="none" stroke="#fff" stroke-width="3.5"/></svg>'
)
# Characters that a reader cannot see, or that reorder or hide the text around them; lone surrogates are no text at all.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def render(template: str, *, assets: str | None = None, **values: Any) -> str:
    """A page as HTML, from ``pages/TEMPLATE`` (its vocabulary: layout.html.jinja) and ``values``.

    Without ``assets`` style and scripts are inside: one file that works from anywhere. With it they are linked below
    that relative URL (``"../assets/"``), where ``write_assets`` has put them. Every text is escaped, and characters
    that nobody sees are written out. The layout's own values are ``code``, ``policy``, ``icon`` and ``version``. A
    variable that the template names and ``values`` lacks raises ``jinja2.UndefinedError``.
    """
    files = {name: path.read_text(encoding="utf-8") for name, path in ASSETS.items()}
    tables = f"/*\n{files[LIBRARY_LICENCE]}*/\n{files[LIBRARY]}"
    inside = {"theme": THEME, "style": files["style.css"], "tables": tables, "script": files["script.js"]}
    return (
        environment()
        .get_template(template)
        .render(
            **values,
            code={name: Markup(text) for name, text in inside.items()},
            assets=assets,
            policy=lambda sorts: policy(inside, sorts=sorts, linked=assets is not None),
            icon=f"data:image/svg+xml;base64,{base64.b64encode(ICON.encode()).decode()}",
            version=__version__,
        )
    )


def write_assets(folder: Path) -> None:
    """Write what linked pages load: style, script and the vendored library with its licence."""
    for name, path in ASSETS.items():
        write_whole(folder / name, path.read_text(encoding="utf-8"))


def policy(inside: dict[str, str], *, sorts: bool, linked: bool) -> str:
    """The Content-Security-Policy: pictures that the page itself holds, our own style and scripts, nothing else.

    ``inside`` are the texts of ``theme``, ``style``, ``tables`` and ``script``; the library counts where the page
    ``sorts`` tables. Linked files may come from where the page is.
    """
    scripts = ["theme", "tables", "script"] if sorts else ["theme", "script"]
    allowed_scripts = ["'self'", _hash(inside["theme"])] if linked else [_hash(inside[name]) for name in scripts]
    allowed_style = "'self'" if linked else _hash(inside["style"])
    return (
        f"default-src 'none'; img-src data:; style-src {allowed_style}; script-src {' '.join(allowed_scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def environment() -> Environment:
    """The Jinja environment: everything is escaped, undefined variables raise."""
    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=visible,
    )
    found.globals["TERMS"] = TERMS
    found.filters |= {"slug": slug, "visible": visible}
    return found


def visible(value: Any) -> Any:
    """A text with its unseen characters written out, ``[U+202E]``; anything else, HTML (``Markup``) too, as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)
    return value


def slug(name: str) -> str:
    """A name as part of an HTML id: ``distance-to-goal``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
