"""What passed the check once need not be computed again: receipts, in the user's cache folder and nowhere else."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pebench_templates
import platformdirs
import scipy

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.leaderboard.check.board import Board
from pebench_tasks.leaderboard.check.check_submission import Checked, unchecked
from pebench_tasks.leaderboard.entry.context import run_of
from pebench_tasks.leaderboard.entry.loader import MAX_SAMPLES, MAX_SUBMISSION, samples_name
from pebench_tasks.leaderboard.entry.recompute import Answers
from pebench_tasks.leaderboard.entry.safe_json import read_bytes
from pebench_tasks.results.files import Result
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.versions import __version__, task_version


class Receipts:
    """The receipts of one board folder: a file a submission, good as long as all that a check looks at is the same.

    That is: the bytes of both files of the submission, the board's settings, the benchmark, and this code with its
    templates and the libraries that compute.
    """

    def __init__(self, folder: Path, board: Board, benchmarks: Mapping[str, Benchmark]) -> None:
        place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self.folder = platformdirs.user_cache_path("pebench") / "receipts" / place
        self._board = repr(board)
        self._benchmarks = benchmarks

    def find(self, path: Path) -> Checked | None:
        """What was computed of the submission in ``path``; None where there is no receipt, or it is of other bytes."""
        try:
            receipt = json.loads((self.folder / path.name).read_text(encoding="utf-8"))
            submission = receipt["submission"]
            if receipt["key"] != self._key(path, submission["benchmark"]["fingerprint"]):
                return None
            results = {name: _result(path, submission, name, metrics, said) for name, metrics, said in receipt["runs"]}
            answers = {name: Answers(*hashes) for name, hashes in receipt["answers"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, BenchmarkError):
            return None  # none, damaged, or its submission cannot be read any more: the check says what is wrong
        return Checked(path.stem, path, submission, results, answers, unchecked(submission))

    def keep(self, checked: Checked) -> None:
        """Write the receipt of a submission that has just passed."""
        receipt = {
            "key": self._key(checked.file, checked.submission["benchmark"]["fingerprint"]),
            "submission": checked.submission,
            "answers": checked.answers,
            "runs": [[name, result.metrics, result.provenance.json] for name, result in checked.results.items()],
        }
        write_whole(self.folder / checked.file.name, json.dumps(receipt) + "\n")

    def _key(self, path: Path, fingerprint: str) -> str:
        """A hash of everything that the outcome depends on; ``BenchmarkError`` for files that cannot be read."""
        digest = hashlib.sha256(f"{_code()} {self._board}".encode())
        digest.update(json.dumps(self._benchmarks[fingerprint].manifest, sort_keys=True).encode())
        for file, limit in ((path, MAX_SUBMISSION), (path.with_name(samples_name(path.stem)), MAX_SAMPLES)):
            digest.update(sha256(file, limit).encode())
        return digest.hexdigest()


def sha256(path: Path, limit: int) -> str:
    """The hash of a regular file of at most ``limit`` bytes; ``BenchmarkError`` for any other."""
    return hashlib.sha256(read_bytes(path, limit)).hexdigest()


def _result(path: Path, submission: dict[str, Any], name: str, metrics: Any, said: Any) -> Result:
    beside = path.with_name(samples_name(path.stem))
    checkpoint, provenance = run_of(submission, name)["name"], ResultRecord.from_json(said)
    return Result(checkpoint, submission["task"], submission["task_version"], metrics, provenance, path, beside)


MARKING = ("benchmark", "judge", "leaderboard/check", "leaderboard/entry", "marking", "results")  # folders


@cache
def _code() -> str:
    """A hash of everything that marks: a changed rule makes every receipt void, released or not."""
    versions = f"{__version__} {task_version()} {numpy.__version__} {scipy.__version__}"
    digest = hashlib.sha256(f"{versions} {pebench_templates.fingerprint()}".encode())
    package = Path(__file__).parents[2]
    marking = ("*.py", *(f"{name}/*.{kind}" for name in MARKING for kind in ("py", "csv", "schema.json")))
    for file in sorted(file for pattern in marking for file in package.glob(pattern)):
        digest.update(f"{file.relative_to(package)} ".encode() + file.read_bytes())
    return digest.hexdigest()
