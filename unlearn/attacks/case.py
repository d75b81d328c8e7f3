"""A checkpoint under attack: loaded anew whenever its weights are to be changed, and asked while they are in memory."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import torch

from pebench_tasks.backend import families
from pebench_tasks.backend.batch_size import release_memory
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.asking import Document
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.answering import answer_documents
from pebench_tasks.marking.known import known
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex
from unlearn.arguments import dtype_of
from unlearn.attacks.plan import Asked, Known
from unlearn.data.samples import Question, ask, name_sample, scene_sample
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoder, pad_id
from unlearn.tensors.parts import evaluation_mode
from unlearn.training.loading import count_parameters, load, read_config
from unlearn.training.reference import on_device

V = TypeVar("V")
ROWS = 16  # documents read at once where nothing is answered


@dataclass(frozen=True)
class Case:
    """One checkpoint, what it is asked about, and how."""

    checkpoint: str
    finetuned: str | None  # the model that it was unlearned from
    benchmark: Benchmark
    split: Split
    device: torch.device
    dtype: torch.dtype  # while it is trained
    batch_size: int | str = "auto"
    max_new_tokens: int | None = None
    trust_remote_code: bool = False
    goal: str | None = None  # a model that never knew

    @classmethod
    def of(cls, options: argparse.Namespace, benchmark: Benchmark, split: Split) -> "Case":
        """The case of a command's options; ``BenchmarkError`` for a device that is not here."""
        if options.device == "cuda" and not torch.cuda.is_available():
            raise BenchmarkError("There is no GPU here. Choose --device cpu.")
        device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return cls(
            options.checkpoint, options.finetuned, benchmark, split, device, dtype_of(options.dtype, device),
            options.batch_size, options.max_new_tokens, options.trust_remote_code, options.goal,
        )  # fmt: skip

    @cached_property
    def processor(self) -> Any:
        """The checkpoint's, for every model here."""
        return families.load_processor(self.checkpoint, self.trust_remote_code)

    @cached_property
    def parameters(self) -> int:
        """How many the model has."""
        config = read_config(self.checkpoint, trust_remote_code=self.trust_remote_code)
        return count_parameters(config, trust_remote_code=self.trust_remote_code)

    @cached_property
    def names(self) -> NameIndex:
        """All names that an answer may hold."""
        return NameIndex(self.benchmark.names)

    def load(self, name: str | None = None, *, dtype: torch.dtype = torch.float32, beside: bool = False) -> Any:
        """The checkpoint, or another one, in evaluation mode.

        Adapters are merged or, for new ones to be trained, kept ``beside`` the weights.
        """
        release_memory(self.device)  # of what was attacked before
        start = load(name or self.checkpoint, dtype, trust_remote_code=self.trust_remote_code, beside=beside)
        return cast("Any", start.model).to(self.device).eval()

    def read(self, asked: Asked, value: Callable[[Batch], Sequence[V | None]]) -> dict[str, dict[str, V]]:
        """``value`` of every document, teacher forced on its true answer, by side and key.

        Those of which it says None are left out. Of an answer that names somebody, the name is what is asked for
        (``Question.contradicts``).
        """
        encoder = Encoder(self.processor, self.benchmark.image)
        found: dict[str, dict[str, V]] = {}
        for side, documents in asked._asdict().items():
            found[side] = {}
            for start in range(0, len(documents), ROWS):
                some = documents[start : start + ROWS]
                units = [[encoder(_question(document))] for document in some]
                batch = on_device(collate_set(units, pad_id(self.processor), share_prefix=False), self.device)
                values = zip(some, value(batch), strict=True)
                found[side] |= {document["key"]: one for document, one in values if one is not None}
        return found

    def ask(self, model: Any, asked: Asked) -> Known:
        """What a model knows of every document; its modules are in their own modes again afterwards."""
        with evaluation_mode(model):
            answering = PebenchHf.around(model, self.processor, self.checkpoint, batch_size=self.batch_size)
            answers = answer_documents(
                answering, [*asked.forget, *asked.retain], self.benchmark.image, max_new_tokens=self.max_new_tokens
            )
        said = iter(answers)
        return {
            side: {doc["key"]: known({**doc, "side": side}, next(said), self.names, WORDS).value or 0.0 for doc in docs}
            for side, docs in asked._asdict().items()
        }


def _question(document: Document) -> Question:
    """A document as training asks it."""
    if document["kind"] == "name":
        sample = name_sample(document["image"], document["answer"])
        return ask(sample, 0)._replace(contradicts=document["answer"])
    return ask(scene_sample(document["image"], document["answer"]), 0)
