import csv
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_submissions import Made, make

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.site.site import HERE, build_site
from pebench_tasks.pages.facts import real_in_words
from pebench_tasks.results.paper import published_rows

LINK = "https://example.org/made"
# What a schema lets through: markup, ends of elements and strings, a template's own signs.
HOSTILE = """"><script>document.title='pwned'</script><img src=x onerror=alert(1)> ' {{ 7 * 7 }} </style> =1+1"""


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> dict[str, Made]:
    return {target: make(benchmark, target) for target in ("person", "event", "joint")}


@pytest.fixture(scope="module")
def kept_plots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def plots_are_drawn_once(kept_plots: Path, only_our_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of a test's time; receipts in the same place are of other folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept_plots))


@pytest.fixture
def board(tmp_path: Path, valid: dict[str, Made]) -> Path:
    """Two submissions: people, and events."""
    folder = tmp_path / "board"
    for target in ("person", "event"):
        valid[target].copy().write(folder, f"a-{target}")
    return folder


@pytest.fixture
def build(tmp_path: Path, board: Path, benchmark: Benchmark) -> Callable[..., Path]:
    """Builds the board's site; returns its folder."""

    def built(out: str = "site", **options: Any) -> Path:
        return build_site(board, tmp_path / out, data=[benchmark.directory], **options).parent

    return built


class Page(HTMLParser):
    """Elements and attributes of a page, and the texts between them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def structure(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in self.elements]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def files(site: Path) -> dict[str, str]:
    return {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }


# What is written


def test_a_site_has_an_index_a_page_a_submission_and_what_machines_read(build: Callable[..., Path]) -> None:
    assert {name for name in files(build()) if not name.startswith("assets/")} == {
        "index.html", "contribute.html", "board.json", "board.csv", "check_workflow.yml", "submission.schema.json",
        "submissions/a-person.html", "submissions/a-person.json", "submissions/a-person.samples.jsonl.gz",
        "submissions/a-event.html", "submissions/a-event.json", "submissions/a-event.samples.jsonl.gz",
    }  # fmt: skip


def test_the_files_of_a_submission_are_copied_as_they_are(build: Callable[..., Path], board: Path) -> None:
    site = build()
    for name in ("a-event.json", "a-event.samples.jsonl.gz"):
        assert (site / "submissions" / name).read_bytes() == (board / name).read_bytes()


def test_the_same_board_gives_the_same_bytes(build: Callable[..., Path]) -> None:
    assert files(build("once")) == files(build("twice"))


@pytest.mark.slow
def test_many_pages_written_by_several_processes_are_the_same_bytes(
    build: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = files(build("alone"))
    monkeypatch.setattr("pebench_tasks.leaderboard.site.site.MANY", 1)
    assert files(build("together")) == alone


def test_every_link_leads_to_a_file_of_the_site_or_is_an_outside_link_that_is_not_followed(
    build: Callable[..., Path],
) -> None:
    site = build()
    for name, page in pages(site).items():
        for link in page.all("a"):
            address = link["href"].partition("#")[0]
            if address.startswith("https://"):
                assert {"nofollow", "noopener"} <= set(link["rel"].split()), (name, link)
            elif address:
                assert (site / name).parent.joinpath(address).is_file(), (name, link)
        loaded = [e["src"] for e in page.all("script") if "src" in e] + [
            e["href"] for e in page.all("link") if not e["href"].startswith("data:")
        ]
        assert loaded
        for address in loaded:
            assert (site / name).parent.joinpath(address).is_file(), (name, address)


def test_an_empty_board_says_how_to_begin(tmp_path: Path, benchmark: Benchmark) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match=r"holds neither submissions \(NAME.json\) nor a board.json"):
        build_site(tmp_path / "empty", tmp_path / "site", data=[benchmark.directory])
    (tmp_path / "empty" / "board.json").write_text("{}")
    index = build_site(tmp_path / "empty", tmp_path / "site", data=[benchmark.directory])
    assert "No submission yet" in Page(index).text


# What is shown


def test_people_and_events_stand_in_tables_of_their_own(build: Callable[..., Path]) -> None:
    machine = json.loads((build() / "board.json").read_text())
    assert [[row["name"] for row in table["rows"]] for table in machine["tables"]] == [["a-person"], ["a-event"]]
    assert [table["target"] for table in machine["tables"]] == ["person", "event"]


def test_finetuned_and_goal_are_shown_and_never_ranked(build: Callable[..., Path]) -> None:
    site = build()
    table = json.loads((site / "board.json").read_text())["tables"][1]
    bounds = table["finetuned_and_goals"]
    assert [(bound["role"], bound["distance"]) for bound in bounds] == [
        ("finetuned", pytest.approx(bounds[0]["distance"])), ("goal", 0.0),
    ]  # fmt: skip
    with (site / "board.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["role"], row["rank"]) for row in rows if row["target"] == "event"] == [
        ("model", "1"), ("finetuned", ""), ("goal", ""),
    ]  # fmt: skip


def test_names_given_in_part_stand_beside_efficacy_on_the_index_and_in_what_machines_read(
    build: Callable[..., Path],
) -> None:
    site = build()
    index = (site / "index.html").read_text()
    people, events = index.split('id="paper"')[0].split('data-target="')[1:]
    assert people.startswith("person")
    runs = 3  # the model, Finetuned, Goal; each has Efficacy and Generality
    assert people.count(" partial</small>") == 2 * runs
    assert " partial</small>" not in events
    person, event = (table["rows"][0]["figures"] for table in json.loads((site / "board.json").read_text())["tables"])
    assert {name for name, figure in person.items() if "partial" in figure} == {"efficacy", "generality"}
    assert not any("partial" in figure for figure in event.values())
    with (site / "board.csv").open(newline="") as file:
        rows = {row["target"]: row for row in csv.DictReader(file) if row["role"] == "model"}
    assert rows["person"]["efficacy_partial"] == str(person["efficacy"]["partial"])
    assert rows["event"]["efficacy_partial"] == ""


def test_a_forged_goal_gives_no_rank_among_honest_rows(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    """Another Goal, whose answers are the model's own: the distance is 0, in a table of its own."""
    other = valid["person"].copy()
    other.run()["weights"] = other.run()["record"]["weights"] = "1" * 16
    other.write(board, "b-person")
    forged = valid["person"].copy()
    own = {line["key"]: line["response"] for line in forged.lines if line["run"] == "model"}
    for line in forged.lines:
        if line["run"] == "goal-0":
            line["response"] = own[line["key"]]
    for run, weights in (("model", "2"), ("goal-0", "3")):
        forged.run(run)["weights"] = forged.run(run)["record"]["weights"] = weights * 16
    forged.claim().write(board, "forged")
    site = build()
    tables = json.loads((site / "board.json").read_text())["tables"]
    assert [[row["name"] for row in table["rows"]] for table in tables] == [
        ["a-person", "b-person"], ["forged"], ["a-event"],
    ]  # fmt: skip
    assert tables[1]["rows"][0]["distance"] == 0
    assert len({table["bounds"] for table in tables}) == 3
    text = " ".join(Page(site / "index.html").text.split())
    assert text.count("Measured against another Goal model: not comparable with the table above.") == 1
    assert "1 Goal model: 9999999999999999; Finetuned ffffffffffffffff" in text
    assert "1 Goal model: 3333333333333333; Finetuned ffffffffffffffff" in text


def test_one_table_for_the_same_bounds_in_another_order_of_lines_and_spaces(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    other = valid["person"].copy()
    other.run()["weights"] = other.run()["record"]["weights"] = "1" * 16
    path = other.write(board, "b-person")
    rows = sorted(other.lines, key=lambda line: (line["key"], line["run"]))
    spaced = gzip.compress("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode(), mtime=0)
    other.submission["samples"] |= {"sha256": hashlib.sha256(spaced).hexdigest(), "bytes": len(spaced)}
    path.write_text(json.dumps(other.submission))
    path.with_name("b-person.samples.jsonl.gz").write_bytes(spaced)
    tables = json.loads((build() / "board.json").read_text())["tables"]
    assert [[row["name"] for row in table["rows"]] for table in tables] == [["a-person", "b-person"], ["a-event"]]


def test_the_papers_rows_stand_apart_and_have_no_rank(build: Callable[..., Path]) -> None:
    site = build()
    machine = json.loads((site / "board.json").read_text())
    assert len(machine["paper"]["rows"]) == len(published_rows())
    assert not any("rank" in row for row in machine["paper"]["rows"])
    index = (site / "index.html").read_text()
    ours, _, paper = index.partition('<section id="paper">')
    assert "21.48" in paper
    assert "21.48" not in ours
    assert "data-board" not in paper
    assert "Not comparable" in paper


def test_a_page_says_what_no_check_can_see(build: Callable[..., Path]) -> None:
    found = pages(build())
    for name in ("index.html", "contribute.html", "submissions/a-event.html"):
        assert "What no check can see" in found[name].text
    assert "texts can be made up" in found["submissions/a-event.html"].text


def test_verified_is_only_what_a_maintainer_scored_again_and_a_change_loses_it(
    build: Callable[..., Path], board: Path
) -> None:
    def marked(site: Path) -> list[bool]:
        return [
            row["verified"]
            for table in json.loads((site / "board.json").read_text())["tables"]
            for row in table["rows"]
        ]

    assert marked(build()) == [False, False]
    digest = hashlib.sha256((board / "a-event.json").read_bytes()).hexdigest()
    word = {"sha256": digest, "by": "a maintainer", "on": "2026-01-02", "note": ""}
    (board / "verified.json").write_text(json.dumps({"a-event": word}))
    site = build()
    assert marked(site) == [False, True]
    assert "a maintainer scored the weights again on 2026-01-02" in Page(site / "submissions/a-event.html").text
    changed = json.loads((board / "a-event.json").read_text()) | {"description": "changed"}
    (board / "a-event.json").write_text(json.dumps(changed))
    assert marked(build()) == [False, False]


def test_a_page_shows_ten_documents_of_a_slice_with_the_answers_of_all_runs(
    build: Callable[..., Path], benchmark: Benchmark
) -> None:
    page = (build() / "submissions" / "a-event.html").read_text()
    found = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    data = json.loads(found[1])
    slices: dict[str, int] = {}
    for item in data["items"]:
        slices[data["texts"][item[2]]] = slices.get(data["texts"][item[2]], 0) + 1
        assert [data["texts"][answer[0]] for answer in item[8]] == ["Finetuned", "a-event", "Goal"]
    assert max(slices.values()) == 10
    assert slices.keys() == {"efficacy", "generality", "retain", "scope", "real", "world"}


def test_hyper_parameters_come_from_the_submissions_records(build: Callable[..., Path]) -> None:
    page = Page(build() / "submissions" / "a-event.html").text
    assert "learning_rate" in page
    assert "0.0001" in page


def test_the_numbers_format_and_the_backend_of_each_run_are_shown(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    made = valid["event"].copy()
    for run, dtype in (("model", "bfloat16"), ("finetuned", "float32"), ("goal-0", "float32")):
        made.run(run).update(dtype=dtype, backend="pebench_hf")
    made.run()["versions"]["torch"] = "2.14.0"
    made.claim().write(board, "a-event")
    site = build()
    page = " ".join(Page(site / "submissions" / "a-event.html").text.split())
    assert "pebench_hf in float32 (Finetuned, Goal); pebench_hf in bfloat16 (a-event)" in page
    assert "torch 2.15.0 (Finetuned, Goal); 2.14.0 (a-event)" in page
    assert "All settings, as the run record says" in page
    table = next(one for one in json.loads((site / "board.json").read_text())["tables"] if one["target"] == "event")
    assert [row["dtype"] for row in (*table["rows"], *table["finetuned_and_goals"])] == [
        "bfloat16", "float32", "float32",
    ]  # fmt: skip
    with (site / "board.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["target"] == "event"]
    assert [(row["role"], row["dtype"], row["backend"]) for row in rows] == [
        ("model", "bfloat16", "pebench_hf"), ("finetuned", "float32", "pebench_hf"), ("goal", "float32", "pebench_hf"),
    ]  # fmt: skip


def test_a_list_of_public_figures_is_said_in_words() -> None:
    which = {"list": "1" * 16, "known": 7, "asked": 24, "base": "b" * 16}
    assert real_in_words(which) == f"the 7 of 24 public figures that the base model knew (list {'1' * 16})"
    assert real_in_words("all") == "all"


# Whatever a submission says


def test_hostile_texts_are_shown_and_do_nothing(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    """A page of a hostile submission has the elements and attributes that it has with letters instead, no other."""

    def site_of(text: str, out: str) -> Path:
        made = valid["event"].copy()
        made.submission |= {"description": text, "link": "https://example.org/?a=1&b=%3Cscript%3E#javascript:alert(1)"}
        made.submission["base"]["name"] = text
        for run in ("model", "finetuned", "goal-0"):
            made.run(run)["name"] = text
            made.run(run)["record"]["arguments"] = {"learning_rate": text}
            made.line("real", run)["response"] = f"{text} \u202e\u2028 \x1b[31m"
        made.claim().write(board, "a-event")
        (board / "board.json").write_text(json.dumps({"title": text, "about": text}))
        return build(out)

    harmless, hostile = pages(site_of(re.sub(r"[^\w ]", "x", HOSTILE), "harmless")), pages(site_of(HOSTILE, "hostile"))
    for name, page in hostile.items():
        assert page.structure() == harmless[name].structure(), name
        addresses = [one.get(key, "") for _, one in page.elements for key in ("href", "src", "action", "formaction")]
        assert not [address for address in addresses if address.strip().lower().startswith("javascript:")]
        assert "{{ 7 * 7 }}" in page.text
    assert "document.title='pwned'" in hostile["submissions/a-event.html"].text
    raw = (board.parent / "hostile" / "submissions" / "a-event.html").read_text()
    # The browser of samples writes unseen characters out when it shows a text.
    assert not set("\u202e\x1b") & set(re.sub(r"(?s)<script type=.application/json.>.*?</script>", "", raw))
    with (board.parent / "hostile" / "board.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_spreadsheet_takes_no_name_for_a_formula(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    made = valid["event"].copy()
    made.submission["base"]["name"] = '=HYPERLINK("https://example.org")'
    made.write(board, "a-event")
    with (build() / "board.csv").open(newline="") as file:
        bases = {row["base"] for row in csv.DictReader(file) if row["name"] == "a-event" and row["role"] == "model"}
    assert bases == {'\'=HYPERLINK("https://example.org")'}


# What is not built


def test_a_refused_submission_builds_nothing_and_the_old_site_stays(
    build: Callable[..., Path], board: Path, valid: dict[str, Made]
) -> None:
    before = files(build())
    forged = valid["event"].copy()
    forged.run()["figures"]["efficacy"] = 1.0
    forged.write(board, "forged")
    with pytest.raises(BenchmarkError, match=r"forged is refused.*efficacy.*No site was built"):
        build()
    assert files(board.parent / "site") == before
    assert [path.name for path in sorted(board.parent.iterdir()) if "partial" in path.name] == []


def test_an_older_site_is_replaced_whole(build: Callable[..., Path], board: Path) -> None:
    assert (build() / "submissions" / "a-person.html").is_file()
    for path in board.glob("a-person*"):
        path.unlink()
    site = build(title="Another title")
    assert not (site / "submissions" / "a-person.html").exists()
    assert "Another title" in Page(site / "index.html").text


def test_a_folder_that_is_no_site_is_left_alone(build: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("mine")
    with pytest.raises(BenchmarkError, match="is no site of ours"):
        build()
    assert (tmp_path / "site" / "thesis.tex").read_text() == "mine"


def test_the_board_itself_is_no_place_for_its_site(build: Callable[..., Path], board: Path) -> None:
    (board / "board.json").write_text("{}")
    with pytest.raises(BenchmarkError, match="is no site of ours"):
        build("board")


# The CI recipe

RECIPE = (HERE / "check_workflow.yml").read_text(encoding="utf-8")


def step(name: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs a step of the recipe in ``folder`` as a runner does, with no PEBench at hand that it could install."""
    steps = yaml.safe_load(RECIPE)["jobs"]["check"]["steps"]
    script = next(one["run"] for one in steps if one.get("name") == name)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    place = {"RUNNER_TEMP": str(folder.parent), "PATH": path, "PIP_NO_INDEX": "1", "PIP_NO_INPUT": "1"}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=place | variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def pull_request(tmp_path: Path) -> Callable[[Callable[[Path], Any]], Path]:
    """A repository of a board at the merge of main with a pull request that changes its files as told."""

    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    def made(change: Callable[[Path], Any]) -> Path:
        (folder / ".github").mkdir(parents=True)
        for name in ("board.json", "verified.json", "old.json", "old.samples.jsonl.gz", ".github/check.yml"):
            (folder / name).write_text("{}")
        git("init", "-q", "-b", "main")
        git("add", "-A")
        git("commit", "-q", "-m", "a board")
        git("checkout", "-q", "-b", "theirs")
        change(folder)
        git("add", "-A")
        git("commit", "-q", "-m", "a pull request")
        git("checkout", "-q", "main")
        git("merge", "-q", "--no-ff", "-m", "tried", "theirs")
        return folder

    folder = tmp_path / "repository"
    return made


def test_a_pull_request_may_add_a_submission(pull_request: Callable[[Callable[[Path], Any]], Path]) -> None:
    def add(folder: Path) -> None:
        for name in ("new-1.0_a.json", "new-1.0_a.samples.jsonl.gz"):
            (folder / name).write_text("1")

    done = step("Only new submissions", pull_request(add))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / ".github" / "check.yml").write_text("mine"), "M .github/check.yml"),
        (lambda folder: (folder / ".github" / "other.yml").write_text("mine"), "A .github/other.yml"),
        (lambda folder: (folder / "board.json").write_text("mine"), "M board.json"),
        (lambda folder: (folder / "verified.json").write_text("mine"), "M verified.json"),
        (lambda folder: (folder / "old.json").write_text("mine"), "M old.json"),
        (lambda folder: (folder / "old.samples.jsonl.gz").unlink(), "D old.samples.jsonl.gz"),
        (lambda folder: (folder / "old.json").rename(folder / "new.json"), "A new.json D old.json"),
        (lambda folder: (folder / "sitecustomize.py").write_text("mine"), "A sitecustomize.py"),
        (lambda folder: (folder / "constraints.txt").write_text("mine"), "A constraints.txt"),
        (lambda folder: (folder / "Upper.json").write_text("mine"), "A Upper.json"),
        (lambda folder: (folder / "a\n::error::b.json").write_text("mine"), r"A $'a\n::error::b.json'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pull_request_may_do_nothing_else(
    pull_request: Callable[[Callable[[Path], Any]], Path], change: Callable[[Path], Any], said: str
) -> None:
    done = step("Only new submissions", pull_request(change))
    assert done.returncode == 1
    assert "A pull request may only add NAME.json and NAME.samples.jsonl.gz" in done.stdout
    assert said.split(" D ")[-1].split(" ", 1)[-1] in done.stdout
    assert done.stdout.count("::error::") == 1 + said.count("::error::")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "named",
    [
        "",
        "pebench==0.1.0",
        "pebench",
        f"git+https://example.org/pebench@{'main'}",
        "a.whl",
        f"../a.whl#sha256={'0' * 64}",
    ],
)
def test_the_recipe_installs_nothing_that_is_not_pinned(tmp_path: Path, named: str) -> None:
    (tmp_path / "work").mkdir()
    done = step("Install", tmp_path / "work", PEBENCH=named)
    assert done.returncode == 1
    assert "names no commit and no wheel with its hash. Fill it in." in done.stdout


def test_a_wheel_of_another_hash_is_not_installed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "pebench-0.1.0-py3-none-any.whl").write_bytes(b"forged")
    done = step("Install", folder, PEBENCH=f"pebench-0.1.0-py3-none-any.whl#sha256={'0' * 64}")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "constraints.txt" not in done.stderr  # pip was not reached


@pytest.mark.parametrize("content", ["{}", '{"benchmarks": {}}'])
def test_a_board_without_benchmarks_says_what_it_lacks(tmp_path: Path, content: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "board.json").write_text(content)
    done = step("Build the benchmarks that board.json names", tmp_path / "work")
    assert done.returncode == 1
    assert "board.json names no benchmarks" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_workflow_runs_pull_requests_without_rights_and_pins_everything() -> None:
    workflow = yaml.safe_load(RECIPE)
    assert set(workflow[True]) == {"pull_request", "push"}  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in re.sub(r"#.*", "", RECIPE)
    steps = [one for job in workflow["jobs"].values() for one in job["steps"]]
    assert all("permissions" not in job for job in workflow["jobs"].values())
    for one in steps:
        if "uses" in one:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one["uses"])
        assert "${{" not in one.get("run", "")  # nothing that a pull request says becomes a command
    assert workflow["env"]["PEBENCH"] == ""  # no index has it; whoever registers the name would run code
    assert [one.get("name") for one in steps[:2]] == [None, "Only new submissions"]
    assert any("pebench leaderboard check ." in one.get("run", "") for one in steps)


def test_the_contribution_page_says_what_protects_a_board(build: Callable[..., Path]) -> None:
    text = " ".join(Page(build() / "contribute.html").text.split())
    assert "It cannot protect itself" in text
    for name in ("CODEOWNERS", "/.github/", "/board.json", "/verified.json"):
        assert name in text
