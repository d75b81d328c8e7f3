"""From encoded questions to batches: padded rows, or packed ones (see ``packing``).

A batch is a dictionary: ``inputs`` (what the model reads), ``labels`` and ``samples`` (which sample of the batch a
token belongs to), both ``(rows, tokens)``, ``count`` (the number of samples), ``image_rows`` (of each image tensor, how
much of its first axis belongs to each row, ``(rows,)``: one image, some crops, hundreds of patches in one flat list, or
nothing for a row without an image), ``pictures`` (a digest of each row's image, ``(rows, 2)``, 0 without one), and what
belongs to samples: ``erased`` ``(samples, words)``, ``reference_logp`` ``(samples,)``, and one row per answer token, in
the order of rows and tokens, for the other reference values. Every key of the processor reaches the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pebench_tasks.errors import BenchmarkError
from unlearn.losses import IGNORED
from unlearn.tensors import packing
from unlearn.tensors.encoding import Encoded, Inputs

Batch = dict[str, Any]
BY_TOKEN = ("labels", "samples", "kept", *packing.PACKED)
PER_SAMPLE = ("erased", "reference_logp")
PLAIN = ("input_ids", "attention_mask", "labels", "kept")  # tokens have these with an image and without
# Where one of these says how much of an image is real, pictures of different sizes are filled up with zeros, as the
# processors of these families do themselves: LLaVA-NeXT and LLaVA-OneVision, Pixtral and Mistral3, Idefics and SmolVLM,
# Phi-4-multimodal; the last one's processor fills its mask of patches up with ones.
REAL_SIZES = ("image_sizes", "pixel_attention_mask")
FILLED_WITH_ONES = "image_attention_mask"
# What a pass more must save. At 7B, reading the weights twice takes about as long as computing with 64 tokens; that is
# from the figures of a data centre's GPU, not measured. The share is for batches that are not so large at all.
WORTH_A_PASS = 64
WORTH_A_SHARE = 0.15


def collate(
    positions: Sequence[Mapping[str, Sequence[Encoded]]], padding: int, share_prefix: bool = False
) -> dict[str, Batch]:
    """One batch per set, padded on the right with the token ``padding``.

    With ``share_prefix`` the questions of a position, which are about one image, become one row. Keys that one sample
    has and another lacks (but for questions without an image beside questions about one), or image tensors that do
    not fit together, raise ``BenchmarkError``.
    """
    return {
        name: collate_set([position[name] for position in positions], padding, share_prefix) for name in positions[0]
    }


def collate_set(units: Sequence[Sequence[Encoded]], padding: int, share_prefix: bool) -> Batch:
    """The batch of one set; ``units`` are questions that were drawn together."""
    units = _alike(units)
    samples = [encoded for unit in units for encoded in unit]
    if share_prefix:
        rows = [packing.pack(unit) for unit in units]
        owners = [unit[0] for unit in units]
    else:
        rows = [{**encoded.tokens, "samples": torch.zeros_like(encoded.tokens["labels"])} for encoded in samples]
        owners = samples
    first = 0
    for row in rows:
        row["samples"] = row["samples"] + first
        first = int(row["samples"].max()) + 1
    fill = {"input_ids": padding, "labels": IGNORED, "segments": -1}
    tokens = {
        key: pad_sequence([row[key] for row in rows], batch_first=True, padding_value=fill.get(key, 0))
        for key in rows[0]
    }
    ours: Inputs = {key: tokens.pop(key) for key in BY_TOKEN if key in tokens}
    values: Inputs = {}
    for key in samples[0].sample:
        parts = [encoded.sample[key] for encoded in samples]
        ragged = key == "erased"
        values[key] = pad_sequence(parts, batch_first=True, padding_value=-1) if ragged else torch.cat(parts)
    images = _images(owners)
    image_rows = {
        key: torch.tensor([len(owner.image[key]) if owner.image else 0 for owner in owners]) for key in images
    }
    return {
        "inputs": {**tokens, **images},
        "count": torch.tensor(len(samples)),
        "image_rows": image_rows,
        "pictures": _digests(owners),
        **ours,
        **values,
    }


def _alike(units: Sequence[Sequence[Encoded]]) -> Sequence[Sequence[Encoded]]:
    """The same samples, those without an image with zeros for what a processor says of the tokens beside an image.

    Raises ``BenchmarkError`` if the processor (or the set) gives some samples tensors that others lack.
    """
    samples = [encoded for unit in units for encoded in unit]
    pictured = next((encoded for encoded in samples if encoded.image), None)
    if pictured and not all(encoded.image for encoded in samples):
        extra = {key: value for key, value in pictured.tokens.items() if key not in PLAIN}
        units = [[encoded if encoded.image else _with(encoded, extra) for encoded in unit] for unit in units]
        samples = [encoded for unit in units for encoded in unit]
    for kind in ("tokens", "image", "sample"):
        compared = [sample for sample in samples if sample.image] if kind == "image" else samples
        keys = [set(getattr(sample, kind)) for sample in compared]
        if differing := sorted(set().union(*keys) - set.intersection(*keys)) if keys else []:
            raise BenchmarkError(
                f"Some samples of a batch have {', '.join(differing)} and others have not, so they fit in no batch. "
                "Use --per_device_train_batch_size 1."
            )
    return units


def _with(encoded: Encoded, extra: Inputs) -> Encoded:
    count = len(encoded.tokens["input_ids"])
    zeros = {key: value.new_zeros(count, *value.shape[1:]) for key, value in extra.items()}
    return encoded._replace(tokens={**zeros, **encoded.tokens})


def _images(samples: Sequence[Encoded]) -> Inputs:
    pictured = [sample.image for sample in samples if sample.image]
    inputs = {}
    for key in pictured[0] if pictured else ():
        parts = [image[key] for image in pictured]
        if len({part.shape[1:] for part in parts}) > 1:
            if not any(size in pictured[0] for size in REAL_SIZES) or len({part.dim() for part in parts}) > 1:
                shapes = sorted({tuple(part.shape) for part in parts})
                raise BenchmarkError(
                    f"The processor makes {key} of shapes {shapes}, which do not fit in one batch. "
                    "Use images of one size, or --per_device_train_batch_size 1."
                )
            largest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
            parts = [_filled_up(part, largest, float(key == FILLED_WITH_ONES)) for part in parts]
        inputs[key] = torch.cat(parts)
    return inputs


def _digests(samples: Sequence[Encoded]) -> Tensor:
    digests = b"".join(bytes.fromhex(sample.digest) or bytes(16) for sample in samples)
    return torch.frombuffer(bytearray(digests), dtype=torch.int64).view(len(samples), 2)


def _filled_up(part: Tensor, largest: Sequence[int], value: float) -> Tensor:
    """The tensor with ``value`` behind every axis but the first, up to ``largest``."""
    filled = part.new_full((len(part), *largest), value)
    filled[tuple(slice(size) for size in part.shape)] = part
    return filled


def answer_positions(batch: Batch) -> Tensor:
    """Where the model predicts a token of an answer, ``(rows, tokens)``: one before each labelled token."""
    labels = batch["labels"]
    predicts = torch.zeros_like(labels, dtype=torch.bool)
    predicts[:, :-1] = labels[:, 1:] != IGNORED
    return predicts


def pictured_rows(batch: Batch) -> list[int]:
    """The rows with an image."""
    rows: list[int] = batch["pictures"].any(1).nonzero()[:, 0].tolist()
    return rows


def parts_by_length(batch: Batch, worth: float = WORTH_A_PASS) -> list[Batch]:
    """The batch as a whole or, where that saves enough padding, in two: the shorter rows, then the longer ones.

    Enough are ``worth`` tokens, or the share ``WORTH_A_SHARE`` of all. Rows without an image are apart from the others:
    some families read a batch of one kind only.
    """
    pictured = torch.zeros(len(batch["labels"]), dtype=torch.bool)
    for counts in batch["image_rows"].values():
        pictured |= counts.cpu() > 0
    kinds = [rows for rows in ((~pictured).nonzero()[:, 0].tolist(), pictured.nonzero()[:, 0].tolist()) if rows]
    lengths = batch["inputs"]["attention_mask"].sum(1).tolist()
    parts = [part for rows in kinds for part in _by_length(rows, lengths, worth)]
    return [batch] if len(parts) == 1 else [take(batch, part) for part in parts]


def _by_length(rows: Sequence[int], lengths: Sequence[int], worth: float) -> list[list[int]]:
    count = len(rows)
    order = sorted(rows, key=lengths.__getitem__)
    cost = {cut: cut * lengths[order[cut - 1]] + (count - cut) * lengths[order[-1]] for cut in range(1, count)}
    cut = min(cost, key=cost.__getitem__, default=0)
    whole = count * lengths[order[-1]]
    if not cut or whole - cost[cut] < min(worth, WORTH_A_SHARE * whole):
        return [sorted(rows)]
    return [sorted(order[:cut]), sorted(order[cut:])]


def take(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some rows of a batch, in ascending order, their common padding on the right cut off.

    The samples keep their numbers and ``count``, so that what is summed by sample can be added up over parts.
    """
    labels = batch["labels"]
    chosen = torch.tensor(rows, device=labels.device)
    length = int(batch["inputs"]["attention_mask"][chosen].sum(1).max())
    answer_rows = answer_positions(batch).nonzero()[:, 0]  # (answer tokens,)
    every = torch.arange(len(labels), device=labels.device)
    image_rows = {key: counts[chosen] for key, counts in batch["image_rows"].items() if counts[chosen].any()}
    inputs = {}
    for key, value in batch["inputs"].items():
        if key not in batch["image_rows"]:
            inputs[key] = value[chosen, :length]
        elif key in image_rows:
            owners = every.repeat_interleave(batch["image_rows"][key])  # (image rows,)
            inputs[key] = value[torch.isin(owners, chosen)]
    taken: Batch = {"inputs": inputs, "count": batch["count"], "image_rows": image_rows}
    for key, value in batch.items():
        if key in BY_TOKEN:
            taken[key] = value[chosen, :length]
        elif key in PER_SAMPLE:
            taken[key] = value
        elif key == "pictures":
            taken[key] = value[chosen]
        elif key not in taken:
            taken[key] = value[torch.isin(answer_rows, chosen)]
    return taken


def first(batch: Batch, units: int, drawn: int) -> Batch:
    """The first ``units`` of the ``drawn`` units of a batch, as a batch of its own."""
    rows, samples = len(batch["labels"]), int(batch["count"])
    kept = units * samples // drawn
    values = {key: batch[key][:kept] for key in PER_SAMPLE if key in batch}
    return {**take(batch, range(units * rows // drawn)), **values, "count": torch.tensor(kept)}
