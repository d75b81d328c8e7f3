"""Writes the README's table of the demo from a run, and keeps the run's figures with the machine they come from.

    python benchmarks/demo_table.py --out runs/demo        # finishes the run first, where it is not finished

Rounding differs between processors, and a model that is trained on one is not to the last digit what it is on another:
the figures are an example, what the README claims of them holds elsewhere as well (``benchmarks/demo_claims.py``).
"""

import argparse
import io
import json
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from pebench_tasks.errors import exit_code
from pebench_tasks.files import write_whole
from unlearn import demo
from unlearn.protocol.graph import SINGLE
from unlearn.protocol.rows import Row, console_table
from unlearn.training import record

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
KEPT = HERE / "results" / "demo-seed0.json"
BEGIN, END = "<!-- the demo's table, by benchmarks/demo_table.py -->", "<!-- end of the demo's table -->"


@dataclass(frozen=True)
class Run:
    """The rows of a demo and where they were computed."""

    rows: list[Row]
    machine: dict[str, str]


def processor() -> str:
    """The name of this machine's processor, as far as the system tells it."""
    told = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", told.read_text(), re.MULTILINE) if told.is_file() else []
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


def here() -> dict[str, str]:
    """What decides the last digits of a run on this machine."""
    return {"processor": processor(), **{name: record.versions()[name] for name in ("torch", "transformers")}}


def read(path: Path = KEPT) -> Run:
    """A kept run."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Run([Row(**row) for row in kept["rows"]], kept["machine"])


def keep(run: Run, path: Path = KEPT) -> None:
    """Write a run as JSON."""
    text = json.dumps({"machine": run.machine, "rows": [row._asdict() for row in run.rows]}, indent=1)
    write_whole(path, text + "\n")


def block(run: Run) -> str:
    """What stands in the README between ``BEGIN`` and ``END``."""
    lines = []
    for target in SINGLE:
        text = io.StringIO()
        Console(file=text, width=80).print(console_table(run.rows, target))
        lines += [line.rstrip() for line in text.getvalue().splitlines()]
    on = ", ".join([run.machine["processor"], *(f"{n} {run.machine[n]}" for n in ("torch", "transformers"))])
    return "\n".join([BEGIN, "```", *lines, "```", f"(on {on})", END])


def rewritten(text: str, run: Run) -> str:
    """The README's text with the run's table."""
    before, _, rest = text.partition(BEGIN)
    return before + block(run) + rest.partition(END)[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Keep a run of the demo and write its table into the README; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="a run of the demo (runs/demo)")
    out = parser.parse_args(argv).out

    def command() -> int:
        run = Run(demo.run(demo.parse(["--out", str(out)])), here())
        keep(run)
        for name in ("csv", "md"):
            shutil.copy(out / f"table.{name}", KEPT.with_suffix(f".{name}"))
        write_whole(README, rewritten(README.read_text(encoding="utf-8"), run))
        return 0

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
