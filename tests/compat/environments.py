"""Environments that uv makes, and what is asked in them; also the one this runs in, which has the tested versions."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pebench_tasks.errors import BenchmarkError

ROOT = Path(__file__).parents[2]
TOKENS = 32  # of an answer: the checkpoint is untrained and would never end one
VARIABLES = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
# What transformers and lmms-eval tie to versions of their own; of the tested set everything else stays.
TIED = {"transformers", "lmms-eval", "huggingface-hub", "hf-xet", "tokenizers", "safetensors", "trl"}
VERSIONS = """
import importlib.metadata, json, platform
print(json.dumps({"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in NAMES}}))
"""


def start(command: Sequence[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, without what would lead it to another environment's modules or to a GPU."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        command, cwd=folder, env=variables | VARIABLES, capture_output=True, text=True, errors="replace", check=False
    )


def call(command: Sequence[str], folder: Path = ROOT) -> str:
    """What a program printed; an error with its last line where it failed."""
    done = start(command, folder)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
        raise BenchmarkError(f"{' '.join(command[:4])} ... failed: {lines[-1]}")
    return done.stdout


def uv(*words: str) -> str:
    """What uv printed."""
    return call([sys.executable, "-m", "uv", *words])


@contextmanager
def environment(version: str) -> Iterator[str]:
    """An empty environment with a version of Python, outside the checkout: its Python. It is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="pebench-compat-") as folder:
        uv("venv", "--quiet", "--python", version, f"{folder}/environment")
        yield f"{folder}/environment/bin/python"


def install(python: str, *requirements: str, constraints: Iterable[str] = ()) -> None:
    """Install into an environment, from uv's cache as hard links."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "constraints.txt")
        file.write_text("".join(constraints))
        uv("pip", "install", "--quiet", "--python", python, "--constraint", str(file), *requirements)


def loosened(constraints: Iterable[str]) -> list[str]:
    """The tested set without what transformers and lmms-eval tie to versions of their own."""
    return [line for line in constraints if re.split(r"[=<>\[]", line)[0].strip().lower().replace("_", "-") not in TIED]


def versions(python: str, names: Sequence[str]) -> dict[str, str]:
    """Of Python and of libraries, as an environment has them."""
    found: dict[str, str] = json.loads(call([python, "-c", VERSIONS.replace("NAMES", repr(list(names)))]))
    return found


def installed(python: str) -> dict[str, str]:
    """The version of everything in an environment."""
    return {
        one["name"]: one["version"] for one in json.loads(uv("pip", "list", "--python", python, "--format", "json"))
    }


def reference(out: Path) -> Path:
    """A benchmark, a checkpoint, and its answers by the tested versions, which this environment has; made once."""
    folder = out / "reference"
    if not (folder / "scores").exists():
        call([sys.executable, str(Path(__file__).with_name("checkpoint.py")), str(folder)])
        score(sys.executable, folder, folder / "begun")
        (folder / "begun").rename(folder / "scores")
    return folder


def score(python: str, reference: Path, out: Path) -> dict[str, str]:
    """What the checkpoint answers in an environment, by task and document."""
    words = ["score", str(reference / "checkpoint"), "--data", str(reference / "data"), "--target", "person", "event"]
    program = [python, "-c", "import sys; from pebench_tasks.cli import main; sys.exit(main(sys.argv[1:]))"]
    call(
        [
            *program,
            *words,
            "--dtype",
            "float32",
            "--batch_size",
            "16",
            "--max_new_tokens",
            str(TOKENS),
            "--output_path",
            str(out),
        ]
    )
    return answers(out)


def answers(out: Path) -> dict[str, str]:
    """The logged answers below a folder, by task and document."""
    found = {}
    for file in out.rglob("*_samples_*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[f"{file.stem.partition('_samples_')[2]}:{row['provenance']['key']}"] = row["filtered_resps"]
    return found


def equal(python: str, reference: Path) -> str:
    """How many of the answers of the tested versions an environment gives too: "80 of 80"."""
    wanted = answers(reference / "scores")
    with tempfile.TemporaryDirectory() as folder:
        found = score(python, reference, Path(folder))
    return f"{sum(found.get(key) == answer for key, answer in wanted.items())} of {len(wanted)}"
