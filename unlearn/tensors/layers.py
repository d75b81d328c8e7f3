"""What the layers of a decoder hold of an answer: another model's outputs in their place, and what they would say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pebench_tasks.errors import BenchmarkError
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, answer_positions
from unlearn.tensors.forward import Reader, kept_tokens, targets

NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f")  # what decoders of transformers call their last one


def drops(full: Any, source: Any, batch: Batch) -> list[list[float]]:
    """What the answers of ``full`` lose with another model's outputs in the place of its own, layer by layer.

    Of every sample of a batch, in their order, the mean over what is asked for of the log-probability lost, by layer;
    both models are in evaluation mode. Only where answer tokens are predicted are outputs replaced. Raises
    ``BenchmarkError`` where the models are not of one architecture.
    """
    reader, other = Reader(full, full), Reader(source, source)
    depths = [len(parts.decoder(one).layers) for one in (full, source)]
    if len(set(depths)) > 1:
        raise BenchmarkError(f"Depth needs models of one architecture; their decoders have {depths} layers.")
    read, samples = asked_for(batch), targets(batch)[1]  # (N,), (N,)
    count = int(batch["count"])
    lost = []
    with torch.inference_mode():
        plain = _log_probabilities(reader, batch)  # (N,)
        for layer, outputs in enumerate(other.layer_outputs(batch)):
            with _patched(reader, layer, answer_positions(batch), outputs):
                differences = plain - _log_probabilities(reader, batch)
            lost.append(torch.zeros(count, device=plain.device).index_add(0, samples[read], differences[read]))
        means = torch.stack(lost, dim=-1) / samples[read].bincount(minlength=count)[:, None]  # (samples, layers)
    found: list[list[float]] = means.tolist()
    return found


def asked_for(batch: Batch) -> Tensor:
    """Which answer tokens write what is asked for, ``(N,)``: of a sample that marks a part, that part; else all."""
    samples, marked = targets(batch)[1], kept_tokens(batch) == 0
    has_part = torch.zeros(int(batch["count"]), dtype=torch.bool, device=marked.device)
    has_part[samples[marked]] = True
    return marked | ~has_part[samples]


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


def ranks(model: Any, batch: Batch) -> list[list[int]]:
    """Of every sample of a batch, in their order, the rank at each layer; the model is in evaluation mode.

    A sample encoded with ``contradicts`` is read where that part of its answer begins, any other at its answer's first
    token. Raises ``BenchmarkError`` where the decoder has no final norm that is known.
    """
    reader = Reader(model, model)
    decoder = parts.decoder(model)
    norm = _norm(decoder)
    words, samples = targets(batch)  # (N,), (N,)
    places = asked_for(batch).nonzero()[:, 0]
    first = torch.stack([places[samples[places] == sample][0] for sample in range(int(batch["count"]))])
    with torch.inference_mode():
        outputs = reader.layer_outputs(batch)  # layers of (N, hidden)
        found = []
        for hidden in outputs:
            logits = reader.head(norm(hidden[first])).float()  # (samples, vocabulary)
            true = logits.gather(-1, words[first][:, None])
            found.append((logits > true).sum(-1))
    return torch.stack(found, dim=-1).tolist()


def _norm(decoder: nn.Module) -> nn.Module:
    for name in NORMS:
        if isinstance(found := getattr(decoder, name, None), nn.Module):
            return found
    raise BenchmarkError(
        f"{type(decoder).__name__} has no final norm of a known name, so the logit lens cannot read it."
    )
