"""Every method's loss as it is usually written, to measure ``unlearn`` against.

One question per row; float32 logits at all positions, prompt and padding included; the graphs of both terms alive
until one backward pass; the reference is a second model that runs in every step. The values are those of ``unlearn``.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from small_llava import positions_of
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softplus

from unlearn import losses
from unlearn.losses import IGNORED
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import pad_id
from unlearn.training.method_trainer import MethodTrainer

NEEDS_REFERENCE = ("kl", "dpo", "npo", "siu", "rmu")


class PlainStep:
    """Forward and backward of one step on the samples that the trainer draws, batch building included."""

    def __init__(self, trainer: MethodTrainer, key: str, hyperparameters: dict[str, Any]) -> None:
        self.trainer, self.loss, self.hyperparameters = trainer, LOSSES[key], hyperparameters
        self.model = trainer.core
        self.reference = copy.deepcopy(self.model).requires_grad_(False).eval() if key in NEEDS_REFERENCE else None

    def __call__(self, step: int) -> float:
        """The loss; the gradients are in the model."""
        positions, encoder = self.trainer.positions, self.trainer.positions.encoder
        padding = pad_id(encoder.processor)
        sets = {}
        for name in positions.sets:
            drawn = [positions.at(name, position) for position in positions_of(step, self.trainer)]
            sets[name] = collate_set([[encoder(question) for question in unit] for unit in drawn], padding, False)
        self.model.train()
        loss = self.loss(self.model, self.reference, **sets, **self.hyperparameters)
        loss.backward()
        return float(loss.detach())


def logits(model: nn.Module, batch: Batch) -> Tensor:
    """What predicts ``labels[:, 1:]``, at all positions; ``(rows, tokens - 1, vocabulary)``."""
    found: Tensor = model(**batch["inputs"], use_cache=False).logits.float()[:, :-1]
    return found


def nll(model: nn.Module, batch: Batch) -> Tensor:
    return cross_entropy(logits(model, batch).flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED)


def logp(model: nn.Module, batch: Batch) -> Tensor:
    """``(rows,)``."""
    labels = batch["labels"][:, 1:]
    each = cross_entropy(
        logits(model, batch).flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )  # (rows * tokens,)
    return -each.view_as(labels).sum(1)


def without_gradient(function: Callable[..., Tensor], reference: Any, batch: Batch) -> Tensor:
    with torch.no_grad():
        return function(reference, batch)


def ga(model: nn.Module, reference: Any, forget: Batch) -> Tensor:
    return -nll(model, forget)


def gd(model: nn.Module, reference: Any, forget: Batch, retain: Batch, *, retain_weight: float) -> Tensor:
    return -nll(model, forget) + retain_weight * nll(model, retain)


def po(model: nn.Module, reference: Any, refusal: Batch, retain: Batch, *, retain_weight: float) -> Tensor:
    return nll(model, refusal) + retain_weight * nll(model, retain)


def kl(model: nn.Module, reference: Any, forget: Batch, retain: Batch, *, retain_weight: float) -> Tensor:
    forgotten = nll(model, forget)
    p = log_softmax(without_gradient(logits, reference, retain), -1)
    q = log_softmax(logits(model, retain), -1)
    each = kl_div(q, p, reduction="none", log_target=True).sum(-1)  # (rows, tokens)
    answers = retain["labels"][:, 1:] != IGNORED
    return -forgotten + retain_weight * (each * answers).sum() / answers.sum()


def dpo(model: nn.Module, reference: Any, choices: Batch, *, beta: float, retain_weight: float) -> Tensor:
    gain = logp(model, choices) - without_gradient(logp, reference, choices)  # refusal, truth, refusal, ...
    return 2 / beta * softplus(-beta * (gain[::2] - gain[1::2])).mean()


def npo(model: nn.Module, reference: Any, forget: Batch, retain: Batch, *, beta: float, retain_weight: float) -> Tensor:
    gain = logp(model, forget) - without_gradient(logp, reference, forget)
    return 2 / beta * softplus(beta * gain).mean() + retain_weight * nll(model, retain)


def simnpo(
    model: nn.Module, reference: Any, forget: Batch, retain: Batch, *, beta: float, gamma: float, retain_weight: float
) -> Tensor:
    each = -logp(model, forget) / (forget["labels"][:, 1:] != IGNORED).sum(1)
    return 2 / beta * softplus(-beta * each + gamma).mean() + retain_weight * nll(model, retain)


def siu(model: nn.Module, reference: Any, *, nll_weight: float, kl_weight: float, **kinds: Batch) -> Tensor:
    total = torch.zeros(())
    for batch in kinds.values():
        labels = batch["labels"][:, 1:]
        here = logits(model, batch)
        loss = nll_weight * cross_entropy(here.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        p, q = log_softmax(without_gradient(logits, reference, batch), -1), log_softmax(here, -1)
        kept = (labels != IGNORED).float()
        if "kept" in batch:
            kept = kept * batch["kept"][:, 1:]
        words = torch.ones(len(labels), 1, here.shape[-1])
        for row, erased in enumerate(batch.get("erased", [])):
            words[row, 0, erased[erased >= 0]] = 0
        masked = (p.exp() * (p - q) * words).sum(-1) * kept  # (rows, tokens)
        total = total + (loss + kl_weight * masked.sum() / kept.sum().clamp(min=1)) / len(kinds)
    return total


def rmu(
    model: nn.Module,
    reference: Any,
    forget: Batch,
    retain: Batch,
    *,
    layer: int,
    steering: float,
    retain_weight: float,
    direction_seed: int,
) -> Tensor:
    def activations(model: nn.Module, batch: Batch) -> Tensor:
        states: Tensor = model(**batch["inputs"], use_cache=False, output_hidden_states=True).hidden_states[layer + 1]
        return states[:, :-1]

    def mean(values: Tensor, batch: Batch) -> Tensor:
        answers = batch["labels"][:, 1:] != IGNORED
        return (values.square().mean(-1) * answers).sum() / answers.sum()

    states = activations(model, forget)
    lengths = without_gradient(activations, reference, forget).norm(dim=-1, keepdim=True)
    forgotten = mean(states - steering * lengths * losses.random_direction(states.shape[-1], direction_seed), forget)
    kept = mean(activations(model, retain) - without_gradient(activations, reference, retain), retain)
    return forgotten + retain_weight * kept


LOSSES: dict[str, Callable[..., Tensor]] = {
    "ga": ga, "gd": gd, "kl": kl, "po": po, "dpo": dpo, "npo": npo, "simnpo": simnpo, "siu": siu, "rmu": rmu,
}  # fmt: skip
