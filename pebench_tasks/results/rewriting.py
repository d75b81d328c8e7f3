"""Results written again, in the form of the harness's own files: by another judge, or from an earlier task version."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pebench_tasks.marking.scoring import Score
from pebench_tasks.results.rescore import add_up
from pebench_tasks.results.samples import Sample


def put_figures(content: dict[str, Any], task: str, scores: Sequence[Score], provenance: Mapping[str, Any]) -> None:
    """Put the figures of these scores into the content of a results file, and what they rest on.

    The harness's standard errors of changed figures are not known any more.
    """
    figures = add_up(scores)
    values = dict(content["results"][task])
    marked = {"provenance", *(name for score in scores for name in score.metrics)}
    # What no document has a score for any more (Goals that say the truth itself, another judge) has no figure.
    values = {name: value for name, value in values.items() if "," not in name or _metric(name) in marked}
    for metric in {name for score in scores for name in score.metrics}:
        if values.get(f"{metric},none") != figures.get(metric):
            values |= {name: "N/A" for name in values if name.startswith(f"{metric}_stderr")}
            values[f"{metric},none"] = figures.get(metric)
    content["results"][task] = {**values, "provenance,none": provenance}


def _metric(name: str) -> str:
    """Of ``efficacy,none`` and ``efficacy_stderr_clt,none``: efficacy."""
    return name.partition(",")[0].partition("_stderr")[0]


def remarked(file: Path, samples: Sequence[Sample], scores: Sequence[Score]) -> str:
    """The lines of a samples file with other marks."""
    lines = []
    with file.open(encoding="utf-8") as old:
        for line, sample, score in zip(old, samples, scores, strict=True):
            row = json.loads(line)
            row = {name: value for name, value in row.items() if name not in sample.metrics} | score.logged()
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
