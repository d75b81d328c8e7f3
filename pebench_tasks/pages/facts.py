"""What was measured and how, in words: benchmark, forget set, judge, versions, settings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.pages.entries import TITLES, Board
from pebench_tasks.results.record import ListedFigures, ResultRecord

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
    said = f"Forgotten ({provenance.forget}): {', '.join(forgotten[:12])}{more}. " if forgotten else ""
    n = sum(counts["n"] for counts in provenance.slices.values())
    scenes = provenance.judge if provenance.judge not in (None, LEXICAL) else "the words they share"
    return f"{said}{n:,} questions a model; scenes are marked by {scenes}."


def measured(board: Board, forgotten: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What was measured and how, as (name, value); ``forgotten`` are names of people and events."""
    result = board.entries[0].result
    provenance = result.provenance
    subsets = {
        "retained images": provenance.retain_documents,
        "World": provenance.world_documents,
        "Real": real_in_words(provenance.real_documents),
    }
    goals, slices = provenance.goal_weights, provenance.slices
    asked = f"{sum(counts['n'] for counts in slices.values())} a model: " + ", ".join(
        f"{counts['n']} {slice_title(name)}" for name, counts in slices.items()
    )
    facts = {
        "Target": TITLES[board.target].lower(),
        "Forgotten": ", ".join(forgotten),
        "Forget set": f"{provenance.forget} (split {provenance.split})",
        "Benchmark": f"{provenance.benchmark.name or 'unnamed'}, fingerprint {provenance.data}",
        "Documents": asked if slices else "",
        "Subsets": "; ".join(f"{name}: {which}" for name, which in subsets.items() if which),
        "Scenes marked": _judge(provenance),
        "Goal models": f"{len(goals)} ({', '.join(goals)})" if goals else "",
        "Generation": _settings(provenance.generation or {}),
        "Prompts": _settings({k: v for k, v in (provenance.prompts or {}).items() if v}),
        "Backends": _backends(board),
        "Versions": _versions(board),
        "Task": f"{result.task} {result.version}, templates {provenance.template}",
    }
    return [(name, value) for name, value in facts.items() if value]


def real_in_words(which: str | ListedFigures | None) -> str:
    """Which public figures were asked, in words."""
    if which is None or isinstance(which, str):
        return which or ""
    known, asked = (
        f"the {which['known']:,} of {which['asked']:,} public figures that the base model knew",
        which["list"],
    )
    return f"{known} (list {asked})"


def _backends(board: Board) -> str:
    """What ran the models, in which precision; whose is said where they differ."""
    said = []
    for entry in board.entries:
        model = entry.result.provenance.model
        if model.dtype:
            rounded = f", weights rounded to {model.load_in}" if model.load_in else ""
            said.append((entry.name, f"{model.backend or 'unknown backend'} in {model.dtype}{rounded}"))
    return _whose(said, len(board.entries))


def _versions(board: Board) -> str:
    """The versions of all models' libraries; whose is said where they differ."""
    versions = [(entry.name, entry.result.provenance.versions) for entry in board.entries]
    names = dict.fromkeys(name for _, found in versions for name in found)
    parts = [(name, [(who, found[name]) for who, found in versions if name in found]) for name in names]
    return ", ".join(f"{name} {_whose(said, len(versions))}" for name, said in parts)


def _whose(said: Sequence[tuple[str, str]], models: int) -> str:
    """Values said of models: one alone where all ``models`` have it, else each with the models' names."""
    values: dict[str, list[str]] = {}
    for who, value in said:
        values.setdefault(value, []).append(who)
    if len(values) == 1 and len(said) == models:
        return said[0][1]
    return "; ".join(f"{value} ({', '.join(who)})" for value, who in values.items())


def _judge(provenance: ResultRecord) -> str:
    if provenance.judge in (None, LEXICAL):
        return "by the words they share with the truth and with Goal's answers; no model judged"
    settings = _settings({k: v for k, v in (provenance.judge_settings or {}).items() if k != "near"})
    return f"by {provenance.judge}" + (f" ({settings})" if settings else "")


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in values.items() if value not in (None, [], ""))


def plain(value: Any) -> str:
    """A setting as text; of a path only its last part, since where it lay says nothing to others."""
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else value
    return json.dumps(value, ensure_ascii=False)
