"""What the README and the documentation say can be done: links lead somewhere, commands parse, marks are as told."""

import ast
import configparser
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from documented import ASSIGNED, BLOCK, DOCS, PAGES, README, ROOT, blocks, commands

import pebench_tasks
from pebench_tasks import cli
from pebench_tasks.cli.mark import marks
from pebench_tasks.evaluation import datasets_folder
from pebench_tasks.versions import TASKS_FOLDER

sys.path.insert(0, str(ROOT / "docs"))

import assemble

PACKAGES = ("pebench_tasks", "unlearn")
MODULES = ("unlearn", "unlearn.demo", "unlearn.sequence", "unlearn.table1", "unlearn.attack")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def ours(command: list[str]) -> list[str]:
    """The part of a command that is ours (``pebench ...``, ``python -m unlearn ...``, ``make ...``); else nothing."""
    if command[0] == "make":
        return command
    if "pebench" in command and command[0] in ("pebench", "torchrun"):
        return command[command.index("pebench") :]
    if "-m" in command and command[command.index("-m") + 1] in MODULES:
        return ["python", *command[command.index("-m") :]]
    return []


def inline(page: Path) -> Iterator[list[str]]:
    """Commands of ours within the text."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for code in re.findall(r"`([^`]+)`", text):
        if re.match(r"(pebench|python -m unlearn|make) ", code):
            yield from filter(None, (ours(command.words) for command in commands(" ".join(code.split()))))


def tasks() -> set[str]:
    """What ``lmms-eval --tasks`` takes of ours: tasks and tags."""
    files = [
        path.read_text(encoding="utf-8")
        for path in TASKS_FOLDER.iterdir()
        if path.is_file() and path.suffix in ("", ".yaml")
    ]
    return {name for text in files for name in re.findall(r"(?m)^(?:task|tag): (\w+)$", text)}


def targets() -> set[str]:
    """What ``make`` takes."""
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def help_of(*words: str) -> str:
    """What a command of ours says with ``--help``."""
    if words[0] == "pebench":
        return assemble.said(cli.main, [*words[1:], "--help"])
    return assemble.said(assemble.import_module(assemble.MODULES[" ".join(words)]).main, ["--help"])


@cache
def option_names(*words: str) -> set[str]:
    """The options of a command, as its help lists them; of ``python -m unlearn`` those of transformers as well."""
    said = help_of(*words)
    if "TrainingArguments" in said:
        from transformers import TrainingArguments

        said += " ".join(f"--{name}" for name in inspect.signature(TrainingArguments).parameters)
    return {*re.findall(r"--[\w-]+", said), "--help", "--help_all"}


def command_of(words: list[str]) -> list[str]:
    """The words that name a command of ours, without its arguments; fails for one that is not there."""
    if words[0] == "python":
        return words[:3]
    named = ["pebench"]
    for word in words[1:]:
        listed = re.findall(r"(?m)^    (\w+)", help_of(*named).partition("\ncommands:\n")[2])
        if not listed or word.startswith("-") or word.isupper() or word == "...":
            break
        assert word in listed, f"{' '.join(words)}: there is no command {word}"
        named.append(word)
    return named


def check_options(words: list[str]) -> None:
    """The command is there, and so are its options."""
    if words[0] == "make":
        wanted = [word for word in words[1:] if not ASSIGNED.match(word)]
        assert set(wanted) <= targets(), words
        return
    known = option_names(*command_of(words))
    given = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--"}
    plain = {name.replace("_", "-") for name in known}
    assert {name.replace("_", "-") for name in given} <= plain, f"{' '.join(words)} has options that are not there"


def parse(words: list[str]) -> None:
    """As the command itself would read them; nothing is run."""
    if words[0] == "make":
        return
    offered = {point.name: point for point in entry_points(group="pebench.commands")}
    if words[0] == "pebench" and words[1] not in offered:
        cli._parser(words[1:], offered).parse_args(words[1:])
        return
    module, given = (words[2], words[3:]) if words[0] == "python" else (words[1], words[2:])
    if module in ("unlearn.demo", "demo"):
        from unlearn import demo

        demo.parse(given)
    elif module in ("unlearn.attack", "attack"):
        from unlearn import attack

        attack.parse(given)
    elif module in ("unlearn", "finetune", "goal"):
        from unlearn import arguments

        arguments.parse([*([] if module == "unlearn" else ["--method", module]), *given])


def test_the_readme_is_at_most_180_lines() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 180


@each_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, path in assemble.linked_files(page.read_text(encoding="utf-8"), page):
        anchor = target.partition("#")[2]
        if anchor and path.suffix == ".md":
            headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
            assert anchor in map(assemble.heading_anchor, headings), f"{target}: no heading of {path.name}"


@each_page
def test_every_command_in_a_code_block_parses(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (command.words for code in blocks(page, "bash") for command in commands(code)):
        if words := ours(command):
            try:
                check_options(words)
                parse(words)
            except SystemExit:
                pytest.fail(f"{' '.join(words)}\n{capsys.readouterr().err}")
        if command[0] == "python" and command[1] != "-m":
            assert (ROOT / command[1]).is_file(), command
        if command[0] == "lmms-eval":
            assert set(command[command.index("--tasks") + 1].split(",")) <= tasks(), command


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_command_is_read_without_scrolling(page: Path) -> None:
    """On a laptop's screen; a line of JSON cannot be broken."""
    shown = [code for language in ("bash", "python", "text") for code in blocks(page, language)]
    long = [line for code in shown for line in code.splitlines() if len(line) > 80]
    assert [line for line in long if not line.startswith("echo '{")] == []


@each_page
def test_every_command_in_the_text_is_there_with_its_options(page: Path) -> None:
    for words in inline(page):
        check_options(words)


def test_there_are_commands_to_check() -> None:
    """What is found above is found at all."""
    found = [ours(command.words) for page in DOCS for code in blocks(page, "bash") for command in commands(code)]
    assert ["make", "demo"] in found
    assert ["pebench", "data", "show", "bench"] in found
    assert len([words for words in found if words]) > 40
    assert ["make", "check"] in list(inline(ROOT / "docs" / "design.md"))


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("pebench scor runs", "there is no command scor"),
        ("pebench score runs --targets person", "options that are not there"),
        ("python -m unlearn --learningrate 1", "options that are not there"),
        ("make documentation", "documentation"),
    ],
)
def test_a_misspelt_command_is_found(words: str, wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        check_options(words.split())


@each_page
def test_python_in_the_pages_calls_what_is_there(page: Path) -> None:
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(r"pebench_tasks\.\w+", called):
                known = inspect.signature(getattr(pebench_tasks, called.partition(".")[2])).parameters
                assert {keyword.arg for keyword in node.keywords} <= set(known), ast.unparse(node)
            if called == "unlearn.train":
                check_options(["python", "-m", "unlearn", *(f"--{keyword.arg}" for keyword in node.keywords)])


def test_the_method_in_the_pages_is_that_of_the_example() -> None:
    (shown,) = [code for code in blocks(ROOT / "docs" / "methods.md", "python") if "def bounded" in code]
    assert shown.strip() in (ROOT / "examples" / "write_a_method.py").read_text(encoding="utf-8")


def test_every_variable_of_ours_has_a_row_and_every_other_is_named() -> None:
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")]

    def named(pattern: str) -> set[str]:
        return {name for text in sources for name in re.findall(pattern, text)}

    assert sorted(re.findall(r"(?m)^\| `(PEBENCH_[A-Z_]+)", page)) == sorted(named(r"\bPEBENCH(?:_[A-Z]+)+\b"))
    read = named(r"environ(?:\.get\(|\[)['\"]([A-Z_]+)") | named(r"\b(?:HF|OPENAI)_[A-Z_]+\b")
    read.add(datasets_folder.VARIABLE)
    assert {"RANK", "XDG_CACHE_HOME", "HF_TOKEN", "OPENAI_BASE_URL"} <= read
    unnamed = {name for name in read if name not in page and not name.startswith("ACCELERATE_")}
    assert unnamed == {"TOKENIZERS_PARALLELISM"}  # which the demo sets for its own processes


def test_the_marks_of_names_are_as_the_page_tells_them() -> None:
    page = (ROOT / "docs" / "marks.md").read_text(encoding="utf-8")
    table = page.partition("| response (truth: Anna Müller)")[2].partition("\n\n")[0].splitlines()[2:]
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert len(told) >= 7
    names = ["Anna Müller", "Bo Lind"]
    rows = [
        {"id": "", "kind": "name", "names": names, "truth": names[0], "response": response.strip("`")}
        for response, _, _ in told
    ]
    rows = [row | {"response": ""} if row["response"] == "(nothing)" else row for row in rows]
    for (response, forgotten, kept), mark in zip(told, marks(map(json.dumps, rows), "marks.md"), strict=True):
        for cell, figure in ((forgotten, mark["efficacy"]), (kept, mark["retain"])):
            assert re.findall(r"\b(0|100)\b", cell) == [f"{figure:.0f}"], response


ORDERINGS = {  # a row of the page: what the rows of table1.md begin with that it sums up
    "GA and DPO leave": ("GA destroys", "DPO destroys"),
    "PO, KL and SIU do": ("PO destroys", "KL destroys", "SIU destroys"),
    "every method forgets": ("Every method forgets",),
    "GD keeps more": ("GD keeps more person", "GD keeps more event"),
    "PO hardly moves": ("PO hardly moves",),
    "GA scores": ("GA scores",),
    "no method comes near": ("No method comes near",),
    "what is forgotten": ("What is forgotten",),
    "unlearning people costs": ("Unlearning people costs",),
    "unlearning costs World": ("Unlearning costs World",),
    "BGD raises GD's": ("BGD raises GD's person", "BGD raises GD's event"),
    "BGD raises KL's": ("BGD raises KL's person", "BGD raises KL's event"),
}


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table of a page whose first heading this is."""
    table = page.read_text(encoding="utf-8").partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_orderings_of_the_miniature_are_those_of_its_table() -> None:
    """Whether each appears on the means, and on how many seeds."""
    heading = "what the paper's tables show"
    made = {row[0]: (row[2], row[3]) for row in table_rows(ROOT / "benchmarks" / "results" / "table1.md", heading)}
    told = table_rows(ROOT / "docs" / "results.md", heading)
    assert len(told) == len(ORDERINGS)
    assert sum(map(len, ORDERINGS.values())) == len(made)
    for claim, said in told:
        (begins,) = [parts for start, parts in ORDERINGS.items() if claim.startswith(start)]
        expected = [value for start in begins for name, value in made.items() if name.startswith(start)]
        verdicts = re.findall(r"\b(yes|no)\b", said)
        seeds = re.findall(r"\d", " ".join(re.findall(r"\(([\d, and]+) of 5\)", said)))
        assert [*zip(verdicts * (len(expected) // len(verdicts)), seeds, strict=True)] == expected, claim


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": ([\w-]+\.md)$", text, re.MULTILINE)
    assert sorted(listed) == sorted([*(page.name for page in DOCS), assemble.MADE.name, *assemble.PAGES.values()])


def test_search_and_mkdocstrings_are_the_only_plugins_and_mkdocs_is_the_old_one() -> None:
    """So that what follows mkdocs can read the pages."""
    plugins = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nplugins:\n")[2].partition("\nmarkdown")[0]
    assert re.findall(r"(?m)^  - (\w+)", plugins) == ["search", "mkdocstrings"]
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "mkdocs<2" in setup["options.extras_require"]["docs"].split()


def test_the_site_s_pages_link_to_each_other_alone(tmp_path: Path) -> None:
    """Nothing leads out of the folder that is put together; the commands and what was proven have pages."""
    out = tmp_path / "docs"
    assemble.assemble(out)
    for page in out.rglob("*.md"):
        for target in assemble.LINK.findall(assemble.CODE.sub("", page.read_text(encoding="utf-8"))):
            if not assemble.ELSEWHERE.match(target):
                path = (page.parent / target.partition("#")[0]).resolve()
                assert path.is_file(), f"{page.relative_to(out)}: {target}"
                assert out in path.parents
    listed = (out / "command-line.md").read_text(encoding="utf-8")
    assert {"## pebench score", "## pebench leaderboard check", "## python -m unlearn"} <= set(listed.splitlines())
    assert "--retain-all" in listed
    assert listed.count('<pre class="help">') == listed.count("\n## ")
    assert "| model families | [30 of them](repository/benchmarks/" in (out / "proven.md").read_text(encoding="utf-8")


def test_a_line_of_help_says_where_it_goes_on() -> None:
    """Below its last column: 14 letters in, of a usage line 7. A paragraph is one line, whatever it was folded at."""
    said = "usage: x DIR\n\nAll of it,\n<so> to speak.\n\n  --replay    rows\n  of words"
    assert assemble.help_block(said) == (
        '<pre class="help"><code>'
        '<span style="--below: 7ch">usage: x DIR</span>\n'
        '<span style="--below: 0ch"> </span>\n'
        '<span style="--below: 0ch">All of it, &lt;so&gt; to speak.</span>\n'
        '<span style="--below: 0ch"> </span>\n'
        '<span style="--below: 14ch">  --replay    rows</span>\n'
        '<span style="--below: 2ch">  of words</span>'
        "</code></pre>"
    )


def test_a_link_to_nothing_stops_the_site(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"README\.md links to docs/nowhere\.md"):
        assemble.linked_files("see [this](docs/nowhere.md)", README)
