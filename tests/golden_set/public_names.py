"""Every name that a user can type or read: what must not change without being said."""

import configparser
import hashlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmms_eval.models import get_model

from golden_set import help_texts
from golden_set.commands import run, succeed
from golden_set.scored import TASKS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pebench_tasks", "templates", "unlearn")


def goldens() -> dict[str, str]:
    """A list a kind of name, in one file."""
    lists = {
        "commands and their options": list(_options()),
        "methods": _methods(),
        "recipes": _recipes(),
        "tasks": sorted(TASKS.values()),
        "metrics": _metrics(),
        "keys of a task in a results file": list(_keys()),
        "arguments of lmms-eval --model pebench_hf": _model_arguments(),
        "entry points": list(_entry_points()),
        "file formats": _named(r"\bpebench-[a-z-]+/\d+\b"),
        "environment variables": _named(r"\bPEBENCH(?:_[A-Z]+)+\b"),
        "make targets": sorted(re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)),
        "templates": [f"{path.name} {_digest(path)}" for path in sorted((ROOT / "templates").glob("*.jinja"))],
    }
    text = "\n".join(f"# {title}\n" + "".join(f"{name}\n" for name in names) for title, names in lists.items())
    return {"names.txt": text}


def _options() -> Iterator[str]:
    """As the help lists them: those of transformers that ``python -m unlearn`` takes as well are not ours."""
    for command, text in help_texts.texts().items():
        _, _, listed = text.partition("\n\n")
        names = [
            name for line in re.findall(r"^ +(-.*)", listed, re.MULTILINE) for name in re.findall(r"--[\w-]+", line)
        ]
        yield f"{command}: {' '.join(sorted({*names}))}"


def _methods() -> list[str]:
    _, _, listed = succeed("python -m unlearn --help").out.partition("\nmethods:\n")
    return re.findall(r"^  (\w+)\s", listed, re.MULTILINE)


def _recipes() -> list[str]:
    """As the command lists them when it knows no such recipe."""
    said = run("python -m unlearn --config nosuch --method gd --model m --data d --output_dir o").err
    return said.partition("Recipes: ")[2].strip().rstrip(".").split(", ")


def _results() -> dict[str, dict[str, Any]]:
    """What the harness wrote of one model, by task."""
    read = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path("scores/gd").glob("*_results.json")))
    return {
        task: {"config": file["configs"][task], "row": row} for file in read for task, row in file["results"].items()
    }


def _metrics() -> list[str]:
    """Every metric that the tasks list, whether or not a run has it."""
    listed = {
        f"{metric['metric']} higher_is_better={metric['higher_is_better']}": None
        for result in _results().values()
        for metric in result["config"]["metric_list"]
    }
    return [*listed]


def _keys() -> Iterator[str]:
    for task, result in _results().items():
        row = dict(result["row"])
        provenance = row.pop("provenance,none")
        yield from (f"{task} {name}" for name in row if "_stderr" not in name)
        yield from (f"{task} provenance {name}" for name in provenance)


def _model_arguments() -> list[str]:
    """As ``--model_args`` takes them, with their defaults, of the model that lmms-eval finds by its name."""
    parameters = inspect.signature(get_model("pebench_hf")).parameters.values()
    return [str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in parameters]


def _entry_points() -> Iterator[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for group, points in setup["options.entry_points"].items():
        yield from (f"{group}: {point}" for point in points.strip().splitlines())


def _named(pattern: str) -> list[str]:
    """What the sources of the packages and the README name."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix not in (".pyc", "")]
    texts = [path.read_text(encoding="utf-8") for path in [*paths, ROOT / "README.md"]]
    return sorted({name for text in texts for name in re.findall(pattern, text)})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
