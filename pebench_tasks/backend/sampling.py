"""Sampled answers, each from a seed of its own: the same whatever is asked beside it, and at any batch size.

``generate`` of transformers draws the tokens of all rows from one generator, so an answer depends on the batch and on
what was asked before. Here a token is chosen by one number between 0 and 1 (inverse transform sampling), and the number
follows from the answer's seed and the token's place in it. What is left is the rounding of the model's own logits.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

DEFAULTS = {"temperature": 1.0, "top_k": 50, "top_p": 1.0}  # of ``generate``, where neither task nor checkpoint says
# What cuts the distribution otherwise, with the values that do not; it goes the ordinary way.
OTHERS: Mapping[str, tuple[Any, ...]] = {
    "min_p": (None, 0.0),
    "top_h": (None, 1.0),
    "typical_p": (None, 1.0),
    "epsilon_cutoff": (None, 0.0),
    "eta_cutoff": (None, 0.0),
}


class Sampling(NamedTuple):
    """From which of the next token's probabilities is drawn, and with what."""

    temperature: float
    top_k: int  # 0: all
    top_p: float
    seeds: Sequence[bytes]  # one a row

    def choose(self, logits: torch.Tensor, places: Sequence[tuple[int, int]]) -> torch.Tensor:
        """One token of every distribution, ``(rows, tokens)`` from ``(rows, tokens, vocabulary)``.

        ``places`` says of every row whose seed it has, and where in the answer the first of its tokens stands.
        """
        numbers = [
            [_number(self.seeds[row], place + ahead) for ahead in range(logits.shape[1])] for row, place in places
        ]
        drawn = torch.tensor(numbers, dtype=torch.float64, device=logits.device)[..., None]  # (rows, tokens, 1)
        probabilities = (logits.double() / self.temperature).softmax(dim=-1)
        likeliest, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
        if self.top_k:
            likeliest = likeliest[..., : self.top_k] / likeliest[..., : self.top_k].sum(dim=-1, keepdim=True)
        before = likeliest.cumsum(dim=-1) - likeliest
        mass = likeliest.where(before < self.top_p, 0).cumsum(dim=-1)
        chosen = (mass <= drawn * mass[..., -1:]).sum(dim=-1, keepdim=True)
        return tokens.gather(-1, chosen)[..., 0]


def sampling(settings: Mapping[str, Any], own: Any, seeds: Sequence[bytes]) -> Sampling | None:
    """How a task's settings want answers drawn, where they do and it can be done here; else None.

    ``own`` is the checkpoint's ``generation_config``, which says what the settings leave open.
    """
    if not settings.get("do_sample") or not seeds:
        return None

    def wanted(name: str) -> Any:
        return settings[name] if settings.get(name) is not None else getattr(own, name, None)

    if any(wanted(name) not in inert for name, inert in OTHERS.items()):
        return None
    temperature, top_k, top_p = (
        default if wanted(name) is None else wanted(name) for name, default in DEFAULTS.items()
    )
    if not (temperature > 0 and 0 < top_p <= 1 and top_k >= 0):
        return None  # ``generate`` says what is wrong
    return Sampling(float(temperature), int(top_k), float(top_p), seeds)


def _number(seed: bytes, place: int) -> float:
    """A number in [0, 1) of 53 bits, from SHA-256."""
    digest = hashlib.sha256(seed + place.to_bytes(4, "big")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
