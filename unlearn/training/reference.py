"""The reference of KL, DPO, NPO, SIU and RMU - the frozen start model - without a second model in memory.

With adapters it is the model with its adapters switched off. Otherwise what a method asks of it is computed once for
every question that the run will draw, before the first step, and kept on disk:

- NPO, DPO: one number per sample, the log-probability of its answer;
- KL, SIU: what the language-model head reads at the answer's positions, to which a frozen copy of the head is applied
  when needed, and whatever the model does behind its head (Gemma bends its logits, Cohere scales them), so that the
  whole distribution is exact; with ``--reference_top_k`` instead the K likeliest tokens;
- RMU: the activations of one layer at the answer's positions.

A cache folder belongs to one start model, benchmark, wording and dtype, and serves every run with them. Values are
added in files that are never changed afterwards, so an interrupted pass goes on where it stopped, and several runs may
fill one folder. (The last digits of a value depend on the batch it was computed in: two runs that share a folder agree
with each other to the last bit, a run with a folder of its own may differ from them in the seventh digit.)
"""

import contextlib
import copy
import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import torch
from rich.progress import Progress
from torch import Tensor, nn

from pebench_tasks.errors import BenchmarkError
from unlearn import losses
from unlearn.data.samples import Question
from unlearn.tensors.batches import Batch, collate_set, take
from unlearn.tensors.encoding import Encoder, Inputs, pad_id
from unlearn.tensors.forward import Reader, targets

FORMAT = "pebench-reference/1"
Kinds = set[str]  # "logp", "hidden", "top_values", "top_indices", "activations-7"


class AdapterReference:
    """The model with its adapters switched off."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def logp(self, batch: Batch) -> Tensor:
        tokens, samples = targets(batch)
        return losses.logp(self.logits(batch), tokens, samples, int(batch["count"]))

    def kl(self, batch: Batch, logits: Tensor) -> Tensor:
        return losses.kl(self.logits(batch), logits)

    def logits(self, batch: Batch) -> Tensor:
        with self._switched_off():
            return self._reader.logits(batch)

    def activations(self, batch: Batch, layer: int) -> Tensor:
        with self._switched_off():
            return self._reader.activations(batch, layer)

    @contextmanager
    def _switched_off(self) -> Iterator[None]:
        core = self._reader.core
        training = core.training
        core.eval()
        try:
            with torch.no_grad(), core.disable_adapter():
                yield
        finally:
            core.train(training)


class StoredReference:
    """Values that came with the batch, read from a ``ReferenceCache``.

    ``head`` is the start model's language-model head, a copy of its own where the model's is trained; ``autocast`` is
    the precision in which the model runs; ``behind`` is what the model does to its head's outputs, if anything.
    """

    def __init__(
        self,
        head: nn.Module,
        autocast: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
        behind: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._head, self._autocast, self._behind = head, autocast, behind

    def logp(self, batch: Batch) -> Tensor:
        here = batch["samples"][:, 1:][batch["labels"][:, 1:] != losses.IGNORED].unique()
        values: Tensor = batch["reference_logp"]
        return torch.zeros_like(values).index_copy(0, here, values[here])

    def kl(self, batch: Batch, logits: Tensor) -> Tensor:
        if "reference_top_values" in batch:
            return losses.kl_top_k(batch["reference_top_values"], batch["reference_top_indices"], logits)
        return losses.kl(self.logits(batch), logits)

    def logits(self, batch: Batch) -> Tensor:
        with torch.no_grad(), self._autocast():
            logits: Tensor = self._head(batch["reference_hidden"])
            return logits if self._behind is None else self._behind(logits)

    def activations(self, batch: Batch, layer: int) -> Tensor:
        values: Tensor = batch[f"reference_activations-{layer}"]
        return values


def frozen_head(core: Any, *, copied: bool = False) -> nn.Module:
    """The language-model head as it is now: a copy if it is going to be trained, or if that is asked for."""
    head: nn.Module = core.get_output_embeddings()
    if copied or any(p.requires_grad for p in head.parameters()):
        head = copy.deepcopy(head).requires_grad_(False)
    return head


def behind_head(reader: Reader, batch: Batch) -> Callable[[Tensor], Tensor] | None:
    """What the model does to its head's outputs, ``(N, vocabulary)`` each; None if its logits are just these.

    The model needs something to read for that, and is shown the first row of ``batch``.
    """
    batch = take(batch, [0])
    with torch.no_grad():
        said = reader.head(reader.hidden_and_logits(batch)[0])  # (N, vocabulary)
        # Far beyond the usual: a bend that hardly shows near 0 is not overlooked.
        probe = torch.linspace(-64, 64, said.numel(), device=said.device).to(said.dtype).view_as(said)
        behind = partial(reader.behind_head, batch=batch)
        found = behind(probe)
    return None if found.shape == probe.shape and torch.allclose(found.float(), probe.float()) else behind


def kinds(asked: Collection[str], top_k: int) -> Kinds:
    """What must be stored for a set that is asked these questions (see ``unlearn.answers.trace``)."""
    found: Kinds = set()
    for question in asked:
        if question == "reference_logp":
            found.add("logp")
        elif question == "kl" and top_k:
            found |= {"top_values", "top_indices"}
        elif question in ("kl", "dual_masked_kl"):
            found.add("hidden")
        elif question.startswith("reference_activations/"):
            found.add("activations-" + question.split("/")[1])
    return found


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


def fill(
    cache: ReferenceCache,
    wanted: Mapping[Question, Kinds],
    reader: Reader,
    encoder: Encoder,
    *,
    rows: int,
    top_k: int,
    share_prefix: bool,
    device: torch.device,
    share: tuple[int, int] = (0, 1),
) -> int:
    """Compute and store what is missing, ``rows`` rows at a time; returns the number of questions computed.

    ``share`` is this process and the number of processes: each computes the questions about its part of the images.
    """
    lacking: dict[Question, Kinds] = {}
    for question, needed in wanted.items():
        # By what the question is about, not by its place among the missing ones, on which processes may disagree.
        about = hashlib.sha256((question.image or identity(question)).encode()).digest()
        mine = about[0] % share[1] == share[0]
        if mine and (lacks := {kind for kind in needed if cache.missing(kind, [question])}):
            lacking[question] = lacks
    work = _jobs(lacking, rows, share_prefix)
    training = reader.core.training
    reader.core.eval()
    with torch.no_grad(), Progress(transient=True, disable=not work or share[0] > 0) as progress, ExitStack() as stack:
        writers = {kind: stack.enter_context(cache.writer(kind)) for lacks_, _ in work for kind in lacks_}
        task = progress.add_task("what the reference says", total=len(work))
        for lacks_, units in work:
            encoded = [[encoder(question._replace(contradicts="", erased=())) for question in unit] for unit in units]
            batch = on_device(collate_set(encoded, pad_id(encoder.processor), share_prefix), device)
            found = _compute(reader, batch, lacks_, top_k)
            questions = [question for unit in units for question in unit]
            for kind, values in found.items():
                writers[kind].add(list(zip(questions, values, strict=True)))
            progress.advance(task)
    reader.core.train(training)
    return sum(len(unit) for _, units in work for unit in units)


Job = tuple[tuple[str, ...], list[list[Question]]]  # the kinds to compute, and the questions, row by row


def _jobs(lacking: Mapping[Question, Kinds], rows: int, share_prefix: bool, most: int = 8) -> list[Job]:
    """Batches of questions that lack the same kinds and are of similar length, those about one image together."""
    images: dict[tuple[tuple[str, ...], str], list[Question]] = {}
    for question, needed in lacking.items():
        images.setdefault((tuple(sorted(needed)), question.image), []).append(question)
    groups: dict[tuple[tuple[str, ...], bool], list[list[Question]]] = {}
    for (kinds_, image), questions in images.items():
        size = most if share_prefix and image else 1
        units = [questions[first : first + size] for first in range(0, len(questions), size)]
        groups.setdefault((kinds_, bool(image)), []).extend(units)
    jobs = []
    for (kinds_, _), units in groups.items():
        units.sort(key=lambda unit: sum(len(question.question + question.answer) for question in unit))
        jobs += [(kinds_, units[first : first + rows]) for first in range(0, len(units), rows)]
    return jobs


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with all its tensors on a device."""
    return {k: on_device(v, device) if isinstance(v, dict) else v.to(device) for k, v in batch.items()}


def _compute(reader: Reader, batch: Batch, needed: Sequence[str], top_k: int) -> dict[str, list[Tensor]]:
    """Of each kind the values of every sample of a batch, ``(rows, width)`` each."""
    tokens, samples = targets(batch)
    lengths = samples.bincount(minlength=int(batch["count"])).tolist()
    found: dict[str, Tensor] = {}
    if {"logp", "hidden", "top_values"} & set(needed):
        hidden, logits = reader.hidden_and_logits(batch)
        if "hidden" in needed:
            found["hidden"] = hidden
        if "logp" in needed:
            found["logp"] = losses.logp(logits, tokens, samples, len(lengths))[:, None]
        if "top_values" in needed:
            k = min(top_k, logits.shape[1])
            found["top_values"], found["top_indices"] = logits.float().log_softmax(-1).topk(k)
    for kind in needed:
        if kind.startswith("activations-"):
            found[kind] = reader.activations(batch, int(kind.split("-")[1]))
    return {
        kind: list(values.cpu().split([1] * len(lengths) if kind == "logp" else lengths))
        for kind, values in found.items()
    }
