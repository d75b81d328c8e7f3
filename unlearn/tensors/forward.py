"""What a method sees of a set, answered by a model: see ``unlearn.answers``.

Only the positions that predict a token of an answer reach the language-model head.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from pebench_tasks.backend.likelihood import head_reads
from unlearn import losses
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, answer_positions, parts_by_length, take
from unlearn.tensors.encoding import as_dtype
from unlearn.tensors.packing import packed_inputs
from unlearn.tensors.tower_features import TowerFeatures


class Predictions(NamedTuple):
    """What a model predicts for the N answer tokens of a batch, in the order of rows and tokens."""

    logits: Tensor  # (N, vocabulary)
    targets: Tensor  # (N,) the tokens themselves
    samples: Tensor  # (N,) the sample each belongs to


class Reader:
    """A model as these classes need it: logits and activations at the answers' positions, nothing else.

    ``model`` is what is called (wrapped by FSDP or DeepSpeed, or not), ``core`` what is looked into; of a frozen tower
    the ``features`` are used that are known, where they are given.
    """

    def __init__(self, model: nn.Module, core: Any, features: TowerFeatures | None = None) -> None:
        self.model, self.core, self.features = model, core, features
        self.head: nn.Module = core.get_output_embeddings()

    def logits(self, batch: Batch) -> Tensor:
        """``(N, vocabulary)``."""
        return self.hidden_and_logits(batch)[1]

    def hidden_and_logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the head reads, ``(N, hidden)``, and what it makes of it, ``(N, vocabulary)``."""
        seen: list[Tensor] = []
        with head_reads(self.head, answer_positions(batch), seen):
            logits = self._call(batch).logits[0]
        return seen[0], logits

    def behind_head(self, outputs: Tensor, batch: Batch) -> Tensor:
        """What the model makes of its head's outputs, both ``(N, vocabulary)``: some families scale them or bend them.

        The model runs on the first row of ``batch``, with one layer and ``outputs`` in place of what its head says.
        """
        with parts.evaluation_mode(self.core), parts.first_layers(self.core, 1):
            handle = self.head.register_forward_hook(lambda module, inputs, output: outputs[None])
            try:
                logits: Tensor = self._call(take(batch, [0])).logits[0]
            finally:
                handle.remove()
        return logits

    def activations(self, batch: Batch, layer: int) -> Tensor:
        """The outputs of decoder layer ``layer``, ``(N, hidden)``; the layers behind it and the head do not run."""
        positions = answer_positions(batch)
        seen: list[Tensor] = []

        # Nothing is computed in the hook: before transformers 5.23 it runs inside the layer's checkpoint, which is
        # computed again for the gradient when the hook is gone.
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.append(output[0] if isinstance(output, tuple) else output)

        with parts.first_layers(self.core, layer + 1) as layers:
            handle = layers[layer].register_forward_hook(keep)
            try:
                with head_reads(self.head, torch.zeros_like(positions), []):
                    self._call(batch)
            finally:
                handle.remove()
        return seen[0][positions]

    def layer_outputs(self, batch: Batch) -> list[Tensor]:
        """The outputs of every decoder layer, each ``(N, hidden)``."""
        positions = answer_positions(batch)
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.append((output[0] if isinstance(output, tuple) else output)[positions])

        handles = [layer.register_forward_hook(keep) for layer in parts.decoder(self.core).layers]
        try:
            with head_reads(self.head, torch.zeros_like(positions), []):
                self._call(batch)
        finally:
            for handle in handles:
                handle.remove()
        return seen

    def _call(self, batch: Batch) -> Any:
        inputs: Mapping[str, Any] = as_dtype(batch["inputs"], self.core.dtype)
        if "segments" in batch:
            inputs = packed_inputs(self.core, {**batch, "inputs": inputs})
        with self.features.serving(batch) if self.features else nullcontext():
            return self.model(**inputs, use_cache=False)


class Reference(Protocol):
    """What the frozen start model says about a batch; nothing of it carries a gradient."""

    def logp(self, batch: Batch) -> Tensor:
        """The log-probability of each answer, ``(samples,)``; 0 for samples whose answers are not in the batch."""

    def kl(self, batch: Batch, logits: Tensor) -> Tensor:
        """KL(reference || model) of each answer token, ``(N,)``; ``logits`` ``(N, vocabulary)`` are the model's."""

    def logits(self, batch: Batch) -> Tensor:
        """``(N, vocabulary)``."""

    def activations(self, batch: Batch, layer: int) -> Tensor:
        """``(N, hidden)``."""


class Normalisers(NamedTuple):
    """What means divide by, averaged over the micro-batches and processes of a step: so they run over all of it."""

    tokens: float  # answer tokens
    kept: float  # of these, the ones that the dual masked KL counts


class ModelAnswers:
    """One set's share of a batch; the model runs at the first question asked of it.

    With ``split``, a batch of names and descriptions runs as two where that saves so many tokens of padding, or a large
    share, and questions without an image run apart from the others; the values are the same.
    """

    def __init__(
        self,
        reader: Reader,
        batch: Batch,
        reference: Reference | None = None,
        *,
        normalisers: Normalisers | None = None,
        split: float | None = None,
    ) -> None:
        self._reader, self._batch, self._given_reference = reader, batch, reference
        self._normalisers = normalisers or count_tokens(batch)
        self._batches = [batch] if split is None else parts_by_length(batch, split)
        self._parts: list[tuple[Batch, Predictions]] | None = None

    def nll(self) -> Tensor:
        return self._sum(lambda part, p: losses.nll(p.logits, p.targets, self._normalisers.tokens))

    def nll_each(self) -> Tensor:
        samples = self._batch["samples"][:, 1:][self._batch["labels"][:, 1:] != losses.IGNORED]  # (N,)
        return -self.logp() / samples.bincount(minlength=self._count)

    def logp(self) -> Tensor:
        return self._sum(lambda part, p: losses.logp(p.logits, p.targets, p.samples, self._count))

    def reference_logp(self) -> Tensor:
        return torch.stack([self._reference.logp(part) for part in self._batches]).sum(0)

    def kl(self) -> Tensor:
        return self._sum(lambda part, p: self._reference.kl(part, p.logits).sum() / self._normalisers.tokens)

    def dual_masked_kl(self) -> Tensor:
        if not self._normalisers.kept:
            return self.nll() * 0
        return self._sum(self._masked) / self._normalisers.kept

    def _masked(self, part: Batch, predictions: Predictions) -> Tensor:
        tokens = kept_tokens(part)
        words = torch.ones_like(predictions.logits, dtype=torch.bool)  # (N, vocabulary)
        if "erased" in part:
            erased = part["erased"][predictions.samples]  # (N, words), filled up with -1
            rows = torch.arange(len(erased), device=erased.device)[:, None].expand_as(erased)
            words[rows[erased >= 0], erased[erased >= 0]] = False
        return losses.dual_masked_kl(self._reference.logits(part), predictions.logits, tokens, words).sum()

    def activations(self, layer: int) -> Tensor:
        return torch.cat([self._reader.activations(part, layer) for part in self._batches])

    def reference_activations(self, layer: int) -> Tensor:
        return torch.cat([self._reference.activations(part, layer) for part in self._batches])

    def token_mean(self, values: Tensor) -> Tensor:
        return values.sum() / self._normalisers.tokens

    def release(self) -> None:
        """Let go of the forward pass, whose graph a backward pass has used up."""
        self._parts = None

    @property
    def _count(self) -> int:
        return int(self._batch["count"])

    @property
    def _reference(self) -> Reference:
        if self._given_reference is None:
            raise ValueError("this method asks for the reference model, and there is none")
        return self._given_reference

    def _sum(self, value: Callable[[Batch, Predictions], Tensor]) -> Tensor:
        if self._parts is None:
            self._parts = [(part, self._predict(part)) for part in self._batches]
        return torch.stack([value(part, predictions) for part, predictions in self._parts]).sum(0)

    def _predict(self, batch: Batch) -> Predictions:
        return Predictions(self._reader.logits(batch), *targets(batch))


def targets(batch: Batch) -> tuple[Tensor, Tensor]:
    """The answer tokens of a batch and the samples they belong to, both ``(N,)``."""
    labels = batch["labels"][:, 1:]
    answers = labels != losses.IGNORED
    return labels[answers], batch["samples"][:, 1:][answers]


def kept_tokens(batch: Batch) -> Tensor:
    """KS of SIU's dual masked KL, ``(N,)``: 0 where an answer contradicts what the model knew."""
    answers = batch["labels"][:, 1:] != losses.IGNORED
    if "kept" not in batch:
        return torch.ones(int(answers.sum()), device=answers.device)
    kept: Tensor = batch["kept"][:, 1:][answers]
    return kept.float()


def count_tokens(batch: Batch) -> Normalisers:
    """The normalisers of a batch by itself."""
    kept = kept_tokens(batch)
    return Normalisers(float(len(kept)), float(kept.sum()))
