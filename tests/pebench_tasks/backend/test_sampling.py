from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pebench_tasks.backend.sampling import Sampling, _number, sampling

LOGITS = torch.tensor([2.0, 0.5, 1.0, -1.0, 0.0])


def by_hand(logits: Tensor, temperature: float, top_k: int, top_p: float, number: float) -> int:
    """Walk through the likeliest tokens until their share of the kept mass exceeds the number."""
    weights = [float(w) for w in (logits.double() / temperature).exp()]
    order = sorted(range(len(weights)), key=lambda token: -weights[token])[: top_k or None]
    whole = sum(weights[token] for token in order)
    kept: list[int] = []
    for token in order:
        if sum(weights[k] for k in kept) / whole >= top_p:
            break
        kept.append(token)
    mass = sum(weights[token] for token in kept)
    reached = 0.0
    for token in kept:
        reached += weights[token] / mass
        if reached > number:
            return token
    raise AssertionError("a number below 1 is below the whole mass")


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 0, 0.9), (1.3, 3, 1.0), (1.0, 4, 0.8)]
)
def test_a_token_is_chosen_as_by_hand(temperature: float, top_k: int, top_p: float) -> None:
    seeds = [bytes([seed]) for seed in range(64)]
    drawn = Sampling(temperature, top_k, top_p, seeds)
    places = [(row, row % 3) for row in range(64)]
    found = drawn.choose(LOGITS.expand(64, 1, -1), places)[:, 0].tolist()
    wanted = [by_hand(LOGITS, temperature, top_k, top_p, _number(seeds[row], place)) for row, place in places]
    assert found == wanted
    assert len(set(found)) > 2


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), [(0.8, 0, 0.95), (1.0, 50, 0.6), (1.5, 7, 0.9)])
def test_tokens_come_as_often_as_transformers_would_draw_them(temperature: float, top_k: int, top_p: float) -> None:
    """Among 4,000 draws each token's share lies within 0.03 of its probability, and none comes that is cut off."""
    torch.manual_seed(0)
    logits = 3 * torch.randn(40)
    seeds = [str(seed).encode() for seed in range(4000)]
    drawn = Sampling(temperature, top_k, top_p, seeds).choose(logits.expand(4000, 1, -1), [(r, 0) for r in range(4000)])
    scores: Any = logits[None]
    for warp in [
        TemperatureLogitsWarper(temperature),
        *([TopKLogitsWarper(top_k)] if top_k else []),
        TopPLogitsWarper(top_p),
    ]:
        scores = warp(torch.zeros(1, 1, dtype=torch.long), scores)
    share = drawn[:, 0].bincount(minlength=40) / 4000
    assert (share - scores[0].softmax(-1)).abs().max() < 0.03
    assert not share[scores[0].isneginf()].any()


def test_numbers_are_spread_evenly_and_told_apart_by_seed_and_place() -> None:
    numbers = [_number(seed, place) for seed in (b"a", b"b") for place in range(500)]
    assert len(set(numbers)) == 1000
    tenths = Counter(int(10 * number) for number in numbers)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 150


def test_what_the_settings_leave_open_the_checkpoint_says_and_then_transformers() -> None:
    own = GenerationConfig(temperature=0.5, top_k=20)
    assert sampling({"do_sample": True, "top_k": 0}, own, [b"a"]) == Sampling(0.5, 0, 1.0, [b"a"])
    assert sampling({"do_sample": True}, GenerationConfig(), [b"a"]) == Sampling(1.0, 50, 1.0, [b"a"])
    assert sampling({"do_sample": False, "temperature": 1.0}, own, [b"a"]) is None
    assert sampling({"do_sample": True, "min_p": 0.1}, own, [b"a"]) is None
    assert sampling({"do_sample": True, "temperature": 0.0}, own, [b"a"]) is None
