"""What was measured and how, in words: benchmark, forget set, judge, versions, settings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pebench_tasks.pages.entries import TITLES, Board
from pebench_tasks.scoring import LEXICAL, TRUTH_ONLY

CONCEPTS = {"person": "people", "event": "events"}
ONLY_TRUTH = "(truth only)"


def slice_title(name: str) -> str:
    """A slice or figure in words: "retain", "retain of people", "efficacy (truth only)"."""
    plain = name.removesuffix(TRUTH_ONLY)
    for concept in ("person", "event"):
        if plain.startswith(f"{concept}_"):
            plain = f"{plain.removeprefix(concept + '_')} of {CONCEPTS[concept]}"
    return f"{plain} {ONLY_TRUTH}" if name.endswith(TRUTH_ONLY) else plain


def in_short(board: Board, forgotten: Sequence[str] = ()) -> str:
    """What was forgotten and asked, in two sentences; of many names the first twelve."""
    provenance = board.entries[0].result.provenance
    more = f" and {len(forgotten) - 12} more" if len(forgotten) > 12 else ""
    said = f"Forgotten ({provenance['forget']}): {', '.join(forgotten[:12])}{more}. " if forgotten else ""
    n = sum(counts["n"] for counts in provenance.get("slices", {}).values())
    scenes = provenance["judge"] if provenance["judge"] not in (None, LEXICAL) else "ROUGE-L"
    return f"{said}{n:,} questions a model; scenes are marked by {scenes}."


def measured(board: Board, forgotten: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What was measured and how, as (name, value); ``forgotten`` are names of people and events."""
    result = board.entries[0].result
    provenance = result.provenance
    split = f"{provenance['forget']} (split {provenance['split']})"
    subsets = {
        "retained images": provenance.get("retain_documents"),
        "World": provenance.get("world_documents"),
        "Real": provenance.get("real_documents"),
    }
    goals = (provenance.get("goal") or {"runs": []})["runs"]
    slices = provenance.get("slices", {})
    asked = f"{sum(counts['n'] for counts in slices.values())} a model: " + ", ".join(
        f"{counts['n']} {slice_title(name)}" for name, counts in slices.items()
    )
    versions = provenance.get("versions", {})
    ran = sorted({f"{model.get('backend', 'unknown backend')} in {model['dtype']}" for model in _models(board)})
    facts = {
        "Target": TITLES[board.target].lower(),
        "Forgotten": ", ".join(forgotten),
        "Forget set": split,
        "Benchmark": f"{provenance.get('benchmark', {}).get('name', 'unnamed')}, fingerprint {provenance['data']}",
        "Documents": asked if slices else "",
        "Subsets": "; ".join(f"{name}: {which}" for name, which in subsets.items() if which),
        "Scenes marked": _judge(provenance),
        "Goal models": f"{len(goals)} ({', '.join(run['weights'] for run in goals)})" if goals else "",
        "Generation": _settings(provenance.get("generation") or {}),
        "Prompts": _settings({k: v for k, v in (provenance.get("prompts") or {}).items() if v}),
        "Backends": ", ".join(ran),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Task": f"{result.task} {result.version}, templates {provenance['template']}",
    }
    return [(name, value) for name, value in facts.items() if value]


def _models(board: Board) -> list[dict[str, Any]]:
    every = [entry.result.provenance.get("model", {}) for entry in board.entries]
    return [model for model in every if "dtype" in model]


def _judge(provenance: Mapping[str, Any]) -> str:
    judge = provenance.get("judge")
    if judge in (None, LEXICAL):
        return "by the overlap of words (ROUGE-L); no language model judged"
    settings = _settings(provenance.get("judge_settings") or {})
    return f"by {judge}" + (f" ({settings})" if settings else "")


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in values.items() if value not in (None, [], ""))


def plain(value: Any) -> str:
    """A setting as text; of a path only its last part, since where it lay says nothing to others."""
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else value
    return json.dumps(value, ensure_ascii=False)
