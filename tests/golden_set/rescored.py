"""``pebench rescore --details`` of every result: what it prints, and all figures and statistics as JSON."""

import json
from pathlib import Path

from golden_set import masks
from golden_set.commands import succeed

RESULTS = ("scores/finetuned", "scores/gd", "scores/ga", "scores/goal", "others/api")


def goldens() -> dict[str, str]:
    """Two files a model; that the harness's figures come out again is in the text."""
    files = {}
    for results in RESULTS:
        name = Path(results).name
        said = succeed(f"pebench rescore {results} --details --out {name}.json")
        files[f"{name}.txt"] = masks.text(said.out)
        files[f"{name}.json"] = masks.dumped(json.loads(Path(f"{name}.json").read_text(encoding="utf-8")))
    return files
