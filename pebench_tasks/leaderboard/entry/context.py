"""What the runs of a submission are marked with: its questions, its samples, the answers of its own Goals.

The one who submits and the one who checks mark with the same (``recompute``), so what is claimed and what is computed
cannot differ by anything but the samples. Forgotten scenes are marked with the answers of the Goals that are in the
submission, for all of its runs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.loader import SampleLine, samples_name
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.record import DOCUMENT, DocumentRecord
from pebench_tasks.marking.scoring import FORGETTING, forgotten_scene, measured
from pebench_tasks.results.files import Result
from pebench_tasks.results.goals import GOAL_TARGETS, GoalRun, Goals
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.rescore import Context, Rescored
from pebench_tasks.results.samples import Logged, Sample

Submission = dict[str, Any]


def run_names(submission: Submission) -> list[str]:
    """The names of a submission's runs in the order of a table: finetuned, model, goal-0, ..."""
    return ["finetuned", "model", *(f"goal-{i}" for i in range(len(submission["runs"]["goals"])))]


def run_of(submission: Submission, name: str) -> dict[str, Any]:
    """One run of a submission by its name."""
    runs = submission["runs"]
    found: dict[str, Any] = runs["goals"][int(name[5:])] if name.startswith("goal-") else runs[name]
    return found


def asked(submission: Submission, benchmark: Benchmark) -> dict[str, Document]:
    """Every document that each run must answer, by key, in the order of the task.

    ``BenchmarkError`` where the benchmark is another, or has another split of that name.
    """
    wanted = submission["benchmark"]
    if benchmark.fingerprint != wanted["fingerprint"]:
        raise BenchmarkError(
            f"It was made with the benchmark {wanted['fingerprint']}; {benchmark.directory} is {benchmark.fingerprint}."
        )
    known = submission["real_known"]
    rows = documents(
        benchmark,
        submission["target"],
        wanted["forget"],
        retain_all=submission["retain_documents"] == "all",
        world_all=submission["world_documents"] == "all",
        known=None if known is None else frozenset(known["known"]),
    )
    if rows[0]["split"] != wanted["split"]:
        raise BenchmarkError(
            f"Its {wanted['forget']} is the split {wanted['split']}; in {benchmark.directory} it is {rows[0]['split']}."
        )
    return {row["key"]: row for row in rows}


def by_run(lines: Iterable[SampleLine], submission: Submission) -> dict[str, dict[str, SampleLine]]:
    """The samples of each run by document key."""
    found: dict[str, dict[str, SampleLine]] = {name: {} for name in run_names(submission)}
    for line in lines:
        found[line.run][line.key] = line
    return found


def check_complete(samples: Mapping[str, Mapping[str, SampleLine]], wanted: Mapping[str, Document]) -> None:
    """Raise ``BenchmarkError`` unless every run answered exactly the documents that are asked."""
    for name, answers in samples.items():
        missing, foreign = wanted.keys() - answers.keys(), answers.keys() - wanted.keys()
        if missing:
            raise BenchmarkError(
                f"{name} did not answer {len(missing)} of {len(wanted)} documents, such as {min(missing)}. Score it "
                "in full, without --limit."
            )
        if foreign:
            raise BenchmarkError(f"{name} reports documents that are not asked, such as {min(foreign)!a}.")


def marking_context(
    submission: Submission,
    samples: Mapping[str, Mapping[str, SampleLine]],
    benchmark: Benchmark,
    wanted: Mapping[str, Document],
) -> Context:
    """What all runs of a submission are marked with: its benchmark, its documents, its own Goals' answers."""
    goals = None
    if submission["target"] in GOAL_TARGETS:
        scenes = [key for key, document in wanted.items() if forgotten_scene(document["kind"], document["slice"])]
        names = [name for name in run_names(submission) if name.startswith("goal-")]
        nowhere = Path(submission["name"])
        goals = Goals(
            [GoalRun(run_of(submission, name)["weights"], {}, nowhere, nowhere) for name in names],
            [{key: samples[name][key].response.strip() for key in scenes} for name in names],
            submission["base"]["weights"],
        )
    return Context(benchmark, NameIndex(benchmark.names), dict(wanted), goals)


def logged_run(
    submission: Submission, name: str, answers: Mapping[str, SampleLine], wanted: Mapping[str, Document], file: Path
) -> Logged:
    """One run as the harness would have logged it; no figure of it is anybody's claim, because it has none.

    ``file`` is what its ``Result`` names as results file: NAME.json. The documents are in the order of the task.
    """
    run = run_of(submission, name)
    facts = submission["benchmark"]
    common = {
        "data": facts["fingerprint"],
        "split": facts["split"],
        "template": submission["template"],
        "forget": facts["forget"],
    }
    rows = []
    for key, document in wanted.items():
        judged = document["kind"] == "scene" and measured(document["slice"]) in (*FORGETTING, "retain")
        fields: Mapping[str, Any] = document
        own = {name: fields[name] for name in DOCUMENT if name not in common}
        judge = submission["judge"] if judged else None
        answer = answers[key]
        said = DocumentRecord(**own, **common, judge=judge, judgement=answer.judgement, cut=bool(answer.cut))
        rows.append(Sample(key, answer.response, {}, said))
    record = run["record"]
    names = ("method", "target", "forget", "seed", "base", "weights", "data", "split", "template")
    scored_in = {field: run[field] for field in ("dtype", "backend") if run[field]}  # left out where unknown
    facts_of_run = {
        "task": submission["task"],
        "target": submission["target"],
        **common,
        "judge": submission["judge"],
        "withheld": "",
        "other_split": "",
        "other_target": "",
        **{
            field: submission[field]
            for field in (
                "judge_settings", "generation", "prompts", "retain_documents", "world_documents", "real_documents",
            )
        },
        "goal": goal_facts(submission),
        "model": {"pretrained": run["name"], **scored_in, **{field: record[field] for field in names}},
        "benchmark": {"name": facts["name"], "directory": "", "chosen": "the submission"},
        "forget_note": "",
        "versions": {**run["versions"], **submission["versions"]},
    }  # fmt: skip
    beside = file.with_name(samples_name(submission["name"]))
    provenance = ResultRecord.from_json(facts_of_run)
    result = Result(run["name"], submission["task"], submission["task_version"], {}, provenance, file, beside)
    return Logged(result, rows)


def goal_facts(submission: Submission) -> dict[str, Any] | None:
    """Whose answers the forgotten scenes were marked with, as a results file records it; None where no scene is."""
    if submission["target"] not in GOAL_TARGETS:
        return None
    runs = [{"weights": run["weights"], "results": run["name"]} for run in submission["runs"]["goals"]]
    return {"directory": "", "base": submission["base"]["weights"], "runs": runs}


def claims(rescored: Rescored) -> dict[str, Any]:
    """What a submission claims of a run, and what a check compares: n, figures, intervals, counts."""
    provenance = rescored.result.provenance
    return {
        "n": provenance.n,
        "figures": dict(sorted(rescored.result.metrics.items())),
        "intervals": provenance.json["statistics"]["slices"],
        "counts": provenance.slices,
    }
