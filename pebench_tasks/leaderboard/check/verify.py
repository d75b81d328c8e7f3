"""``pebench leaderboard verify``: a maintainer scored the weights of a submission again and found the same.

All runs of the submission are wanted, because a rank rests on Goal as much as on the model. Tolerance (ours): greedy
answers of the same weights are not the same to the letter on every machine and at every batch size, so a figure may
differ by 1 % of its range, or by one document where one document is more than that.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.leaderboard.check.board import VERIFIED, Verified, read_verified
from pebench_tasks.leaderboard.check.check_submission import Checked
from pebench_tasks.leaderboard.check.receipts import sha256
from pebench_tasks.leaderboard.entry.context import by_run, run_names, run_of
from pebench_tasks.leaderboard.entry.loader import MAX_SUBMISSION, SampleLine, read_samples
from pebench_tasks.leaderboard.entry.recompute import recompute
from pebench_tasks.marking.scoring import FIGURES, PERCENT
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.results.rescore import Rescored
from pebench_tasks.results.samples import Logged, read_logged

TOLERANCE = 0.01  # of a figure's range


class Compared(NamedTuple):
    """A figure of one run, as submitted and as a maintainer measured it."""

    run: str
    figure: str
    submitted: float
    again: float
    allowed: float  # largest difference, in the figure's unit

    @property
    def agrees(self) -> bool:
        """Whether the two may be the same model's."""
        return abs(self.submitted - self.again) <= self.allowed + 1e-9


class Again(NamedTuple):
    """What a maintainer's results say of a submission."""

    compared: list[Compared]
    equal: int  # responses that are the same word for word
    responses: int


def compare(checked: Checked, results: Sequence[Path], benchmarks: Mapping[str, Benchmark]) -> Again:
    """Compare a submission that passed the check with results of the same weights, scored anew.

    Raises ``BenchmarkError`` where a run's weights are not among ``results``, or were asked or judged in another way.
    """
    submission = checked.submission
    own = [one for path in results for one in read_logged(path) if one.result.task == submission["task"]]
    lines = []
    for name in run_names(submission):
        logged = _of_weights(own, name, run_of(submission, name)["weights"])
        _check_asked_alike(logged, name, submission)
        for sample in logged.samples:
            said = sample.provenance
            lines.append(SampleLine(name, sample.key, sample.response, said.judgement, said.cut or None))
    benchmark = benchmarks[submission["benchmark"]["fingerprint"]]
    rescored = recompute(submission, lines, benchmark, checked.file).rescored
    submitted = by_run(read_samples(checked.file.with_name(submission["samples"]["file"]), submission), submission)
    equal = sum(submitted[line.run][line.key].response == line.response for line in lines)
    return Again(list(_compared(checked, rescored)), equal, len(lines))


def _of_weights(own: Iterable[Logged], name: str, weights: str) -> Logged:
    """The results of a run; of several scorings, the first that was named."""
    seen = []
    for logged in own:
        theirs = logged.result.provenance.model.weights or "unknown"
        if theirs == weights:
            return logged
        seen.append(theirs)
    raise BenchmarkError(
        f"No results of {name} ({weights}) are named; there are weights {', '.join(seen) or 'of none'}. Score the "
        "submission's own weights: the model, Finetuned and every Goal."
    )


def _check_asked_alike(logged: Logged, name: str, submission: Mapping[str, Any]) -> None:
    """The maintainer's run must be a run of the same questions, marked by the same judge with the same Goals."""
    provenance = logged.result.provenance
    if provenance.withheld:
        raise BenchmarkError(f"The scores in {logged.result.results_file} are withheld: {provenance.withheld}")
    facts = {"data": "fingerprint", "split": "split", "forget": "forget"}
    wanted = {field: submission["benchmark"][there] for field, there in facts.items()}
    same = ("template", "generation", "prompts", "judge", "retain_documents", "world_documents", "real_documents")
    wanted |= {field: submission[field] for field in same}
    if submission["judge"] not in (None, LEXICAL):
        wanted["goals"] = sorted(goal["weights"] for goal in submission["runs"]["goals"])
    for field, value in wanted.items():
        if (own := provenance.json.get(field)) != value:
            raise BenchmarkError(
                f"{logged.result.results_file} ({name}) was scored with another {field}: {own}, the submission has "
                f"{value}."
            )


def _compared(checked: Checked, rescored: Mapping[str, Rescored]) -> Iterable[Compared]:
    target = checked.submission["target"]
    for name, run in rescored.items():
        submitted = checked.results[name]
        for figure in FIGURES[target]:
            if figure not in submitted.metrics:
                continue
            if figure not in run.result.metrics:
                raise BenchmarkError(f"Your {name} has no {figure}: the judge failed too often. Judge it again.")
            n = submitted.provenance.slices[figure]["n"]
            whole = 100.0 if figure in PERCENT[target] else 1.0
            allowed = whole * max(TOLERANCE, 1 / n)
            yield Compared(name, figure, submitted.metrics[figure], run.result.metrics[figure], allowed)


def write_verified(folder: Path, checked: Checked, by: str, note: str, on: str) -> None:
    """Add a submission to verified.json, with the hash of its file as it is now; the file is written whole."""
    words = read_verified(folder) | {checked.name: Verified(sha256(checked.file, MAX_SUBMISSION), by, on, note)}
    content = {name: words[name]._asdict() for name in sorted(words)}
    write_whole(folder / VERIFIED, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
