"""Unlearning Depth Score (UDS): how deep inside the model the forgotten answers are gone (arXiv 2605.24614).

    D_l(S) = mean over answer tokens of log p_full(token) - log p_patched(token)
    UDS = sum_l D_l(Goal) * clip(D_l(model) / D_l(Goal), 0, 1) / sum_l D_l(Goal)    over layers with D_l(Goal) > TAU

``full`` is Finetuned, teacher forced on the true answer; ``patched`` is the same, only that the outputs of its decoder
layer l where answer tokens are predicted are those of the source S. Where S no longer carries the answer at that depth,
Finetuned's upper layers cannot say it either. 1: erased as deep as in Goal; 0: everything is still there, only not
said. Nothing is trained. It needs Finetuned, Goal and the model, all of one architecture, and for every document as
many passes as the decoder has layers, for each of the two sources.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pebench_tasks.errors import BenchmarkError
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, answer_positions
from unlearn.tensors.forward import Reader, targets

TAU = 0.05  # of the paper: below it Goal lost nothing at a layer, so nothing can be read there


class Drops(NamedTuple):
    """The mean log-probability that Finetuned's answer to a document loses, by layer, with another model's outputs."""

    goal: Sequence[float]
    model: Sequence[float]


def unlearning_depth(drops: Drops, tau: float = TAU) -> float | None:
    """UDS of one document, 0-1; None where Goal's drop says nothing at any layer."""
    read = [(goal, model) for goal, model in zip(drops.goal, drops.model, strict=True) if goal > tau]
    whole = math.fsum(goal for goal, _ in read)
    return math.fsum(min(max(model, 0.0), goal) for goal, model in read) / whole if read else None


def measure(full: Any, goal: Any, model: Any, batch: Batch) -> list[Drops]:
    """The drops of every sample of a batch, in their order; the three models are in evaluation mode.

    Raises ``BenchmarkError`` where the models are not of one architecture.
    """
    readers = [Reader(one, one) for one in (full, goal, model)]
    depths = [len(parts.decoder(one).layers) for one in (full, goal, model)]
    if len(set(depths)) > 1:
        raise BenchmarkError(f"Depth needs models of one architecture; their decoders have {depths} layers.")
    with torch.inference_mode():
        plain = _log_probabilities(readers[0], batch)  # (N,)
        found = [_drops(readers[0], source, batch, plain) for source in readers[1:]]  # each (samples, layers)
    return [Drops(*pair) for pair in zip(*(one.tolist() for one in found), strict=True)]


def _drops(full: Reader, source: Reader, batch: Batch, plain: Tensor) -> Tensor:
    """``(samples, layers)``."""
    samples = targets(batch)[1]  # (N,)
    count = int(batch["count"])
    lost = []
    for layer, outputs in enumerate(source.layer_outputs(batch)):
        with _patched(full, layer, answer_positions(batch), outputs):
            differences = plain - _log_probabilities(full, batch)
        lost.append(torch.zeros(count, device=plain.device).index_add(0, samples, differences))
    return torch.stack(lost, dim=-1) / samples.bincount(minlength=count)[:, None]


def _log_probabilities(reader: Reader, batch: Batch) -> Tensor:
    """Of every answer token, ``(N,)``."""
    logits = reader.logits(batch).float()
    return logits.log_softmax(-1).gather(-1, targets(batch)[0][:, None])[:, 0]


@contextmanager
def _patched(reader: Reader, layer: int, positions: Tensor, outputs: Tensor) -> Iterator[None]:
    """The model with the outputs of a decoder layer replaced where answer tokens are predicted."""

    def replace(module: nn.Module, inputs: Any, output: Any) -> Any:
        whole = (output[0] if isinstance(output, tuple) else output).clone()
        whole[positions] = outputs.to(whole.dtype)
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    handle = parts.decoder(reader.core).layers[layer].register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
