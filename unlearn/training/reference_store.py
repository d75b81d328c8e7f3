"""Reference values on disk, by kind and question.

A folder belongs to one start model, benchmark, wording and dtype, and serves every run with them. Values are added in
files that are never changed afterwards, so an interrupted pass goes on where it stopped, and several runs may fill one
folder. (The last digits of a value depend on the batch it was computed in: two runs that share a folder agree with each
other to the last bit, a run with a folder of its own may differ from them in the seventh digit.)
"""

import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import torch
from torch import Tensor

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question
from unlearn.tensors.encoding import Inputs

FORMAT = "pebench-reference/1"
Kinds = set[str]  # "logp", "hidden", "top_values", "top_indices", "activations-7"


class _Place(NamedTuple):
    part: int  # the file
    start: int  # its first row there
    rows: int
    checksum: int  # CRC-32 of their bytes


class _Part(NamedTuple):
    file: BinaryIO
    dtype: torch.dtype
    width: int


class ReferenceCache:
    """One folder of reference values: of one start model, benchmark, wording and dtype.

    Raises ``BenchmarkError`` if the folder is of another one, is something else, or is damaged.
    """

    def __init__(self, directory: Path, facts: Mapping[str, str | int]) -> None:
        self.directory = directory
        self.facts = {"format": FORMAT, **facts}
        if directory.exists() and not directory.is_dir():
            raise BenchmarkError(f"{directory} is a file, not a reference cache. Choose another --reference_cache.")
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "reference.json"
        if not path.is_file():
            others = [entry for entry in directory.iterdir() if not entry.name.startswith(path.name)]
            if path.is_file():
                pass  # another process has opened the folder in the meantime, and what is there is its
            elif any(entry.suffix == ".jsonl" for entry in others):
                raise BenchmarkError(f"The reference cache {directory} has lost its reference.json. Delete the folder.")
            elif others:
                raise BenchmarkError(f"{directory} is no reference cache. Choose another --reference_cache.")
            else:
                temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
                temporary.write_text(json.dumps(self.facts, indent=1), encoding="utf-8")
                os.replace(temporary, path)
        self._check(path)
        self._parts: list[_Part] = []
        self._places: dict[str, dict[str, _Place]] = {}
        self.reload()

    def _check(self, path: Path) -> None:
        try:
            found = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise BenchmarkError(f"{path} is damaged. Delete the folder; the values are computed again.") from None
        differs = [key for key in {**found, **self.facts} if found.get(key) != self.facts.get(key)]
        if differs:
            there = ", ".join(f"{key} {found.get(key)} there, {self.facts.get(key)} here" for key in differs)
            raise BenchmarkError(
                f"The reference cache {self.directory} is another run's ({there}). Choose another --reference_cache, "
                "or delete that one."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Loader workers that are not forked open the files themselves."""
        return ReferenceCache, (self.directory, {k: v for k, v in self.facts.items() if k != "format"})

    def reload(self) -> None:
        """Take in what was added since the last time: new files, and new lines of those that were being written."""
        for part in self._parts:
            part.file.close()
        self._parts, self._places = [], {}
        for index in sorted(self.directory.glob("*.jsonl")):
            self._read_index(index)

    def _read_index(self, index: Path) -> None:
        path = index.with_suffix(".bin")
        lines = index.read_bytes().split(b"\n")[:-1]  # without the last one, if the process was killed while it wrote
        if not lines:
            return
        try:
            head, *rows = [json.loads(line) for line in lines]
            kind, dtype, width = str(head["kind"]), getattr(torch, head["dtype"]), int(head["width"])
            found = {str(name): (int(start), int(count), int(checksum)) for name, start, count, checksum in rows}
            needed = max((start + count for start, count, _ in found.values()), default=0)
            if path.stat().st_size < needed * width * dtype.itemsize:
                raise ValueError("too short")
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise self._damaged(f"{path.name} or its index: {error}") from None
        self._parts.append(_Part(path.open("rb"), dtype, width))
        places = self._places.setdefault(kind, {})
        for name, entry in found.items():
            places.setdefault(name, _Place(len(self._parts) - 1, *entry))

    def _damaged(self, what: str) -> BenchmarkError:
        return BenchmarkError(
            f"The reference cache {self.directory} is damaged ({what}). Delete it; its values are computed anew."
        )

    def missing(self, kind: str, questions: Iterable[Question]) -> list[Question]:
        """The questions for which the value is not stored."""
        places = self._places.get(kind, {})
        return [question for question in questions if identity(question) not in places]

    def value(self, kind: str, question: Question) -> Tensor:
        """A stored value, ``(rows, width)``; raises ``BenchmarkError`` if there is none."""
        try:
            place = self._places[kind][identity(question)]
        except KeyError:
            raise BenchmarkError(
                f"The reference cache {self.directory} lacks {kind} of {question.key}. Start the run again: missing "
                "values are computed before the first step."
            ) from None
        part = self._parts[place.part]
        row_bytes = part.width * part.dtype.itemsize
        # pread leaves the file's position alone, so forked loader workers can share it.
        data = os.pread(part.file.fileno(), place.rows * row_bytes, place.start * row_bytes)
        if zlib.crc32(data) != place.checksum:
            raise self._damaged(f"{kind} of {question.key} is not what was written")
        return torch.frombuffer(bytearray(data), dtype=part.dtype).reshape(place.rows, part.width)

    def attach(self, question: Question, wanted: Kinds) -> Inputs:
        """A question's values as the batch carries them."""
        values = {}
        for kind in sorted(wanted):
            value = self.value(kind, question)
            values[f"reference_{kind}"] = value[:, 0] if kind == "logp" else value
        return values

    def writer(self, kind: str) -> "_Writer":
        """A context in which values of one kind are added."""
        return _Writer(self.directory / f"{kind}-{uuid.uuid4().hex}", kind)


class _Writer:
    """Appends rows to a new file and, once they are there, a line about them to its index."""

    def __init__(self, stem: Path, kind: str) -> None:
        self._stem, self._kind = stem, kind
        self._rows = 0
        self._data: BinaryIO | None = None
        self._index: TextIO | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self._data, self._index):
            if file:
                file.close()

    def add(self, entries: Sequence[tuple[Question, Tensor]]) -> None:
        """Add values ``(rows, width)``."""
        if self._data is None or self._index is None:
            self._data = self._stem.with_name(f"{self._stem.name}.bin").open("wb")
            self._index = self._stem.with_name(f"{self._stem.name}.jsonl").open("w", encoding="utf-8")
            value = entries[0][1]
            head = {"kind": self._kind, "dtype": str(value.dtype).removeprefix("torch."), "width": value.shape[1]}
            self._index.write(json.dumps(head) + "\n")
        lines = []
        for question, value in entries:
            data = value.contiguous().view(torch.uint8).numpy().tobytes()
            self._data.write(data)
            lines.append(json.dumps([identity(question), self._rows, len(value), zlib.crc32(data)]))
            self._rows += len(value)
        self._data.flush()
        self._index.write("\n".join(lines) + "\n")
        self._index.flush()


def identity(question: Question) -> str:
    """What a question's reference values depend on, apart from the model: image, wording and answer."""
    text = json.dumps([question.image, question.question, question.answer], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
