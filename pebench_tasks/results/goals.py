"""The Goal models' logged responses, which the event scores need: found, matched to the run, looked up by key.

``PEBENCH_GOAL=DIR`` holds what lmms-eval wrote when Goal models were scored with ``--log_samples``: results files and
``pebench_events`` or ``pebench_joint`` samples, anywhere below ``DIR``. Several Goal models may lie there, of several
foundation models, targets, ratios and benchmarks; the ones that match the run are chosen by what the results record,
all of them (seeds) are used, and where none matches the error names both sides.

What counts as having forgotten is to be near a Goal, so a Goal must have answered. One that gave mostly no answers
(empty, the question repeated, error messages of its backend, thoughts without an end) is refused. One whose answers are
poor is used, and said loudly: its Retain is under half, or most of what it says of forgotten scenes is degenerate. Both
rules are ours.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.splits import whole_split_id
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import forgotten_scene
from pebench_tasks.results.files import TASKS, OtherVersion, Result, age, our_results, predicted_only, unreadable
from pebench_tasks.results.learning import ignorant, retain_note
from pebench_tasks.results.notes import accounted
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.samples import read_samples

GOAL_TARGETS = ("event", "joint")  # those that forget scenes
NO_ANSWER = {
    "empty": "are empty",
    "echoed": "repeat the question",
    "unanswered": "are error messages",
    "unfinished": "are thoughts without an end",
}


class GoalRun(NamedTuple):
    """One scoring of one Goal model, as its results file records it."""

    fingerprint: str  # of the Goal model's weights
    fields: dict[str, Any]  # what must be equal to the run at hand, in the order of comparison
    results_file: Path
    samples_file: Path
    silence: str = ""  # how many of its answers about forgotten scenes are none; empty where most are answers
    flaws: tuple[str, ...] = ()  # why little can be compared with its answers, its silence first

    def record(self) -> dict[str, Any]:
        """What the results file of a model that was scored with it says of it."""
        said = {"weights": self.fingerprint, "results": str(self.results_file)}
        return {**said, "flaws": list(self.flaws)} if self.flaws else said

    def matches(self, wanted: Mapping[str, Any]) -> bool:
        """Whether its fields equal ``wanted`` (None there: any)."""
        return _first_difference(self.fields, wanted) is None


class Goals(NamedTuple):
    """The chosen Goal models and their responses by document key."""

    runs: list[GoalRun]
    responses: list[dict[str, str]]
    base: str  # fingerprint of the foundation model, or "unverified"

    def of(self, key: str) -> list[Goal]:
        """Every Goal's answer to the document ``key``; ``BenchmarkError`` where one never answered it."""
        for run, responses in zip(self.runs, self.responses, strict=True):
            if key not in responses:
                raise BenchmarkError(
                    f"The Goal responses in {run.samples_file} lack the document {key}. Score that Goal again, "
                    "without --limit."
                )
        return [Goal(run.fingerprint, found[key]) for run, found in zip(self.runs, self.responses, strict=True)]


def goal_answers(goals: Goals | None, document: Mapping[str, Any]) -> list[Goal]:
    """The Goal answers to a document, where its score needs any."""
    if goals is None or not forgotten_scene(document["kind"], document["slice"]):
        return []
    return goals.of(document["key"])


def comparable(provenance: Mapping[str, Any], base: str | None) -> dict[str, Any]:
    """What a Goal and the run at hand must share, from the ``provenance`` that a results file records.

    ``base`` is the fingerprint of the foundation model. Fields that are None are not compared.
    """
    return {
        "data": provenance["data"],
        "forget set": f"{provenance['forget']} (split {provenance['split']})",
        "trained without": [provenance["target"], provenance["data"], whole_split_id(str(provenance["split"]))],
        "template": provenance["template"],
        "base": base,
        "generation settings": provenance["generation"],
        "prompts": None if provenance["prompts"] is None else dict(provenance["prompts"]),
    }


def find_goal_runs(directory: Path, target: str = "event") -> list[GoalRun]:
    """All Goal models below ``directory`` scored on the target's task; of one scored twice in the same way, the newest.

    Raises ``BenchmarkError`` for a missing folder, one without Goal results, and files that cannot be read.
    """
    check_folder(directory, target)
    runs = goal_runs(sorted(directory.rglob("*_results.json"), key=age), target)
    if not runs:
        raise BenchmarkError(
            f"{directory} (PEBENCH_GOAL) holds no results of a Goal model on {TASKS[target]}. {_hint(target)}"
        )
    return runs


def check_folder(directory: Path, target: str = "event") -> None:
    """Raise ``BenchmarkError`` where there is no such folder of Goals' responses, needed or not."""
    if not directory.is_dir():
        raise BenchmarkError(f"There is no folder {directory} of Goal responses (PEBENCH_GOAL). {_hint(target)}")


def goal_runs(files: Iterable[Path], target: str, *, damaged: bool = True) -> list[GoalRun]:
    """The Goal models of these results files, in their order; of one scored twice in the same way, the later file.

    Raises ``BenchmarkError`` for a file that cannot be read, unless such are passed over (``damaged``), and where all
    are of another task version.
    """
    runs: dict[tuple[str, str], GoalRun] = {}
    other: OtherVersion | None = None
    for path in files:
        try:
            found = [_goal_run(result) for result in our_results(path, partial(_of_a_goal, TASKS[target]))]
        except OtherVersion as error:
            other = error
            continue
        except BenchmarkError:
            if damaged:
                raise
            continue
        for run in found:
            runs[run.fingerprint, json.dumps(run.fields, sort_keys=True)] = run
    if other is not None and damaged and not runs:
        raise other
    return list(runs.values())


def _hint(target: str) -> str:
    return f"Score a Goal model first:  pebench score GOAL_CHECKPOINT --target {target} --output_path DIR"


def choose_goals(runs: Sequence[GoalRun], wanted: Mapping[str, Any], directory: Path) -> list[GoalRun]:
    """The runs whose fields equal ``wanted`` (None there: any); ``BenchmarkError`` names the first difference."""
    chosen, nearest = [], ("", "", "", -1)
    for run in runs:
        differing = _first_difference(run.fields, wanted)
        if differing is None:
            chosen.append(run)
        elif (place := list(wanted).index(differing)) > nearest[3]:
            nearest = (differing, str(run.fields[differing]), str(run.results_file), place)
    if not chosen:
        differing, theirs, file, _ = nearest
        raise BenchmarkError(
            f"No Goal in {directory} (PEBENCH_GOAL) matches this run: {differing} is {wanted[differing]} here and "
            f"{theirs} in {file}." + (" Choose the forget set with --forget." if differing == "forget set" else "")
        )
    return chosen


def refuse_silent(runs: Iterable[GoalRun]) -> None:
    """Raise ``BenchmarkError`` for a Goal that gave mostly no answers: near those lies whatever says nothing."""
    for run in runs:
        if run.silence:
            raise BenchmarkError(
                f"The Goal in {run.results_file} is none: {run.silence}. Its backend probably failed, or its training. "
                "Train or score it again, or take its results out of that folder."
            )


def with_flaws(goal: Mapping[str, Any] | None, goals: Goals | None) -> dict[str, Any] | None:
    """What a results file says of the Goals that it was scored with, and what is wrong with them, if anything."""
    if not goal or goals is None:
        return dict(goal) if goal else None
    flaws = {run.fingerprint: {"flaws": list(run.flaws)} for run in goals.runs if run.flaws}
    return {**goal, "runs": [{**run, **flaws.get(run["weights"], {})} for run in goal["runs"]]}


def load_goals(
    directory: Path, wanted: Mapping[str, Any], target: str = "event", only: Collection[str] | None = None
) -> Goals:
    """The Goals below ``directory`` that match ``wanted`` (see ``comparable``), with their responses.

    ``only``: exactly the Goal models of these weights, those that a result was scored with, silent or not.
    """
    runs = choose_goals(find_goal_runs(directory, target), wanted, directory)
    if only is None:
        refuse_silent(runs)
    else:
        runs = [run for run in runs if run.fingerprint in only]
        if missing := set(only) - {run.fingerprint for run in runs}:
            raise BenchmarkError(
                f"{directory} lacks the responses of the Goal models {', '.join(sorted(missing))}, with which the "
                "result was scored. Name the folder that has them:  --goal DIR"
            )
        if len({run.fingerprint for run in runs}) < len(runs):
            raise BenchmarkError(
                f"{directory} holds several scorings of one of these Goal models, with other prompts or settings. Name "
                "the folder of the right one:  --goal DIR"
            )
    bases = sorted({str(run.fields["base"]) for run in runs})
    if wanted["base"] is None and len(bases) > 1:
        raise BenchmarkError(
            f"The Goals in {directory} (PEBENCH_GOAL) come from different foundation models ({', '.join(bases)}), and "
            "the one of the model at hand is unknown. Name its checkpoint:  PEBENCH_CHECKPOINT=DIR"
        )
    return open_goals(runs, wanted)


def open_goals(runs: Sequence[GoalRun], wanted: Mapping[str, Any]) -> Goals:
    """The Goals of these runs with their responses."""
    return Goals([*runs], [_responses(run.samples_file) for run in runs], wanted["base"] or "unverified")


def _first_difference(theirs: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    for name, value in wanted.items():
        if value is not None and theirs[name] != value:
            return name
    return None


def _of_a_goal(wanted: str, task: str, values: Mapping[str, Any]) -> bool:
    """Whether a result is a Goal model's on the wanted task, of its weights as they are, and not withheld."""
    if task != wanted or predicted_only(values):
        return False
    provenance = values["provenance,none"]
    model = provenance["model"]
    return model.get("method") == "goal" and not model.get("load_in") and not provenance["withheld"]


def _goal_run(result: Result) -> GoalRun:
    """What a result says of a Goal model."""
    said = result.provenance.json  # as it stands there, so that the error names what is missing
    try:
        model = said["model"]
        # A Goal counts for the forget set that it was trained without, on whichever it was scored.
        fields = comparable(said, model["base"])
        fields["trained without"] = [model["target"], model["data"], model["split"]]
        silence, flaws = silence_of(result.provenance), tuple(flaws_of(result.provenance))
        run = GoalRun(model["weights"], fields, result.results_file, result.samples_file, silence, flaws)
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(result.results_file, error) from None
    if not run.samples_file.is_file():
        raise BenchmarkError(f"{run.samples_file} is missing: the Goal's responses. Score it with --log_samples.")
    return run


def silence_of(goal: ResultRecord) -> str:
    """How many of a Goal's answers about forgotten scenes are none; empty where at least half are answers."""
    counts = _about_forgotten_scenes(goal)
    none = {what: counts[sign] for sign, what in NO_ANSWER.items() if counts[sign]}
    if 2 * sum(none.values()) <= counts["n"]:
        return ""
    found = ", ".join(f"{count} {what}" for what, count in none.items())
    return f"of its {counts['n']} answers about forgotten scenes {found}"


def flaws_of(goal: ResultRecord) -> Iterator[str]:
    """Why little can be compared with a Goal's answers: they are none, or say nothing, or it learned nothing."""
    counts = _about_forgotten_scenes(goal)
    if silence := silence_of(goal):
        yield silence
    elif 2 * counts["degenerate"] > counts["n"]:
        yield f"of its {counts['n']} answers about forgotten scenes {counts['degenerate']} say nothing (degenerate)"
    if ignorant(goal):
        yield retain_note(goal)


def _about_forgotten_scenes(goal: ResultRecord) -> Counter[str]:
    """How many answers about forgotten scenes a Goal gave, and how many of these are of each odd kind."""
    counts: Counter[str] = Counter()
    for name, row in accounted(goal).items() if goal.target in GOAL_TARGETS else ():
        if forgotten_scene("scene", name) and not name.startswith("person_"):
            counts.update(row)
    return counts


def _responses(path: Path) -> dict[str, str]:
    """The responses of a samples file by document key, those that the event scores compare with."""
    asked = ((sample, sample.provenance) for sample in read_samples(path))
    responses = {s.key: s.response.strip() for s, said in asked if forgotten_scene(said.kind, said.slice)}
    if not responses:
        raise BenchmarkError(f"{path} holds no responses to forgotten scenes. Score that Goal again, without --limit.")
    return responses
