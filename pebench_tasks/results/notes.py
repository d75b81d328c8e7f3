"""What to know of a result before believing its figures, a line each; the terminal and the pages say the same."""

from collections.abc import Mapping
from typing import Any

from pebench_tasks.marking.failures import failing_slices, resolution_note
from pebench_tasks.marking.scoring import LEXICAL, TRUTH_ONLY
from pebench_tasks.results.files import Result


def notes(result: Result) -> list[str]:
    """What a reader must know before believing the figures; empty where nothing is amiss."""
    provenance = result.provenance
    found = []
    if provenance["judge"] not in (None, LEXICAL):
        read = provenance.get("judge_sources", {})
        how = ", ".join(f"{count} from {source}" for source, count in read.items())
        found.append(f"scenes marked by {provenance['judge']}" + (f" ({how})" if len(read) > 1 else ""))
    if provenance["withheld"]:
        found.append("scores withheld: " + provenance["withheld"])
    found += failures(provenance)
    if provenance["other_split"]:
        found.append(f"made for {provenance['other_split']}, but asked about {provenance['forget']}")
    if provenance["never_learned"]:
        found.append("Retain under half: never learned the benchmark, or unlearning destroyed it")
    if truth_only := sorted(name for name in result.metrics if name.endswith(TRUTH_ONLY)):
        found.append(f"no Goal responses (--goal): forgetting is only in {' and '.join(truth_only)}")
    intervals = provenance.get("statistics", {}).get("slices", {})
    shown = {name: row for name, row in intervals.items() if row["low"] is not None and row["low"] < row["high"]}
    few = {name: row["note"].partition(";")[0] for name, row in shown.items()}
    for note in dict.fromkeys(note for note in few.values() if note.startswith("over documents")):
        found.append(f"interval of {', '.join(name for name in few if few[name] == note)} {note}")
    for name, row in intervals.items():
        if row["failed"]:
            found.append(f"{name}: {row['failed']} judgements failed" + ("; withheld" if row["value"] is None else ""))
    return found


def failures(provenance: Mapping[str, Any]) -> list[str]:
    """What a backend did wrong, as far as the result shows it."""
    found = [f"{sign.noted} in {', '.join(names)}" for sign, names in failing_slices(provenance).items()]
    note = resolution_note(provenance.get("image_size"))
    return [*found, note] if note else found
