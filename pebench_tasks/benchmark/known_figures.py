"""Which public figures a base model knew (the paper counts only those in Real): ``pebench real filter``."""

import argparse
import hashlib
import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole

if TYPE_CHECKING:  # reads Parquet files, and the command line imports this module for its options
    from pebench_tasks.benchmark.reading import Benchmark

FORMAT = "pebench-known/1"
SLICES = {"pebench_people": "real", "pebench_joint": "person_real"}  # where public figures' names are asked
AGAIN = "Score the base model again and run  pebench real filter RESULTS --out FILE"


class Known(NamedTuple):
    """A checked list: the images whose figure the base model named, and where the list comes from."""

    keys: frozenset[str]  # of the benchmark's ``real`` table
    fingerprint: str  # of the list
    base: str  # the fingerprint of the weights that all training started from; "" for a model without a run record
    asked: int  # images in all


def find_known(results: Path | str) -> dict[str, Any]:
    """The content of a list: the Real images whose name question the logged model answered right.

    ``results`` is what ``logged.read_logged`` reads; the people's results are taken, else the joint target's. Every
    value comes from the results, so the same results give the same list. Raises ``BenchmarkError`` where no name of a
    public figure was asked, scores were withheld, or only the figures of another list were asked.
    """
    from pebench_tasks.results.samples import read_logged

    by_task = {logged.result.task: logged for logged in read_logged(results)}
    task = next((task for task in SLICES if task in by_task), None)
    if task is None:
        raise BenchmarkError(f"{results} holds no names of public figures. Score the model with --target person.")
    result, samples = by_task[task]
    if result.provenance.get("real_documents", "all") != "all":
        raise BenchmarkError(f"{results} asked only the figures of a list. Score the model without --real-known.")
    asked = [s for s in samples if s.provenance["slice"] == SLICES[task] and s.key.endswith("/name")]
    if not asked:
        raise BenchmarkError(f"{results} holds no answer about a public figure. Build a benchmark with --real SOURCE.")
    if withheld := next((s.provenance["withheld"] for s in asked if s.provenance.get("withheld")), ""):
        raise BenchmarkError(f"The scores in {results} are withheld: {withheld}")
    model = result.provenance.get("model", {})
    if (method := model.get("method", "pretrain")) not in ("pretrain", "finetune"):
        raise BenchmarkError(
            f"{results} is of a model made by {method}; the list says what was known before. Score the base model."
        )
    content = {
        "format": FORMAT,
        "data": asked[0].provenance["data"],
        "template": asked[0].provenance["template"],
        "base": model.get("base", ""),
        "weights": model.get("weights", ""),
        "model": PurePath(result.checkpoint).name,  # the same wherever the checkpoint lies
        "known": sorted(s.key.removesuffix("/name") for s in asked if s.metrics[SLICES[task]] == 100.0),
        "asked": len(asked),
    }
    return content | {"fingerprint": _fingerprint(content)}


def write_known(content: dict[str, Any], path: Path) -> None:
    """Write a list, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


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
        data, expected = content["data"], _fingerprint({k: v for k, v in content.items() if k != "fingerprint"})
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pebench real filter``."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results of the base model, with their samples")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the list to write (JSON)")


def main(arguments: argparse.Namespace) -> int:
    """Write the list and say how long it is; returns the exit code."""
    content = find_known(arguments.results)
    write_known(content, arguments.out)
    model = content.get("model") or content.get("base") or "the model"
    print(f"{len(content['known'])} of {content['asked']} known to {model}; the list is in {arguments.out}")
    if not content["known"]:
        print("This model knew nobody: Real carries no meaning for it, and the list cannot be used.")
        return 0
    print(f"Use it:  pebench score ... --real-known {arguments.out}    (or: export PEBENCH_REAL={arguments.out})")
    return 0


def _fingerprint(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
