"""``pebench judge``: a language model, or an embedding, marks the scene descriptions that a scoring logged.

What it writes has the form of the harness's own files, in a folder of its own: the lexical figures stay. It asks only
for what the judge's cache lacks, so an interrupted run goes on where it stopped.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.judge.embedding import Embedding
from pebench_tasks.judge.judge import (
    DOWN,
    FLEETING,
    Judge,
)
from pebench_tasks.judge.prompt import efficacy_prompt, retain_prompt
from pebench_tasks.marking.scenes import Judgement
from pebench_tasks.marking.scoring import Score
from pebench_tasks.marking.thoughts import take_apart
from pebench_tasks.results.files import read_results_file, samples_file
from pebench_tasks.results.goals import with_flaws
from pebench_tasks.results.rescore import Context, mark
from pebench_tasks.results.rewriting import put_figures, remarked
from pebench_tasks.results.samples import Logged
from pebench_tasks.results.summary import describe


class Reader(NamedTuple):
    """A judge that looks its judgements up by prompt, and notes the prompts that it has none for."""

    fingerprint: str
    judged: Mapping[str, Judgement]
    asked: list[str]

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        """The judgement of a scene that must be forgotten."""
        return self._look_up(efficacy_prompt(question, truth, goal, response))

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        """The judgement of a scene that must stay."""
        return self._look_up(retain_prompt(question, truth, response))

    def _look_up(self, prompt: str) -> Judgement:
        self.asked.append(prompt)
        return self.judged.get(prompt, Judgement(None, {"failed": "not asked yet"}))


def judge_results(
    logged: Sequence[Logged], contexts: Sequence[Context], judge: Judge, out: Path | None = None
) -> list[Path]:
    """Judge every logged scene description that a judge marks, and write the results; the new results files.

    They go into a folder beside each results file, named after the judge, or with ``out`` into a folder of each
    checkpoint's name there. Nothing is asked if the judge's budget does not suffice, and nothing is written if it broke
    off: ``BenchmarkError`` says which.
    """
    prompts = list(dict.fromkeys(_prompts(logged, contexts)))
    if not prompts:
        raise BenchmarkError(
            "None of these responses is for a judge: it marks scene descriptions of pebench_events and pebench_joint, "
            "the forgotten ones only where they were scored with Goal responses (--goal)."
        )
    needed = judge.calls_needed(prompts)
    if judge.max_calls is not None and needed > judge.max_calls:
        raise BenchmarkError(
            f"{needed} judge calls are needed, {judge.max_calls} are allowed. Nothing was asked. Allow more with "
            "--max-judge-calls."
        )
    folders = _folders(logged, judge.fingerprint, out)
    print(f"{len(prompts)} different responses to judge; {needed} calls", file=sys.stderr)
    judged = _ask(judge, prompts)
    not_asked = [j.record["failed"] for j in judged.values() if j.record.get("failed") in FLEETING]
    if judge.down or not_asked:
        raise BenchmarkError(
            f"Not every response was judged ({DOWN if judge.down else not_asked[0]}). What is judged is kept; run the "
            "same command again to go on."
        )
    reader = Reader(judge.fingerprint, judged, [])
    written = []
    for one, found, folder in zip(logged, contexts, folders, strict=True):
        scores = [mark(sample, found, None if sample.provenance.judge is None else reader) for sample in one.samples]
        written.append(_write(one, found, scores, judge.facts(), folder))
    return list(dict.fromkeys(written))


def compare_meanings(
    logged: Sequence[Logged], contexts: Sequence[Context], embedding: Embedding, out: Path | None = None
) -> list[Path]:
    """Mark every logged scene description by its meaning, and write the results as ``judge_results`` does."""
    written = []
    for one, found, folder in zip(logged, contexts, _folders(logged, embedding.fingerprint, out), strict=True):
        meaning = embedding.about([row["description"] for row in found.benchmark.events])
        judged = [sample for sample in one.samples if sample.provenance.judge is not None]
        embedding.prepare(take_apart(sample.response).answer.raw for sample in judged)  # in batches
        scores = [
            mark(sample, found, similarity=None if sample.provenance.judge is None else meaning)
            for sample in one.samples
        ]
        written.append(_write(one, found, scores, embedding.facts(found.benchmark.events), folder))
    return list(dict.fromkeys(written))


def _folders(logged: Sequence[Logged], fingerprint: str, out: Path | None) -> list[Path]:
    """Where the new results go, one folder a result; ``BenchmarkError`` where two would have one file."""
    name = "judge-" + re.sub(r"[^\w.-]+", "_", fingerprint)
    homes = [one.result.results_file.parent for one in logged]
    folders = [home / name if out is None else out / home.name for home in homes]
    targets = Counter(zip(folders, (one.result.samples_file.name for one in logged), strict=True))
    if twice := [folder for (folder, _), count in targets.items() if count > 1]:
        raise BenchmarkError(
            f"Two of these results would both be written to {twice[0]}. Judge them one after the other."
        )
    return folders


def _prompts(logged: Iterable[Logged], contexts: Iterable[Context]) -> list[str]:
    collector = Reader("", {}, [])
    for one, found in zip(logged, contexts, strict=True):
        for sample in one.samples:
            if sample.provenance.judge is not None:
                mark(sample, found, collector)
    return collector.asked


def _ask(judge: Judge, prompts: Sequence[str]) -> dict[str, Judgement]:
    """The judgements by prompt, with a bar; the first error stops the rest."""
    columns = (
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    judged = {}
    pool = ThreadPoolExecutor(judge.concurrency)
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("judging", total=len(prompts), counts="")
            futures = {pool.submit(judge.judge, prompt): prompt for prompt in prompts}
            for future in as_completed(futures):
                judged[futures[future]] = future.result()
                counts = f"{judge.calls} calls, {judge.cached} cached, {judge.failed} failed"
                progress.update(bar, advance=1, counts=counts)
    except BaseException:
        judge.stop()  # what waits in other threads gives up
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return judged


def _write(one: Logged, found: Context, scores: Sequence[Score], facts: dict[str, Any], folder: Path) -> Path:
    """The results file and the samples file of one task, as the harness writes them, with the judge's figures."""
    result = one.result
    results_file = folder / result.results_file.name
    old = json.loads(result.results_file.read_text(encoding="utf-8"))
    if results_file.exists():
        _refuse_to_overwrite(results_file, facts["fingerprint"])
        kept = json.loads(results_file.read_text(encoding="utf-8"))
    else:
        kept = {name: {} if _by_task(value, old) else value for name, value in old.items()}
    provenance = {
        **result.provenance.json,
        **describe([score.provenance for score in scores], found.benchmark, facts),
        "judge_settings": facts,
    }
    if goal := with_flaws(provenance.get("goal"), found.goals):
        provenance["goal"] = goal
    for name, value in old.items():
        if _by_task(value, old):
            kept[name] = {**kept[name], **{task: entry for task, entry in value.items() if task == result.task}}
    put_figures(kept, result.task, scores, provenance)
    samples = remarked(result.samples_file, one.samples, scores)
    write_whole(samples_file(results_file, result.task), samples)
    write_whole(results_file, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return results_file


def _by_task(value: Any, file: Mapping[str, Any]) -> bool:
    """Whether a part of a results file is a dict by task."""
    return isinstance(value, dict) and bool(value) and set(value) <= set(file["results"])


def _refuse_to_overwrite(results_file: Path, fingerprint: str) -> None:
    for result in read_results_file(results_file):
        if result.provenance.judge != fingerprint:
            raise BenchmarkError(
                f"{results_file} holds figures of the judge {result.provenance.judge}. Choose another --out."
            )
