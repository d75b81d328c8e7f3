"""Which versions of transformers and lmms-eval this checkout works with: ``make compat``.

Each pair gets an environment of its own, made by uv outside the checkout (packages are hard links into uv's cache) and
deleted afterwards, one at a time. In it run the tests of the features that versions have broken before, and one
checkpoint, the same for all, is scored: its answers must be those of the tested set of versions (constraints.txt).
What a pair gave is kept, so that the same command goes on after an interruption; ``--again`` asks all anew.

    python tests/compat/compat.py --out runs/compat --page benchmarks/results/compat.md [--pairs 5.24.0/0.7.3 ...]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from pebench_tasks.errors import BenchmarkError, exit_code
from pebench_tasks.files import write_whole

ROOT = Path(__file__).parents[2]
PAIRS = (
    "5.16.1/0.7.3", "5.19.0/0.7.3", "5.20.2/0.7.3", "5.22.2/0.7.3", "5.23.0/0.7.3", "5.24.0/0.7.3",
    "5.16.1/0.7.1", "5.19.0/0.7.1", "5.20.2/0.7.1", "5.23.0/0.7.1", "5.24.0/0.7.1",
)  # fmt: skip
# Of the tested set everything stays but what these two libraries tie to versions of their own.
TIED = {"transformers", "lmms-eval", "huggingface-hub", "hf-xet", "tokenizers", "safetensors", "trl"}
BACKEND, TRAINER = "tests/pebench_tasks/backend", "tests/unlearn/training/test_method_trainer.py"
FEATURES = {
    "answers of `generate`, fast": (f"{BACKEND}/test_generation.py", f"{BACKEND}/test_pebench_hf.py"),
    "a step of every method": (
        f"{TRAINER}::test_a_method_lowers_its_loss_and_changes_what_is_trained_and_nothing_else",
        f"{TRAINER}::test_gradient_checkpointing_changes_no_loss",
        "tests/unlearn/test_arguments.py",
    ),
    "packed questions": (
        f"{TRAINER}::test_a_shared_prefix_changes_no_loss",
        "tests/unlearn/tensors/test_batches.py::test_packed_questions_give_the_losses_and_all_gradients_of_separate_ones",
    ),
    "plugin": ("tests/pebench_tasks/test_plugin.py",),
    "bare command": ("tests/pebench_tasks/evaluation/test_score.py", "-k", "bare_command and same_results"),
}
LIBRARIES = ("torch", "peft", "datasets", "accelerate")
VARIABLES = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Outcome:
    """What a pair of versions gave."""

    pair: str
    python: str
    libraries: dict[str, str]
    features: dict[str, str]  # "12 passed", or the first test that failed
    equal: str  # "80 of 80": answers that are those of the tested set

    @property
    def works(self) -> bool:
        """Whether every feature does, with equal answers."""
        same, _, all_of_them = self.equal.partition(" of ")
        return same == all_of_them and all(text.endswith(" passed") for text in self.features.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Ask every pair that was not asked yet, then write the page; 1 where one does not work."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "compat", help="what each pair gave")
    parser.add_argument("--page", type=Path, default=ROOT / "benchmarks" / "results" / "compat.md")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, metavar="TRANSFORMERS/LMMS_EVAL")
    parser.add_argument(
        "--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="of the environments"
    )
    parser.add_argument("--again", action="store_true", help="ask also those that were asked")
    options = parser.parse_args(argv)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    options.out.mkdir(parents=True, exist_ok=True)
    reference = _reference(options.out)
    for pair in options.pairs:
        file = options.out / f"python-{options.python}_transformers-{pair.replace('/', '_lmms-eval-')}.json"
        if file.exists() and not options.again:
            continue
        with console.status(f"{pair}, Python {options.python}"):
            outcome = _ask(pair, options.python, reference)
        write_whole(file, json.dumps(asdict(outcome), indent=2) + "\n")
        console.print(f"{pair}, Python {options.python}: {'works' if outcome.works else 'does not work'}")
    found = [Outcome(**json.loads(file.read_text(encoding="utf-8"))) for file in sorted(options.out.glob("*.json"))]
    write_whole(options.page, page(found))
    return 0 if all(outcome.works for outcome in found) else 1


def _reference(out: Path) -> Path:
    """A benchmark, a checkpoint and its answers by the tested versions, in this environment; made once."""
    folder = out / "reference"
    if not (folder / "scores").exists():
        _call([sys.executable, str(Path(__file__).with_name("checkpoint.py")), str(folder)])
        _score(sys.executable, folder, folder / "scores")
    return folder


def _score(python: str, reference: Path, out: Path) -> dict[str, str]:
    """The answers of the checkpoint by an environment's Python, by task and document."""
    words = ["score", str(reference / "checkpoint"), "--data", str(reference / "data"), "--target", "person", "event"]
    command = [python, "-c", "import sys; from pebench_tasks.cli import main; sys.exit(main(sys.argv[1:]))"]
    _call([*command, *words, "--dtype", "float32", "--batch_size", "16", "--output_path", str(out)])
    return _answers(out)


def _answers(out: Path) -> dict[str, str]:
    found = {}
    for file in out.rglob("*_samples_*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[f"{file.stem.partition('_samples_')[2]}:{row['provenance']['key']}"] = row["filtered_resps"]
    return found


def _ask(pair: str, python: str, reference: Path) -> Outcome:
    transformers, _, lmms_eval = pair.partition("/")
    with tempfile.TemporaryDirectory(prefix="pebench-compat-") as temporary:
        environment = Path(temporary, "environment")
        _call(["uv", "venv", "--quiet", "--python", python, str(environment)])
        own = environment / "bin" / "python"
        pins = Path(temporary, "constraints.txt")
        pins.write_text("".join(_untied((ROOT / "constraints.txt").read_text().splitlines(keepends=True))))
        wanted = [f"{ROOT}[dev]", f"transformers=={transformers}", f"lmms-eval=={lmms_eval}"]
        _call(
            ["uv", "pip", "install", "--quiet", "--python", str(own), "--constraint", str(pins), "--editable", *wanted]
        )
        versions = (
            "import importlib.metadata as m, json, platform; "
            f"print(json.dumps([platform.python_version(), {{n: m.version(n) for n in {LIBRARIES}}}]))"
        )
        python_version, libraries = json.loads(_call([str(own), "-c", versions]))
        features = {name: _tests(own, words) for name, words in FEATURES.items()}
        wanted_answers, found = _answers(reference / "scores"), _score(str(own), reference, Path(temporary, "scores"))
    same = sum(found.get(key) == answer for key, answer in wanted_answers.items())
    return Outcome(pair, python_version, libraries, features, f"{same} of {len(wanted_answers)}")


def _untied(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if re.split(r"[=\[]", line)[0].strip().lower() not in TIED]


def _tests(python: Path, words: Sequence[str]) -> str:
    """How the tests of a feature went: "12 passed", or the first that failed and why."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | VARIABLES, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        passed = re.findall(r"(\d+) passed", done.stdout)
        return f"{sum(map(int, passed))} passed"
    failed = re.search(r"^(?:FAILED|ERROR) (.*)$", done.stdout, re.MULTILINE)
    return failed[1] if failed else (done.stdout + done.stderr).strip().splitlines()[-1]


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, env=os.environ | VARIABLES, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
        raise BenchmarkError(f"{' '.join(command[:4])} ... failed: {lines[-1]}")
    return done.stdout


def page(outcomes: Sequence[Outcome]) -> str:
    """The support table, and below it what failed."""
    head = ["Python", "transformers", "lmms-eval", *LIBRARIES, *FEATURES, "equal answers"]
    lines = [
        "# Versions",
        "",
        "What `make compat` found: for each pair an environment of its own, the tests of what versions have broken",
        "before, and the answers of one checkpoint beside those of the tested set (`constraints.txt`). ✓ and how many:",
        "all tests passed.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for one in outcomes:
        cells = [one.python, *one.pair.split("/"), *one.libraries.values()]
        cells += [
            f"✓ {text.removesuffix(' passed')}" if text.endswith(" passed") else "✗" for text in one.features.values()
        ]
        lines.append(f"| {' | '.join([*cells, one.equal])} |")
    failed = [
        (one.pair, name, text)
        for one in outcomes
        for name, text in one.features.items()
        if not text.endswith(" passed")
    ]
    lines += ["", *(f"- {pair}, {name}: {text}" for pair, name, text in failed)] if failed else []
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
