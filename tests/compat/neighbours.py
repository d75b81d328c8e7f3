"""Whether this package can be installed beside other programs that pin transformers: uv resolves both together."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments import ROOT, uv

from pebench_tasks.errors import BenchmarkError

PROGRAMS = ("vllm==0.33.0", "sglang==0.5.23", "ms-swift==4.6.0")
SHOWN = ("transformers", "lmms-eval", "torch", "datasets", "peft", "accelerate")


def ask(out: Path) -> dict[str, Any]:
    """Of every program the versions that both can have, or why there are none."""
    del out
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for program in PROGRAMS:
            both = Path(folder, "both.txt")
            both.write_text(f"pebench @ {ROOT.as_uri()}\n{program}\n", encoding="utf-8")
            try:
                resolved = uv("pip", "compile", "--quiet", "--no-annotate", "--python-version", "3.11", str(both))
            except BenchmarkError as error:
                found[program] = {"error": str(error)}
            else:
                pins = dict(line.split("==") for line in resolved.splitlines() if "==" in line)
                found[program] = {name: pins[name].split()[0] for name in SHOWN}
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of the page."""
    rows = []
    for program, pins in found.items():
        cells = [pins.get(name, "") for name in SHOWN] if "error" not in pins else [f"no: {pins['error']}"]
        rows.append(f"| `{program}` | {' | '.join(cells)} |")
    return [
        "## Beside other programs",
        "",
        "What `uv pip compile` finds for this package and a program together, on Python 3.11; resolved, not installed:",
        "",
        f"| beside | {' | '.join(SHOWN)} |",
        f"|---|{'---|' * len(SHOWN)}",
        *rows,
    ]
