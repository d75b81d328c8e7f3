"""Puts together what the documentation's site is made of: ``make docs`` runs it, then mkdocs.

    python docs/assemble.py build/docs

In the repository the links of a page are those that work there. Here what they lead to outside ``docs/`` is copied
along (``repository/benchmarks/results/table1.md``; of a source file a page with its text), and the links are turned to
it. The page of commands is what they say with ``--help``, the page of what was proven is that part of the README.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from html import escape
from importlib import import_module
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
MADE = DOCS / "command-line.md"  # in no repository: it is made here
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"(?ms)(^ *```.*?^ *```[^\S\n]*$)")
ELSEWHERE = re.compile(r"[a-z]+:|#")  # how a link begins that leads to no file
PROVEN = "proven-here-and-not"  # the README's heading, as it is linked; the rest of the README is not on the site
# Files outside docs/ that are pages beside those in it.
PAGES = {
    README: "proven.md",
    ROOT / "pebench_tasks/tasks/README.md": "reference.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "CHANGELOG.md": "changes.md",
}
MODULES = {
    "python -m unlearn": "unlearn.__main__",
    "python -m unlearn.demo": "unlearn.demo",
    "python -m unlearn.sequence": "unlearn.sequence",
    "python -m unlearn.table1": "unlearn.table1",
    "python -m unlearn.attack": "unlearn.attack",
}
COMMANDS = """\
# Command line

What each command says with `--help`. `pebench unlearn`, `finetune`, `goal`, `demo`, `sequence`, `table1` and `attack`
are the `python -m` commands at the end, in fewer words. Options of transformers' `TrainingArguments` are not repeated
here: `python -m unlearn --help_all` lists them.
"""


def assemble(out: Path) -> None:
    """Write the whole folder anew."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in ("site.css", "site.js"):
        shutil.copy(DOCS / name, out)
    (out / MADE.name).write_text(commands(), encoding="utf-8")
    places = {page: page.name for page in DOCS.glob("*.md")} | PAGES  # where a file's page lies in ``out``
    waiting = [*places]
    places[MADE] = MADE.name
    while waiting:
        source = waiting.pop()
        place = out / places[source]
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".png":
            shutil.copy(source, place)
            continue
        text = as_page(source)
        for _, path in linked_files(text, source):
            if path not in places:
                places[path] = f"repository/{page_name(path.relative_to(ROOT))}"
                waiting.append(path)
        place.write_text(turned(text, source, places), encoding="utf-8")


def turned(text: str, source: Path, places: dict[Path, str]) -> str:
    """A page with its links turned from files of the repository to their pages."""
    links = {}
    for target, path in linked_files(text, source):
        anchor = target.partition("#")[2]
        page = places[path]
        if path == README and anchor != PROVEN:
            page, anchor = "quickstart.md", ""
        to = os.path.relpath(page, Path(places[source]).parent).replace(os.sep, "/")
        links[target] = f"{to}#{anchor}" if anchor else to
    return outside_code(text, lambda part: LINK.sub(lambda found: f"]({links.get(found[1], found[1])})", part))


def linked_files(text: str, source: Path) -> list[tuple[str, Path]]:
    """The relative links of a page with their files; raises ``FileNotFoundError`` for one that leads nowhere."""
    targets: list[str] = []

    def collect(part: str) -> str:
        targets.extend(LINK.findall(part))
        return part

    outside_code(text, collect)
    found = [
        (target, (source.parent / target.partition("#")[0]).resolve())
        for target in targets
        if not ELSEWHERE.match(target)
    ]
    for target, path in found:
        if not path.is_file() and path != MADE:
            raise FileNotFoundError(f"{source.relative_to(ROOT)} links to {target}, which is no file.")
    return found


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """A Markdown text, changed where it is no fenced code."""
    return "".join(part if number % 2 else change(part) for number, part in enumerate(CODE.split(text)))


def page_name(path: Path) -> str:
    """Where the page of a file of the repository lies below ``repository/``."""
    return path.as_posix() if path.suffix in (".md", ".png") else f"{path.as_posix()}.md"


def as_page(source: Path) -> str:
    """A file as Markdown: a part of the README, a notebook's cells, a source as code."""
    text = source.read_text(encoding="utf-8")
    if source == README:
        return section(text, PROVEN)
    if source.suffix == ".md":
        return text
    title = f"# {source.name}\n\n`{source.relative_to(ROOT).as_posix()}`\n\n"
    if source.suffix != ".ipynb":
        return f"{title}```{source.suffix.removeprefix('.')}\n{text}```\n"
    cells = [(cell["cell_type"] == "code", "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    return title + "\n\n".join(f"```python\n{cell}\n```" if code else cell for code, cell in cells) + "\n"


def section(text: str, anchor: str) -> str:
    """What stands below the heading of a Markdown text that ``anchor`` links to, as a page of its own."""
    for part in re.split(r"(?m)^## ", text)[1:]:
        if heading_anchor(part.partition("\n")[0]) == anchor:
            return f"# {part}"
    raise LookupError(f"No heading is linked as #{anchor}.")


def heading_anchor(heading: str) -> str:
    """The anchor that both GitHub and mkdocs give a heading of plain words."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def commands() -> str:
    """The page of all commands."""
    from pebench_tasks.cli import main

    texts = dict(_below(main, ()))
    texts |= {name: said(import_module(module).main, ["--help"]) for name, module in MODULES.items()}
    return COMMANDS + "".join(f"\n## {name}\n\n{help_block(text)}\n" for name, text in texts.items())


def help_block(text: str) -> str:
    """A help text as lines that the browser breaks: what does not fit goes on below the last column (site.css)."""
    lines: list[str] = []
    for flush, group in groupby(text.rstrip().splitlines(), key=lambda line: line[:1].strip() != ""):
        part = list(group)
        lines += [" ".join(part)] if flush else part  # a paragraph is one line
    spans = (f'<span style="--below: {_last_column(line)}ch">{escape(line) or " "}</span>' for line in lines)
    return '<pre class="help"><code>' + "\n".join(spans) + "</code></pre>"


def _last_column(line: str) -> int:
    """Where the last column of a line of help begins; of one of words alone where its words begin."""
    return max((found.end() for found in re.finditer(r"^usage: |^ +|\S {2,}", line)), default=0)


def _below(main: Callable[[list[str]], int], words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """A command's help, and the help of those that it lists; what stands for ``python -m ...`` is left out."""
    text = said(main, [*words, "--help"])
    yield " ".join(("pebench", *words)), text
    for name, summary in re.findall(r"(?m)^    (\w+)(.*)$", text.partition("\ncommands:\n")[2]):
        if "python -m" not in summary:
            yield from _below(main, (*words, name))


def said(main: Callable[[list[str]], int], words: list[str]) -> str:
    """What a command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(words)
    return out.getvalue()


if __name__ == "__main__":
    os.environ["COLUMNS"] = "1000"  # the browser breaks lines, argparse none
    assemble(Path(sys.argv[1]))
