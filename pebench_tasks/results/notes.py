"""What to know of a result before believing its figures, a line each; the terminal and the pages say the same."""

from collections.abc import Collection
from typing import NamedTuple

from pebench_tasks.marking.failures import SIGNS, Sign, resolution_note
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import FORGETTING, PERCENT, measured
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.marking.yes_no import MOST_MISSING
from pebench_tasks.results.files import Result
from pebench_tasks.results.learning import retain_note
from pebench_tasks.results.record import ResultRecord

# What to do about responses that are cut, or thoughts without an end.
RAISE = "Allow more, for every model of the comparison:  --max_new_tokens N  (lmms-eval: --gen_kwargs max_new_tokens=N)"

NAMES = {target: names - {"world"} for target, names in PERCENT.items()}  # the slices that ask for a name
# Kinds of answers that there are only where a name is asked for, and only where a Goal's answer is compared with.
OF_NAMES = ("recognised", "ambiguous", "denied", "another name", "partial", "in_thoughts")
OF_FORGOTTEN_SCENES = ("near", "unscored")


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
    found += failures(provenance) + missing_answers(provenance) + wrong_questions(provenance)
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


def missing_answers(provenance: ResultRecord) -> list[str]:
    """Thoughts that found no end and answers that were cut, where there are more than a few, and what to raise."""
    settings = provenance.generation or {}
    most = settings.get("max_new_tokens")
    limit = f"{most} tokens" if most else "the most tokens allowed"
    said = {
        "unfinished": "responses are thoughts without an end, the figures are withheld",
        "cut": f"responses were cut at {limit}",
    }
    found: list[str] = []
    for kind, what in said.items():
        many = [
            f"{name} {counts[kind]} of {counts['n']}"
            for name, counts in provenance.slices.items()
            if counts.get(kind, 0) > MOST_MISSING * counts["n"]
        ]
        found += [f"{what}: {', '.join(many)}. {RAISE}"] if many else []
    unknown = provenance.cut_unknown
    if names := [name for name, n in unknown.items() if n > MOST_MISSING * provenance.slices.get(name, {"n": 0})["n"]]:
        found.append(f"{', '.join(names)}: the backend does not say whether responses were cut at {limit}")
    return found


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


def shown_counts(provenance: ResultRecord) -> dict[str, dict[str, int | None]]:
    """``accounted`` as tables show it: None where no answer of a slice can be of that kind.

    In the description of a scene nobody is recognised, which is another thing than 0 of them.
    """
    found = {}
    for name, counts in accounted(provenance).items():
        never = _impossible(name, provenance.target)
        found[name] = {kind: None if kind in never else count for kind, count in counts.items()}
    return found


def _impossible(slice_name: str, target: str) -> Collection[str]:
    """The kinds of answers that a slice cannot have."""
    if slice_name in NAMES[target]:
        return (*OF_FORGOTTEN_SCENES, "failed", "invalid")
    if slice_name == "world":
        return (*OF_NAMES, *OF_FORGOTTEN_SCENES, "failed")
    if measured(slice_name) in FORGETTING:
        return (*OF_NAMES, "invalid")
    judged = measured(slice_name) == "retain"  # the other kept scenes are marked by their words alone
    return (*OF_NAMES, *OF_FORGOTTEN_SCENES, "invalid", *(() if judged else ("failed",)))
