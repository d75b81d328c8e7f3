"""Which versions of transformers and lmms-eval this checkout works with: ``make compat``.

Each pair gets an environment of its own, made by uv outside the checkout (packages are hard links into uv's cache) and
deleted afterwards, one at a time. In it run the tests of the features that versions have broken before, and one
checkpoint, the same for all, is scored: its answers must be those of the tested set of versions (constraints.txt).
What a pair gave is kept, so that the same command goes on after an interruption; ``--again`` asks all anew.

    python tests/compat/compat.py --out runs/compat --page benchmarks/results/compat.md [--pairs 5.24.0/0.7.3 ...]
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from configparser import ConfigParser
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fresh
import neighbours
from environments import ROOT, environment, equal, install, loosened, reference, start, versions
from packaging.requirements import Requirement
from packaging.version import Version
from rich.console import Console

from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.files import write_whole

PYTHON = "3.11"  # of the tested set; of a pair that names no other
LOWEST = "lowest"  # the pair of the lower bounds in setup.cfg, with the newest of everything else that goes with them
PAIRS = (
    "5.24.0/0.7.3", "5.23.0/0.7.3", "5.16.1/0.7.1", "5.19.0/0.7.3", "5.20.2/0.7.3", "5.24.0/0.7.1", LOWEST,
    "5.16.1/0.7.3", "5.20.2/0.7.1", "5.22.2/0.7.3", "5.24.0/0.7.3/3.13", "5.23.0/0.7.1", "5.19.0/0.7.1",
    "5.23.0/0.7.2", "5.22.2/0.7.1", "5.19.0/0.7.3/3.12",
)  # fmt: skip
BACKEND, TRAINER = "tests/pebench_tasks/backend", "tests/unlearn/training/test_method_trainer.py"
GENERATION, MODEL = f"{BACKEND}/test_generation.py", f"{BACKEND}/test_pebench_hf.py"
FEATURES = {
    "answers": (
        f"{GENERATION}::test_the_answers_are_those_of_transformers_alone_and_together",
        f"{MODEL}::test_texts_equal_the_stock_backend_at_batch_size_one",
        f"{MODEL}::test_the_order_of_requests_and_the_batch_size_do_not_matter",
        f"{MODEL}::test_text_only_documents_are_answered",
        f"{MODEL}::test_an_adapter_answers_like_its_merged_model",
    ),
    "fast path": (
        f"{GENERATION}::test_rows_that_ended_are_no_longer_computed",
        f"{GENERATION}::test_answers_that_recur_take_few_passes_and_are_the_same",
        f"{GENERATION}::test_wrong_guesses_change_no_answer",
        f"{MODEL}::test_a_checkpoint_that_cannot_be_answered_fast_says_so_once",
        f"{MODEL}::test_an_image_is_encoded_once_however_many_questions_are_asked",
    ),
    "a step of every method": (
        f"{TRAINER}::test_a_method_lowers_its_loss_and_changes_what_is_trained_and_nothing_else",
        f"{TRAINER}::test_gradient_checkpointing_changes_no_loss",
        "tests/unlearn/recipes/test_choosing.py::test_a_training_without_config_takes_its_recipe_says_so_and_records_it",
        "tests/unlearn/test_arguments.py",
    ),
    "packed questions": (
        f"{TRAINER}::test_a_shared_prefix_changes_no_loss",
        "tests/unlearn/tensors/test_batches.py::test_packed_questions_give_the_losses_and_all_gradients_of_separate_ones",
        *(
            f"tests/families/test_family_batches.py::test_questions_behind_one_image_say_what_they_say_alone[{family}-sdpa]"
            for family in ("gemma3", "llava", "qwen2_5_vl", "qwen3_vl")
        ),
    ),
    "plugin": ("tests/pebench_tasks/test_plugin.py",),
    "bare command": (
        "tests/pebench_tasks/evaluation/test_score.py"
        "::test_the_bare_command_finds_the_tasks_from_any_folder_and_gives_the_same_results",
    ),
}
HEAD = """# Versions

Written by `make compat`; not to be edited. For each row an environment was made, the tests were run of what versions
have broken before (✓ and how many), and one checkpoint was scored: *equal answers* are those that the tested set of
versions ([constraints.txt](../../constraints.txt)) gives too, text for text, in float32. All on a CPU.

- **Answers**: those of `generate` in that version, and of lmms-eval's own backend, whatever the batch.
- **Fast path**: it is on. Rows that ended leave the batch, answers that recur are checked several tokens at a time,
  an image is encoded once (from transformers 5.18).
- **A step of every method**: its loss falls; so it does with activation checkpointing; recipes are read.
- **Packed questions**: losses and gradients of questions that share an image are those of separate ones.
- **Plugin**, **bare command**: lmms-eval finds tasks and model; its own command gives what `pebench score` does."""
# What fails without us just as well: by lmms-eval and feature.
UPSTREAM = dict.fromkeys(
    (("0.7.1", "bare command"), ("0.7.2", "bare command")),
    "the wheels of lmms-eval 0.7.1 and 0.7.2 lack a file of its own tasks (`corecognition`), so that its command runs "
    "nobody's tasks; `pebench score` works",
)
LIBRARIES = ("transformers", "lmms-eval", "torch", "peft", "datasets", "accelerate")  # which setup.cfg bounds
SECTIONS = (fresh, neighbours)


@dataclass(frozen=True)
class Outcome:
    """What a pair of versions gave."""

    pair: str
    versions: dict[str, str]  # of Python and LIBRARIES
    features: dict[str, str]  # "12 passed", or the first test that did not pass and why
    equal: str  # "80 of 80": answers that are those of the tested set; or what went wrong

    @property
    def problems(self) -> dict[str, str]:
        """What does not work, by its name in the page."""
        same, _, all_of_them = self.equal.partition(" of ")
        wrong = {
            name: text
            for name, text in self.features.items()
            if not text.endswith(" passed") and (self.versions["lmms-eval"], name) not in UPSTREAM
        }
        return wrong if same == all_of_them else {**wrong, "equal answers": self.equal}


def main(argv: Sequence[str] | None = None) -> int:
    """Ask every pair that was not asked yet, then write the page; 1 where one does not work."""
    names = [section.__name__ for section in SECTIONS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "compat", help="what each pair gave")
    parser.add_argument("--page", type=Path, default=ROOT / "benchmarks" / "results" / "compat.md")
    parser.add_argument(
        "--pairs", nargs="*", default=PAIRS, metavar="PAIR", help="TRANSFORMERS/LMMS_EVAL[/PYTHON], or: lowest"
    )
    parser.add_argument("--sections", nargs="*", default=names, choices=names, help="what else is asked")
    parser.add_argument("--again", action="store_true", help="ask also those that were asked")
    options = parser.parse_args(argv)
    return exit_code(lambda: run(options.pairs, options.sections, options.out, options.page, again=options.again))


def run(pairs: Sequence[str], parts: Sequence[str], out: Path, page_file: Path, *, again: bool = False) -> int:
    """See ``main``."""
    console = Console(stderr=True)
    out.mkdir(parents=True, exist_ok=True)
    questions: dict[str, Callable[[Path], dict[str, Any]]] = {
        f"pair-{pair.replace('/', '-')}": partial(ask, pair) for pair in pairs
    }
    questions |= {section.__name__: section.ask for section in SECTIONS if section.__name__ in parts}
    missed = False
    for name, question in questions.items():
        file = out / f"{name}.json"
        if again or not file.exists():
            try:
                with console.status(name):
                    found = question(out)
            except BenchmarkError as error:  # no such Python here, no network: the others are asked all the same
                console.print(f"{name}: not asked: {error}")
                missed = True
                continue
            write_whole(file, json.dumps(found, indent=2) + "\n")
            console.print(f"{name}: asked")
            _write_page(out, page_file)
    return 1 if _write_page(out, page_file) or missed else 0


def _write_page(out: Path, page_file: Path) -> bool:
    """Write what was found so far; whether anything does not work."""
    outcomes = [Outcome(**_read(file)) for file in out.glob("pair-*.json")]
    files = [(section, out / f"{section.__name__}.json") for section in SECTIONS]
    write_whole(page_file, page(outcomes, [section.lines(_read(file)) for section, file in files if file.exists()]))
    return any(outcome.problems for outcome in outcomes)


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def ask(pair: str, out: Path) -> dict[str, Any]:
    """Make the environment of a pair, run the tests, score the checkpoint, delete it: an Outcome."""
    known = reference(out)
    transformers, lmms_eval, python_version, *_ = [*pair.split("/"), PYTHON, PYTHON]
    own = [f"transformers=={transformers}", f"lmms-eval=={lmms_eval}"]
    constraints = loosened((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines(keepends=True))
    if pair == LOWEST:
        python_version, constraints, own = PYTHON, [], lower_bounds()
    with environment(python_version) as python:
        install(python, "--editable", f"{ROOT}[dev]", *own, constraints=constraints)
        found = versions(python, LIBRARIES)
        features = features_of(outcomes_of_tests(python, [test for tests in FEATURES.values() for test in tests]))
        try:
            same = equal(python, known)
        except BenchmarkError as error:
            same = str(error)
    return asdict(Outcome(pair, found, features, same))


def lower_bounds() -> list[str]:
    """Of what setup.cfg bounds from below, these very versions."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = [Requirement(line) for line in config["options"]["install_requires"].split("\n") if line]
    lowest = {
        one.name: bound.version for one in wanted if one.name in LIBRARIES for bound in one.specifier
        if bound.operator == ">="
    }  # fmt: skip
    return [f"{name}=={lowest[name]}" for name in LIBRARIES]


def outcomes_of_tests(python: str, tests: Sequence[str]) -> dict[str, str]:
    """What became of each test, by its name: "passed", "skipped" or why not; all in one process, which imports once."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "-n0", "-p", "no:cacheprovider", "-m", "not slow", "--continue-on-collection-errors"]
        done = start([python, "-m", "pytest", *options, f"--junitxml={report}", "-o", "junit_family=xunit1", *tests])
        if not report.exists():
            raise BenchmarkError(f"pytest did not run: {(done.stderr or done.stdout).strip()[-500:]}")
        return read_report(report)


def read_report(report: Path) -> dict[str, str]:
    """The outcomes in a file that pytest wrote; a file that cannot be imported has one under its own name."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('file')}::{case.get('name')}" if case.get("classname") else case.get("file", "")
        problem = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        found[name] = "passed" if problem is None else f"{problem.tag}: {_why(problem)}"
    return found


def _why(problem: ElementTree.Element) -> str:
    """The first line of what was said; of a file that cannot be imported the last error."""
    errors = re.findall(r"^E +(.*)$", problem.text or "", re.MULTILINE)
    said = errors[-1:] if problem.get("message") == "collection failure" else problem.get("message", "").splitlines()
    return said[0].strip()[:200] if said else "nothing was said"


def features_of(outcomes: dict[str, str]) -> dict[str, str]:
    """Of every feature how many tests passed, or the first that did not and why."""
    features = {}
    for feature, tests in FEATURES.items():
        own = {name: text for name, text in outcomes.items() if name.startswith(tests)}
        own |= {test.split("::")[0]: outcomes[test.split("::")[0]] for test in tests if test.split("::")[0] in outcomes}
        wrong = [f"{name.split('::')[-1]}: {text}" for name, text in own.items() if text != "passed"]
        missing = [test for test in tests if not any(name.startswith(test) for name in own)]
        wrong += [f"{test.split('::')[-1]}: did not run" for test in missing]
        features[feature] = wrong[0] if wrong else f"{len(own)} passed"
    return features


def page(outcomes: Sequence[Outcome], sections: Sequence[Sequence[str]]) -> str:
    """The support table, what failed, then the other sections."""
    head = ["Python", *LIBRARIES, *FEATURES, "equal answers"]
    lines = [
        *HEAD.splitlines(),
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    ordered = sorted(
        outcomes,
        key=lambda one: [Version(one.versions[name]) for name in ("transformers", "lmms-eval", "torch", "python")],
    )
    for one in ordered:
        cells = [
            f"✓ {text.split()[0]}" if text.endswith(" passed") else "✗" if name in one.problems else "not ours"
            for name, text in one.features.items()
        ]
        same = one.equal if re.fullmatch(r"\d+ of \d+", one.equal) else "✗"
        lines.append(f"| {' | '.join([*(one.versions[name] for name in ('python', *LIBRARIES)), *cells, same])} |")
    failed = [f"- {one.pair}, {name}: {text}" for one in ordered for name, text in one.problems.items()]
    if failed:
        lines += ["", *failed]
    theirs = {
        f"{name.capitalize()}, *not ours*: {why}."
        for (number, name), why in UPSTREAM.items()
        if any(one.versions["lmms-eval"] == number and not one.features[name].endswith(" passed") for one in ordered)
    }
    for note in sorted(theirs):
        lines += ["", note]
    for section in sections:
        lines += ["", *section]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
