"""Read a benchmark folder: check it whole before anything else happens, then hand out rows and images."""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from pebench_tasks.benchmark.pixels import as_seen, truncation_refused
from pebench_tasks.benchmark.splits import RATIOS, TARGETS, Split, make_split, read_request, request_split
from pebench_tasks.errors import BenchmarkError, short

FORMAT = "pebench-benchmark/1"
TABLES = ("people", "events", "images", "real", "world")
IMAGE_TABLES = ("images", "real", "world")
MATCHED = "matched"  # the subfolder of people on whom nothing is ever trained, and what the manifest calls them
MATCHED_TABLES = ("people", "images")
BUILD_HINT = "pebench data build --source synthetic --people 20 --events 20 --image-size 64 --seed 0 --out DIR"
Row = dict[str, Any]


class Benchmark:
    """A verified benchmark folder; rows are plain dicts, images are decoded when asked for.

    ``matched_people`` are drawn as ``people`` are, with ``matched_images`` of the same events; they are there to be
    compared with people who were trained on and forgotten, and neither a training set nor a document of an evaluation
    holds them. Both lists are empty, and ``matched_fingerprint`` is "", where a folder has no such group: in published
    data, and in folders that earlier versions drew.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Row,
        tables: Mapping[str, list[Row]],
        matched: Mapping[str, list[Row]] | None = None,
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.fingerprint: str = manifest["fingerprint"]
        self.people, self.events, self.images = tables["people"], tables["events"], tables["images"]
        self.real = tables["real"]
        self.world = [
            {"key": row["key"], "part": row["part"], "question_key": _question_key(row["key"], question), **question}
            for row in tables["world"]
            for question in row["questions"]
        ]
        self.matched_people, self.matched_images = (matched[name] for name in MATCHED_TABLES) if matched else ([], [])
        self.matched_fingerprint: str = manifest[MATCHED]["fingerprint"] if matched else ""
        pictured = {name: (directory / f"{name}.parquet", tables[name]) for name in IMAGE_TABLES}
        if self.matched_images:
            pictured[MATCHED] = (directory / MATCHED / "images.parquet", self.matched_images)
        self._place = {row["key"]: (name, i) for name, (_, rows) in pictured.items() for i, row in enumerate(rows)}
        self._readers = {name: _ImageReader(path) for name, (path, _) in pictured.items()}

    @cached_property
    def names(self) -> list[str]:
        """Every name that the benchmark knows: its people, then the public figures."""
        return [row["name"] for row in self.people] + list(dict.fromkeys(row["name"] for row in self.real))

    def image(self, key: str) -> Image.Image:
        """The RGB image behind a key of ``images``, ``real``, ``world`` or ``matched_images``, as a viewer shows it.

        Safe among threads. Raises ``BenchmarkError`` for a key that there is not, and for a damaged image.
        """
        try:
            table, row = self._place[key]
        except KeyError:
            raise BenchmarkError(f"The benchmark in {self.directory} has no image {key!r}.") from None
        try:
            with truncation_refused():
                return as_seen(self._readers[table].read(row))
        except Exception as error:  # Pillow's errors on broken files are of many kinds
            raise BenchmarkError(
                f"The image {key} in {self.directory} cannot be decoded ({short(str(error))}). Build the folder again."
            ) from error

    def description(self, key: str) -> str:
        """What the scene question about a person's image is answered by: its own description, or its event's."""
        return self._descriptions[key]

    @cached_property
    def _descriptions(self) -> dict[str, str]:
        usual = {row["id"]: row["description"] for row in self.events}
        shown = (*self.images, *self.matched_images)
        return {row["key"]: row.get("description") or usual[row["event"]] for row in shown}

    def split(self, target: str, forget: str | int) -> Split:
        """Who is forgotten, and which images train, test and are retained; see ``pebench_tasks.benchmark.splits``.

        ``forget``: 5, ``"forget05"``, or one request of several, ``"forget20:2/4"``.
        """
        ratio, colon, request = str(forget).partition(":")
        forget_ids = {name: {r: rows[r]["ids"] for r in RATIOS} for name, rows in self.manifest["splits"].items()}
        whole = make_split(target, ratio, images=self.images, forget_ids=forget_ids)
        return request_split(whole, read_request(request)) if colon else whole


def _question_key(image: str, question: Row) -> str:
    """POPE asks for one object in several splits of an image; a drawn benchmark asks for it once."""
    split = [question["split"]] if "fixed" in question else []
    return "/".join([image, *split, question["object"]])


class _ImageReader:
    """Random access to the encoded images of one Parquet file, one row group in memory per thread-shared cache slot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = pq.ParquetFile(path, memory_map=True)
        self._lock = threading.Lock()
        self._starts = [0]
        for group in range(self._file.num_row_groups):
            self._starts.append(self._starts[-1] + self._file.metadata.row_group(group).num_rows)
        self._group = lru_cache(maxsize=8)(self._read_group)

    def __reduce__(self) -> tuple[Any, ...]:
        """A process that is not forked, such as a loader worker of macOS, opens the file itself."""
        return _ImageReader, (self._path,)

    def _read_group(self, group: int) -> list[bytes]:
        column = self._file.read_row_group(group, columns=["image"], use_threads=False).column("image")
        return [value["bytes"] for value in column.to_pylist()]

    def read(self, row: int) -> bytes:
        with self._lock:
            group = next(g for g in range(len(self._starts) - 1) if row < self._starts[g + 1])
            return self._group(group)[row - self._starts[group]]


def open_benchmark(directory: Path | str) -> Benchmark:
    """Open and verify a benchmark folder.

    Raises ``BenchmarkError`` when the folder is missing, half-written, of another format, or differs from what its
    manifest promises (bytes of every file, data fingerprint, split ids).
    """
    directory = Path(directory)
    manifest = _read_manifest(directory)
    tables = _read_tables(directory, manifest, TABLES)
    entry = manifest.get(MATCHED)
    matched = _read_tables(directory / MATCHED, entry, MATCHED_TABLES) if entry else None
    benchmark = Benchmark(directory, manifest, tables, matched)
    for target in TARGETS:
        for ratio in RATIOS:
            expected = manifest["splits"][target][ratio]["split_id"]
            if benchmark.split(target, ratio).split_id != expected:
                raise BenchmarkError(
                    f"{directory}: the split {target}/{ratio} is not the one in the manifest; rebuild it."
                )
    return benchmark


def _read_tables(directory: Path, expected: Row, names: Sequence[str]) -> dict[str, list[Row]]:
    """The tables of a folder without their images; ``expected`` holds the ``files`` and the ``fingerprint`` of them."""
    for name in names:
        _verify_file(directory / f"{name}.parquet", expected["files"][f"{name}.parquet"])
    tables = {}
    for name in names:
        columns = [c for c in pq.read_schema(directory / f"{name}.parquet").names if c != "image"]
        tables[name] = pq.read_table(directory / f"{name}.parquet", columns=columns).to_pylist()
    found = fingerprint(tables, names)
    if found != expected["fingerprint"]:
        raise BenchmarkError(
            f"{directory}: the data fingerprint is {found}, but the manifest says {expected['fingerprint']}. "
            "The folder was changed after it was built; build it again."
        )
    return tables


def shared_benchmark(directory: Path) -> Benchmark:
    """``open_benchmark``, but only once for a folder that has not been written anew.

    Verifying the files takes a while with thousands of images; all tasks and results of a command share it.
    """
    manifest = directory / "manifest.json"
    return _open_once(directory, manifest.stat().st_mtime_ns if manifest.is_file() else 0)


@lru_cache(maxsize=2)
def _open_once(directory: Path, _changed: int) -> Benchmark:
    return open_benchmark(directory)


def named_fingerprint(directory: Path) -> str:
    """The fingerprint in a folder's manifest, unverified; "" where there is no manifest of ours."""
    try:
        return str(_read_manifest(directory)["fingerprint"])
    except BenchmarkError:
        return ""


def fingerprint(tables: Mapping[str, Iterable[Row]], names: Sequence[str] = TABLES) -> str:
    """16 hexadecimal digits over all texts and the decoded pixels of all images.

    ``tables`` maps ``names`` to rows without their ``image`` column; ``rgb_sha256`` stands for the pixels. The
    columns that only place an image in a split are left out: splits have identifiers of their own.
    """
    digest = hashlib.sha256(FORMAT.encode())
    for name in names:
        for row in tables[name]:
            content = {k: v for k, v in row.items() if k != "half" and not k.startswith("retain_")}
            digest.update(json.dumps([name, content], sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(directory: Path) -> Row:
    path = directory / "manifest.json"
    if not directory.is_dir():
        raise BenchmarkError(f"There is no benchmark folder {directory}. Build one:  {BUILD_HINT}")
    if not path.is_file():
        raise BenchmarkError(
            f"{directory} is not a benchmark folder: it has no manifest.json. Build one:  {BUILD_HINT}"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise BenchmarkError(
                f"{path} has the format {manifest['format']!r}; this version reads {FORMAT!r}. Rebuild it."
            )
        if missing := {"name", "fingerprint", "files", "splits"} - manifest.keys():
            raise BenchmarkError(f"{path} lacks {', '.join(sorted(missing))}; build the folder again.")
        for table in TABLES:
            manifest["files"][f"{table}.parquet"]["sha256"], manifest["files"][f"{table}.parquet"]["bytes"]
        if entry := manifest.get(MATCHED):
            files = [entry["files"][f"{table}.parquet"] for table in MATCHED_TABLES]
            entry["fingerprint"], [(file["sha256"], file["bytes"]) for file in files]
        for target in TARGETS:
            for ratio in RATIOS:
                manifest["splits"][target][ratio]["ids"], manifest["splits"][target][ratio]["split_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is damaged ({error}); build the folder again.") from None
    return manifest


def _verify_file(path: Path, expected: Row) -> None:
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: the folder is half-written. Build it again.")
    size = path.stat().st_size
    if size != expected["bytes"] or file_sha256(path) != expected["sha256"]:
        raise BenchmarkError(
            f"{path} is not the file that was built (its bytes differ from the manifest): images or texts were changed "
            "or lost. Build the folder again."
        )
