"""Logit lens: from which layer on the model would say the true answer, were that layer the last one.

Every decoder layer's output where the first token of the true name (of a scene: of its description) is predicted goes
through the model's own final norm and head; what is told is the rank of that token among the vocabulary, 0 being the
likeliest. An unlearned model whose middle layers still rank it first has learned not to say it. (The lens is
nostalgebraist's, 2020.) A look inside, no attack: middle layers of some families say little even where nothing was
forgotten, so Finetuned and Goal stand beside it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pebench_tasks.errors import BenchmarkError
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch
from unlearn.tensors.forward import Reader, kept_tokens, targets

NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f")  # what decoders of transformers call their last one


def ranks(model: Any, batch: Batch) -> list[list[int]]:
    """Of every sample of a batch, in their order, the rank at each layer; the model is in evaluation mode.

    A sample encoded with ``contradicts`` is read where that part of its answer begins, any other at its answer's first
    token. Raises ``BenchmarkError`` where the decoder has no final norm that is known.
    """
    reader = Reader(model, model)
    decoder = parts.decoder(model)
    norm = _norm(decoder)
    words, samples = targets(batch)  # (N,), (N,)
    first = _first_of_each(samples, kept_tokens(batch))
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


def _first_of_each(samples: Tensor, kept: Tensor) -> Tensor:
    """The first place among the N answer tokens of what each sample is asked for, ``(samples,)``."""
    places = []
    for sample in range(int(samples.max()) + 1):
        own = (samples == sample).nonzero()[:, 0]
        named = own[kept[own] == 0]
        places.append(int((named if len(named) else own)[0]))
    return torch.tensor(places, device=samples.device)
