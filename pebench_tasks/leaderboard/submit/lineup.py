"""The results that a submission is made of: the model's, and those of its Finetuned and Goal models, found or named."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pebench_templates

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.lineage import unlearns_nothing
from pebench_tasks.leaderboard.entry.loader import MAX_GOALS
from pebench_tasks.leaderboard.entry.records import REQUIRED, Record, complete, complete_record, lineage, parent_weights
from pebench_tasks.marking.failures import resolution_note
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.results.beside import home, neighbours, places, record_beside
from pebench_tasks.results.files import TARGETS, Result, read_results_file, say_passed_over
from pebench_tasks.results.samples import Logged, read_logged, refuse_mixed
from pebench_tasks.run_record import RUN_RECORD
from pebench_tasks.versions import task_version


class Run(NamedTuple):
    """One checkpoint's results with its run record."""

    logged: Logged
    record: Record


class Lineup(NamedTuple):
    """Everything that a submission holds results of."""

    model: Run
    finetuned: Run
    goals: list[Run]  # the first is the bound


def line_up(
    results: Path,
    *,
    target: str | None = None,
    finetuned: Path | None = None,
    goals: Sequence[Path] = (),
    checkpoint: Path | None = None,
) -> Lineup:
    """The model behind ``results`` (what ``samples.read_logged`` takes), with its bounds.

    What is not named is looked for beside the results, by weights: Finetuned is the parent in the model's record; the
    Goals that the result was scored with, else all of the same base, data, target and split. Raises
    ``BenchmarkError`` for what is missing, or does not belong in one table with the model.
    """
    logged = _of_task(results, target)
    _check_result(logged.result)
    record, folder = _record_of_model(logged.result, checkpoint)
    _check_record(logged.result, record, folder)
    model = Run(logged, record)
    found = Beside(model, folder)
    chosen = Lineup(model, found.finetuned(finetuned), found.goals(goals))
    for bound in (chosen.finetuned, *chosen.goals):
        _check_generation(logged.result, bound.logged.result)
    return chosen


def goal_weights(result: Result) -> list[str]:
    """The weights of the Goals that a result was scored with, sorted."""
    return sorted(result.provenance.goal_weights)


def weights_of(result: Result) -> str:
    """The weights fingerprint that a result was scored with; "" where it says none."""
    return result.provenance.model.weights or ""


class Beside:
    """Looks for the bounds of a model: in what is named, else beside its results and its checkpoint."""

    def __init__(self, model: Run, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.result = model.logged.result
        self.home = home(self.result.results_file)

    def finetuned(self, named: Path | None) -> Run:
        """The run of the Finetuned model."""
        wanted = parent_weights(self.model.record, self.folder)
        if named is not None:
            logged = _of_task(named, self.result.provenance.target)
            if weights_of(logged.result) != wanted:
                raise BenchmarkError(
                    f"{named} is of the weights {weights_of(logged.result) or 'unknown'}, but "
                    f"{_name(self.result)} was unlearned from {wanted}. Score that Finetuned model."
                )
            refuse_mixed([self.result, _goals_of(logged.result, self.result)])
        else:
            logged = self._choose([r for r in self._results() if weights_of(r) == wanted], "Finetuned", wanted)
        return Run(logged, self._record(logged.result))

    def goals(self, named: Sequence[Path]) -> list[Run]:
        """The runs of the Goals, in the order in which they were named, else by weights."""
        used = goal_weights(self.result)
        if named:
            chosen = [_of_task(path, self.result.provenance.target) for path in named]
            weights = [weights_of(logged.result) for logged in chosen]
            if len(set(weights)) < len(weights):
                raise BenchmarkError(f"--goal names the Goal model {max(weights, key=weights.count)} twice.")
            if used and sorted(weights) != used:
                raise BenchmarkError(
                    f"{_name(self.result)} was scored with the Goal models {', '.join(used)}, and --goal names "
                    f"{', '.join(weights)}. Name the same, or score it again with --goal DIR."
                )
            for logged in chosen:
                refuse_mixed([self.result, _goals_of(logged.result, self.result)])
        else:
            results = [*self._recorded(), *self._results()]
            fitting = [r for r in results if r.provenance.model.method == "goal" and self._same(r)]
            wanted = used or sorted({weights_of(result) for result in fitting})
            if not wanted:
                self._choose([], "Goal", "of the same base, data and forget set")
            chosen = [self._choose([r for r in fitting if weights_of(r) == w], "Goal", w) for w in wanted]
        if len(chosen) > MAX_GOALS:
            what = "was scored with" if used else "has"
            raise BenchmarkError(
                f"{_name(self.result)} {what} {len(chosen)} Goal models; a submission holds at most {MAX_GOALS}. "
                f"Choose some:  {'pebench score ... --goal DIR' if used else '--goal RESULTS ...'}"
            )
        runs = [Run(logged, self._record(logged.result)) for logged in chosen]
        for run in runs:
            self._check_goal(run)
        return runs

    def _same(self, result: Result) -> bool:
        """Whether a Goal's results are of this model's forget set and base."""
        model, wanted = result.provenance.model, self.model.record
        return all(getattr(model, name) == wanted[name] for name in ("target", "data", "split", "base"))

    def _check_goal(self, run: Run) -> None:
        differing = [n for n in ("target", "data", "split", "base") if run.record[n] != self.model.record[n]]
        if run.record["method"] != "goal" or differing:
            what = f"its {', '.join(differing)} differ from the model's" if differing else "its method is not goal"
            raise BenchmarkError(
                f"{_name(run.logged.result)} is no Goal of {_name(self.result)}: {what}. Name the Goal that was "
                "trained without this forget set, from the same base:  --goal RESULTS"
            )

    def _results(self) -> list[Result]:
        """The results of this task beside the model's, the oldest first."""
        return list(_readable(neighbours([self.result.results_file]), self.result.task))

    def _recorded(self) -> list[Result]:
        """The results of the Goals whose answers the model was scored with, where they still lie."""
        goal = self.result.provenance.goal
        files = [file for run in goal.runs for file in places(run.results, self.result)] if goal else []
        return list(_readable(filter(Path.is_file, files), self.result.task))

    def _choose(self, results: Sequence[Result], role: str, weights: str) -> Logged:
        """The newest of these that belongs in one table with the model's; ``BenchmarkError`` where none does."""
        refused: BenchmarkError | None = None
        for result in reversed(results):
            try:
                refuse_mixed([self.result, _goals_of(result, self.result)])
            except BenchmarkError as error:
                refused = refused or error
            else:
                say_passed_over(result.results_file.parent, [result.task])
                return _of_file(result)
        if refused is not None:
            raise refused
        target, option = self.result.provenance.target, role.lower()
        raise BenchmarkError(
            f"There are no results of the {role} model {weights} beside {self.home}. Score it:  pebench score "
            f"CHECKPOINT --target {target} ...    and name them:  --{option} RESULTS"
        )

    def _record(self, result: Result) -> Record:
        """A bound's run record: its results', beside its weights, beside the model's checkpoint, in its lineage."""
        wanted = weights_of(result)
        if (said := record_beside(result)) is not None and all(name in said for name in REQUIRED):
            return dict(said)
        folders = [
            Path(result.checkpoint),
            *(path.parent for path in sorted(self.folder.parent.glob(f"*/{RUN_RECORD}"))),
        ]
        for folder in folders:
            record = complete_record(folder)
            if record is not None and record["weights"] == wanted:
                return record
        for ancestor in lineage(self.model.record):
            if ancestor.get("weights") == wanted and all(name in ancestor for name in REQUIRED):
                return dict(ancestor)
        raise BenchmarkError(
            f"There is no {RUN_RECORD} of the weights {wanted} in {result.checkpoint} or beside {self.folder}. "
            f"{OWN_CODE}"
        )


ASKED = ("generation", "prompts", "retain_documents", "world_documents", "real_documents", "versions")  # in a result
OWN_CODE = f"A checkpoint of your own code needs one with the fields {', '.join(REQUIRED)} (format: pebench-run/1)."


def _of_task(path: Path, target: str | None) -> Logged:
    """The one result behind a path, of that target."""
    every = read_logged(path)
    found = [one for one in every if target in (None, one.result.provenance.target)]
    if not found:
        raise BenchmarkError(f"{path} holds no results of the target {target}. Score it with --target {target}.")
    if len(found) > 1:
        targets = " or ".join(one.result.provenance.target for one in found)
        raise BenchmarkError(f"{path} holds results of several targets, a submission has one:  --target {targets}")
    if not found[0].result.results_file.is_file():
        raise BenchmarkError(f"{found[0].result.results_file} is missing: it says how the samples were made.")
    return found[0]


def _of_file(result: Result) -> Logged:
    return next(one for one in read_logged(result.results_file) if one.result.task == result.task)


def _readable(files: Iterable[Path], task: str) -> Iterable[Result]:
    for path in files:
        try:
            results = read_results_file(path)
        except BenchmarkError:  # other files of lmms-eval may lie there
            continue
        yield from (
            result
            for result in results
            if result.task == task and result.samples_file.is_file() and not result.provenance.model.load_in
        )


def _goals_of(result: Result, model: Result) -> Result:
    """A result as if it had been scored with the model's Goals: it is marked with them again."""
    if model.provenance.judge not in (None, LEXICAL):
        return result
    return result._replace(provenance=result.provenance.with_goals_of(model.provenance))


def _check_result(result: Result) -> None:
    """Raise ``BenchmarkError`` for results that no board takes, with what to do."""
    provenance, again = result.provenance, "Score it again with this version."
    if result.version != task_version():
        raise BenchmarkError(
            f"{result.results_file} is of the task version {result.version}, this package has {task_version()}: their "
            f"figures are not comparable. {again}"
        )
    if provenance.template != pebench_templates.fingerprint():
        raise BenchmarkError(f"{result.results_file} was asked in other words than this version's templates. {again}")
    if provenance.withheld:
        raise BenchmarkError(f"The scores in {result.results_file} are withheld: {provenance.withheld}")
    if note := resolution_note(provenance.image_size):
        raise BenchmarkError(f"The model of {result.results_file} saw other images than it should: {note}. {again}")
    if rounded := provenance.model.load_in:
        raise BenchmarkError(
            f"The weights of {_name(result)} were rounded to {rounded} before they were scored: that is an attack on a "
            "model, not the model. Submit the results without --load_in."
        )
    if provenance.other_target:
        raise BenchmarkError(
            f"{_name(result)} was made for the target {provenance.other_target}, but asked about {provenance.target}. "
            f"Score it with --target {provenance.other_target}."
        )
    if ":" in f"{provenance.forget} {(provenance.model.record or {}).get('forget')}":
        raise BenchmarkError(
            f"{_name(result)} is of one request of a forget set. Boards compare models that forget a whole one at once."
        )
    if provenance.other_split:
        raise BenchmarkError(
            f"{_name(result)} was made for {provenance.other_split}, but asked about {provenance.forget}. Score "
            f"it with --forget {provenance.other_split}."
        )
    if missing := [name for name in ASKED if not getattr(provenance, name)]:
        raise BenchmarkError(f"{result.results_file} does not say how the model was asked ({missing[0]}). {again}")
    if not weights_of(result):
        raise BenchmarkError(
            f"{result.results_file} does not say which weights were scored. Score with  pebench score,  or with "
            f"PEBENCH_CHECKPOINT=DIR, the folder of the {RUN_RECORD}. {OWN_CODE}"
        )


def _check_generation(model: Result, bound: Result) -> None:
    """A filter of the output that the bounds have not is no unlearning."""
    own, other = ((one.provenance.model.generation or {}) for one in (model, bound))
    if differing := sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name)):
        raise BenchmarkError(
            f"{_name(model)} and {_name(bound)} answer under different generation settings of their own "
            f"({', '.join(differing)} in generation_config.json): what keeps words back is no unlearning. Make them "
            "equal, and score again."
        )


def _record_of_model(result: Result, checkpoint: Path | None) -> tuple[Record, Path]:
    folder = checkpoint or Path(result.checkpoint)
    said = record_beside(result) if checkpoint is None else None
    record = complete_record(folder) if said is None else complete(said, f"The run record of {_name(result)}")
    if record is None:
        raise BenchmarkError(
            f"There is no {RUN_RECORD} in {folder}. Name the checkpoint's folder:  --checkpoint DIR.  {OWN_CODE}"
        )
    return record, folder


def _check_record(result: Result, record: Record, folder: Path) -> None:
    facts = result.provenance
    if record["weights"] != weights_of(result):
        raise BenchmarkError(
            f"{result.results_file} is of the weights {weights_of(result)}; in {folder} there are {record['weights']}. "
            "Score this checkpoint again."
        )
    wanted = {"target": facts.target, "data": facts.data, "split": facts.split, "forget": facts.forget}
    if unlearns_nothing(record["method"]):
        raise BenchmarkError(f"{_name(result)} is made by {record['method']}: a bound, not an unlearned model.")
    for name, value in wanted.items():
        if record[name] != value:
            raise BenchmarkError(
                f"{_name(result)} was unlearned with the {name} {record[name]}, and scored on {value}. Score it on "
                f"what it was made for ({TARGETS[result.task]} here)."
            )


def _name(result: Result) -> str:
    return Path(result.checkpoint).name
