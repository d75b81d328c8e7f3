"""Read a submission and its samples, whoever wrote them.

A submission is NAME.json and NAME.samples.jsonl.gz beside it; what they hold is in ``submission.schema.json``. Both
readers either return what is there, valid, or raise ``BenchmarkError``; time and memory are bounded by the limits
below (ours). That figures and documents are the right ones is not their subject: ``check`` computes them again.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.leaderboard.entry.safe_json import parse, read_bytes, shown, texts, unfit_line, unfit_text, values

FORMAT = "pebench-submission/2"
SUBMIT_AGAIN = "Neither file may be changed after `pebench submit` wrote both; write them again."
MAX_SUBMISSION = 2 << 20  # bytes of NAME.json
MAX_VALUES = 30_000  # in it: texts, numbers, objects, lists
MAX_SAMPLES = 32 << 20  # bytes of the compressed samples
MAX_UNPACKED = 256 << 20  # bytes of the samples themselves
MAX_RATIO = 200  # unpacked to compressed, past the first RATIO_FREE bytes:
RATIO_FREE = 64 << 20  # a model that says one word again and again packs as well as a bomb, but not so much
MAX_LINE = 256 << 10  # bytes
MAX_RESPONSE = 60_000  # characters
MAX_KEY = 300
MAX_GOALS = 5  # event forgetting compares with the answers of all
MAX_SIMILARITIES = 40  # of one document: three for each Goal, and two
FEW = 10  # errors of the schema that are looked at for the best one
BLOCK = 1 << 16  # bytes unpacked at once
SIMILARITY = re.compile(r"(given_away|nearness|kept|describes_best):[0-9a-f]{8}")
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = re.compile(r"board|verified|index|(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # our files; Windows' devices
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
SEVERAL_LINES = {"description": None, "prompts": None, "generation": "until"}  # texts that may have several lines


class SampleLine(NamedTuple):
    """One response of one run, as it was submitted."""

    run: str  # "model", "finetuned", "goal-0", ...
    key: str  # of the document
    response: str
    judgement: dict[str, Any] | None
    cut: bool | None = None  # True where it took all tokens that were allowed; as the submitter's backend counted


def check_name(name: str) -> None:
    """Raise ``BenchmarkError`` unless ``name`` may be a submission's: a file name that is the same everywhere."""
    if not SLUG.fullmatch(name) or RESERVED.fullmatch(name) or name.endswith("."):
        raise BenchmarkError(
            f"{shown(name)} cannot be the name of a submission: take lower-case letters, digits, dots, hyphens and "
            "underscores, at most 64, beginning with a letter or digit; board, index, verified and the names of "
            "devices are taken."
        )


def samples_name(name: str) -> str:
    """What the samples file of a submission is called."""
    return f"{name}.samples.jsonl.gz"


def read_submission(path: Path) -> dict[str, Any]:
    """The submission in ``path``, NAME.json: valid by the schema, and of the name of its file.

    Raises ``BenchmarkError`` for anything else.
    """
    if path.suffix != ".json":
        raise BenchmarkError(f"{shown(path.name)} is no submission: it is called NAME.json.")
    check_name(path.stem)
    submission = parse(read_bytes(path, MAX_SUBMISSION), str(path))
    validate(submission, str(path))
    if submission["name"] != path.stem or submission["samples"]["file"] != samples_name(path.stem):
        raise BenchmarkError(
            f"{path} calls itself {shown(submission['name'])} with the samples {shown(submission['samples']['file'])}; "
            f"its file says {path.stem} and {samples_name(path.stem)}. A submission has the name of its files."
        )
    return dict(submission)


def validate(submission: Any, where: str) -> None:
    """Raise ``BenchmarkError``, beginning with ``where``, unless a JSON value is a submission by schema and texts."""
    if (count := values(submission)) > MAX_VALUES:  # each may be an error, and the validator keeps them all
        raise BenchmarkError(f"{where} holds {count} values; at most {MAX_VALUES} are read.")
    if (error := best_match(islice(validator().iter_errors(submission), FEW))) is not None:
        place = "/".join(str(part) for part in error.absolute_path)
        at = f" at {shown(place)}" if place else ""
        raise BenchmarkError(f"{where} is no submission{at}: {_short(error.message)}.")
    for name, value in submission.items():
        several = SEVERAL_LINES.get(name, "")
        inner = value.get(several, []) if several else value if several is None else []
        allowed = set(texts(inner))
        for text in texts(value):
            if what := unfit_text(text) if text in allowed else unfit_line(text):
                raise BenchmarkError(f"{where}, {name}: {shown(text)} holds {what}.")
    check_link(submission["link"], where)


def check_link(link: str, where: str) -> None:
    """Raise ``BenchmarkError`` unless ``link`` leads to a public page: https, a host, no credentials."""
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    plain = re.fullmatch(r"https://[!-~]+", link) and not re.search(r"[\\\"'<>^`{|}]", link)
    if not (plain and parts.scheme == "https" and HOST.fullmatch(host or "") and "@" not in parts.netloc):
        raise BenchmarkError(
            f"{where}: the link {shown(link)} must begin with https:// and hold no user name or password."
        )


@cache
def validator() -> Validator:
    """The validator of ``submission.schema.json``."""
    schema = files("pebench_tasks.leaderboard.entry").joinpath("submission.schema.json").read_text(encoding="utf-8")
    whole = json.loads(schema)
    return Draft202012Validator(_inlined(whole, whole["$defs"]))


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with its references replaced by what they refer to, but for the recursive one: three times as fast."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name and name != "record":
        schema = {**definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _short(message: str) -> str:
    text = ascii(message)[1:-1]
    return text if len(text) <= 200 else f"{text[:80]} ... {text[-110:]}"


def read_samples(path: Path, submission: dict[str, Any]) -> Iterator[SampleLine]:
    """The lines of a submission's samples file, in its order (by key, then run), unpacked as they are asked for.

    Size and hash are verified before the first line is returned. Raises ``BenchmarkError``, at once or on the way, for
    another file than the submission names, for what is no single gzip stream or unpacks to more than the limits, for
    a line that is no sample, a run that the submission does not have, and a document that a run answers twice.
    """
    claimed = submission["samples"]
    if path.name != claimed["file"]:
        raise BenchmarkError(f"{path} are not the samples of this submission: it names {shown(claimed['file'])}.")
    content = read_bytes(path, MAX_SAMPLES)
    if len(content) != claimed["bytes"]:
        raise BenchmarkError(f"{path} has {len(content)} bytes; the submission says {claimed['bytes']}. {SUBMIT_AGAIN}")
    if hashlib.sha256(content).hexdigest() != claimed["sha256"]:
        raise BenchmarkError(f"{path} is not the file that was submitted: its SHA-256 is another. {SUBMIT_AGAIN}")
    runs = {"model", "finetuned", *(f"goal-{i}" for i in range(len(submission["runs"]["goals"])))}
    return _samples(content, path, runs, claimed["documents"])


def _samples(content: bytes, path: Path, runs: set[str], documents: int) -> Iterator[SampleLine]:
    before = ("", "")
    number = 0
    for number, line in enumerate(_lines(content, path), start=1):
        if number > documents:
            raise BenchmarkError(f"{path} holds more than the {documents} documents that the submission says.")
        sample = _sample(line, f"{path}, line {number}")
        if sample.run not in runs:
            raise BenchmarkError(f"{path}, line {number}: the submission has no run {shown(sample.run)}.")
        place = sample.key, sample.run
        if place <= before:
            what = "occurs twice" if place == before else "is out of order (by key, then run)"
            raise BenchmarkError(f"{path}, line {number}: {shown(sample.key)} of {sample.run} {what}.")
        before = place
        yield sample
    if number < documents:
        raise BenchmarkError(f"{path} holds {number} documents; the submission says {documents}.")


def _lines(content: bytes, path: Path) -> Iterator[bytes]:
    """The lines of a gzip stream, each ended by a line feed, never more than a line and a block in memory."""
    rest = b""
    for block in _unpacked(content, path):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE:
            raise BenchmarkError(f"{path} holds a line of more than {MAX_LINE} bytes.")
    if rest:
        raise BenchmarkError(f"{path} does not end with a line feed: it was cut.")


def _unpacked(content: bytes, path: Path) -> Iterator[bytes]:
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    total, rest = 0, content
    try:
        while not unpack.eof:
            block = unpack.decompress(rest, BLOCK)
            if not block and not unpack.unconsumed_tail and not unpack.eof:
                raise BenchmarkError(f"{path} was cut: the gzip stream has no end.")
            rest = unpack.unconsumed_tail
            total += len(block)
            if total > MAX_UNPACKED or total > RATIO_FREE + MAX_RATIO * len(content):
                raise BenchmarkError(f"{path} unpacks to more than {total - len(block)} bytes; so much is not read.")
            yield block
    except zlib.error as error:
        raise BenchmarkError(f"{path} is no gzip file, or damaged ({error}).") from None
    if unpack.unused_data:
        raise BenchmarkError(f"{path} goes on after its end: one gzip stream is a samples file.")


def _sample(line: bytes, where: str) -> SampleLine:
    row = parse(line, where)
    if not isinstance(row, dict) or not {"run", "key", "response"} <= row.keys() <= set(SampleLine._fields):
        raise BenchmarkError(f"{where} is no sample: it has run, key, response, maybe judgement and cut, nothing else.")
    run, key, response, judgement, cut = (row.get(name) for name in SampleLine._fields)
    if not (isinstance(run, str) and isinstance(key, str) and isinstance(response, str)):
        raise BenchmarkError(f"{where}: run, key and response are texts.")
    if not 0 < len(key) <= MAX_KEY or len(response) > MAX_RESPONSE or len(run) > 20:
        raise BenchmarkError(f"{where}: a key has 1 to {MAX_KEY} characters, a response at most {MAX_RESPONSE}.")
    if what := unfit_line(key) or ("the character U+0000" if "\0" in response else ""):
        raise BenchmarkError(f"{where}: it holds {what}.")
    if "judgement" in row:
        _check_judgement(judgement, where)
    if "cut" in row and cut is not True:
        raise BenchmarkError(f"{where}: cut is true or left out.")
    return SampleLine(run, key, response, judgement, cut)


def _check_judgement(judgement: Any, where: str) -> None:
    match judgement:
        case {"failed": str(reason), **rest} if not rest and len(reason) <= 300 and not unfit_text(reason):
            return
        case {"similarities": dict(numbers), **rest} if not rest and _are_similarities(numbers):
            return
        case {"weights": dict(weights), "source": "text" | "logprobs", **rest} if not rest and _are_weights(weights):
            return
    raise BenchmarkError(
        f"{where}: its judgement is neither weights of 1 to 5 with their source, similarities of texts nor a failure."
    )


def _are_similarities(numbers: dict[str, Any]) -> bool:
    named = all(SIMILARITY.fullmatch(name) for name in numbers)
    shares = [n for n in numbers.values() if isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n <= 1]
    return named and len(shares) == len(numbers) and 0 < len(shares) <= MAX_SIMILARITIES


def _are_weights(weights: dict[str, Any]) -> bool:
    numbers = [w for w in weights.values() if isinstance(w, int | float) and not isinstance(w, bool) and 0 <= w <= 1]
    return weights.keys() <= set("12345") and len(numbers) == len(weights) and 0 < sum(numbers) <= 1 + 1e-6
