"""A list of the public figures that a base model knew, read and checked; the paper counts only those in Real."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.errors import BenchmarkError

if TYPE_CHECKING:  # reads Parquet files, which ``pebench real --help`` need not wait for
    from pebench_tasks.benchmark.reading import Benchmark

FORMAT = "pebench-known/1"
AGAIN = "Score the base model again and run  pebench real filter RESULTS --out FILE"


class Known(NamedTuple):
    """A checked list: the images whose figure the base model named, and where the list comes from."""

    keys: frozenset[str]  # of the benchmark's ``real`` table
    fingerprint: str  # of the list
    base: str  # the fingerprint of the weights that all training started from; "" for a model without a run record
    asked: int  # images in all


def load_known(path: Path, benchmark: "Benchmark") -> Known:
    """The list in ``path``, checked against ``benchmark``; ``BenchmarkError`` for a damaged file, else as below."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchmarkError(f"There is no list of known figures {path}. {AGAIN}.") from None
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} is no list of known figures, or damaged ({error!r}). {AGAIN}.") from None
    return check_known(content, str(path), benchmark)


def check_known(content: Any, name: str, benchmark: "Benchmark") -> Known:
    """The list of this content, checked against ``benchmark``; ``name``: what errors call it.

    Raises ``BenchmarkError`` for a damaged or edited list, one for other data, one that does not cover all of the
    benchmark's public figures, and an empty one.
    """
    try:
        if content["format"] != FORMAT:
            raise BenchmarkError(
                f"{name} has the format {content['format']!r}; this version reads {FORMAT!r}. {AGAIN}."
            )
        known = Known(frozenset(content["known"]), content["fingerprint"], content["base"], content["asked"])
        data, expected = content["data"], fingerprint({k: v for k, v in content.items() if k != "fingerprint"})
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{name} is no list of known figures, or damaged ({error!r}). {AGAIN}.") from None
    if known.fingerprint != expected:
        raise BenchmarkError(f"{name} was changed after it was written. {AGAIN}.")
    if data != benchmark.fingerprint:
        raise BenchmarkError(
            f"{name} was made with the benchmark {data}, this one is {benchmark.fingerprint}. {AGAIN}."
        )
    figures = {row["key"] for row in benchmark.real if row["part"] == "eval"}
    if unknown := sorted(known.keys - figures):
        raise BenchmarkError(f"{name} lists {unknown[0]}, which the benchmark does not have. {AGAIN}.")
    if known.asked != len(figures):
        raise BenchmarkError(f"{name} comes from {known.asked} of {len(figures)} images (--limit?). {AGAIN}.")
    if not known.keys:
        raise BenchmarkError(
            f"{name} is empty: the base model named none of {known.asked} images, so Real carries no meaning for it. "
            "Choose a model that knows them, or other figures."
        )
    return known


def fingerprint(content: dict[str, Any]) -> str:
    """Of a list's content without the fingerprint itself: 16 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
