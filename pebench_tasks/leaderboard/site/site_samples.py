"""The samples on a submission's page: a few of each slice, the same documents for every submission, marked again.

``recompute`` marks all documents, and a receipt keeps their figures only; a page shows some sixty, marked here.
"""

import gzip
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pebench_tasks.benchmark.documents import Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.check.check_submission import Checked
from pebench_tasks.leaderboard.entry.context import by_run, logged_run, marking_context, run_names
from pebench_tasks.leaderboard.entry.loader import MAX_SAMPLES, SampleLine, samples_name
from pebench_tasks.leaderboard.entry.recompute import KEPT, Questions, asked_once
from pebench_tasks.leaderboard.entry.safe_json import read_bytes
from pebench_tasks.pages.samples import Item, chosen, items
from pebench_tasks.results.rescore import Rescored, mark

PER_SLICE = 10


def page_items(checked: Checked, benchmark: Benchmark, names: Mapping[str, str]) -> list[Item]:
    """Every document of a submission that passed the check, those that its page shows with all answers.

    ``names``: what the page calls the runs. Which are shown is what ``samples.chosen`` says for ``PER_SLICE``.
    """
    submission = checked.submission
    every, few = _documents(Questions.of(submission, benchmark))
    path = checked.file.with_name(samples_name(checked.name))
    answers = by_run(_believed(path, submission["samples"]["sha256"], few), submission)
    found = marking_context(submission, answers, benchmark, few)
    models, texts = [], []
    for run in run_names(submission):
        logged = logged_run(submission, run, answers[run], few, checked.file)
        scores = [mark(sample, found) for sample in logged.samples]
        models.append((names[run], Rescored(checked.results[run], scores, [])))
        texts.append({key: answers[run][key].response for key in few})
    answered = {item.key: item for item in items(models, found, texts, {})}
    return [answered.get(item.key, item) for item in every]


def _believed(path: Path, sha256: str, keys: Collection[str]) -> Iterator[SampleLine]:
    """The samples of these documents; the check read the same bytes with care, so here they are only read."""
    content = read_bytes(path, MAX_SAMPLES)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BenchmarkError(f"{path} was changed after it was checked. Check again.")
    for line in filter(None, gzip.decompress(content).split(b"\n")):
        row = json.loads(line)
        if row["key"] in keys:
            yield SampleLine(row["run"], row["key"], row["response"], row.get("judgement"), row.get("cut"))


@lru_cache(maxsize=KEPT)
def _documents(questions: Questions) -> tuple[list[Item], dict[str, Document]]:
    """All documents, without answers, and those that pages show by key."""
    wanted = asked_once(questions)
    every = [
        Item(key, one["target"], one["slice"], one["image"], one["question"], one["answer"], "", [])
        for key, one in wanted.items()
    ]
    return every, {item.key: wanted[item.key] for item in chosen(every, PER_SLICE)}
