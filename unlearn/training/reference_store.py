"""What the reference says, kept for a run in memory and, where that is asked for, in a folder.

A folder belongs to one start model, benchmark, wording and dtype, and serves every run with them. Each process adds one
file of what it has computed, which never changes afterwards. (The last digits of a value depend on the batch it was
computed in: two runs of one process that share a folder agree with each other to the last bit, others may differ in the
seventh digit.)
"""

import json
import os
import uuid
from collections.abc import Mapping
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question
from unlearn.tensors.encoding import Inputs

FORMAT = "pebench-reference/2"
NAME = "values-"  # what the files of a folder begin with
Kinds = set[str]  # "logp", "hidden", "top_values", "top_indices", "activations-7"


class ReferenceValues:
    """Of each kind one tensor ``(rows, width)``, and which rows of it belong to a question.

    One tensor, not thousands: loader workers that are not forked are sent a handle for each.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Tensor] = {}
        self.places: dict[str, dict[str, tuple[int, int]]] = {}  # by kind and question, the first row and their number

    def add(self, kind: str, values: Tensor, places: Mapping[str, tuple[int, int]]) -> None:
        """Add the values of one kind, ``(rows, width)``; of a question that is known already, nothing is taken."""
        known = self.places.setdefault(kind, {})
        behind = len(self.rows[kind]) if kind in self.rows else 0
        self.rows[kind] = torch.cat([self.rows[kind], values]) if behind else values
        for name, (start, count) in places.items():
            known.setdefault(name, (behind + start, count))

    def lacks(self, kind: str, question: Question) -> bool:
        """Whether there is no value of this kind for a question."""
        return identity(question) not in self.places.get(kind, {})

    def value(self, kind: str, question: Question) -> Tensor:
        """The value of a question, ``(rows, width)``; ``KeyError`` if there is none."""
        start, count = self.places[kind][identity(question)]
        return self.rows[kind][start : start + count]

    def attach(self, question: Question, wanted: Kinds) -> Inputs:
        """A question's values as the batch carries them."""
        values = {}
        for kind in sorted(wanted):
            value = self.value(kind, question)
            values[f"reference_{kind}"] = value[:, 0] if kind == "logp" else value
        return values


class ReferenceFolder:
    """A folder of reference values: of one start model, benchmark, wording and dtype, which are its ``facts``.

    Raises ``BenchmarkError`` if it is something else.
    """

    def __init__(self, directory: Path, facts: Mapping[str, str | int]) -> None:
        self.directory = directory
        self.facts = {"format": FORMAT, **{name: str(fact) for name, fact in facts.items()}}
        if directory.exists() and not directory.is_dir():
            raise BenchmarkError(f"{directory} is a file, not a reference cache. Choose another --reference_cache.")
        directory.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith(NAME) for entry in directory.iterdir()):
            raise BenchmarkError(f"{directory} is no reference cache. Choose another --reference_cache.")

    def read(self, wanted: Mapping[Question, Kinds]) -> ReferenceValues:
        """What there is for these questions, of each the kinds wanted, and nothing of what other runs have asked.

        Raises ``BenchmarkError`` if a file is damaged, or was computed from something else.
        """
        lacking: dict[str, set[str]] = {}  # by kind, the questions' identities
        for question, kinds in wanted.items():
            for kind in kinds:
                lacking.setdefault(kind, set()).add(identity(question))
        values = ReferenceValues()
        for path in sorted(self.directory.glob(f"{NAME}*.safetensors")):
            try:
                self._read_file(path, lacking, values)
            except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
                raise BenchmarkError(
                    f"{path} in the reference cache is damaged. Delete it; its values are computed anew."
                ) from error
        return values

    def _read_file(self, path: Path, lacking: Mapping[str, set[str]], values: ReferenceValues) -> None:
        with safe_open(path, framework="pt") as file:
            noted = dict(file.metadata() or {})
            places = json.loads(noted.pop("places"))
            self._check(noted)
            for kind in sorted(set(file.keys()) & set(lacking)):
                rows, here = file.get_slice(kind), [place for place in places[kind] if place[0] in lacking[kind]]
                if here:
                    found = torch.cat([rows[start : start + count] for _, start, count in here])
                    ends = accumulate(count for _, _, count in here)
                    read = {name: (end - count, count) for (name, _, count), end in zip(here, ends, strict=True)}
                    values.add(kind, found, read)
                    lacking[kind] -= read.keys()

    def _check(self, found: Mapping[str, str]) -> None:
        differs = [key for key in {**self.facts, **found} if found.get(key) != self.facts.get(key)]
        if differs:
            there = ", ".join(f"{key} {found.get(key)} there, {self.facts.get(key)} here" for key in differs)
            raise BenchmarkError(
                f"The reference cache {self.directory} is another run's ({there}). Choose another --reference_cache, "
                "or delete that one."
            )

    def write(self, values: ReferenceValues) -> None:
        """Add values, in a file of their own."""
        path = self.directory / f"{NAME}{uuid.uuid4().hex}.safetensors"
        places = {kind: [[name, *place] for name, place in found.items()] for kind, found in values.places.items()}
        temporary = path.with_suffix(".partial")
        save_file(values.rows, temporary, {**self.facts, "places": json.dumps(places)})
        os.replace(temporary, path)


def identity(question: Question) -> str:
    """What a question's reference values depend on, apart from the model: image, wording and answer."""
    text = json.dumps([question.image, question.question, question.answer], ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:24]
