"""The board for machines: ``board.json`` and ``board.csv``, all digits, the same order as the pages."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pebench_tasks.files import csv_text
from pebench_tasks.leaderboard.site.ranking import Listed, Table
from pebench_tasks.marking.scoring import FIGURES, FORGETTING, PERCENT, measured
from pebench_tasks.pages.entries import Entry
from pebench_tasks.pages.sections import empty
from pebench_tasks.results.paper import published_rows

FORMAT = "pebench-site/1"  # of the site's board.json; it also says that a folder is a site of ours


def board_json(tables: Sequence["Table"], title: str, names: Mapping[str, str]) -> str:
    """Every table with its rows and bounds, and the paper's rows apart; ``names``: of benchmarks by fingerprint."""
    described = [
        {
            "table": table.slug,
            **table.key._asdict(),
            "base_name": table.base,
            "benchmark_name": names.get(table.key.benchmark, ""),
            "target": table.target,
            "rows": [
                {"rank": row.rank, **_submission(row.listed), **_entry(row.listed.model), "notes": row.notes}
                for row in table.rows
            ],
            "finetuned_and_goals": [
                {"role": entry.role, "name": entry.name, **_entry(entry)} for entry in table.bounds
            ],
            "not_comparable_with": table.unlike and table.unlike._asdict(),
        }
        for table in tables
    ]
    published = [row._asdict() for row in published_rows()]
    whole = {
        "format": FORMAT,
        "title": title,
        "tables": described,
        "paper": {"source": "arXiv 2503.12545, v1", "note": "as published; not comparable with the rows above",
                  "rows": published},
    }  # fmt: skip
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def board_csv(tables: Sequence["Table"], names: Mapping[str, str]) -> str:
    """One line a submission or bound; figures in the paper's units, each with its interval and documents."""
    figures = list(dict.fromkeys(name for target in FIGURES.values() for name in target))
    asked = ["benchmark", "benchmark_name", "target", "forget", "split", "judge", "version", "real"]
    facts = ["table", *asked, "bounds", "role", "rank", "name"]
    about = ["method", "base", "base_weights", "weights", "dtype", "backend", "verified"]
    distance = ["distance", "forget_shortfall", "utility_shortfall", "empty"]
    parts = [f"{name}{part}" for name in figures for part in ("", "_low", "_high", "_n", *_partial(name))]
    return csv_text(_csv_rows(tables, names), [*facts, *about, *distance, *parts, "link"])


def _partial(name: str) -> Sequence[str]:
    """Figures of forgotten names have one part more."""
    return ("_partial",) if measured(name) in FORGETTING and any(name in of for of in PERCENT.values()) else ()


def _csv_rows(tables: Sequence["Table"], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for table in tables:
        key = table.key
        common = {
            "table": table.slug, "benchmark": key.benchmark,
            "benchmark_name": names.get(key.benchmark, ""), "target": table.target,
            "forget": key.forget, "split": key.split, "judge": key.judge, "version": key.version,
            "real": key.real, "bounds": key.bounds,
        }  # fmt: skip
        for row in table.rows:
            own = _flat({**_submission(row.listed), **_entry(row.listed.model)})
            yield {**common, "role": "model", "rank": row.rank, **own, "verified": "yes" if own["verified"] else ""}
        for entry in table.bounds:
            bound = {"role": entry.role, "name": entry.name, "base": table.base, "base_weights": key.base}
            yield {**common, **bound, **_flat(_entry(entry))}


def _submission(listed: Listed) -> dict[str, Any]:
    submission = listed.submission
    return {
        "name": listed.name,
        "link": submission["link"],
        "base": submission["base"]["name"],
        "base_weights": listed.base,
        "verified": listed.verified is not None,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    model, distance = entry.result.provenance.model, entry.distance
    return {
        "method": model.method or "",
        "weights": model.weights or "",
        "dtype": model.dtype or "",
        "backend": model.backend or "",
        "distance": distance and distance.distance,
        "forget_shortfall": distance and distance.forget,
        "utility_shortfall": distance and distance.utility,
        "empty": empty(entry),
        "figures": {
            name: {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n}
            | ({} if figure.partial is None else {"partial": figure.partial})
            for name, figure in entry.figures.items()
        },
    }


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    figures = entry.pop("figures")
    for name, figure in figures.items():
        entry |= {f"{name}{'' if part == 'value' else f'_{part}'}": value for part, value in figure.items()}
    return entry
