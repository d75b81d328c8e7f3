"""What to know of a result before believing its figures, a line each; the terminal and the pages say the same."""

from typing import NamedTuple

from pebench_tasks.marking.failures import SIGNS, Sign, resolution_note
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.marking.yes_no import MOST_MISSING
from pebench_tasks.results.files import Result
from pebench_tasks.results.learning import retain_note
from pebench_tasks.results.record import ResultRecord


class Failing(NamedTuple):
    """A slice whose figure must not be believed, and why."""

    sign: Sign
    slice_name: str
    responses: int  # that show it
    n: int


def notes(result: Result, finetuned: ResultRecord | None = None) -> list[str]:
    """What a reader must know before believing the figures; empty where nothing is amiss.

    ``finetuned`` is what stands beside the result (``learning.finetuned_of``).
    """
    provenance = result.provenance
    found = []
    if provenance.judge not in (None, LEXICAL):
        read = provenance.judge_sources
        how = ", ".join(f"{count} from {source}" for source, count in read.items())
        found.append(f"scenes marked by {provenance.judge}" + (f" ({how})" if len(read) > 1 else ""))
    if provenance.withheld:
        found.append("scores withheld: " + provenance.withheld)
    found += failures(provenance) + _missing_answers(provenance) + wrong_questions(provenance)
    if own := provenance.model.generation:
        found.append(f"answers shaped by generation settings of the checkpoint's own: {', '.join(sorted(own))}")
    if low := retain_note(provenance, finetuned):
        found.append(low)
    found += goal_flaws(provenance)
    if truth_only := sorted(name for name in result.metrics if name.endswith(TRUTH_ONLY)):
        found.append(f"no Goal responses (--goal): forgetting is only in {' and '.join(truth_only)}")
    intervals = provenance.statistics.slices
    few = {name: row.note.partition(";")[0] for name, row in intervals.items() if row.varies}
    for note in dict.fromkeys(note for note in few.values() if note.startswith("over documents")):
        found.append(f"interval of {', '.join(name for name in few if few[name] == note)} {note}")
    if unscored := sum(counts.get("unscored", 0) for counts in provenance.slices.values()):
        found.append(f"{unscored} forgotten scenes without a score: the Goal's answer is the truth itself")
    for name, row in intervals.items():
        if row.failed:
            found.append(f"{name}: {row.failed} judgements failed" + ("; withheld" if row.value is None else ""))
    return found


def _missing_answers(provenance: ResultRecord) -> list[str]:
    """Thoughts that found no end and answers that were cut, where there are more than a few."""
    settings = provenance.generation or {}
    most = settings.get("max_new_tokens")
    said = {
        "unfinished": "are thoughts without an end; the figure is withheld",
        "cut": f"were cut at {f'{most} tokens' if most else 'the most tokens allowed'}",
    }
    return [
        f"{name}: {counts[kind]} of {counts['n']} responses {what}. Allow more:  --gen_kwargs max_new_tokens=N"
        for kind, what in said.items()
        for name, counts in provenance.slices.items()
        if counts.get(kind, 0) > MOST_MISSING * counts["n"]
    ]


def failures(provenance: ResultRecord) -> list[str]:
    """What a backend did wrong, as far as the result shows it."""
    found = [f"{sign.noted} in {', '.join(names)}" for sign, names in failing_slices(provenance).items()]
    note = resolution_note(provenance.image_size)
    return [*found, note] if note else found


def wrong_questions(provenance: ResultRecord) -> list[str]:
    """What a model was made for, where it was asked about something else."""
    found = []
    if provenance.other_target:
        found.append(
            f"made for the target {provenance.other_target}, but asked about {provenance.target}: these are not its "
            "forgetting scores"
        )
    if provenance.other_split:
        found.append(f"made for {provenance.other_split}, but asked about {provenance.forget}")
    return found


def goal_flaws(provenance: ResultRecord) -> list[str]:
    """Why the Goals that a result was scored with are no measure of having forgotten."""
    runs = provenance.goal.runs if provenance.goal else []
    flaws = dict.fromkeys(flaw for run in runs for flaw in run.flaws)
    return [f"scored with a Goal that is none: {flaw}" for flaw in flaws]


def failing(provenance: ResultRecord) -> list[Failing]:
    """The slices of a result that show a failed backend; of results of earlier versions only the empty ones."""
    found = {
        "empty": provenance.mostly_empty,
        "echoed": provenance.mostly_echoed,
        "unanswered": provenance.unanswered,
    }
    counted = accounted(provenance)
    return [
        Failing(SIGNS[sign], name, row.get(sign, 0), row["n"])
        for sign, names in found.items()
        for name in names
        for row in (counted.get(name, {"n": 0}),)
    ]


def failing_slices(provenance: ResultRecord) -> dict[Sign, list[str]]:
    """The names of these slices by what is amiss in them."""
    found: dict[Sign, list[str]] = {}
    for one in failing(provenance):
        found.setdefault(one.sign, []).append(one.slice_name)
    return found


def accounted(provenance: ResultRecord) -> dict[str, dict[str, int]]:
    """What was answered in each slice, with the echoed and unanswered beside the other counts."""
    return {
        name: {
            **counts,
            "echoed": provenance.echoed.get(name, 0),
            "unanswered": provenance.unanswered.get(name, 0),
        }
        for name, counts in provenance.slices.items()
    }
