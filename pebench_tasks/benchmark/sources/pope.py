"""World: the POPE test set (arXiv 2305.10355), each image once with all that is asked about it.

Published as ``lmms-lab/POPE`` (lmms-eval 0.7.3 reads the copy ``lmms-lab-encoder/POPE``): 9,000 rows in
``data/test-*.parquet`` (the same rows by category in ``Full/``), 3,000 in each of three splits, half of them "yes", on
500 images of COCO; every row repeats its image.
"""

import hashlib
import heapq
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pebench_tasks.benchmark.sources.hub import fetch, inside, local_path
from pebench_tasks.benchmark.sources.real import Reading, check_image
from pebench_tasks.errors import BenchmarkError, short

Row = dict[str, Any]
SPLITS = ("random", "popular", "adversarial")
TRUTHS = ("yes", "no")
COLUMNS = ("question", "answer", "category", "image")
FIXED = 500  # documents of a split that are asked by default; ours
PATTERNS = ("data/test-*.parquet",)
_QUESTION = re.compile(r"is there (?:an? |the |any )?(.+?) in the \w+ ?\??", re.IGNORECASE)


class _Question(NamedTuple):
    split: str
    truth: str
    object: str
    question: str


def read_pope(source: str) -> Reading:
    """The rows of a benchmark's ``world`` table from POPE: a dataset of the hub, a folder or a Parquet file.

    Images are told apart by their bytes, which are kept, and sorted by their hash: the result does not depend on the
    order of the rows. ``question`` is the text as published, ``object`` what it asks for: unique in an image's split.
    The images wait in a temporary file meanwhile (some 80 MB for the whole test set), not in memory.

    Raises ``BenchmarkError`` for missing columns, an unknown category or answer, a split without "yes" or without "no",
    and a damaged image, before the first row is returned.
    """
    files, revision = _files(source)
    report: Row = {"source": source, "revision": revision, "files": [file.name for file in files]}
    return Reading(_rows(files, report), report)


def object_of(question: str) -> str:
    """What a POPE question asks for ("Is there a dining table in the image?": dining table), in lower case.

    A question of another form stands for itself.
    """
    text = " ".join(question.split())
    match = _QUESTION.fullmatch(text)
    return (match[1] if match else text).lower()


def choose_fixed(
    candidates: Iterable[tuple[str, str, str]], split: str, count: int = FIXED
) -> set[tuple[str, str, str]]:
    """The ``count`` questions (image hash, object, truth) of a split that are asked by default. The rule is ours:

    "yes" and "no" take turns, as many of each; every turn goes to an image that had fewest turns so far, among those to
    the question whose SHA-256 of ``pebench/pope/SPLIT/TRUTH/IMAGE HASH/OBJECT`` is smallest. A split with fewer gives
    as many as it can, half of them "yes".
    """
    turns: Counter[str] = Counter()
    waiting: dict[str, list[tuple[int, str, tuple[str, str, str]]]] = {truth: [] for truth in TRUTHS}
    for candidate in candidates:
        image, asked, truth = candidate
        order = hashlib.sha256(f"pebench/pope/{split}/{truth}/{image}/{asked}".encode()).hexdigest()
        heapq.heappush(waiting[truth], (0, order, candidate))
    chosen: set[tuple[str, str, str]] = set()
    for _ in range(min(count // 2, *(len(queue) for queue in waiting.values()))):
        for queue in waiting.values():
            while queue[0][0] != turns[queue[0][2][0]]:  # the image had turns since: back into the queue
                _, order, candidate = queue[0]
                heapq.heapreplace(queue, (turns[candidate[0]], order, candidate))
            candidate = heapq.heappop(queue)[2]
            turns[candidate[0]] += 1
            chosen.add(candidate)
    return chosen


def _rows(files: list[Path], report: Row) -> Iterator[Row]:
    with tempfile.TemporaryFile() as spool:
        images, questions = _collect(files, spool, report)
        fixed: set[tuple[str, str, str, str]] = set()
        for split in SPLITS:
            asked = [(digest, q.object, q.truth) for digest in questions for q in questions[digest] if q.split == split]
            _check_split(asked, split, report["source"])
            fixed |= {(split, *candidate) for candidate in choose_fixed(asked, split)}
        report["fixed"] = len(fixed)
        for number, digest in enumerate(sorted(images)):
            start, length, path = images[digest]
            spool.seek(start)
            rows = sorted(questions[digest], key=lambda q: (SPLITS.index(q.split), q.object))
            yield {
                "key": f"w{number:04d}",
                "part": "eval",
                "questions": [q._asdict() | {"fixed": (q.split, digest, q.object, q.truth) in fixed} for q in rows],
                "bytes_sha256": digest,
                "image": {"bytes": spool.read(length), "path": path},
            }


def _collect(
    files: list[Path], spool: BinaryIO, report: Row
) -> tuple[dict[str, tuple[int, int, str | None]], dict[str, list[_Question]]]:
    """Where each image lies in ``spool`` (start, length, name of its file), and its questions; keyed by its hash."""
    source = report["source"]
    images: dict[str, tuple[int, int, str | None]] = {}
    questions: dict[str, list[_Question]] = {}
    asked: Counter[tuple[str, str, str]] = Counter()
    read = 0
    for read, record in enumerate(_records(files, source), start=1):
        stored = record["image"]
        content = stored.get("bytes") if isinstance(stored, dict) else None
        if not isinstance(content, bytes) or not content:
            raise BenchmarkError(f"{source}, row {read}, holds no image bytes. Download it again.")
        digest = hashlib.sha256(content).hexdigest()
        if digest not in images:
            _check_image(content, source, read)
            images[digest] = (
                spool.tell(),
                spool.write(content),
                Path(stored["path"]).name if stored.get("path") else None,
            )
        split, truth = (str(record[name] or "").strip().lower() for name in ("category", "answer"))
        text = str(record["question"] or "")
        if split not in SPLITS or truth not in TRUTHS or not text.strip():
            raise BenchmarkError(
                f"{source}, row {read}: category {record['category']!r}, question {text!r}, "
                f"answer {record['answer']!r}. Name a copy of lmms-lab/POPE: its categories are "
                f"{', '.join(SPLITS)}, its answers yes and no."
            )
        name = object_of(text)
        asked[digest, split, name] += 1
        if (again := asked[digest, split, name]) > 1:
            name = f"{name} #{again}"
        questions.setdefault(digest, []).append(_Question(split, truth, name, text))
    repeated = sum(count - 1 for count in asked.values())
    report |= {"images": len(images), "questions": read, "asked again": repeated}
    return images, questions


def _check_split(asked: list[tuple[str, str, str]], split: str, source: str) -> None:
    counts = Counter(truth for _, _, truth in asked)
    for truth in TRUTHS:
        if not counts[truth]:
            raise BenchmarkError(
                f"{source}: the split {split!r} has {len(asked)} questions, none with the answer {truth!r}; POPE's "
                "splits are half yes, half no. Name a complete copy of lmms-lab/POPE."
            )


def _check_image(content: bytes, source: str, row: int) -> None:
    try:
        check_image(content)
    except OSError as error:
        raise BenchmarkError(f"{source}, row {row}: the image cannot be used ({error}). Download it again.") from None


def _records(files: list[Path], source: str) -> Iterator[Row]:
    for file in files:
        try:
            with pq.ParquetFile(file, memory_map=True) as parquet:
                if missing := [name for name in COLUMNS if name not in parquet.schema_arrow.names]:
                    raise BenchmarkError(
                        f"{source}: {file.name} lacks {', '.join(missing)}; it has "
                        f"{', '.join(parquet.schema_arrow.names)}. Name a copy of lmms-lab/POPE."
                    )
                for batch in parquet.iter_batches(batch_size=16, columns=list(COLUMNS), use_threads=False):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise BenchmarkError(f"{source}: {file} cannot be read ({short(str(error))}). Replace it.") from None


def _files(source: str) -> tuple[list[Path], str]:
    """The Parquet files of a source, and its commit ("" for a local one); ``data/`` comes before ``Full/``."""
    path = local_path(source)
    if path is None:
        folder = fetch(source, PATTERNS)
        return sorted(folder.glob(PATTERNS[0])), folder.name
    if path.is_file():
        return [path], ""
    for pattern in (*PATTERNS, "Full/*.parquet", "*.parquet"):
        if files := sorted(path.glob(pattern)):
            for file in files:
                if not inside(path, file):
                    raise BenchmarkError(f"{source}: {file} leads out of the folder {path}. Copy the file into it.")
            return files, ""
    raise BenchmarkError(f"{source} holds no Parquet files, neither there nor in data/ or Full/. Name a copy of POPE.")
