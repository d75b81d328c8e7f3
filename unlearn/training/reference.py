"""The reference of KL, DPO, NPO, SIU and RMU - the frozen start model - without a second model in memory.

With adapters it is the model with its adapters switched off. Otherwise what a method asks of it is computed once for
every question that a process will draw, before the first step, and kept in memory (see ``reference_store``):

- NPO, DPO: one number per sample, the log-probability of its answer;
- KL, SIU: what the language-model head reads at the answer's positions, to which a frozen copy of the head is applied
  when needed, and whatever the model does behind its head (Gemma bends its logits, Cohere scales them), so that the
  whole distribution is exact; with ``--reference_top_k`` instead the K likeliest tokens;
- RMU: the activations of one layer at the answer's positions.
"""

import contextlib
import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor, nn

from unlearn import losses
from unlearn.data.samples import Question
from unlearn.tensors.batches import Batch, collate_set, take
from unlearn.tensors.encoding import Encoder, pad_id
from unlearn.tensors.forward import Reader, targets
from unlearn.tensors.parts import evaluation_mode
from unlearn.training.reference_store import Kinds, ReferenceValues, identity


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
        with torch.no_grad(), evaluation_mode(core), core.disable_adapter():
            yield


class StoredReference:
    """Values that came with the batch, read from ``ReferenceValues``.

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
    with torch.no_grad(), evaluation_mode(reader.core):
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


def compute(
    wanted: Mapping[Question, Kinds],
    reader: Reader,
    encoder: Encoder,
    *,
    rows: int,
    top_k: int,
    share_prefix: bool,
    device: torch.device,
    quiet: bool = False,
) -> ReferenceValues:
    """What the model says about these questions now, of each the kinds wanted, ``rows`` rows at a time.

    ``quiet`` shows no progress.
    """
    work = _jobs(wanted, rows, share_prefix)
    computed: dict[str, list[Tensor]] = {}
    places: dict[str, dict[str, tuple[int, int]]] = {}
    ends: dict[str, int] = {}
    showing = Progress(transient=True, disable=quiet or not work)
    with torch.no_grad(), evaluation_mode(reader.core), showing as progress:
        task = progress.add_task("what the reference says", total=len(work))
        for kinds_, units in work:
            encoded = [[encoder(question._replace(contradicts="", erased=())) for question in unit] for unit in units]
            batch = on_device(collate_set(encoded, pad_id(encoder.processor), share_prefix), device)
            questions = [question for unit in units for question in unit]
            for kind, (values, lengths) in _values_of(reader, batch, kinds_, top_k).items():
                computed.setdefault(kind, []).append(values)
                for question, length in zip(questions, lengths, strict=True):
                    places.setdefault(kind, {})[identity(question)] = (ends.get(kind, 0), length)
                    ends[kind] = ends.get(kind, 0) + length
            progress.advance(task)
    found = ReferenceValues()
    for kind, parts_ in computed.items():
        found.add(kind, torch.cat(parts_), places[kind])
    return found


Job = tuple[tuple[str, ...], list[list[Question]]]  # the kinds to compute, and the questions, row by row


def _jobs(wanted: Mapping[Question, Kinds], rows: int, share_prefix: bool, most: int = 8) -> list[Job]:
    """Batches of questions that want the same kinds and are of similar length, those about one image together."""
    images: dict[tuple[tuple[str, ...], str], list[Question]] = {}
    for question, needed in wanted.items():
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


def _values_of(reader: Reader, batch: Batch, needed: Sequence[str], top_k: int) -> dict[str, tuple[Tensor, list[int]]]:
    """Of each kind the values of a batch, ``(rows, width)``, and how many rows each sample has of them."""
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
    return {kind: (values.cpu(), [1] * len(lengths) if kind == "logp" else lengths) for kind, values in found.items()}
